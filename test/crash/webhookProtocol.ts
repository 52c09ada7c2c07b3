/**
 * What a process that processes webhooks is told, and what it tells.
 */

/** When the process is to die: right before the numbered statement (1 is the first), or around the numbered COMMIT. */
export type Death =
  | { readonly at: "statement" | "before COMMIT" | "after COMMIT"; readonly number: number }
  | { readonly at: "never" }

/** What the process is given as its argument, in JSON. */
export interface Orders {
  readonly filePath: string
  readonly workerId: string
  readonly leaseMs: number
  /** `one`: processes one delivery, or dies while it does. `all`: runs until no delivery is left, or holds after so many. */
  readonly task: { readonly do: "one"; readonly death: Death } | { readonly do: "all"; readonly holdAfter?: number }
}

/** A line that the process writes. */
export type Report =
  | { readonly type: "counted"; readonly statements: number; readonly commits: number }
  | { readonly type: "holding"; readonly deliveryId: string }
  | { readonly type: "done" }
