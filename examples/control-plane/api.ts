/**
 * The contract of the API: requests, responses and errors. Clients (`HttpApiClient.make(ControlPlaneApi)`) and the page
 * at `/docs` are generated from it.
 *
 * Requests and responses use the schemas of `@sealant/db`: results as JSON, errors with their statuses.
 */
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "@effect/platform"
import {
  ControlPlaneEvent,
  IdempotencyConflict,
  InvalidInput,
  InvalidTransition,
  NotFound,
  Page,
  PersistenceError,
  QuotaExceeded,
  ReferenceNotFound,
  Row,
  Sandbox,
  WorkspaceBuildJob
} from "@sealant/db"
import { UserWorkspaceSpec } from "@sealant/db/payloads"
import { Launch, LaunchSandbox, SandboxDetail, SandboxId, SandboxStatusView, SandboxView } from "@sealant/db/sandbox"
import { Schema } from "effect"
import { Authentication } from "./authentication.js"
import { executions, workflows } from "./executionsApi.js"
import { PageParams } from "./pages.js"
import { BodyTooLarge, MalformedBody } from "./refusals.js"

// The fields of a build job for its owner. Without the request, which contains the spec and may contain secrets.
const BuildView = WorkspaceBuildJob.json.pipe(
  Schema.pick(
    "id",
    "status",
    "attemptCount",
    "errorCode",
    "errorMessage",
    "publishedReference",
    "createdAt",
    "finishedAt"
  )
)

/** A sandbox with its newest attempt, for its owner: without the snapshot, which contains specifications, too. */
export const SandboxResponse = Schema.Struct({
  ...SandboxDetail.omit("snapshot").fields,
  job: Schema.optionalWith(BuildView, { as: "Option" })
})

/** The result of a launch, for its owner. */
export const LaunchResponse = Schema.Struct({ ...Launch.omit("snapshot").fields, job: BuildView })

/** The request of a launch. The owner comes from the session, the name of the image from the control plane. */
export const LaunchRequest = Schema.Struct({
  name: LaunchSandbox.fields.name,
  spec: UserWorkspaceSpec,
  /** The time without activity after which the sandbox is stopped. Default: no limit. */
  idleTimeoutMs: Schema.optional(Schema.Int.pipe(Schema.positive()))
})

const id = HttpApiSchema.param("id", SandboxId)

const sandboxes = HttpApiGroup.make("sandboxes")
  .add(
    HttpApiEndpoint.post("launch", "/sandboxes")
      .setHeaders(Schema.Struct({ "idempotency-key": Schema.optional(Schema.String) }))
      .setPayload(LaunchRequest)
      .addSuccess(LaunchResponse, { status: 201 })
      .addError(IdempotencyConflict)
      .addError(QuotaExceeded)
      .addError(ReferenceNotFound)
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.get("list", "/sandboxes")
      .setUrlParams(
        Schema.Struct({
          ...PageParams.fields,
          status: Schema.optional(SandboxStatusView),
          archived: Schema.optional(Schema.BooleanFromString)
        })
      )
      .addSuccess(Page(SandboxView))
  )
  .add(HttpApiEndpoint.get("get")`/sandboxes/${id}`.addSuccess(SandboxResponse).addError(NotFound))
  .add(
    HttpApiEndpoint.get("timeline")`/sandboxes/${id}/timeline`
      .setUrlParams(PageParams)
      .addSuccess(Page(Row(ControlPlaneEvent)))
      .addError(NotFound)
  )
  .add(HttpApiEndpoint.get("events")`/sandboxes/${id}/events`.addSuccess(Schema.Array(Row(ControlPlaneEvent))))
  .add(
    HttpApiEndpoint.post("stop")`/sandboxes/${id}/stop`
      .addSuccess(Row(Sandbox))
      .addError(NotFound)
      .addError(InvalidTransition)
  )
  .add(
    HttpApiEndpoint.post("retry")`/sandboxes/${id}/retry`
      .addSuccess(LaunchResponse)
      .addError(NotFound)
      .addError(InvalidTransition)
      .addError(QuotaExceeded)
      .addError(ReferenceNotFound)
  )
  .add(
    HttpApiEndpoint.post("rebuild")`/sandboxes/${id}/rebuild`
      .addSuccess(LaunchResponse)
      .addError(NotFound)
      .addError(InvalidTransition)
      .addError(QuotaExceeded)
      .addError(ReferenceNotFound)
  )
  .middleware(Authentication)

/** The API. Every request can fail because it is invalid or too large, or because the database does not respond. */
export class ControlPlaneApi extends HttpApi.make("control-plane")
  .add(sandboxes)
  .add(workflows)
  .add(executions)
  .addError(InvalidInput)
  .addError(PersistenceError)
  .addError(MalformedBody)
  .addError(BodyTooLarge)
  .annotate(OpenApi.Title, "Control plane")
  .annotate(OpenApi.Version, "1.0.0") {}
