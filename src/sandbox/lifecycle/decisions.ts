/**
 * The decisions of the operations on builds, runtimes and stops: rows in, changes out. Pure, and so tested without a
 * database.
 */
import { type DateTime, Either, Option } from "effect"
import type { JobState, JobSuccess, Lease } from "../../build-job/WorkspaceBuildJob.js"
import { InvalidTransition, LeaseLost, NotFound } from "../../Errors.js"
import { checkLease } from "../../leasing/leases.js"
import { isActive } from "../../sql/transitions.js"
import {
  isEnded,
  type ReportedRuntime,
  type SandboxRuntimeStatus,
  type SandboxStopReason
} from "../SandboxRuntimeInstance.js"
import type { BuildFailed, EndRuntime } from "../SandboxViews.js"
import { deadlineReasons } from "./deadlines.js"
import { type AttemptView, Draft } from "./draft.js"
import type { AttemptState, LeasedState } from "./state.js"
import {
  attemptEnded,
  attemptOfLatestJob,
  cancelAttempt,
  endAttemptOfJob,
  endWithRuntime,
  mayContinue,
  reconcile,
  replaceRuntime,
  start
} from "./steps.js"

type Launched = typeof ReportedRuntime.Type
type RuntimeEnd = typeof EndRuntime.Type

const leaseLost = ({ jobId: id, workerId }: Lease, reason: LeaseLost["reason"]) =>
  new LeaseLost({ entity: "WorkspaceBuildJob", id, workerId, reason })

/**
 * Returns the job under the lease. `repeats` are the outcomes of an earlier call of the same lease, after which the job
 * is no longer held.
 */
const heldJob = ({ leased }: LeasedState, lease: Lease, repeats: ReadonlyArray<string>) => {
  const held = { id: lease.jobId, token: lease.token, workerId: lease.workerId }
  return Either.match(checkLease("running", leased, held, repeats), {
    onLeft: (reason) => Either.left(leaseLost(lease, reason)),
    onRight: (standing) =>
      Option.isSome(leased)
        ? Either.right({ job: leased.value, isRepeated: standing === "repeated" })
        : Either.left(leaseLost(lease, "not-found"))
  })
}

/** Returns the job under the lease, unless its attempt has a newer job: that one determines the runtime. */
const latestHeldJob = (state: LeasedState, lease: Lease, repeats: ReadonlyArray<string>) =>
  Either.filterOrLeft(
    heldJob(state, lease, repeats),
    ({ job }) => Option.isNone(state.attempt) || Option.exists(state.job, ({ id }) => id === job.id),
    () => leaseLost(lease, "superseded")
  )

/**
 * Cancels a job whose attempt has ended or has a stop request. Its worker has lost the lease: the error is reported
 * after the cancellation is stored.
 */
const cancelLeftJob = (draft: Draft, job: JobState, lease: Lease) => {
  endAttemptOfJob(draft, draft.cancelJob(job, attemptEnded))
  return Option.some(leaseLost(lease, "cancelled"))
}

/** The changes of a worker's report, and the loss of its lease that is reported after they are stored. */
export interface WorkerDecision {
  readonly draft: Draft
  readonly lost: Option.Option<LeaseLost>
}

/** Begins a build: attempt and sandbox are running. */
export const decideBegin = (state: LeasedState, lease: Lease): Either.Either<WorkerDecision, LeaseLost> =>
  Either.map(heldJob(state, lease, []), ({ job }) => {
    const draft = new Draft(state)
    const { attempt } = state
    if (Option.isSome(attempt) && !mayContinue(attempt.value)) return { draft, lost: cancelLeftJob(draft, job, lease) }
    draft.recordJob(job, true)
    if (Option.isSome(attempt)) start(draft, attempt.value)
    return { draft, lost: Option.none() }
  })

/** Stores the published image of a job, which stays under its lease. */
export const decidePublish = (
  state: LeasedState,
  lease: Lease,
  success: typeof JobSuccess.Type
): Either.Either<WorkerDecision, LeaseLost> =>
  Either.map(heldJob(state, lease, []), ({ job }) => {
    const draft = new Draft(state)
    const { attempt } = state
    if (Option.isSome(attempt) && !mayContinue(attempt.value)) return { draft, lost: cancelLeftJob(draft, job, lease) }
    draft.publishJob(lease, success)
    if (Option.isSome(attempt)) start(draft, attempt.value)
    return { draft, lost: Option.none() }
  })

/** Ends a job as succeeded, and stores the runtime if the worker launched one. */
export const decideFinish = (
  state: LeasedState,
  lease: Lease,
  success: typeof JobSuccess.Type,
  launched: Launched | undefined,
  now: DateTime.Utc
): Either.Either<WorkerDecision, LeaseLost> =>
  Either.map(heldJob(state, lease, ["succeeded"]), ({ isRepeated, job }) => {
    const draft = new Draft(state)
    const { attempt, runtime } = state
    const continues = Option.filter(attempt, mayContinue)
    // The job was ended with its published image, and so was the attempt: the worker tears down what it has launched.
    const isUnknown = launched !== undefined && !Option.exists(runtime, (stored) => isOfResource(stored, launched))
    if (
      isRepeated &&
      isUnknown &&
      Option.exists(attempt, ({ status }) => status === "failed" || status === "cancelled")
    )
      return { draft, lost: Option.some(leaseLost(lease, "finished")) }
    if (!isRepeated) {
      if (Option.isSome(attempt) && Option.isNone(continues)) return { draft, lost: cancelLeftJob(draft, job, lease) }
      draft.finishJob(job, lease, success)
    }
    if (Option.isSome(continues)) {
      if (launched !== undefined) reportRuntime(draft, continues.value, launched, now)
      reconcile(draft, continues.value)
    }
    return { draft, lost: Option.none() }
  })

/**
 * Records a failed build. `values` are those of the failure. Without a retry, the failure of a build that has published
 * its image is a failed launch.
 */
export const decideFail = (
  state: LeasedState,
  lease: Lease,
  failure: typeof BuildFailed.Type,
  values: ReadonlyArray<unknown>
): Either.Either<WorkerDecision & { readonly isRetried: boolean }, LeaseLost> => {
  const { attempt } = state
  const repeats = hasFailedLaunch(state) ? ["retried", "failed", "succeeded"] : ["retried", "failed"]
  return Either.map(heldJob(state, lease, repeats), ({ isRepeated, job }) => {
    const draft = new Draft(state)
    const isRetried = !isRepeated && failure.retryable && job.attemptCount < job.maxAttempts
    const isPublished = !isRepeated && Option.isSome(job.publishedReference)
    const isOlder = Option.isSome(attempt) && Option.isNone(attemptOfLatestJob(draft, job))
    if (isPublished && !isRetried && !isOlder && Option.isSome(attempt) && isActive(attempt.value)) {
      const { errorCode, errorMessage } = failure
      endRuntime(draft, attempt.value, { status: "failed", reason: "launch-failed", errorCode, errorMessage })
      return { draft, lost: Option.none(), isRetried }
    }
    if (isPublished && !isRetried && (isOlder || Option.isNone(attempt))) {
      draft.keepImage(job)
      if (isOlder) draft.settleJob(job)
      return { draft, lost: Option.none(), isRetried }
    }
    const status = isRepeated ? job.status : isRetried ? "queued" : "failed"
    const ended = { status, errorCode: Option.fromNullable(failure.errorCode) } as const
    const reported = isRepeated ? job : draft.failJob(job, lease, ended, values)
    if (status === "failed") endAttemptOfJob(draft, reported)
    return { draft, lost: Option.none(), isRetried }
  })
}

/** Returns whether the runtime has failed to launch. */
const hasFailedLaunch = ({ runtime }: AttemptState) =>
  Option.exists(
    runtime,
    ({ status, stopReason }) => status === "failed" && Option.contains(stopReason, "launch-failed")
  )

/**
 * Stores the adapter's response to a launch. Under a lease (`byWorker`), a new resource replaces the recorded one,
 * because its worker took over. Returns whether the response changes the runtime.
 */
export const decideRuntime = (
  state: AttemptState,
  { byWorker, launched, now }: { readonly byWorker: boolean; readonly launched: Launched; readonly now: DateTime.Utc },
  missing: NotFound
): Either.Either<Draft, InvalidTransition | NotFound> => {
  const { attempt, runtime } = state
  if (Option.isNone(attempt)) return Either.left(missing)
  const { id, status, stopRequestedAt } = attempt.value
  if (status === "failed" || status === "cancelled" || Option.isSome(stopRequestedAt)) {
    return Either.left(new InvalidTransition({ entity: "SandboxAttempt", id, from: status, to: "running" }))
  }
  // The end of a runtime stands: only an active attempt can have another one.
  if (
    status === "succeeded" &&
    Option.exists(runtime, (stored) => isEnded(stored.status) && !isLate(stored, launched))
  ) {
    return Either.left(
      new InvalidTransition({
        entity: "SandboxRuntimeInstance",
        id,
        from: Option.getOrThrow(runtime).status,
        to: launched.status,
        remedy: "the runtime has ended; tear down the launched one, and retry the sandbox"
      })
    )
  }
  // Without a lease, only the resource distinguishes the reports of two workers.
  if (!byWorker && Option.isSome(runtime) && !isOfResource(runtime.value, launched)) {
    return Either.left(
      new InvalidTransition({
        entity: "SandboxRuntimeInstance",
        id,
        from: runtime.value.status,
        to: launched.status,
        remedy: "the attempt has another resource; tear down the launched one"
      })
    )
  }
  const draft = new Draft(state)
  reportRuntime(draft, attempt.value, launched, now)
  if (mayContinue(attempt.value)) reconcile(draft, attempt.value)
  return Either.right(draft)
}

/** Decides on a runtime report under a lease. */
export const decideLeasedRuntime = (
  state: LeasedState,
  lease: Lease,
  launched: Launched,
  now: DateTime.Utc
): Either.Either<Draft, LeaseLost | InvalidTransition | NotFound> =>
  Either.flatMap(latestHeldJob(state, lease, []), () =>
    decideRuntime(state, { byWorker: true, launched, now }, new NotFound({ entity: "SandboxAttempt", id: lease.jobId }))
  )

const isOfResource = (
  { resourceId }: { readonly resourceId: Option.Option<string> },
  launched: Pick<Launched, "resourceId">
) => Option.isNone(resourceId) || resourceId.value === launched.resourceId

/** Returns whether the report is about the resource that has ended. */
const isLate = (
  { resourceId, status }: { readonly resourceId: Option.Option<string>; readonly status: SandboxRuntimeStatus },
  launched: Pick<Launched, "resourceId">
) => isEnded(status) && Option.exists(resourceId, (known) => known === launched.resourceId)

const reportRuntime = (draft: Draft, attempt: AttemptView, launched: Launched, now: DateTime.Utc) => {
  // An out-of-order response: the end of this resource was reported before.
  if (Option.exists(draft.runtime, (runtime) => isLate(runtime, launched))) return
  const active = Option.filter(draft.runtime, ({ status }) => !isEnded(status))
  const same = Option.filter(active, (runtime) => isOfResource(runtime, launched))
  // An out-of-order response: the runtime was reported running before.
  if (Option.isSome(same) && same.value.status === "running" && launched.status === "pending") return
  // Another resource is another launch, for example by the next worker. It replaces all fields of the previous one.
  if (Option.isSome(active) && Option.isNone(same)) replaceRuntime(draft, attempt)
  const hasLaunchTime = Option.isSome(Option.flatMap(same, ({ launchedAt }) => launchedAt))
  draft.reportRuntime({ ...launched, attemptId: attempt.id, launchedAt: hasLaunchTime ? undefined : now })
}

/** Returns the reason of a requested stop. It is the reason of the end, whatever the adapter reports of it. */
const requestedReason = (
  { teardown }: Draft,
  { cancelReason, status, stopRequestedAt }: AttemptView
): SandboxStopReason | undefined => {
  if (Option.isSome(teardown)) return Option.getOrUndefined(teardown.value.stopReason)
  if (Option.isNone(stopRequestedAt) || status === "failed") return undefined
  // The runtime was not known at the stop, so no teardown contains the reason.
  return Option.contains(cancelReason, deadlineReasons.expired) ? "expired" : "user"
}

/**
 * Stores the end of a runtime, and ends its attempt and sandbox. The first end stands. The end of another resource than
 * the current one changes nothing.
 */
const endRuntime = (draft: Draft, attempt: AttemptView, end: RuntimeEnd) => {
  const { reason, resourceId, ...reported } = end
  const isOther = Option.exists(
    Option.flatMap(draft.runtime, (runtime) => runtime.resourceId),
    (known) => resourceId !== undefined && resourceId !== known
  )
  if (isOther) return
  const isFirst = !Option.exists(draft.runtime, ({ status }) => isEnded(status))
  if (isFirst) {
    const requested = requestedReason(draft, attempt)
    draft.reportRuntime({
      ...(requested === undefined ? { ...reported, stopReason: reason } : { status: "stopped", stopReason: requested }),
      resourceId,
      attemptId: attempt.id
    })
  }
  const ended = endWithRuntime(draft, attempt)
  if (isFirst) draft.recordRuntimeEnd(ended)
  draft.endTeardown()
}

/** Decides on the end of a runtime. */
export const decideEndRuntime = (
  state: AttemptState,
  end: RuntimeEnd,
  missing: NotFound
): Either.Either<Draft, NotFound> => {
  if (Option.isNone(state.attempt)) return Either.left(missing)
  const draft = new Draft(state)
  endRuntime(draft, state.attempt.value, end)
  return Either.right(draft)
}

/** Decides on the end of a runtime under a lease. A call that ended the job may be repeated. */
export const decideLeasedEndRuntime = (
  state: LeasedState,
  lease: Lease,
  end: RuntimeEnd
): Either.Either<Draft, LeaseLost | NotFound> =>
  Either.flatMap(latestHeldJob(state, lease, ["succeeded", "failed", "cancelled"]), () =>
    decideEndRuntime(state, end, new NotFound({ entity: "SandboxAttempt", id: lease.jobId }))
  )

/**
 * Stops a sandbox, and records the stop request with its attempt. If the sandbox is stopped already, ends those of its
 * attempt and job that are still active, and requests the teardown of an active runtime.
 */
export const decideStop = (state: AttemptState, reason: string, stopReason: SandboxStopReason = "user"): Draft => {
  const draft = new Draft(state)
  const { attempt, job, runtime, sandbox } = state
  const isStopped = Option.exists(sandbox, ({ status }) => status === "stopped")
  const hasActiveRows =
    Option.exists(attempt, isActive) ||
    Option.exists(job, isActive) ||
    (Option.isNone(state.teardown) && Option.exists(runtime, ({ status }) => !isEnded(status)))
  if (Option.isSome(attempt) && (!isStopped || hasActiveRows)) {
    draft.requestStop(attempt.value)
    cancelAttempt(draft, attempt.value, reason, stopReason)
    if (Option.exists(draft.runtime, ({ status }) => status === "failed")) {
      draft.reportRuntime({ attemptId: attempt.value.id, status: "stopped", stopReason })
    }
  }
  if (Option.isSome(draft.sandbox) && !isStopped) {
    draft.moveSandbox(draft.sandbox.value, "stopped", stopReason === "user" ? undefined : { stopReason })
  }
  return draft
}
