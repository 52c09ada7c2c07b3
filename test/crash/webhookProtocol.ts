/**
 * The argument and the reports of a process that processes webhooks.
 */
import type { Death } from "./killPoints.js"

/** The argument of the process, in JSON. */
export interface ProcessOptions {
  readonly filePath: string
  readonly workerId: string
  /** Uses a clock that is a day ahead. */
  readonly tomorrow?: boolean
  /** `one`: processes one delivery, or is killed in it. `all`: runs until no delivery is left, or holds after this number. */
  readonly task: { readonly do: "one"; readonly death: Death } | { readonly do: "all"; readonly holdAfter?: number }
}

/** A line that the process writes. */
export type Report =
  /** It has opened the database and starts. */
  | { readonly type: "ready" }
  | { readonly type: "counted"; readonly statements: number; readonly commits: number }
  | { readonly type: "holding"; readonly deliveryId: string }
  | { readonly type: "done" }
