/**
 * A model of the queue in plain TypeScript, for the property test.
 */
import type { Lease, WorkspaceBuildJobStatus } from "../../src/build-job/WorkspaceBuildJob.js"
import { LeaseModel, type ModelRow } from "../support/leaseModel.js"

/** A command. Jobs and leases are numbered in the order of their creation. */
export type Command =
  | { readonly type: "enqueue"; readonly delay: number; readonly maxAttempts: number; readonly key: number | undefined }
  | { readonly type: "claimNext"; readonly worker: string; readonly duration: number }
  | { readonly type: "claimBatch"; readonly worker: string; readonly duration: number; readonly limit: number }
  | { readonly type: "claimById"; readonly worker: string; readonly duration: number; readonly job: number }
  | { readonly type: "heartbeat"; readonly lease: number; readonly duration: number }
  | { readonly type: "succeed"; readonly lease: number }
  | { readonly type: "fail"; readonly lease: number; readonly retryable: boolean; readonly random: number }
  | { readonly type: "release"; readonly lease: number }
  | { readonly type: "cancel"; readonly job: number }
  | { readonly type: "redrive"; readonly job: number }
  | { readonly type: "reap"; readonly limit: number }
  | { readonly type: "wait"; readonly millis: number }

/** The state of a job. */
export type ModelJob = ModelRow<WorkspaceBuildJobStatus>

/** The state of the queue. */
export class ModelQueue extends LeaseModel<WorkspaceBuildJobStatus, ModelJob, Lease> {
  private readonly keys = new Map<number, string>()

  constructor() {
    super({ prefix: "job", waiting: "queued", held: "running", failed: "failed" }, ({ jobId }) => jobId)
  }

  enqueue(
    delay: number,
    maxAttempts: number,
    key: number | undefined
  ): { readonly id: string; readonly created: boolean } {
    const known = key === undefined ? undefined : this.keys.get(key)
    if (known !== undefined) return { id: known, created: false }
    const job = this.fresh(maxAttempts, this.now + delay)
    if (key !== undefined) this.keys.set(key, job.id)
    this.rows.push(job)
    return { id: job.id, created: true }
  }

  cancel(job: ModelJob): string {
    if (job.status === "cancelled") return "ok"
    if (job.status !== "queued" && job.status !== "running") return "InvalidTransition"
    this.end(job, "cancelled", job.status === "running" ? "cancelled" : job.outcome)
    return "ok"
  }

  redrive(job: ModelJob): string {
    return this.again(job, ["failed", "cancelled"])
  }
}
