/**
 * The queue as its contract tells it, in plain TypeScript: what the property test holds the real one against.
 */
import type { Lease, WorkspaceBuildJobStatus } from "../../../src/domain/build-job/WorkspaceBuildJob.js"

/** A thing that somebody does to the queue. Jobs and leases are counted in the order in which they came up. */
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

/** What is known of a job. */
export interface ModelJob {
  readonly id: string
  readonly maxAttempts: number
  status: WorkspaceBuildJobStatus
  attempts: number
  availableAt: number
  token: number
  outcome: string | null
  worker: string | null
  expiresAt: number | null
}

/** The order of texts and numbers, the first that differ decide. */
const byKey = <A>(key: (item: A) => readonly [number, string]) => (a: A, b: A) => {
  const [[atA, idA], [atB, idB]] = [key(a), key(b)]
  return atA - atB || (idA < idB ? -1 : idA > idB ? 1 : 0)
}

const exhaustedPerClaim = 10

/** The whole queue. Each method changes it, and says what the real one has to answer. */
export class ModelQueue {
  now = 0
  readonly jobs: Array<ModelJob> = []
  readonly leases: Array<Lease> = []
  private readonly keys = new Map<number, string>()

  /** The id that the next job gets. */
  nextId(): string {
    return `job-${String(this.jobs.length).padStart(3, "0")}`
  }

  enqueue(delay: number, maxAttempts: number, key: number | undefined): { readonly id: string; readonly created: boolean } {
    const known = key === undefined ? undefined : this.keys.get(key)
    if (known !== undefined) return { id: known, created: false }
    const id = this.nextId()
    if (key !== undefined) this.keys.set(key, id)
    this.jobs.push({
      id,
      maxAttempts,
      status: "queued",
      attempts: 0,
      availableAt: this.now + delay,
      token: 0,
      outcome: null,
      worker: null,
      expiresAt: null
    })
    return { id, created: true }
  }

  /** The ids that a claim of any job has to give, longest due first. */
  claimDue(limit: number): ReadonlyArray<ModelJob> {
    const due = this.jobs
      .filter((job) => job.status === "queued" ? job.availableAt <= this.now : this.hasExpired(job) && job.attempts < job.maxAttempts)
      .toSorted(byKey((job) => [job.expiresAt ?? job.availableAt, job.id]))
      .slice(0, limit)
    for (const job of this.expired().filter(({ attempts, maxAttempts }) => attempts >= maxAttempts).slice(0, exhaustedPerClaim)) this.takeBack(job)
    return due
  }

  claimOne(job: ModelJob): ReadonlyArray<ModelJob> {
    const isDue = job.status === "queued" ? job.availableAt <= this.now : this.hasExpired(job)
    if (!isDue) return []
    if (job.attempts < job.maxAttempts) return [job]
    this.takeBack(job)
    return []
  }

  /** The lease that the claimed job is now under. */
  lease(job: ModelJob, worker: string, duration: number): void {
    Object.assign(job, { status: "running", attempts: job.attempts + 1, token: job.token + 1, outcome: null, worker, expiresAt: this.now + duration })
  }

  reap(limit: number): ReadonlyArray<string> {
    const reaped = this.expired().slice(0, limit)
    for (const job of reaped) this.takeBack(job)
    return reaped.map(({ id }) => id)
  }

  /** What a call under a lease has to answer: `ok`, or the reason for which the lease is lost. */
  underLease({ jobId, token }: Lease, repeats: ReadonlyArray<string>, apply: (job: ModelJob) => void): string {
    const job = this.jobs.find(({ id }) => id === jobId)
    if (job === undefined) return "not-found"
    if (job.status === "running" && job.token === token) {
      apply(job)
      return "ok"
    }
    if (job.token !== token || job.outcome === null) return "superseded"
    if (repeats.includes(job.outcome)) return "ok"
    return ["succeeded", "failed", "retried"].includes(job.outcome) ? "finished" : job.outcome
  }

  fail(job: ModelJob, retryable: boolean, random: number): void {
    if (!retryable || job.attempts >= job.maxAttempts) return this.end(job, "failed", "failed")
    const pause = Math.min(300_000, 1000 * 2 ** (job.attempts - 1))
    this.requeue(job, "retried", this.now + Math.floor(pause * (1 + random) / 2))
  }

  release(job: ModelJob): void {
    job.attempts -= 1
    this.requeue(job, "released", job.availableAt)
  }

  cancel(job: ModelJob): string {
    if (job.status === "cancelled") return "ok"
    if (job.status !== "queued" && job.status !== "running") return "InvalidTransition"
    this.end(job, "cancelled", job.status === "running" ? "cancelled" : job.outcome)
    return "ok"
  }

  redrive(job: ModelJob): string {
    if (job.status === "queued") return "ok"
    if (job.status !== "failed" && job.status !== "cancelled") return "InvalidTransition"
    job.attempts = 0
    this.requeue(job, job.outcome, this.now)
    return "ok"
  }

  end(job: ModelJob, status: WorkspaceBuildJobStatus, outcome: string | null): void {
    Object.assign(job, { status, outcome, expiresAt: null })
  }

  private requeue(job: ModelJob, outcome: string | null, availableAt: number): void {
    Object.assign(job, { status: "queued", outcome, availableAt, worker: null, expiresAt: null })
  }

  private takeBack(job: ModelJob): void {
    if (job.attempts < job.maxAttempts) this.requeue(job, "expired", this.now)
    else this.end(job, "failed", "expired")
  }

  private hasExpired(job: ModelJob): boolean {
    return job.status === "running" && job.expiresAt !== null && job.expiresAt <= this.now
  }

  private expired(): ReadonlyArray<ModelJob> {
    return this.jobs.filter((job) => this.hasExpired(job)).toSorted(byKey((job) => [job.expiresAt ?? 0, job.id]))
  }
}
