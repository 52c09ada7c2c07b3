/**
 * What the API does for workflows and their executions.
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
import { pageOf } from "./pages.js"

export const workflowsLayer = HttpApiBuilder.group(ControlPlaneApi, "workflows", (handlers) =>
  Effect.gen(function*() {
    const lifecycle = yield* IssueWorkflowLifecycle
    const repositories = yield* RepositoryRepo
    const issues = yield* IssueRepo
    const context = yield* Effect.context<SqlClient.SqlClient>()

    /** The issue: others see it, too, so what is known of it stays, whatever this user says of it. */
    const issueOf = (repository: typeof OpenRequest.Type.repository, told: typeof OpenRequest.Type.issue) =>
      Effect.gen(function*() {
        const known = yield* repositories.findByOwnerAndName({ provider: "github", ...repository })
        // A repository outside any installation is open to all: it contains only input of users, and no data of GitHub.
        const { id: repositoryId } = Option.isSome(known)
          ? known.value
          : yield* repositories.upsert({ provider: "github", ...repository, openToAll: true })
        const issue = yield* issues.findByNumber({ repositoryId, number: told.number })
        return Option.isSome(issue) ? issue.value : yield* issues.upsert({ provider: "github", repositoryId, ...told })
      })

    return handlers
      .handle("open", ({ payload: { issue: told, repository } }) =>
        asUser((ownerUserId) =>
          Effect.gen(function*() {
            const issue = yield* issueOf(repository, told)
            const { created, workflow } = yield* lifecycle.open({ issueId: issue.id, ownerUserId, requestedByUserId: ownerUserId })
            return { workflow, issue, created }
          }).pipe(Database.transaction, Effect.provide(context))
        ))
      .handle("list", ({ urlParams: { status, ...page } }) =>
        asUser((ownerUserId) =>
          lifecycle.list({ ownerUserId, ...pageOf(page), ...(status === undefined ? {} : { statuses: [status] }) })
        ))
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
          // The id is no choice of the caller's, so it cannot be taken.
          Effect.catchTag("AlreadyExists", Effect.die)
        ))
      .handle("cancel", ({ path: { id }, payload: { reason } }) => asUser((ownerUserId) => lifecycle.cancel({ id, ownerUserId, reason })))
  }))

const encodeEvent = Schema.encode(Schema.parseJson(IssueWorkflowExecutionEvent.json))

// https://html.spec.whatwg.org/multipage/server-sent-events.html
const toServerSentEvent = (event: IssueWorkflowExecutionEvent) =>
  Effect.map(encodeEvent(event), (data) => `id: ${event.sequence}\nevent: ${event.eventType.replaceAll(/[\r\n]/g, " ")}\ndata: ${data}\n\n`)

/** A comment now and then, so that nobody in between takes a quiet execution for a dead connection. */
const keepAlive = Stream.schedule(Stream.repeatValue(": still here\n\n"), Schedule.spaced(Duration.seconds(15)))

export const executionsLayer = HttpApiBuilder.group(ControlPlaneApi, "executions", (handlers) =>
  Effect.gen(function*() {
    const executions = yield* IssueWorkflowExecutionRepo

    return handlers
      .handle("get", ({ path: { id } }) => asUser((ownerUserId) => executions.getDetail({ id, ownerUserId })))
      .handle("events", ({ path: { id: executionId }, urlParams }) =>
        asUser((ownerUserId) =>
          // Both an execution without events and one of another user have an empty list: getById fails for the second.
          Effect.zipRight(executions.getById({ id: executionId, ownerUserId }), executions.listEvents({ executionId, ownerUserId, ...pageOf(urlParams) }))
        ))
      .handle("tail", ({ headers, path: { id: executionId } }) =>
        asUser((ownerUserId) =>
          // Before the response begins, so that it can still be NotFound.
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
        ))
  }))
