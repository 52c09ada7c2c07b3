/**
 * The operations that record reports of workers, under their lease, and of runtime adapters.
 */
import { DateTime, Effect, Either, Option } from "effect"
import type { Lease, WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import type { SandboxAttempt, SandboxAttemptId } from "../SandboxAttempt.js"
import { isEnded } from "../SandboxRuntimeInstance.js"
import { InvalidTransition, LeaseLost, NotFound } from "../../Errors.js"
import { RuntimeAdapterLaunchResult } from "../../payloads/RuntimeAdapter.js"
import type { Repositories } from "./repositories.js"
import { impossible, operationsOf, workerOf } from "../../events/operation.js"
import { recordJob } from "../../events/recording.js"
import { makeAttemptSteps, mayContinue } from "./attemptSteps.js"
import { type Build, type BuildFailed, BuildFinished } from "../SandboxViews.js"

const { decodeInput, operation } = operationsOf("SandboxLifecycle", "Sandbox")

export const makeBuildOperations = (repositories: Repositories) => {
  const { attempts, jobs, runtimes, sql } = repositories
  const { attemptOfJob, endAttemptOfJob, reconcile, start, stopRuntime } = makeAttemptSteps(repositories)

  /**
   * Stores the adapter's response to the launch of an attempt without a stop request. Under a lease, a new resource
   * replaces the recorded one, because its worker took over.
   */
  const report = (attempt: SandboxAttempt, launched: RuntimeAdapterLaunchResult) =>
    Effect.gen(function* () {
      const { id: attemptId } = attempt
      const stored = yield* runtimes.findByAttemptId(attemptId)
      const active = Option.filter(stored, ({ status }) => !isEnded(status))
      const same = Option.filter(
        active,
        ({ resourceId }) => Option.getOrElse(resourceId, () => launched.resourceId) === launched.resourceId
      )
      // An out-of-order response: the runtime was reported running before.
      if (Option.isSome(same) && same.value.status === "running" && launched.status === "pending") return same.value
      // Another resource is another launch, for example by the next worker. It replaces all fields of the previous one.
      if (Option.isSome(active) && Option.isNone(same)) yield* stopRuntime(attempt)
      const hasLaunchTime = Option.isSome(Option.flatMap(same, (instance) => instance.launchedAt))
      const launchedAt = hasLaunchTime ? undefined : yield* DateTime.now
      return yield* runtimes.upsert({ ...launched, attemptId, launchedAt })
    }).pipe(impossible("InvalidTransition", "ReferenceNotFound"))

  /**
   * Fails with `InvalidTransition` if the attempt has another resource. Without a lease, only the resource
   * distinguishes the reports of two workers. The transaction holds the write lock, so the row cannot change after this
   * read.
   */
  const requireSameResource = (attemptId: SandboxAttemptId, { resourceId, status }: RuntimeAdapterLaunchResult) =>
    Effect.gen(function* () {
      const stored = yield* runtimes.findByAttemptId(attemptId)
      if (Option.isNone(stored) || Option.getOrElse(stored.value.resourceId, () => resourceId) === resourceId) return
      return yield* new InvalidTransition({
        entity: "SandboxRuntimeInstance",
        id: attemptId,
        from: stored.value.status,
        to: status,
        remedy: "the attempt has another resource; tear down the launched one"
      })
    })

  /**
   * Returns the job under the lease, and its attempt. If the attempt has ended or has a stop request, cancels the job
   * and returns `None`.
   */
  const heldJob = (lease: Lease) =>
    Effect.gen(function* () {
      const job = yield* jobs.getByLease(lease)
      const attempt = yield* attemptOfJob(job)
      if (Option.isNone(attempt) || mayContinue(attempt.value)) return Option.some({ job, attempt })
      yield* endAttemptOfJob(yield* jobs.cancel({ id: job.id, reason: "the attempt it was for has ended" }))
      return Option.none()
    }).pipe(impossible("NotFound", "InvalidTransition", "InvalidInput"))

  /** Fails with `LeaseLost` for `None`. Applied outside the transaction, so that the cancellation is committed. */
  const orLeaseLost =
    (lease: Lease) =>
    <A, E>(effect: Effect.Effect<Option.Option<A>, E>) =>
      Effect.flatMap(
        effect,
        Option.match({
          onNone: () =>
            new LeaseLost({
              entity: "WorkspaceBuildJob",
              id: lease.jobId,
              workerId: lease.workerId,
              reason: "cancelled"
            }),
          onSome: Effect.succeed
        })
      )

  return {
    beginBuild: (lease: Lease) =>
      Effect.gen(function* () {
        const claimed = yield* heldJob(lease)
        if (Option.isNone(claimed)) return Option.none<Build>()
        const { attempt, job } = claimed.value
        yield* recordJob(job, true)
        if (Option.isNone(attempt)) {
          return Option.some<Build>({ lease, job, attempt, sandbox: Option.none(), snapshot: Option.none() })
        }
        const started = yield* start(attempt.value)
        const snapshot = yield* attempts.findSnapshot(started.attempt.id)
        return Option.some<Build>({
          lease,
          job,
          attempt: Option.some(started.attempt),
          sandbox: started.sandbox,
          snapshot
        })
      }).pipe(operation(sql, "beginBuild", { "job.id": lease.jobId }, workerOf(lease)), orLeaseLost(lease)),

    finishBuild: (lease: Lease, result: typeof BuildFinished.Encoded) =>
      Effect.gen(function* () {
        const { runtime } = yield* decodeInput("finishBuild", BuildFinished)(result)
        const { runtime: _, ...success } = result
        // An ended lease may be that of a repeated call, which `succeed` accepts.
        const claimed = yield* Effect.either(heldJob(lease))
        if (Either.isRight(claimed) && Option.isNone(claimed.right)) return Option.none<WorkspaceBuildJob>()
        if (Either.isLeft(claimed) && claimed.left._tag !== "LeaseLost") return yield* claimed.left
        const job = yield* jobs.succeed(lease, success)
        const attempt = Option.filter(yield* attemptOfJob(job), mayContinue)
        if (Option.isNone(attempt)) return Option.some(job)
        if (runtime !== undefined) yield* report(attempt.value, runtime)
        yield* reconcile(attempt.value)
        return Option.some(yield* impossible("NotFound")(jobs.getById(job.id)))
      }).pipe(operation(sql, "finishBuild", { "job.id": lease.jobId }, workerOf(lease)), orLeaseLost(lease)),

    failBuild: (lease: Lease, failure: typeof BuildFailed.Encoded) =>
      Effect.gen(function* () {
        const job = yield* jobs.fail(lease, failure)
        if (job.status !== "failed") return job
        yield* endAttemptOfJob(job)
        return yield* impossible("NotFound")(jobs.getById(job.id))
      }).pipe(operation(sql, "failBuild", { "job.id": lease.jobId }, workerOf(lease))),

    recordRuntime: (target: Lease | string, result: typeof RuntimeAdapterLaunchResult.Encoded) =>
      Effect.gen(function* () {
        const launched = yield* decodeInput("recordRuntime", RuntimeAdapterLaunchResult)(result)
        const attempt = yield* targetAttempt(target)
        const { id, status, stopRequestedAt } = attempt
        if (status === "failed" || status === "cancelled" || Option.isSome(stopRequestedAt)) {
          return yield* new InvalidTransition({ entity: "SandboxAttempt", id, from: status, to: "running" })
        }
        if (typeof target === "string") yield* requireSameResource(id, launched)
        const runtime = yield* report(attempt, launched)
        if (mayContinue(attempt)) yield* reconcile(attempt)
        return runtime
      }).pipe(operation(sql, "recordRuntime", {}, typeof target === "string" ? undefined : workerOf(target)))
  }

  function targetAttempt(target: Lease | string) {
    return Effect.gen(function* () {
      if (typeof target === "string") return yield* attempts.getById(target)
      const job = yield* jobs.getByLease(target)
      const attempt = yield* attemptOfJob(job)
      return Option.isSome(attempt)
        ? attempt.value
        : yield* new NotFound({ entity: "SandboxAttempt", id: target.jobId })
    })
  }
}
