/**
 * How an attempt goes on: what workers report under their lease, and what runtimes report.
 */
import { DateTime, Effect, Either, Option } from "effect"
import type { Lease, WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import type { SandboxAttempt, SandboxAttemptId } from "../SandboxAttempt.js"
import { InvalidTransition, LeaseLost, NotFound } from "../../Errors.js"
import { RuntimeAdapterLaunchResult } from "../../payloads/RuntimeAdapter.js"
import type { Repositories } from "../makeSandboxLifecycle.js"
import { impossible, operationsOf, workerOf } from "../../events/operation.js"
import { noteJob } from "../../events/recording.js"
import { goesOn, makeRuns } from "./runs.js"
import type { SandboxLifecycleService } from "../SandboxLifecycle.js"
import { type Build, BuildFinished } from "../SandboxViews.js"

const { input, operation } = operationsOf("SandboxLifecycle", "Sandbox")

type Operations = Pick<SandboxLifecycleService, "beginBuild" | "finishBuild" | "failBuild" | "recordRuntime">

export const makeBuildOperations = (repositories: Repositories): Operations => {
  const { attempts, jobs, runtimes, sql } = repositories
  const { endRun, runOf, settle, start, stopRuntime } = makeRuns(repositories)

  /**
   * Stores the adapter's answer to the launch of an attempt that was not asked to stop. Under a lease, a new resource
   * replaces the recorded one: its worker took over.
   */
  const report = (attempt: SandboxAttempt, launched: RuntimeAdapterLaunchResult) =>
    Effect.gen(function*() {
      const { id: runId } = attempt
      const known = yield* runtimes.findByAttemptId(runId)
      const up = Option.filter(known, ({ status }) => status === "pending" || status === "running")
      const same = Option.filter(up, ({ resourceId }) => Option.getOrElse(resourceId, () => launched.resourceId) === launched.resourceId)
      // The launch has got further since: this answer came late.
      if (Option.isSome(same) && same.value.status === "running" && launched.status === "pending") return same.value
      // Another resource is another launch, by the next worker perhaps: nothing of the last one stays.
      if (Option.isSome(up) && Option.isNone(same)) yield* stopRuntime(attempt)
      const launchedAt = Option.isSome(Option.flatMap(same, (instance) => instance.launchedAt)) ? undefined : yield* DateTime.now
      return yield* runtimes.upsert({ ...launched, runId, launchedAt })
    }).pipe(impossible("InvalidTransition", "ReferenceNotFound"))

  /**
   * Without a lease, only the resource distinguishes the reports of two workers. So such a report must name the recorded
   * resource, or be the first one. The transaction holds the write lock, so the row cannot change after this read.
   */
  const sameResource = (runId: SandboxAttemptId, { resourceId, status }: RuntimeAdapterLaunchResult) =>
    Effect.gen(function*() {
      const known = yield* runtimes.findByAttemptId(runId)
      if (Option.isNone(known) || Option.getOrElse(known.value.resourceId, () => resourceId) === resourceId) return
      return yield* new InvalidTransition({
        entity: "SandboxRuntimeInstance",
        id: runId,
        from: known.value.status,
        to: status,
        remedy: "the attempt has another resource; tear down what was launched"
      })
    })

  /** The job under the lease and its run; none when the run has ended or is to, and then the job is cancelled. */
  const held = (lease: Lease) =>
    Effect.gen(function*() {
      const job = yield* jobs.getByLease(lease)
      const run = yield* runOf(job)
      if (Option.isNone(run) || goesOn(run.value)) return Option.some({ job, run })
      yield* endRun(yield* jobs.cancel({ id: job.id, reason: "the attempt it was for has ended" }))
      return Option.none()
    }).pipe(impossible("NotFound", "InvalidTransition", "InvalidInput"))

  /** Tells a worker that it worked in vain. Outside the transaction, so that the cancellation is kept. */
  const orLost = (lease: Lease) => <A, E>(effect: Effect.Effect<Option.Option<A>, E>) =>
    Effect.flatMap(effect, Option.match({
      onNone: () => new LeaseLost({ jobId: lease.jobId, workerId: lease.workerId, reason: "cancelled" }),
      onSome: Effect.succeed
    }))

  return {
    beginBuild: (lease) =>
      Effect.gen(function*() {
        const claimed = yield* held(lease)
        if (Option.isNone(claimed)) return Option.none<Build>()
        const { job, run } = claimed.value
        yield* noteJob(job, true)
        if (Option.isNone(run)) return Option.some<Build>({ lease, job, attempt: run, sandbox: Option.none(), snapshot: Option.none() })
        const { attempt, sandbox } = yield* start(run.value)
        return Option.some<Build>({ lease, job, attempt: Option.some(attempt), sandbox, snapshot: yield* attempts.findSnapshot(attempt.id) })
      }).pipe(operation(sql, "beginBuild", { "job.id": lease.jobId }, workerOf(lease)), orLost(lease)),

    finishBuild: (lease, result) =>
      Effect.gen(function*() {
        const { runtime } = yield* input("finishBuild", BuildFinished)(result)
        const { runtime: _, ...success } = result
        // A lease that has ended may still be the one of the first call: that is for `succeed` to say.
        const claimed = yield* Effect.either(held(lease))
        if (Either.isRight(claimed) && Option.isNone(claimed.right)) return Option.none<WorkspaceBuildJob>()
        if (Either.isLeft(claimed) && claimed.left._tag !== "LeaseLost") return yield* claimed.left
        const job = yield* jobs.succeed(lease, success)
        const run = Option.filter(yield* runOf(job), goesOn)
        if (Option.isNone(run)) return Option.some(job)
        if (runtime !== undefined) yield* report(run.value, runtime)
        yield* settle(run.value)
        return Option.some(yield* impossible("NotFound")(jobs.getById(job.id)))
      }).pipe(operation(sql, "finishBuild", { "job.id": lease.jobId }, workerOf(lease)), orLost(lease)),

    failBuild: (lease, failure) =>
      Effect.gen(function*() {
        const job = yield* jobs.fail(lease, failure)
        if (job.status !== "failed") return job
        yield* endRun(job)
        return yield* impossible("NotFound")(jobs.getById(job.id))
      }).pipe(operation(sql, "failBuild", { "job.id": lease.jobId }, workerOf(lease))),

    recordRuntime: (target, result) =>
      Effect.gen(function*() {
        const launched = yield* input("recordRuntime", RuntimeAdapterLaunchResult)(result)
        const attempt = yield* attemptOf(target)
        const { id, status, stopRequestedAt } = attempt
        if (status === "failed" || status === "cancelled" || Option.isSome(stopRequestedAt)) {
          return yield* new InvalidTransition({ entity: "SandboxAttempt", id, from: status, to: "running" })
        }
        if (typeof target === "string") yield* sameResource(id, launched)
        const runtime = yield* report(attempt, launched)
        if (goesOn(attempt)) yield* settle(attempt)
        return runtime
      }).pipe(operation(sql, "recordRuntime", {}, typeof target === "string" ? undefined : workerOf(target)))
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
