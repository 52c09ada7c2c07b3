/**
 * What a process that processes webhooks is told, and what it tells.
 */
import type { Death } from "./deaths.js"

/** What the process is given as its argument, in JSON. */
export interface Orders {
  readonly filePath: string
  readonly workerId: string
  /** Works by a clock that is a day ahead. */
  readonly tomorrow?: boolean
  /** `one`: processes one delivery, or dies while it does. `all`: runs until no delivery is left, or holds after so many. */
  readonly task: { readonly do: "one"; readonly death: Death } | { readonly do: "all"; readonly holdAfter?: number }
}

/** A line that the process writes. */
export type Report =
  /** It has opened the database, and goes to work. */
  | { readonly type: "ready" }
  | { readonly type: "counted"; readonly statements: number; readonly commits: number }
  | { readonly type: "holding"; readonly deliveryId: string }
  | { readonly type: "done" }
