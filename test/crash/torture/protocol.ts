/**
 * The argument and the reports of a torture process: the ledger, which is kept outside the database.
 */
import type { Death } from "../killPoints.js"

/** The argument of the process, in JSON. */
export interface ProcessOptions {
  readonly filePath: string
  readonly workerId: string
  /** Its slot among concurrent processes: some rows belong to one slot. */
  readonly slot: number
  readonly seed: number
  /** The number of its keys; the last one is the newest. */
  readonly keys: number
  readonly death: Death
  /** The number of operations of each fiber before the process ends. */
  readonly operationCount: number
  readonly fibers: number
  readonly clockOffsetMs: number
  readonly busyTimeoutMs: number
  readonly leaseMs: number
  readonly synchronous: "full" | "normal"
}

/** The acknowledged results by operation. */
export interface OperationResults {
  readonly launch: {
    readonly name: string
    readonly sandboxId: string
    readonly attemptId: string
    readonly jobId: string
  }
  readonly retry: { readonly sandboxId: string; readonly attemptId: string }
  readonly end: { readonly attemptId: string }
  readonly claim: { readonly jobId: string; readonly token: number }
  readonly begin: { readonly jobId: string; readonly token: number }
  readonly publish: { readonly jobId: string; readonly token: number }
  readonly finish: { readonly jobId: string; readonly token: number }
  readonly fail: { readonly jobId: string; readonly token: number }
  readonly runtime: { readonly attemptId: string }
  readonly endRuntime: { readonly attemptId: string }
  readonly supervise: { readonly ended: number }
  readonly open: { readonly workflowId: string }
  readonly start: { readonly workflowId: string; readonly key: string; readonly executionId: string }
  readonly report: { readonly executionId: string; readonly key: string; readonly events: number }
  readonly finishExecution: { readonly executionId: string; readonly outcome: string }
  readonly cancelWorkflow: { readonly workflowId: string }
  readonly receive: { readonly deliveryId: string }
  readonly process: { readonly deliveryId: string; readonly status: string }
  readonly put: { readonly secretId: string; readonly version: number; readonly value: string }
  readonly rotate: { readonly key: number }
  readonly revision: { readonly profileId: string; readonly revisionId: string; readonly label: string }
  readonly share: { readonly ownerUserId: string }
  readonly deleteSandbox: {
    readonly sandboxId: string
    readonly attemptId: string
    readonly executionIds: ReadonlyArray<string>
  }
  readonly stopAndRetry: { readonly attemptId: string; readonly executionIds: ReadonlyArray<string> }
  readonly deleteUser: { readonly userId: string; readonly workflowId: string }
  readonly sync: { readonly installationId: string; readonly generation: string }
}

export type OperationName = keyof OperationResults

/** An acknowledged operation. */
export interface Done<Name extends OperationName = OperationName> {
  readonly type: "done"
  readonly id: string
  readonly operation: Name
  readonly facts: OperationResults[Name]
}

/** A line that the process writes. */
export type Report =
  | { readonly type: "ready" }
  /** Before each operation: its known arguments. */
  | {
      readonly type: "begun"
      readonly id: string
      readonly operation: OperationName
      readonly known: Readonly<Record<string, string>>
    }
  | Done
  /** An error that a method declares. */
  | {
      readonly type: "refused"
      readonly id: string
      readonly operation: OperationName
      readonly tag: string
      readonly reason: string
    }
  /** An undeclared error: a loss. */
  | { readonly type: "broken"; readonly id: string; readonly operation: OperationName; readonly cause: string }
  | { readonly type: "finished"; readonly longestTurnMs: number }

/** The reports of all processes on a database. */
export type Ledger = Array<Report>

/** All acknowledged operations of one kind. */
export const doneOf = <Name extends OperationName>(
  ledger: Ledger,
  operation: Name
): ReadonlyArray<OperationResults[Name]> =>
  ledger
    .filter((report): report is Done<Name> => report.type === "done" && report.operation === operation)
    .map(({ facts }) => facts)

/** All started operations of one kind, acknowledged or not. */
export const begunOf = (ledger: Ledger, operation: OperationName) =>
  ledger.flatMap((report) => (report.type === "begun" && report.operation === operation ? [report.known] : []))
