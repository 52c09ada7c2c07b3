/**
 * The argument and the reports of a process that claims jobs of owners and keys with limits.
 */
import type { Death } from "./killPoints.js"

export interface LimitsWorkerOptions {
  readonly filePath: string
  readonly workerId: string
  readonly seed: number
  readonly leaseMs: number
  readonly death: Death
}

/** A line that the process writes. */
export type LimitsReport = { readonly type: "ready" | "done" }
