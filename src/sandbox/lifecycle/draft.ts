/**
 * The changes that a lifecycle operation decides on, as data. A draft begins with the rows that were read. Each change
 * updates its view of them, so that the next step of the decision sees it. Nothing is written before the decision ends.
 */
import { Option } from "effect"
import { successValues } from "../../build-job/leases.js"
import type { JobState, JobSuccess, Lease } from "../../build-job/WorkspaceBuildJob.js"
import type { Transition } from "../../events/journal.js"
import {
  attemptTransition,
  jobTransition,
  runtimeEndTransition,
  runtimeStopTransition,
  sandboxTransition
} from "../../events/transitions.js"
import type { TeardownLease, TeardownState } from "../RuntimeTeardown.js"
import type { Sandbox, SandboxStatus } from "../Sandbox.js"
import type { SandboxAttempt, SandboxAttemptStatus } from "../SandboxAttempt.js"
import {
  isEnded,
  type RuntimeReport,
  type SandboxRuntimeInstance,
  type SandboxStopReason
} from "../SandboxRuntimeInstance.js"
import type { AttemptState } from "./state.js"

/** One change of a row. */
export type Change =
  | { readonly kind: "attempt"; readonly id: string; readonly to: "running" | "succeeded" | "failed" }
  | { readonly kind: "attempt"; readonly id: string; readonly to: "cancelled"; readonly reason: string }
  | { readonly kind: "attempt"; readonly id: string; readonly to: "stop-requested" }
  | { readonly kind: "sandbox"; readonly id: string; readonly to: SandboxStatus }
  | { readonly kind: "job"; readonly id: string; readonly to: "cancelled"; readonly reason: string }
  | { readonly kind: "job"; readonly id: string; readonly to: "settled" }
  | { readonly kind: "job"; readonly id: string; readonly to: "image-kept" }
  /** A write of a worker. `values` are the parameters after those of the lease. */
  | {
      readonly kind: "job"
      readonly to: "succeeded" | "failed" | "published"
      readonly lease: Lease
      readonly values: ReadonlyArray<unknown>
    }
  | { readonly kind: "runtime"; readonly report: typeof RuntimeReport.Type }
  | {
      readonly kind: "teardown"
      readonly to: "requested"
      readonly attemptId: string
      readonly stopReason: SandboxStopReason | undefined
    }
  | { readonly kind: "teardown"; readonly to: "ended" | "settled"; readonly id: string }
  /** A write of a worker. `values` are the parameters after those of the lease. */
  | {
      readonly kind: "teardown"
      readonly to: "succeeded" | "failed"
      readonly lease: TeardownLease
      readonly values: ReadonlyArray<unknown>
    }

type SandboxView = Pick<Sandbox, "id" | "latestAttemptId" | "ownerUserId" | "status">
export type AttemptView = Pick<SandboxAttempt, "cancelReason" | "id" | "ownerUserId" | "status" | "stopRequestedAt">
type RuntimeView = Pick<
  SandboxRuntimeInstance,
  "adapter" | "attemptId" | "errorCode" | "launchedAt" | "reference" | "resourceId" | "status" | "stopReason"
>

export class Draft {
  readonly changes: Array<Change> = []
  readonly transitions: Array<Transition> = []
  sandbox: Option.Option<SandboxView>
  attempt: Option.Option<AttemptView>
  job: Option.Option<JobState>
  runtime: Option.Option<RuntimeView>
  /** The active teardown of the resource of the runtime, as it was read. */
  readonly teardown: Option.Option<TeardownState>
  private hasRecordedEnd = false
  private hasRequestedStop = false
  private hasRequestedTeardown = false

  constructor({
    attempt,
    job,
    runtime,
    sandbox,
    teardown
  }: Pick<AttemptState, "attempt" | "job" | "runtime" | "sandbox" | "teardown">) {
    this.sandbox = sandbox
    this.attempt = attempt
    this.job = job
    this.runtime = runtime
    this.teardown = teardown
  }

  moveAttempt(attempt: AttemptView, to: "running" | "succeeded" | "failed"): AttemptView {
    return this.attemptMoved(attempt, to, { kind: "attempt", id: attempt.id, to })
  }

  cancelAttempt(attempt: AttemptView, reason: string): AttemptView {
    return this.attemptMoved(attempt, "cancelled", { kind: "attempt", id: attempt.id, to: "cancelled", reason })
  }

  private attemptMoved(attempt: AttemptView, status: SandboxAttemptStatus, change: Change): AttemptView {
    const moved = { ...attempt, status }
    this.changes.push(change)
    this.transitions.push(attemptTransition(moved))
    this.attempt = Option.some(moved)
    return moved
  }

  requestStop({ id, stopRequestedAt }: AttemptView): void {
    if (Option.isSome(stopRequestedAt) || this.hasRequestedStop) return
    this.hasRequestedStop = true
    this.changes.push({ kind: "attempt", id, to: "stop-requested" })
  }

  /** `details` are further facts of the event. */
  moveSandbox(sandbox: SandboxView, to: SandboxStatus, details?: Transition["payload"]): void {
    const moved = { ...sandbox, status: to }
    this.changes.push({ kind: "sandbox", id: sandbox.id, to })
    this.transitions.push(sandboxTransition(moved, details))
    this.sandbox = Option.some(moved)
  }

  /** Records the status of a job. With `evenIfSame`, a new lease under the same status is an event, too. */
  recordJob(job: JobState, evenIfSame = false): void {
    this.transitions.push(jobTransition(job, evenIfSame))
  }

  cancelJob(job: JobState, reason: string): JobState {
    this.changes.push({ kind: "job", id: job.id, to: "cancelled", reason })
    return this.jobEnded(job, { status: "cancelled", cancelReason: Option.some(reason) })
  }

  /** Stores the published image of a job, which stays under its lease. */
  publishJob(lease: Lease, success: typeof JobSuccess.Type): void {
    this.changes.push({ kind: "job", to: "published", lease, values: successValues(success) })
  }

  /** Ends a running job with the image that its worker has published. */
  keepImage(job: JobState): JobState {
    this.changes.push({ kind: "job", id: job.id, to: "image-kept" })
    return this.jobEnded(job, { status: "succeeded" })
  }

  /** Ends a job as succeeded, under its lease. */
  finishJob(job: JobState, lease: Lease, success: typeof JobSuccess.Type): JobState {
    this.changes.push({ kind: "job", to: "succeeded", lease, values: successValues(success) })
    return this.jobEnded(job, { status: "succeeded", publishedDigest: Option.some(success.publishedDigest) })
  }

  /** Fails a job, or queues it for a retry, under its lease. */
  failJob(
    job: JobState,
    lease: Lease,
    ended: Pick<JobState, "errorCode" | "status">,
    values: ReadonlyArray<unknown>
  ): JobState {
    this.changes.push({ kind: "job", to: "failed", lease, values })
    return this.jobEnded(job, ended)
  }

  private jobEnded(job: JobState, ended: Pick<JobState, "status"> & Partial<JobState>): JobState {
    const now = { ...job, ...ended }
    if (Option.exists(this.job, ({ id }) => id === job.id)) this.job = Option.some(now)
    this.recordJob(now)
    return now
  }

  settleJob({ id }: JobState): void {
    this.changes.push({ kind: "job", id, to: "settled" })
  }

  /** Stores a report of a runtime. Fields that the report omits keep their values, except on a relaunch. */
  reportRuntime(report: typeof RuntimeReport.Type): void {
    this.changes.push({ kind: "runtime", report })
    this.hasRecordedEnd = false
    const { adapter, attemptId, reference, resourceId, status } = report
    const kept = Option.filter(this.runtime, (stored) => isEnded(status) || !isEnded(stored.status))
    const fieldOf = <A>(given: A | undefined, stored: (runtime: RuntimeView) => Option.Option<A>) =>
      Option.orElse(Option.fromNullable(given), () => Option.flatMap(kept, stored))
    this.runtime = Option.some({
      attemptId,
      status,
      adapter: fieldOf(adapter, (stored) => stored.adapter),
      reference: fieldOf(reference, (stored) => stored.reference),
      resourceId: fieldOf(resourceId, (stored) => stored.resourceId),
      stopReason: fieldOf(report.stopReason, (stored) => stored.stopReason),
      errorCode: fieldOf(report.errorCode, (stored) => stored.errorCode),
      launchedAt: fieldOf(report.launchedAt, (stored) => stored.launchedAt)
    })
  }

  /** Requests the teardown of the current resource, unless it is requested. Returns whether it was not. */
  requestTeardown({ id: attemptId }: AttemptView, stopReason: SandboxStopReason | undefined): boolean {
    if (Option.isSome(this.teardown) || this.hasRequestedTeardown) return false
    this.hasRequestedTeardown = true
    this.changes.push({ kind: "teardown", to: "requested", attemptId, stopReason })
    return true
  }

  /** Records the request to stop the runtime as an event of its attempt. */
  recordRuntimeStop(attempt: AttemptView, stopReason: SandboxStopReason | undefined): void {
    if (Option.isNone(this.runtime)) return
    this.transitions.push(
      runtimeStopTransition(attempt, { ...this.runtime.value, stopReason: Option.fromNullable(stopReason) })
    )
  }

  /** Ends the queued teardown of a runtime whose end was reported. One under a lease is left to its worker. */
  endTeardown(): void {
    if (Option.isNone(this.teardown)) return
    const { id, settledAt, status } = this.teardown.value
    if (status === "queued" || Option.isNone(settledAt)) this.changes.push({ kind: "teardown", to: "ended", id })
  }

  /** Records that the sandbox does not wait for the teardown any more. */
  settleTeardown({ id, settledAt }: Pick<TeardownState, "id" | "settledAt">): void {
    if (Option.isNone(settledAt)) this.changes.push({ kind: "teardown", to: "settled", id })
  }

  /** Ends a teardown as succeeded, under its lease. */
  finishTeardown(lease: TeardownLease): void {
    this.changes.push({ kind: "teardown", to: "succeeded", lease, values: [] })
  }

  /** Fails a teardown, or queues it for a retry, under its lease. */
  failTeardown(lease: TeardownLease, values: ReadonlyArray<unknown>): void {
    this.changes.push({ kind: "teardown", to: "failed", lease, values })
  }

  /** Records the end of the runtime as an event of its attempt, once. */
  recordRuntimeEnd(attempt: AttemptView): void {
    if (Option.isNone(this.runtime) || this.hasRecordedEnd) return
    this.transitions.push(runtimeEndTransition(attempt, this.runtime.value))
    this.hasRecordedEnd = true
  }
}
