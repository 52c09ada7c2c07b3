/**
 * What a worker process is told at its start, and what it tells.
 */

/** How a worker process works. */
export interface WorkerOptions {
  readonly filePath: string
  readonly workerId: string
  readonly leaseMs: number
  readonly fibers: number
  /** How many jobs a batch claim asks for. */
  readonly batch: number
  readonly synchronous: "full" | "normal"
  /** The first fiber keeps what it is given after so many rounds, and ends none of it. */
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
