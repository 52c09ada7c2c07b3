/**
 * One pass of supervision over the rows of a table. It handles the rows one by one, each in a short transaction, with a
 * turn of the event loop in between. A changed row is logged with the rule; a row that cannot be handled is logged and
 * skipped.
 */
import { Effect } from "effect"
import type { PersistenceError } from "../Errors.js"
import { nextTurn } from "../libsql/eventLoop.js"
import { kindOf } from "../sql/tagged.js"

/** A row to supervise, with its key in the index. */
export interface Candidate {
  readonly id: string
  readonly at: number
  /** 1 if a rule applies to the row. Checked again in the transaction of the row. */
  readonly due: 0 | 1
}

/** The number of rows that one statement reads: few enough not to block the event loop. */
export const pageSize = 200

/** A pass over one kind of rows. */
export interface Pass<E> {
  /** The name of this kind of rows in logs. */
  readonly noun: string
  /** The rule of this pass, which is logged once for each row that it changed. */
  readonly rule: string
  /** Reads the next rows after a key, oldest first, up to `pageSize`. */
  readonly page: (after: Pick<Candidate, "at" | "id">) => Effect.Effect<ReadonlyArray<Candidate>, E>
  /** Handles one row in one transaction. Returns whether it changed a row. */
  readonly handle: (id: string) => Effect.Effect<boolean, E>
}

/** The result of a pass. */
export interface Passed {
  /** The number of changed rows. */
  readonly changed: number
  /** The number of rows that could not be handled. */
  readonly failed: number
}

const start = { at: -1, id: "" }

/** Handles up to `limit` rows. Failed rows do not count, so that they cannot keep the others from being handled. */
export const runPass = <E extends { readonly _tag: string; readonly message: string }>(
  { handle, noun, page, rule }: Pass<E>,
  limit: number
): Effect.Effect<Passed, E> =>
  Effect.gen(function* () {
    const counts = { changed: 0, handled: 0, failed: 0 }
    const isolated = (id: string) =>
      handle(id).pipe(
        Effect.tap((changed) => {
          counts.handled += 1
          if (!changed) return Effect.void
          counts.changed += 1
          return Effect.logInfo(`supervision changed ${noun} ${id}: ${rule}`)
        }),
        Effect.catchIf(isOfRow, ({ message }) => skip(id, message)),
        Effect.catchAllDefect((defect) => skip(id, kindOf(defect)))
      )
    const skip = (id: string, problem: string) =>
      Effect.zipRight(
        Effect.sync(() => (counts.failed += 1)),
        Effect.logWarning(`supervision skips ${noun} ${id}: ${problem}`)
      )

    let rows = yield* page(start)
    while (rows.length > 0) {
      for (const { due, id } of rows) {
        if (due === 0) continue
        if (counts.handled >= limit) return counts
        yield* Effect.zipRight(isolated(id), nextTurn)
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < pageSize) return counts
      yield* nextTurn
      rows = yield* page(last)
    }
    return counts
  })

/**
 * Returns whether a failure concerns only this row. Other failures mean that the database cannot answer, and end the
 * pass.
 */
const isOfRow = (error: { readonly _tag: string; readonly reason?: PersistenceError["reason"] }) =>
  error._tag !== "PersistenceError" || error.reason === "CorruptRow" || error.reason === "Unknown"

/** Returns the sum of the results of several passes. */
export const sumOf = (passes: ReadonlyArray<Passed>): Passed => ({
  changed: passes.reduce((sum, { changed }) => sum + changed, 0),
  failed: passes.reduce((sum, { failed }) => sum + failed, 0)
})
