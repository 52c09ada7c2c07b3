/**
 * Batches: many rows as one parameter, so that a statement goes through them with `json_each`.
 */
import { Effect } from "effect"
import { InvalidInput } from "../Errors.js"
import { maxParameterLength } from "../libsql/values.js"
import { maxNameLength } from "./columns.js"
import { inPieces } from "./paging.js"

/**
 * The items as one JSON array. Fails with `InvalidInput` of the operation, for its field, when they are more than one
 * parameter can hold.
 */
export const batchOf = <A>(
  operation: string,
  field: string,
  items: ReadonlyArray<A>,
  toRow: (item: A) => object
): Effect.Effect<string, InvalidInput> =>
  Effect.suspend(() => {
    const texts: Array<string> = []
    let length = 0
    for (const item of items) {
      const text = jsonOf(() => toRow(item))
      length += (text?.length ?? Infinity) + 1
      if (text === undefined || length > maxParameterLength) {
        return Effect.fail(new InvalidInput({ operation, issues: [`${field}: must be up to ${maxParameterLength} characters together`] }))
      }
      texts.push(text)
    }
    return Effect.succeed(`[${texts.join(",")}]`)
  })

/** The document as JSON; none when that, or a text in it, is longer than a string of JavaScript can be. */
const jsonOf = (document: () => object): string | undefined => {
  try {
    return JSON.stringify(document())
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/**
 * Reads rows by any number of ids, a piece at a time, as JSON arrays that a parameter can hold. The event loop turns between
 * two pieces. Strings longer than the id of an existing row (`existing`) are left out, because they match no row.
 */
export const readByIds = <A, E, R>(
  ids: ReadonlyArray<string>,
  read: (batch: string) => Effect.Effect<ReadonlyArray<A>, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.map(
    inPieces(ids.filter((id) => id.length <= maxNameLength), (piece) => read(JSON.stringify(piece))),
    (found) => found.flat()
  )
