/**
 * The argument and the reports of a process that tears down runtimes.
 */

export interface TeardownWorkerOptions {
  readonly filePath: string
  readonly workerId: string
  readonly leaseMs: number
  /** Its adapter never ends a stop. */
  readonly hangs: boolean
}

/** A line that the process writes. */
export type TeardownReport =
  | { readonly type: "ready" }
  | { readonly type: "begun" | "ended"; readonly teardownId: string; readonly token: number; readonly at: number }
