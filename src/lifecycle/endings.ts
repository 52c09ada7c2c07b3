/**
 * How runs end before they are ready, or after: cancel, stop, and the supervision of what nobody ends.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Duration, Effect, Option, Schema } from "effect"
import * as Database from "../Database.js"
import { UserId } from "../domain/auth/User.js"
import type { JobState } from "../domain/build-job/WorkspaceBuildJob.js"
import type { Sandbox } from "../domain/sandbox/Sandbox.js"
import type { SandboxAttemptId } from "../domain/sandbox/SandboxAttempt.js"
import { InvalidTransition } from "../Errors.js"
import { confinedTo, Prose } from "../internal/columns.js"
import { Wait } from "../internal/durations.js"
import { scoped, targetOf } from "../internal/ownerScope.js"
import type { Repositories } from "./makeSandboxLifecycle.js"
import { journaled } from "./journal.js"
import { impossible, kindOf, operationsOf } from "./operation.js"
import { goesOn, isLive, makeRuns } from "./runs.js"
import type { SandboxLifecycleService } from "./SandboxLifecycle.js"

const { input, operation } = operationsOf("SandboxLifecycle", "Sandbox")

/** Why a run failed whose image was built, but whose runtime was never reported. */
const runtimeMissing = { errorCode: "runtime-missing", errorMessage: "no runtime was reported in time" }

// How many jobs at a time is for the queue to check.
const Deadlines = Schema.Struct({ limit: Schema.Number, runtimeDeadline: Wait })

const Cancellation = Schema.Struct({ ownerUserId: confinedTo(UserId), reason: Prose })

type Endings = Pick<SandboxLifecycleService, "cancel" | "stop" | "supervise">

export const makeEndings = (repositories: Repositories): Endings => {
  const { attempts, jobs, runtimes, sandboxes, sql } = repositories
  const { endRun, liveRunOf, settle } = makeRuns(repositories)

  /** Ends all that lives of a sandbox, also of one that somebody said is stopped, and stores that it was asked for. */
  const halt = (sandbox: Sandbox, reason: string) =>
    Effect.gen(function*() {
      const { id, latestRunId, status } = sandbox
      if (Option.isSome(latestRunId) && (status !== "stopped" || (yield* isUp(latestRunId.value)))) yield* haltRun(latestRunId.value, reason)
      return status === "stopped" ? sandbox : yield* sandboxes.setStatus({ id, status: "stopped" })
    }).pipe(impossible("InvalidInput"))

  const isUp = (runId: SandboxAttemptId) =>
    Effect.gen(function*() {
      if (Option.exists(yield* attempts.findById(runId), isLive)) return true
      return Option.exists(yield* runtimes.findByAttemptId(runId), ({ status }) => status === "pending" || status === "running")
    })

  const haltRun = (runId: SandboxAttemptId, reason: string) =>
    Effect.gen(function*() {
      const attempt = yield* attempts.requestStop(runId)
      if (isLive(attempt)) yield* attempts.markCancelled({ id: runId, cancelReason: reason })
      const job = yield* jobs.cancelLatestByRunId({ runId, reason })
      if (Option.isSome(job)) yield* jobs.markSettled(job.value.id)
      const runtime = yield* runtimes.findByAttemptId(runId)
      if (Option.exists(runtime, ({ status }) => status !== "stopped")) {
        yield* runtimes.upsert({ runId, status: "stopped", finishedAt: yield* DateTime.now })
      }
    }).pipe(impossible("NotFound", "ReferenceNotFound", "InvalidTransition", "InvalidInput"))

  const refuse = (sandbox: Sandbox) =>
    new InvalidTransition({ entity: "Sandbox", id: sandbox.id, from: sandbox.status, to: "stopped" })

  return {
    cancel: (request) =>
      Effect.gen(function*() {
        const { ownerUserId, reason } = yield* input("cancel", Cancellation)(request)
        const sandbox = yield* sandboxes.getById(scoped(request.sandboxId, ownerUserId))
        if (sandbox.status === "ready" || sandbox.status === "failed") return yield* refuse(sandbox)
        return yield* halt(sandbox, reason)
      }).pipe(operation(sql, "cancel", { "sandbox.id": request.sandboxId })),

    stop: (by) =>
      Effect.gen(function*() {
        const sandbox = yield* sandboxes.getById(by)
        if (sandbox.status === "failed") return yield* refuse(sandbox)
        return yield* halt(sandbox, "a stop was asked for")
      }).pipe(operation(sql, "stop", { "sandbox.id": targetOf(by).id })),

    supervise: (request) =>
      Effect.gen(function*() {
        const { limit, runtimeDeadline } = yield* input("supervise", Deadlines)(request)
        const reaped = yield* jobs.reapExpired(limit)
        // A deadline that reaches back before all time never comes.
        const succeededBefore = DateTime.unsafeMake(Math.max(0, (yield* Clock.currentTimeMillis) - Duration.toMillis(runtimeDeadline)))
        const unsettled = yield* jobs.listUnsettled({ limit, succeededBefore })
        let ended = 0
        for (const job of unsettled) {
          if (yield* endAlone(job)) ended += 1
        }
        return { requeued: reaped.filter((job) => job.status === "queued").length, ended }
      }).pipe(operation(sql, "supervise"))
  }

  /** A run that cannot be ended, because a row of it cannot be read or is odd, keeps no other from ending. */
  function endAlone(job: JobState) {
    const end = job.status === "succeeded" ? Effect.zipRight(giveUpRuntime(job), endRun(job)) : endRun(job)
    return Database.transaction(journaled(sql, "supervise", { type: "system" })(end)).pipe(
      Effect.provideService(SqlClient.SqlClient, sql),
      Effect.catchIf(({ reason }) => reason === "CorruptRow", (error) =>
        Effect.as(Effect.logWarning(`the run of job ${job.id} cannot be ended: ${error.message}`), false)),
      Effect.catchAllDefect((defect) => Effect.as(Effect.logError(`the run of job ${job.id} cannot be ended: ${kindOf(defect)}`), false))
    )
  }

  /** The image was built in vain, if its run still waits: for a runtime that is not running, whoever reported it. */
  function giveUpRuntime(job: JobState) {
    return Effect.gen(function*() {
      const attempt = Option.filter(yield* liveRunOf(job), goesOn)
      if (Option.isNone(attempt)) return
      yield* settle(attempt.value)
      if (Option.isNone(yield* liveRunOf(job))) return
      yield* runtimes.upsert({ runId: attempt.value.id, status: "failed", ...runtimeMissing })
    }).pipe(impossible("InvalidInput", "ReferenceNotFound", "InvalidTransition"))
  }
}
