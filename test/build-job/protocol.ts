/**
 * The argument and the reports of a worker process.
 */

/** The options of a worker process. */
export interface WorkerOptions {
  readonly filePath: string
  readonly workerId: string
  readonly leaseMs: number
  readonly fibers: number
  /** The limit of a batch claim. */
  readonly batch: number
  readonly synchronous: "full" | "normal"
  /** The first fiber holds its jobs after this number of rounds, and ends none of them. */
  readonly holdAfter?: number
}

/** A line that a worker process writes. */
export type Report =
  | { readonly type: "ready" }
  | { readonly type: "claimed" | "succeeded" | "lost"; readonly jobId: string; readonly token: number }
  | { readonly type: "holding"; readonly jobIds: ReadonlyArray<string> }
  | { readonly type: "failed"; readonly cause: string }
  | {
      readonly type: "done"
      readonly loopDelayMs: { readonly mean: number; readonly p99: number; readonly max: number }
    }
