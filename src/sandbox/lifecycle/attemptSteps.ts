/**
 * Steps of lifecycle operations that move one attempt and its sandbox: start, success, end.
 */
import { DateTime, Effect, Option } from "effect"
import type { JobState } from "../../build-job/WorkspaceBuildJob.js"
import type { SandboxAttempt } from "../SandboxAttempt.js"
import { isEnded } from "../SandboxRuntimeInstance.js"
import type { Repositories } from "./repositories.js"
import { impossible } from "../../events/operation.js"
import { isActive } from "../../sql/transitions.js"
import { recordJob, recordRuntimeEnd } from "../../events/recording.js"

/** The cancel reason of an attempt after a stop request. */
export const stopRequested = "a stop was asked for"

/** The error of a runtime that was not reported running within the deadline. */
const runtimeMissing = { errorCode: "runtime-missing", errorMessage: "no runtime was reported in time" }

/** Returns whether the attempt is active and has no stop request. */
export const mayContinue = (attempt: SandboxAttempt) => isActive(attempt) && Option.isNone(attempt.stopRequestedAt)

export const makeAttemptSteps = ({ attempts, jobs, runtimes, sandboxes }: Repositories) => {
  /** Finds the attempt of a job. */
  const attemptOfJob = (job: JobState) =>
    Option.match(job.attemptId, { onNone: () => Effect.succeedNone, onSome: attempts.findById })

  /** Finds the sandbox whose latest attempt this is. An older attempt does not determine the state of the sandbox. */
  const sandboxOf = (attempt: SandboxAttempt) =>
    Effect.map(
      sandboxes.findByAttemptId(attempt.id),
      Option.filter((sandbox) => Option.contains(sandbox.latestAttemptId, attempt.id))
    )

  /** Moves an attempt that may continue to running, and its queued sandbox with it. */
  const start = (attempt: SandboxAttempt) =>
    Effect.gen(function* () {
      const running = yield* attempts.markRunning({ id: attempt.id })
      const sandbox = yield* sandboxOf(attempt)
      return {
        attempt: running,
        sandbox:
          Option.isSome(sandbox) && sandbox.value.status === "queued"
            ? Option.some(yield* sandboxes.setStatus({ id: sandbox.value.id, status: "running" }))
            : sandbox
      }
    }).pipe(impossible("NotFound", "InvalidTransition", "InvalidInput"))

  /**
   * Moves an attempt that may continue to the state that its job and runtime imply. It is running. Once its image is
   * built (or it has no job) and its runtime is running, it has succeeded, and its sandbox is ready.
   */
  const reconcile = (attempt: SandboxAttempt) =>
    Effect.gen(function* () {
      const { sandbox } = yield* start(attempt)
      const job = yield* jobs.findLatestStateByAttemptId(attempt.id)
      const runtime = yield* runtimes.findByAttemptId(attempt.id)
      const built = Option.isNone(job) || job.value.status === "succeeded"
      if (!built || !Option.exists(runtime, ({ status }) => status === "running")) return
      yield* attempts.markSucceeded({ id: attempt.id })
      if (Option.isSome(sandbox) && sandbox.value.status === "running") {
        yield* sandboxes.setStatus({ id: sandbox.value.id, status: "ready" })
      }
      if (Option.isSome(job)) yield* jobs.markSettled(job.value.id)
    }).pipe(impossible("NotFound", "InvalidTransition", "InvalidInput"))

  /** Finds the attempt whose latest job this is. An older job does not determine the state of the attempt. */
  const attemptOfLatestJob = (job: JobState) =>
    Effect.gen(function* () {
      const attempt = yield* attemptOfJob(job)
      if (Option.isNone(attempt)) return attempt
      const latest = yield* jobs.findLatestStateByAttemptId(attempt.value.id)
      return Option.exists(latest, ({ id }) => id === job.id) ? attempt : Option.none()
    })

  /** Finds the active attempt whose latest job this is. */
  const activeAttemptOfJob = (job: JobState) => Effect.map(attemptOfLatestJob(job), Option.filter(isActive))

  /**
   * Ends the active attempt of an ended job, its runtime, and its sandbox if the attempt is the latest one. Leaves an
   * attempt with a newer job unchanged. If the attempt has failed or was cancelled already, ends only its sandbox.
   * Returns whether it ended an attempt.
   */
  const endAttemptOfJob = (job: JobState) =>
    Effect.gen(function* () {
      const attempt = yield* attemptOfLatestJob(job)
      const active = Option.filter(attempt, isActive)
      // A claim that fails an exhausted job ends it without an event, and so may other programs.
      yield* recordJob(job)
      if (Option.isSome(active)) yield* endAttempt(active.value, job)
      else if (Option.isSome(attempt) && attempt.value.status !== "succeeded") {
        yield* endSandbox(attempt.value, attempt.value.status === "cancelled")
      }
      yield* jobs.markSettled(job.id)
      return Option.isSome(active)
    }).pipe(impossible("NotFound", "InvalidTransition", "ReferenceNotFound", "InvalidInput"))

  const endAttempt = (attempt: SandboxAttempt, job: JobState) =>
    Effect.gen(function* () {
      const isCancelled = job.status === "cancelled" || Option.isSome(attempt.stopRequestedAt)
      const reason = Option.getOrElse(job.cancelReason, () => stopRequested)
      const ended = yield* isCancelled ? attempts.markCancelled({ id: attempt.id, reason }) : failAttempt(attempt)
      yield* stopRuntime(ended)
      yield* endSandbox(attempt, isCancelled)
    })

  /** Cancels an attempt unless it has ended, cancels its latest job, and stops its runtime. */
  const cancelAttempt = (attempt: SandboxAttempt, reason: string) =>
    Effect.gen(function* () {
      const ended = isActive(attempt) ? yield* attempts.markCancelled({ id: attempt.id, reason }) : attempt
      const job = yield* jobs.cancelLatestByAttemptId({ attemptId: attempt.id, reason })
      if (Option.isSome(job)) yield* jobs.markSettled(job.value.id)
      yield* stopRuntime(ended)
    })

  // Only a running attempt can fail, but a job may exceed its attempts before a worker has begun the build.
  const failAttempt = ({ id }: SandboxAttempt) =>
    Effect.zipRight(attempts.markRunning({ id }), attempts.markFailed({ id }))

  /** Stops the active runtime of an attempt, and records its resource for the program that tears it down. */
  const stopRuntime = (attempt: SandboxAttempt) =>
    Effect.gen(function* () {
      const runtime = yield* runtimes.findByAttemptId(attempt.id)
      if (!Option.exists(runtime, ({ status }) => !isEnded(status))) return
      const report = { attemptId: attempt.id, status: "stopped" as const, finishedAt: yield* DateTime.now }
      yield* recordRuntimeEnd(attempt, yield* runtimes.upsert(report))
    }).pipe(impossible("ReferenceNotFound", "InvalidTransition", "InvalidInput"))

  /** Fails the runtime of an attempt that was never reported running. */
  const failMissingRuntime = (attempt: SandboxAttempt) =>
    Effect.gen(function* () {
      const report = { attemptId: attempt.id, status: "failed" as const, ...runtimeMissing }
      yield* recordRuntimeEnd(attempt, yield* runtimes.upsert(report))
    }).pipe(impossible("ReferenceNotFound", "InvalidTransition", "InvalidInput"))

  /** Ends the sandbox of an ended attempt, which would otherwise wait for that attempt forever. */
  const endSandbox = (attempt: SandboxAttempt, isCancelled: boolean) =>
    Effect.gen(function* () {
      const sandbox = yield* sandboxOf(attempt)
      if (Option.isNone(sandbox) || sandbox.value.status === "stopped" || sandbox.value.status === "failed") return
      yield* sandboxes.setStatus({ id: sandbox.value.id, status: isCancelled ? "stopped" : "failed" })
    })

  return {
    attemptOfJob,
    activeAttemptOfJob,
    start,
    reconcile,
    endAttemptOfJob,
    endSandbox,
    cancelAttempt,
    failAttempt,
    failMissingRuntime,
    stopRuntime
  }
}
