/**
 * The contract of the API: what can be asked, what is answered, and how it is refused. Clients are generated from it
 * (`HttpApiClient.make(ControlPlaneApi)`), and so is the page at `/docs`.
 *
 * Requests and answers are the schemas of `@sealant/db`: rows in their JSON variants, errors with their statuses.
 */
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "@effect/platform"
import {
  ControlPlaneEvent,
  IdempotencyConflict,
  InvalidInput,
  InvalidTransition,
  LaunchSandbox,
  NotFound,
  PersistenceError,
  ReferenceNotFound,
  Sandbox,
  SandboxAttempt,
  SandboxId,
  SandboxRuntimeInstance,
  SandboxStatusView,
  UserWorkspaceSpec,
  WorkspaceBuildJob
} from "@sealant/db"
import { Schema } from "effect"
import { Authentication } from "./authentication.js"
import { executions, workflows } from "./executionsApi.js"
import { optional, Page, PageParams } from "./pages.js"
import { BodyTooLarge, MalformedBody } from "./refusals.js"

// What a person sees of a build. Not the request: it is the spec, which they have, and which may hold secrets.
const BuildView = WorkspaceBuildJob.json.pipe(
  Schema.pick("id", "status", "attemptCount", "errorCode", "errorMessage", "publishedReference", "createdAt", "finishedAt")
)

/** A sandbox as its owner sees it: `status` is derived from the attempt, the job and the runtime. */
export const SandboxView = Schema.Struct({ sandbox: Sandbox.json, status: SandboxStatusView })

/** A sandbox with its newest attempt, as of one moment. */
export const SandboxDetail = Schema.Struct({
  ...SandboxView.fields,
  attempt: optional(SandboxAttempt.json),
  job: optional(BuildView),
  runtime: optional(SandboxRuntimeInstance.json)
})

/** What a launch came to. `created` is false when the idempotency key gave an earlier launch. */
export const Launched = Schema.Struct({
  sandbox: Sandbox.json,
  attempt: SandboxAttempt.json,
  job: BuildView,
  created: Schema.Boolean
})

/** What is asked for. Whose it is comes from the session, where its image goes from the control plane. */
export const LaunchRequest = Schema.Struct({ name: LaunchSandbox.fields.name, spec: UserWorkspaceSpec })

const id = HttpApiSchema.param("id", SandboxId)

const sandboxes = HttpApiGroup.make("sandboxes")
  .add(
    HttpApiEndpoint.post("launch", "/sandboxes")
      .setHeaders(Schema.Struct({ "idempotency-key": Schema.optional(Schema.String) }))
      .setPayload(LaunchRequest)
      .addSuccess(Launched, { status: 201 })
      .addError(IdempotencyConflict)
      .addError(ReferenceNotFound)
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.get("list", "/sandboxes")
      .setUrlParams(Schema.Struct({
        ...PageParams.fields,
        status: Schema.optional(SandboxStatusView),
        archived: Schema.optional(Schema.BooleanFromString)
      }))
      .addSuccess(Page(SandboxView))
  )
  .add(HttpApiEndpoint.get("get")`/sandboxes/${id}`.addSuccess(SandboxDetail).addError(NotFound))
  .add(HttpApiEndpoint.get("events")`/sandboxes/${id}/events`.addSuccess(Schema.Array(ControlPlaneEvent.json)))
  .add(HttpApiEndpoint.post("stop")`/sandboxes/${id}/stop`.addSuccess(Sandbox.json).addError(NotFound).addError(InvalidTransition))
  .add(
    HttpApiEndpoint.post("retry")`/sandboxes/${id}/retry`
      .addSuccess(Launched)
      .addError(NotFound)
      .addError(InvalidTransition)
      .addError(ReferenceNotFound)
  )
  .add(
    HttpApiEndpoint.post("rebuild")`/sandboxes/${id}/rebuild`
      .addSuccess(Launched)
      .addError(NotFound)
      .addError(InvalidTransition)
      .addError(ReferenceNotFound)
  )
  .middleware(Authentication)

/** The whole API. Any request can be refused for its shape, its size, or a store that cannot answer. */
export class ControlPlaneApi extends HttpApi.make("control-plane")
  .add(sandboxes)
  .add(workflows)
  .add(executions)
  .addError(InvalidInput)
  .addError(PersistenceError)
  .addError(MalformedBody)
  .addError(BodyTooLarge)
  .annotate(OpenApi.Title, "Control plane")
  .annotate(OpenApi.Version, "1.0.0")
{}
