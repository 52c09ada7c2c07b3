/**
 * The handlers of sandboxes.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect, Option } from "effect"
import { JobSummary } from "../../build-job/JobViews.js"
import { ControlPlaneEvent } from "../../events/ControlPlaneEvent.js"
import type { Launch } from "../../sandbox/SandboxViews.js"
import { Sandbox } from "../../sandbox/Sandbox.js"
import { SandboxAttempt } from "../../sandbox/SandboxAttempt.js"
import { SandboxLifecycle } from "../../sandbox/SandboxLifecycle.js"
import { SandboxRepo } from "../../sandbox/SandboxRepo.js"
import { SandboxRuntimeInstance } from "../../sandbox/SandboxRuntimeInstance.js"
import { SandboxAttemptView, SandboxProblem, SandboxStatusView, SandboxView } from "../../sandbox/SandboxViews.js"
import { Row } from "../../sql/model.js"
import { Page } from "../../sql/pageSchemas.js"
import { DashboardApi } from "../api/index.js"
import { asOperator, given, jsonOf, literalsOf, timeOf } from "./running.js"

const pageJson = jsonOf(Page(SandboxView))
const attemptsJson = jsonOf(Page(SandboxAttemptView))
const timelineJson = jsonOf(Page(Row(ControlPlaneEvent)))
const sandboxJson = jsonOf(Sandbox.json)
const attemptJson = jsonOf(SandboxAttempt.json)
const jobJson = jsonOf(JobSummary.json)
const runtimeJson = jsonOf(SandboxRuntimeInstance.json)
const problemJson = jsonOf(SandboxProblem)

/** Finds the owner of a sandbox, for the reads of an owner. */
const ownerOf = (id: string) =>
  Effect.map(
    Effect.flatMap(SandboxRepo, (sandboxes) => sandboxes.getById(id)),
    ({ id, ownerUserId }) => ({ id, ownerUserId })
  )

const detailOf = (id: string) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const { attempt, error, image, job, runtime, sandbox, status } = yield* lifecycle.getDetail(yield* ownerOf(id))
    return given({
      sandbox: sandboxJson(sandbox),
      status,
      image: Option.getOrUndefined(image),
      error: Option.getOrUndefined(Option.map(error, problemJson)),
      attempt: Option.getOrUndefined(Option.map(attempt, attemptJson)),
      job: Option.getOrUndefined(Option.map(job, jobJson)),
      runtime: Option.getOrUndefined(Option.map(runtime, runtimeJson))
    })
  })

export const sandboxesLive = HttpApiBuilder.group(DashboardApi, "sandboxes", (handlers) =>
  Effect.map(SandboxLifecycle, (lifecycle) =>
    handlers
      .handle("list", ({ urlParams: { includeArchived, statuses, ...rest } }) =>
        Effect.gen(function* () {
          const decoded = yield* literalsOf("statuses", SandboxStatusView, statuses)
          const request = { ...rest, statuses: decoded, includeArchived: includeArchived === "true" }
          return pageJson(yield* lifecycle.listAll(given(request)))
        })
      )
      .handle("get", ({ path: { id } }) => detailOf(id))
      .handle("attempts", ({ path: { id }, urlParams }) =>
        Effect.gen(function* () {
          return attemptsJson(yield* lifecycle.listAttempts(given({ ...(yield* ownerOf(id)), ...urlParams })))
        })
      )
      .handle("timeline", ({ path: { id }, urlParams }) =>
        Effect.gen(function* () {
          return timelineJson(yield* lifecycle.timeline(given({ ...(yield* ownerOf(id)), ...urlParams })))
        })
      )
  )
)

const changed = ({ id, status }: Sandbox) => ({ id, status })

const relaunched = ({ attempt, job, sandbox }: Launch) => ({ id: sandbox.id, attemptId: attempt.id, jobId: job.id })

export const sandboxActionsLive = HttpApiBuilder.group(DashboardApi, "sandboxActions", (handlers) =>
  Effect.map(SandboxLifecycle, (lifecycle) =>
    handlers
      .handle("stop", ({ path: { id } }) => Effect.map(asOperator(lifecycle.stop(id)), changed))
      .handle("retry", ({ path: { id } }) => Effect.map(asOperator(lifecycle.retry(id)), relaunched))
      .handle("rebuild", ({ path: { id } }) => Effect.map(asOperator(lifecycle.rebuild(id)), relaunched))
      .handle("extend", ({ path: { id }, payload }) =>
        Effect.flatMap(timeOf("until", payload.until), (until) =>
          Effect.map(asOperator(lifecycle.extend({ id, until })), changed)
        )
      )
  )
)
