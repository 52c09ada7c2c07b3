/**
 * How one run moves, together with its sandbox: it starts, succeeds, or ends. What the operations are made of.
 */
import { DateTime, Effect, Option } from "effect"
import type { JobState } from "../../build-job/WorkspaceBuildJob.js"
import type { SandboxAttempt } from "../SandboxAttempt.js"
import type { Repositories } from "../makeSandboxLifecycle.js"
import { impossible } from "../../events/operation.js"
import { noteJob, noteRuntimeEnd } from "../../events/recording.js"

/** The cancel reason of an attempt after a stop request. */
export const stopRequested = "a stop was asked for"

/** The error of a runtime that was not reported to run in time. */
const runtimeMissing = { errorCode: "runtime-missing", errorMessage: "no runtime was reported in time" }

/** Whether the run has not ended. */
export const isLive = ({ status }: SandboxAttempt) => status === "queued" || status === "running"

/** Whether the run has neither ended nor been asked to. */
export const goesOn = (attempt: SandboxAttempt) => isLive(attempt) && Option.isNone(attempt.stopRequestedAt)

export const makeRuns = ({ attempts, jobs, runtimes, sandboxes }: Repositories) => {
  /** The run of a job, if it belongs to one. */
  const runOf = (job: JobState) =>
    Option.match(job.runId, { onNone: () => Effect.succeedNone, onSome: attempts.findById })

  /** The sandbox of an attempt, if the attempt is its latest: an older one says nothing about the sandbox any more. */
  const sandboxOf = (attempt: SandboxAttempt) =>
    Effect.map(sandboxes.findByAttemptId(attempt.id), Option.filter((sandbox) => Option.contains(sandbox.latestRunId, attempt.id)))

  /** A run that goes on runs, and with it a sandbox that waited for it. */
  const start = (attempt: SandboxAttempt) =>
    Effect.gen(function*() {
      const running = yield* attempts.markRunning({ id: attempt.id })
      const sandbox = yield* sandboxOf(attempt)
      return {
        attempt: running,
        sandbox: Option.isSome(sandbox) && sandbox.value.status === "queued"
          ? Option.some(yield* sandboxes.setStatus({ id: sandbox.value.id, status: "running" }))
          : sandbox
      }
    }).pipe(impossible("NotFound", "InvalidTransition", "InvalidInput"))

  /**
   * A run that goes on and of which something was reported: it runs; once its image is built, if it has a job for one,
   * and its runtime is running, it has succeeded, and its sandbox is ready.
   */
  const settle = (attempt: SandboxAttempt) =>
    Effect.gen(function*() {
      const { sandbox } = yield* start(attempt)
      const job = yield* jobs.findLatestStateByRunId(attempt.id)
      const runtime = yield* runtimes.findByAttemptId(attempt.id)
      const built = Option.isNone(job) || job.value.status === "succeeded"
      if (!built || !Option.exists(runtime, ({ status }) => status === "running")) return
      yield* attempts.markSucceeded({ id: attempt.id })
      if (Option.isSome(sandbox) && sandbox.value.status === "running") {
        yield* sandboxes.setStatus({ id: sandbox.value.id, status: "ready" })
      }
      if (Option.isSome(job)) yield* jobs.markSettled(job.value.id)
    }).pipe(impossible("NotFound", "InvalidTransition", "InvalidInput"))

  /** The run of a job, if the job is the run's latest: an older one says nothing about the run any more. */
  const latestRunOf = (job: JobState) =>
    Effect.gen(function*() {
      const attempt = yield* runOf(job)
      if (Option.isNone(attempt)) return attempt
      const latest = yield* jobs.findLatestStateByRunId(attempt.value.id)
      return Option.exists(latest, ({ id }) => id === job.id) ? attempt : Option.none()
    })

  const liveRunOf = (job: JobState) => Effect.map(latestRunOf(job), Option.filter(isLive))

  /**
   * Ends the run of a job that has ended: attempt, runtime, and the sandbox if the attempt is its latest. A run that has
   * a newer job stays as it is; of one that has ended already, the sandbox is taken along. Says whether it ended one.
   */
  const endRun = (job: JobState) =>
    Effect.gen(function*() {
      const attempt = yield* latestRunOf(job)
      const live = Option.filter(attempt, isLive)
      // A job also ends where no operation sees it: in a claim that finds its attempts used up, or by somebody's hand.
      yield* noteJob(job)
      if (Option.isSome(live)) yield* endAttempt(live.value, job)
      else if (Option.isSome(attempt) && attempt.value.status !== "succeeded") yield* endSandbox(attempt.value, attempt.value.status === "cancelled")
      yield* jobs.markSettled(job.id)
      return Option.isSome(live)
    }).pipe(impossible("NotFound", "InvalidTransition", "ReferenceNotFound", "InvalidInput"))

  const endAttempt = (attempt: SandboxAttempt, job: JobState) =>
    Effect.gen(function*() {
      const cancelled = job.status === "cancelled" || Option.isSome(attempt.stopRequestedAt)
      const reason = Option.getOrElse(job.cancelReason, () => stopRequested)
      yield* stopRuntime(yield* cancelled ? attempts.markCancelled({ id: attempt.id, cancelReason: reason }) : failAttempt(attempt))
      yield* endSandbox(attempt, cancelled)
    })

  /** Cancels an attempt unless it has ended, cancels its latest job, and stops its runtime. */
  const cancelAttempt = (attempt: SandboxAttempt, reason: string) =>
    Effect.gen(function*() {
      const ended = isLive(attempt) ? yield* attempts.markCancelled({ id: attempt.id, cancelReason: reason }) : attempt
      const job = yield* jobs.cancelLatestByRunId({ runId: attempt.id, reason })
      if (Option.isSome(job)) yield* jobs.markSettled(job.value.id)
      yield* stopRuntime(ended)
    })

  // Only a running attempt fails, but a job may run out of attempts before any worker has begun.
  const failAttempt = ({ id }: SandboxAttempt) => Effect.zipRight(attempts.markRunning({ id }), attempts.markFailed({ id }))

  /** Stops the runtime of an attempt if it is active, and records its resource, for the program that tears it down. */
  const stopRuntime = (attempt: SandboxAttempt) =>
    Effect.gen(function*() {
      const runtime = yield* runtimes.findByAttemptId(attempt.id)
      if (!Option.exists(runtime, ({ status }) => status === "pending" || status === "running")) return
      yield* noteRuntimeEnd(attempt, yield* runtimes.upsert({ runId: attempt.id, status: "stopped", finishedAt: yield* DateTime.now }))
    }).pipe(impossible("ReferenceNotFound", "InvalidTransition", "InvalidInput"))

  /** Fails the runtime of an attempt, which was never reported to run. */
  const giveUpRuntime = (attempt: SandboxAttempt) =>
    Effect.gen(function*() {
      yield* noteRuntimeEnd(attempt, yield* runtimes.upsert({ runId: attempt.id, status: "failed", ...runtimeMissing }))
    }).pipe(impossible("ReferenceNotFound", "InvalidTransition", "InvalidInput"))

  /** The sandbox of a run that has ended, if it lives: it would wait for that run for ever. */
  const endSandbox = (attempt: SandboxAttempt, isCancelled: boolean) =>
    Effect.gen(function*() {
      const sandbox = yield* sandboxOf(attempt)
      if (Option.isNone(sandbox) || sandbox.value.status === "stopped" || sandbox.value.status === "failed") return
      yield* sandboxes.setStatus({ id: sandbox.value.id, status: isCancelled ? "stopped" : "failed" })
    })

  return { runOf, liveRunOf, start, settle, endRun, endSandbox, cancelAttempt, failAttempt, giveUpRuntime, stopRuntime }
}
