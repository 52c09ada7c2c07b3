/**
 * Batches: many rows as one parameter, so that a statement goes through them with `json_each`.
 */
import { Chunk, Effect } from "effect"
import { InvalidInput } from "../Errors.js"
import { maxParameterLength } from "../libsql/values.js"
import { maxIdLength } from "./columns.js"
import { nextTurn } from "./eventLoop.js"

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

// Rows are read and decoded synchronously: larger batches would block the event loop.
const idsAtOnce = 200

/**
 * Reads rows by any number of ids, a batch at a time, as JSON arrays that a parameter can hold. The event loop turns between
 * two batches. Strings longer than an id are left out, because they match no row.
 */
export const readByIds = <A, E, R>(
  ids: ReadonlyArray<string>,
  read: (batch: string) => Effect.Effect<ReadonlyArray<A>, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> => {
  const batches = Chunk.toReadonlyArray(Chunk.chunksOf(Chunk.fromIterable(ids.filter((id) => id.length <= maxIdLength)), idsAtOnce))
  return Effect.map(
    Effect.forEach(batches, (batch, index) =>
      Effect.zipRight(index === 0 ? Effect.void : nextTurn, read(JSON.stringify(Chunk.toReadonlyArray(batch))))),
    (found) => found.flat()
  )
}
