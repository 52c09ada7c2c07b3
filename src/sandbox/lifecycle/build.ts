/**
 * The operations that record reports of workers, under their lease, and of runtime adapters.
 */
import { DateTime, Effect, Metric, Option, Predicate, Random } from "effect"
import { failureValues } from "../../build-job/leases.js"
import { jobsRetried } from "../../build-job/jobMetrics.js"
import type { Lease, WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import { type LeaseLost, NotFound } from "../../Errors.js"
import { type Decision, impossible, operationsOf, workerOf } from "../../events/operation.js"
import { leasesLost } from "../../leasing/leases.js"
import { RuntimeAdapterLaunchResult } from "../../payloads/RuntimeAdapter.js"
import { ReportedRuntime, type SandboxRuntimeInstance } from "../SandboxRuntimeInstance.js"
import { type Build, BuildFailed, BuildFinished, BuildPublished, EndRuntime } from "../SandboxViews.js"
import {
  decideBegin,
  decideEndRuntime,
  decideFail,
  decideFinish,
  decideLeasedEndRuntime,
  decideLeasedRuntime,
  decidePublish,
  decideRuntime,
  type WorkerDecision
} from "./decisions.js"
import type { Draft } from "./draft.js"
import type { Repositories } from "./repositories.js"
import { type LeasedState, type AttemptState, makeStates } from "./state.js"
import { sandboxOf } from "./steps.js"
import { makeWriter, type Written } from "./writes.js"

const { decided, decodeInput } = operationsOf("SandboxLifecycle", "Sandbox")

export const makeBuildOperations = ({ jobs, sql }: Repositories) =>
  Effect.map(makeStates(sql), (states) => {
    const { decisionOf } = makeWriter(sql)

    /** Runs an operation of a worker under its lease, and counts the call if the lease was lost. */
    const underLease = (name: string, lease: Lease) => {
      const run = decided(sql, name, { "job.id": lease.jobId }, workerOf(lease))
      return <A, E, E2>(decide: (now: number) => Effect.Effect<Decision<A, E>, E2>) =>
        Effect.tapError(run(decide), (error) =>
          Predicate.isTagged(error, "LeaseLost") ? Metric.increment(leasesLost) : Effect.void
        )
    }

    /** Builds the decision of a worker's report. The loss of its lease is reported after the changes are stored. */
    const reported = <A, E>(
      { draft, lost }: WorkerDecision,
      { unchanged }: LeasedState,
      now: number,
      result: (written: Written) => Effect.Effect<A, E>
    ) =>
      decisionOf(
        draft,
        unchanged,
        now,
        (written): Effect.Effect<A, E | LeaseLost> => (Option.isSome(lost) ? Effect.fail(lost.value) : result(written))
      )

    /** Returns the job as the operation left it. A repeat writes no job. */
    const jobAfter =
      ({ jobId }: Lease) =>
      (written: Written) =>
        Effect.flatMap(
          written.job(jobId),
          Option.match({
            onNone: () => impossible("NotFound")(jobs.getById(jobId)),
            onSome: Effect.succeed<WorkspaceBuildJob>
          })
        )

    const runtimeDecision = (draft: Draft, state: AttemptState, now: number) =>
      decisionOf(draft, state.unchanged, now, (written) =>
        Effect.map(
          written.runtime,
          (runtime): SandboxRuntimeInstance => Option.getOrThrow(Option.orElse(runtime, () => state.runtime))
        )
      )

    const endOf = (attemptId: string, request: typeof EndRuntime.Encoded) =>
      decided(
        sql,
        "endRuntime"
      )((now) =>
        Effect.gen(function* () {
          const end = yield* decodeInput("endRuntime", EndRuntime)(request)
          const state = yield* states.ofAttempt(attemptId)
          const missing = new NotFound({ entity: "SandboxAttempt", id: attemptId })
          return runtimeDecision(yield* decideEndRuntime(state, end, missing), state, now)
        })
      )

    const endUnderLease = (lease: Lease, request: typeof EndRuntime.Encoded) =>
      underLease(
        "endRuntime",
        lease
      )((now) =>
        Effect.gen(function* () {
          const end = yield* decodeInput("endRuntime", EndRuntime)(request)
          const state = yield* states.ofJob(lease.jobId)
          return runtimeDecision(yield* decideLeasedEndRuntime(state, lease, end), state, now)
        })
      )

    /** Decodes the response of an adapter, and applies the limits of the stored columns. */
    const decodeLaunched = (method: string) => (result: typeof RuntimeAdapterLaunchResult.Encoded) =>
      Effect.zipRight(
        decodeInput(method, RuntimeAdapterLaunchResult)(result),
        decodeInput(method, ReportedRuntime)(result)
      )

    const recordOf = (attemptId: string, result: typeof RuntimeAdapterLaunchResult.Encoded) =>
      decided(
        sql,
        "recordRuntime"
      )((now) =>
        Effect.gen(function* () {
          const launched = yield* decodeLaunched("recordRuntime")(result)
          const state = yield* states.ofAttempt(attemptId)
          const report = { byWorker: false, launched, now: DateTime.unsafeMake(now) }
          const missing = new NotFound({ entity: "SandboxAttempt", id: attemptId })
          return runtimeDecision(yield* decideRuntime(state, report, missing), state, now)
        })
      )

    const recordUnderLease = (lease: Lease, result: typeof RuntimeAdapterLaunchResult.Encoded) =>
      underLease(
        "recordRuntime",
        lease
      )((now) =>
        Effect.gen(function* () {
          const launched = yield* decodeLaunched("recordRuntime")(result)
          const state = yield* states.ofJob(lease.jobId)
          const draft = yield* decideLeasedRuntime(state, lease, launched, DateTime.unsafeMake(now))
          return runtimeDecision(draft, state, now)
        })
      )

    return {
      beginBuild: (lease: Lease) =>
        underLease(
          "beginBuild",
          lease
        )((now) =>
          Effect.gen(function* () {
            const state = yield* states.ofBuild(lease.jobId)
            const begun = yield* decideBegin(state, lease)
            return reported(begun, state, now, (written) =>
              Effect.gen(function* () {
                const attempt = Option.orElse(yield* written.attempt, () => state.attempt)
                const linked = Option.flatMap(attempt, (row) => sandboxOf(begun.draft, row))
                const sandbox = Option.orElse(yield* written.sandbox, () => state.sandbox)
                const build: Build = {
                  lease,
                  job: Option.getOrThrow(state.build),
                  attempt,
                  sandbox: Option.flatMap(linked, () => sandbox),
                  snapshot: state.snapshot
                }
                return build
              })
            )
          })
        ),

      publishBuild: (lease: Lease, result: typeof BuildPublished.Encoded) =>
        underLease(
          "publishBuild",
          lease
        )((now) =>
          Effect.gen(function* () {
            const success = yield* decodeInput("publishBuild", BuildPublished)(result)
            const state = yield* states.ofJob(lease.jobId)
            const published = yield* decidePublish(state, lease, success)
            return reported(published, state, now, jobAfter(lease))
          })
        ),

      finishBuild: (lease: Lease, result: typeof BuildFinished.Encoded) =>
        underLease(
          "finishBuild",
          lease
        )((now) =>
          Effect.gen(function* () {
            const success = yield* decodeInput("finishBuild", BuildFinished)(result)
            const launched =
              result.runtime === undefined ? undefined : yield* decodeLaunched("finishBuild")(result.runtime)
            const state = yield* states.ofJob(lease.jobId)
            const finished = yield* decideFinish(state, lease, success, launched, DateTime.unsafeMake(now))
            return reported(finished, state, now, jobAfter(lease))
          })
        ),

      failBuild: (lease: Lease, failure: typeof BuildFailed.Encoded) =>
        underLease(
          "failBuild",
          lease
        )((now) =>
          Effect.gen(function* () {
            const decoded = yield* decodeInput("failBuild", BuildFailed)(failure)
            const values = failureValues(decoded, yield* Random.next)
            const state = yield* states.ofJob(lease.jobId)
            const failed = yield* decideFail(state, lease, decoded, values)
            return reported(failed, state, now, (written) =>
              Effect.zipRight(failed.isRetried ? Metric.increment(jobsRetried) : Effect.void, jobAfter(lease)(written))
            )
          })
        ),

      recordRuntime: (target: Lease | string, result: typeof RuntimeAdapterLaunchResult.Encoded) =>
        typeof target === "string" ? recordOf(target, result) : recordUnderLease(target, result),

      endRuntime: (target: Lease | string, end: typeof EndRuntime.Encoded) =>
        typeof target === "string" ? endOf(target, end) : endUnderLease(target, end)
    }
  })
