/**
 * Handlers of the API for workflows and their executions.
 */
import { HttpApiBuilder, HttpServerResponse } from "@effect/platform"
import type { SqlClient } from "@effect/sql"
import {
  Database,
  IssueWorkflowExecutionEvent,
  IssueWorkflowExecutionRepo,
  IssueWorkflowLifecycle,
  IssueRepo,
  RepositoryRepo
} from "@sealant/db"
import { Duration, Effect, Option, Schedule, Schema, Stream } from "effect"
import { ControlPlaneApi } from "./api.js"
import { asUser } from "./authentication.js"
import type { OpenRequest } from "./executionsApi.js"
import { imageOf } from "./images.js"

export const workflowsLayer = HttpApiBuilder.group(ControlPlaneApi, "workflows", (handlers) =>
  Effect.gen(function* () {
    const lifecycle = yield* IssueWorkflowLifecycle
    const repositories = yield* RepositoryRepo
    const issues = yield* IssueRepo
    const context = yield* Effect.context<SqlClient.SqlClient>()

    /**
     * Returns the issue, and creates it if it is unknown. Users share issues, so a request does not change an existing
     * one.
     */
    const issueOf = (repository: typeof OpenRequest.Type.repository, requested: typeof OpenRequest.Type.issue) =>
      Effect.gen(function* () {
        const known = yield* repositories.findByOwnerAndName({ provider: "github", ...repository })
        // A repository outside any installation is open to all: its rows come from users, and contain no data of
        // GitHub.
        const { id: repositoryId } = Option.isSome(known)
          ? known.value
          : yield* repositories.upsert({ provider: "github", ...repository, openToAll: true })
        const issue = yield* issues.findByNumber({ repositoryId, number: requested.number })
        return Option.isSome(issue)
          ? issue.value
          : yield* issues.upsert({ provider: "github", repositoryId, ...requested })
      })

    return handlers
      .handle("open", ({ payload: { issue: requested, repository } }) =>
        asUser((ownerUserId) =>
          Effect.gen(function* () {
            const issue = yield* issueOf(repository, requested)
            const { created, workflow } = yield* lifecycle.open({
              issueId: issue.id,
              ownerUserId,
              requestedByUserId: ownerUserId
            })
            return { workflow, issue, created }
          }).pipe(Database.transaction, Effect.provide(context))
        )
      )
      .handle("list", ({ urlParams: { status, ...page } }) =>
        asUser((ownerUserId) =>
          lifecycle.list({ ownerUserId, ...page, ...(status === undefined ? {} : { statuses: [status] }) })
        )
      )
      .handle("get", ({ path: { id } }) => asUser((ownerUserId) => lifecycle.getDetail({ ownerUserId, id })))
      .handle("start", ({ headers, path: { id }, payload: { name, spec } }) =>
        asUser((ownerUserId) =>
          lifecycle.startExecution({
            issueWorkflowId: id,
            ownerUserId,
            requestedByUserId: ownerUserId,
            triggerType: "api",
            launch: { name, spec, ...imageOf(ownerUserId) },
            idempotencyKey: headers["idempotency-key"]
          })
        ).pipe(
          // The id is generated, so it cannot exist already.
          Effect.catchTag("AlreadyExists", Effect.die)
        )
      )
      .handle("cancel", ({ path: { id }, payload: { reason } }) =>
        asUser((ownerUserId) => lifecycle.cancel({ id, ownerUserId, reason }))
      )
  })
)

const encodeEvent = Schema.encode(Schema.parseJson(IssueWorkflowExecutionEvent.json))

// https://html.spec.whatwg.org/multipage/server-sent-events.html
const toServerSentEvent = (event: IssueWorkflowExecutionEvent) =>
  Effect.map(
    encodeEvent(event),
    (data) => `id: ${event.sequence}\nevent: ${event.eventType.replaceAll(/[\r\n]/g, " ")}\ndata: ${data}\n\n`
  )

/** Sends a comment every 15 s, so that proxies keep the connection of an execution without events. */
const keepAlive = Stream.schedule(Stream.repeatValue(": still here\n\n"), Schedule.spaced(Duration.seconds(15)))

export const executionsLayer = HttpApiBuilder.group(ControlPlaneApi, "executions", (handlers) =>
  Effect.gen(function* () {
    const executions = yield* IssueWorkflowExecutionRepo

    return handlers
      .handle("get", ({ path: { id } }) => asUser((ownerUserId) => executions.getDetail({ id, ownerUserId })))
      .handle("events", ({ path: { id: executionId }, urlParams }) =>
        asUser((ownerUserId) =>
          // Both an execution without events and one of another user have an empty list: getById fails for the second.
          Effect.zipRight(
            executions.getById({ id: executionId, ownerUserId }),
            executions.listEvents({ executionId, ownerUserId, ...urlParams })
          )
        )
      )
      .handle("tail", ({ headers, path: { id: executionId } }) =>
        asUser((ownerUserId) =>
          // Runs before the response begins, so that the response can still be NotFound.
          Effect.as(
            executions.getById({ id: executionId, ownerUserId }),
            HttpServerResponse.stream(
              Stream.mapEffect(
                executions.tailEvents({ executionId, ownerUserId, afterSequence: headers["last-event-id"] }),
                toServerSentEvent
              ).pipe(Stream.merge(keepAlive, { haltStrategy: "left" }), Stream.encodeText),
              { contentType: "text/event-stream", headers: { "cache-control": "no-cache" } }
            )
          )
        )
      )
  })
)
