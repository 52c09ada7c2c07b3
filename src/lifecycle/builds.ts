/**
 * How an attempt goes on: what workers report under their lease, and what runtimes report.
 */
import { DateTime, Effect, Option } from "effect"
import type { Lease, WorkspaceBuildJob } from "../domain/build-job/WorkspaceBuildJob.js"
import type { SandboxAttempt, SandboxAttemptId } from "../domain/sandbox/SandboxAttempt.js"
import { InvalidTransition, LeaseLost, NotFound } from "../Errors.js"
import { RuntimeAdapterLaunchResult } from "../payloads/RuntimeAdapter.js"
import { endRun } from "./endings.js"
import type { Repositories } from "./makeSandboxLifecycle.js"
import { impossible, input, operation } from "./operation.js"
import type { SandboxLifecycleService } from "./SandboxLifecycle.js"
import { type Build, BuildFinished } from "./SandboxViews.js"

type Operations = Pick<SandboxLifecycleService, "beginBuild" | "finishBuild" | "failBuild" | "recordRuntime">

export const makeBuildOperations = (repositories: Repositories): Operations => {
  const { attempts, jobs, runtimes, sandboxes, sql } = repositories

  /** The sandbox of an attempt, if the attempt is its latest: an older one says nothing about the sandbox any more. */
  const sandboxOf = (attempt: SandboxAttempt) =>
    Effect.map(sandboxes.findByAttemptId(attempt.id), Option.filter((sandbox) => Option.contains(sandbox.latestRunId, attempt.id)))

  /** The attempt runs, and with it a sandbox that waited for it. */
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
    })

  /** Once the image is built and the runtime runs, the attempt has succeeded and its sandbox is ready. */
  const settle = (job: WorkspaceBuildJob, attempt: SandboxAttempt) =>
    Effect.gen(function*() {
      const runtime = yield* runtimes.findByAttemptId(attempt.id)
      const runs = Option.exists(runtime, ({ status }) => status === "running")
      if (job.status !== "succeeded" || !runs || Option.isSome(attempt.stopRequestedAt)) return
      const { sandbox } = yield* start(attempt)
      yield* attempts.markSucceeded({ id: attempt.id })
      if (Option.isSome(sandbox) && sandbox.value.status === "running") {
        yield* sandboxes.setStatus({ id: sandbox.value.id, status: "ready" })
      }
      yield* jobs.markSettled(job.id)
    })

  const report = (attempt: SandboxAttempt, launched: RuntimeAdapterLaunchResult) =>
    Effect.gen(function*() {
      const launchedAt = yield* DateTime.now
      return yield* runtimes.upsert({ ...launched, runId: attempt.id, launchedAt })
    })

  const runOf = (job: WorkspaceBuildJob) =>
    Option.match(job.runId, { onNone: () => Effect.succeedNone, onSome: attempts.findById })

  const isLive = ({ status }: SandboxAttempt) => status === "queued" || status === "running"

  return {
    beginBuild: (lease) =>
      Effect.gen(function*() {
        const job = yield* jobs.getByLease(lease)
        const run = yield* runOf(job)
        if (Option.isNone(run)) return Option.some<Build>({ lease, job, attempt: run, sandbox: Option.none(), snapshot: Option.none() })
        if (!isLive(run.value) || Option.isSome(run.value.stopRequestedAt)) {
          yield* jobs.cancel({ id: job.id, reason: "the attempt it was for has ended" })
          yield* jobs.markSettled(job.id)
          return Option.none<Build>()
        }
        const { attempt, sandbox } = yield* start(run.value)
        return Option.some<Build>({ lease, job, attempt: Option.some(attempt), sandbox, snapshot: yield* attempts.findSnapshot(attempt.id) })
      }).pipe(
        impossible("NotFound", "InvalidTransition", "InvalidInput"),
        operation(sql, "beginBuild", { "job.id": lease.jobId }),
        // Outside the transaction, so that the cancellation is kept.
        Effect.flatMap(Option.match({
          onNone: () => new LeaseLost({ jobId: lease.jobId, workerId: lease.workerId, reason: "cancelled" }),
          onSome: Effect.succeed
        }))
      ),

    finishBuild: (lease, result) =>
      Effect.gen(function*() {
        const { runtime } = yield* input("finishBuild", BuildFinished)(result)
        const { runtime: _, ...success } = result
        const job = yield* jobs.succeed(lease, success)
        const run = yield* runOf(job)
        if (Option.isSome(run) && isLive(run.value)) {
          if (runtime !== undefined) yield* impossible("InvalidTransition", "ReferenceNotFound")(report(run.value, runtime))
          yield* impossible("NotFound", "InvalidTransition")(settle(job, run.value))
        }
        return job
      }).pipe(operation(sql, "finishBuild", { "job.id": lease.jobId })),

    failBuild: (lease, failure) =>
      Effect.gen(function*() {
        const job = yield* jobs.fail(lease, failure)
        if (job.status === "failed") yield* endRun(repositories, job)
        return job
      }).pipe(operation(sql, "failBuild", { "job.id": lease.jobId })),

    recordRuntime: (target, result) =>
      Effect.gen(function*() {
        const launched = yield* input("recordRuntime", RuntimeAdapterLaunchResult)(result)
        const attempt = yield* attemptOf(target)
        if (attempt.status === "failed" || attempt.status === "cancelled") {
          return yield* new InvalidTransition({ entity: "SandboxAttempt", id: attempt.id, from: attempt.status, to: "running" })
        }
        const runtime = yield* impossible("ReferenceNotFound")(report(attempt, launched))
        const job = yield* jobs.findLatestByRunId(attempt.id)
        if (isLive(attempt) && Option.isSome(job)) yield* impossible("NotFound")(settle(job.value, attempt))
        return runtime
      }).pipe(operation(sql, "recordRuntime"))
  }

  function attemptOf(target: Lease | SandboxAttemptId) {
    return Effect.gen(function*() {
      if (typeof target === "string") return yield* attempts.getById(target)
      const job = yield* jobs.getByLease(target)
      const run = yield* runOf(job)
      return Option.isSome(run) ? run.value : yield* new NotFound({ entity: "SandboxAttempt", id: `of job ${target.jobId}` })
    })
  }
}
