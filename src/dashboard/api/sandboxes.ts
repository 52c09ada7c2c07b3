/**
 * Sandboxes of all owners: lists, one sandbox with its timeline, and actions.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import { Schema } from "effect"
import { JobSummary } from "../../build-job/JobViews.js"
import { InvalidTransition, NotFound, QuotaExceeded, ReferenceNotFound } from "../../Errors.js"
import { Sandbox } from "../../sandbox/Sandbox.js"
import { SandboxAttempt } from "../../sandbox/SandboxAttempt.js"
import { SandboxRuntimeInstance } from "../../sandbox/SandboxRuntimeInstance.js"
import { SandboxAttemptView, SandboxProblem, SandboxStatusView, SandboxView } from "../../sandbox/SandboxViews.js"
import { ById, JournalEvent, jsonOf, List, Nothing, pageOf, pageParams, Time } from "./common.js"
import { paths } from "./paths.js"

/** A sandbox in a list: its row, its derived status, and its newest attempt with image, runtime and error. */
export const SandboxItem = jsonOf(SandboxView)
export type SandboxItem = typeof SandboxItem.Type

/** A sandbox with its newest attempt, the job and the runtime of that. Without documents. */
export const SandboxPage = Schema.Struct({
  sandbox: jsonOf(Sandbox.json),
  /** The derived status, which the owner sees. */
  status: jsonOf(SandboxStatusView),
  /** The reference of the published image. */
  image: Schema.optional(Schema.String),
  /** The error of the runtime, or else the last one of the job. */
  error: Schema.optional(jsonOf(SandboxProblem)),
  attempt: Schema.optional(jsonOf(SandboxAttempt.json)),
  job: Schema.optional(jsonOf(JobSummary.json)),
  runtime: Schema.optional(jsonOf(SandboxRuntimeInstance.json))
})
export type SandboxPage = typeof SandboxPage.Type

/** An attempt of a sandbox, with its derived status. */
export const Attempt = jsonOf(SandboxAttemptView)
export type Attempt = typeof Attempt.Type

/** Reads of sandboxes. */
export const sandboxes = HttpApiGroup.make("sandboxes")
  .add(
    HttpApiEndpoint.get("list", paths.sandboxes.list[1])
      .setUrlParams(
        Schema.Struct({
          /** Derived statuses. */
          statuses: Schema.optional(List),
          ownerUserId: Schema.optional(Schema.String),
          repositoryId: Schema.optional(Schema.String),
          /** A part of the name. */
          search: Schema.optional(Schema.String),
          /** `true`: with archived sandboxes. */
          includeArchived: Schema.optional(Schema.Literal("true", "false")),
          ...pageParams
        })
      )
      .addSuccess(pageOf(SandboxItem))
  )
  .add(HttpApiEndpoint.get("get", paths.sandboxes.get[1]).setPath(ById).addSuccess(SandboxPage).addError(NotFound))
  .add(
    HttpApiEndpoint.get("attempts", paths.sandboxes.attempts[1])
      .setPath(ById)
      .setUrlParams(Schema.Struct(pageParams))
      .addSuccess(pageOf(Attempt))
      .addError(NotFound)
  )
  .add(
    // Newest first: events of the sandbox, its attempts, their jobs, and the executions in it.
    HttpApiEndpoint.get("timeline", paths.sandboxes.timeline[1])
      .setPath(ById)
      .setUrlParams(Schema.Struct(pageParams))
      .addSuccess(pageOf(JournalEvent))
      .addError(NotFound)
  )

/** The sandbox after an action. */
const Changed = Schema.Struct({ id: Schema.String, status: Schema.String })

/** A new launch of the sandbox. */
const Relaunched = Schema.Struct({ id: Schema.String, attemptId: Schema.String, jobId: Schema.String })

/** Actions on sandboxes. Each is in the journal. */
export const sandboxActions = HttpApiGroup.make("sandboxActions")
  .add(
    HttpApiEndpoint.post("stop", paths.sandboxActions.stop[1])
      .setPath(ById)
      .setPayload(Nothing)
      .addSuccess(Changed)
      .addError(NotFound)
      .addError(InvalidTransition)
  )
  .add(
    HttpApiEndpoint.post("retry", paths.sandboxActions.retry[1])
      .setPath(ById)
      .setPayload(Nothing)
      .addSuccess(Relaunched)
      .addError(NotFound)
      .addError(InvalidTransition)
      .addError(ReferenceNotFound)
      .addError(QuotaExceeded)
  )
  .add(
    HttpApiEndpoint.post("rebuild", paths.sandboxActions.rebuild[1])
      .setPath(ById)
      .setPayload(Nothing)
      .addSuccess(Relaunched)
      .addError(NotFound)
      .addError(InvalidTransition)
      .addError(ReferenceNotFound)
      .addError(QuotaExceeded)
  )
  .add(
    HttpApiEndpoint.post("extend", paths.sandboxActions.extend[1])
      .setPath(ById)
      .setPayload(Schema.Struct({ /** The new deadline, in the future. */ until: Time }))
      .addSuccess(Changed)
      .addError(NotFound)
      .addError(InvalidTransition)
  )
