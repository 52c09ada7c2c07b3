/**
 * How runs end before they are ready, or after: cancel, stop, and the supervision of what nobody ends.
 */
import { DateTime, Effect, Option } from "effect"
import type { WorkspaceBuildJob } from "../domain/build-job/WorkspaceBuildJob.js"
import type { Sandbox, SandboxId } from "../domain/sandbox/Sandbox.js"
import type { SandboxAttempt, SandboxAttemptId } from "../domain/sandbox/SandboxAttempt.js"
import { InvalidTransition } from "../Errors.js"
import type { Repositories } from "./makeSandboxLifecycle.js"
import { impossible, operation } from "./operation.js"
import type { SandboxLifecycleService } from "./SandboxLifecycle.js"

/** Why a run failed whose image was built, but whose runtime was never reported. */
const runtimeMissing = { errorCode: "runtime-missing", errorMessage: "no runtime was reported in time" }

/**
 * Ends the run of a job that has ended: attempt, runtime, and the sandbox if the attempt is its latest. A run that has
 * ended already stays as it is.
 */
export const endRun = (repositories: Repositories, job: WorkspaceBuildJob) =>
  Effect.gen(function*() {
    const { attempts, jobs } = repositories
    const attempt = yield* Option.match(job.runId, { onNone: () => Effect.succeedNone, onSome: attempts.findById })
    if (Option.isSome(attempt) && (attempt.value.status === "queued" || attempt.value.status === "running")) {
      yield* endAttempt(repositories, attempt.value, job)
    }
    yield* jobs.markSettled(job.id)
  }).pipe(impossible("NotFound", "InvalidTransition", "ReferenceNotFound", "InvalidInput"))

const endAttempt = ({ attempts, runtimes, sandboxes }: Repositories, { id, stopRequestedAt }: SandboxAttempt, job: WorkspaceBuildJob) =>
  Effect.gen(function*() {
    const cancelled = job.status === "cancelled" || Option.isSome(stopRequestedAt)
    if (cancelled) {
      yield* attempts.markCancelled({ id, cancelReason: Option.getOrElse(job.cancelReason, () => "a stop was asked for") })
    } else {
      // What fails has run: a job may run out of attempts before any worker has begun.
      yield* attempts.markRunning({ id })
      yield* attempts.markFailed({ id })
    }
    const runtime = yield* runtimes.findByAttemptId(id)
    if (Option.exists(runtime, ({ status }) => status === "pending" || status === "running")) {
      yield* runtimes.upsert({ runId: id, status: "stopped", finishedAt: yield* DateTime.now })
    }
    const sandbox = yield* sandboxes.findByAttemptId(id)
    if (Option.isSome(sandbox) && Option.contains(sandbox.value.latestRunId, id) && isLive(sandbox.value)) {
      yield* sandboxes.setStatus({ id: sandbox.value.id, status: cancelled ? "stopped" : "failed" })
    }
  })

const isLive = ({ status }: Sandbox) => status === "queued" || status === "running" || status === "ready"

type Endings = Pick<SandboxLifecycleService, "cancel" | "stop" | "supervise">

export const makeEndings = (repositories: Repositories): Endings => {
  const { attempts, jobs, runtimes, sandboxes, sql } = repositories

  /** Ends all that lives of a sandbox, and stores that it was asked for. */
  const halt = (sandbox: Sandbox, reason: string) =>
    Effect.gen(function*() {
      if (Option.isSome(sandbox.latestRunId)) yield* haltRun(sandbox.latestRunId.value, reason)
      return yield* sandboxes.setStatus({ id: sandbox.id, status: "stopped" })
    })

  const haltRun = (runId: SandboxAttemptId, reason: string) =>
    Effect.gen(function*() {
      const attempt = yield* attempts.requestStop(runId)
      if (attempt.status === "queued" || attempt.status === "running") {
        yield* attempts.markCancelled({ id: runId, cancelReason: reason })
      }
      const job = yield* jobs.findLatestByRunId(runId)
      if (Option.isSome(job)) {
        const { id, status } = job.value
        if (status === "queued" || status === "running") yield* jobs.cancel({ id, reason })
        yield* jobs.markSettled(id)
      }
      const runtime = yield* runtimes.findByAttemptId(runId)
      if (Option.exists(runtime, ({ status }) => status !== "stopped")) {
        yield* runtimes.upsert({ runId, status: "stopped", finishedAt: yield* DateTime.now })
      }
    }).pipe(impossible("NotFound", "ReferenceNotFound", "InvalidTransition"))

  const refuse = (sandbox: Sandbox) =>
    new InvalidTransition({ entity: "Sandbox", id: sandbox.id, from: sandbox.status, to: "stopped" })

  return {
    cancel: ({ reason, sandboxId }) =>
      Effect.gen(function*() {
        const sandbox = yield* sandboxes.getById(sandboxId)
        if (sandbox.status === "stopped") return sandbox
        if (sandbox.status === "ready" || sandbox.status === "failed") return yield* refuse(sandbox)
        return yield* halt(sandbox, reason)
      }).pipe(operation(sql, "cancel", { "sandbox.id": sandboxId })),

    stop: (id: SandboxId) =>
      Effect.gen(function*() {
        const sandbox = yield* sandboxes.getById(id)
        if (sandbox.status === "stopped") return sandbox
        if (sandbox.status === "failed") return yield* refuse(sandbox)
        return yield* impossible("InvalidInput")(halt(sandbox, "a stop was asked for"))
      }).pipe(operation(sql, "stop", { "sandbox.id": id })),

    supervise: ({ limit, runtimeDeadline }) =>
      Effect.gen(function*() {
        const reaped = yield* jobs.reapExpired(limit)
        const succeededBefore = DateTime.subtractDuration(yield* DateTime.now, runtimeDeadline)
        const unsettled = yield* jobs.listUnsettled({ limit, succeededBefore })
        for (const job of unsettled) {
          if (job.status === "succeeded") yield* giveUpRuntime(job)
          yield* endRun(repositories, job)
        }
        return { requeued: reaped.filter((job) => job.status === "queued").length, ended: unsettled.length }
      }).pipe(operation(sql, "supervise"))
  }

  /** The image was built in vain, if its run still waits. */
  function giveUpRuntime({ runId }: WorkspaceBuildJob) {
    return Effect.gen(function*() {
      const attempt = Option.isSome(runId) ? yield* attempts.findById(runId.value) : Option.none()
      if (Option.isNone(attempt) || attempt.value.status !== "running") return
      yield* runtimes.upsert({ runId: attempt.value.id, status: "failed", ...runtimeMissing })
    }).pipe(impossible("InvalidInput", "ReferenceNotFound", "InvalidTransition"))
  }
}
