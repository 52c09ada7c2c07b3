/**
 * JSON parameters: a document of a row, and batches of many rows, which a statement reads with `json_each`.
 */
import { Effect } from "effect"
import { InvalidInput } from "../Errors.js"
import { maxParameterLength } from "../libsql/values.js"
import { maxNameLength } from "./columns.js"
import { inPieces, streamPageSize } from "./paging.js"

/**
 * Encodes the items as one JSON array. Fails with `InvalidInput` for `field` if the array is longer than a parameter
 * can be.
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
        const rule = `must be up to ${maxParameterLength} characters together`
        return Effect.fail(new InvalidInput({ operation, issues: [`${field}: ${rule}`] }))
      }
      texts.push(text)
    }
    return Effect.succeed(`[${texts.join(",")}]`)
  })

/** Encodes a document as JSON. Returns `undefined` if the JSON would be longer than a JavaScript string can be. */
const jsonOf = (document: () => object): string | undefined => {
  try {
    return JSON.stringify(document())
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** Encodes a document for a nullable JSON column. An absent document is NULL. */
export const jsonOrNull = (document: unknown): string | null =>
  document === undefined ? null : JSON.stringify(document)

/**
 * Reads rows by any number of ids. `read` receives up to 100 ids at a time, as a JSON array, and the first 100 at once:
 * up to 100 rows are a consistent snapshot. The event loop turns between two calls. Strings longer than an id of an
 * existing row can be (`existing`) are skipped, because they match no row.
 */
export const readByIds = <A, E, R>(
  ids: ReadonlyArray<string>,
  read: (batch: string) => Effect.Effect<ReadonlyArray<A>, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.map(
    inPieces(
      ids.filter((id) => id.length <= maxNameLength),
      (piece) => read(JSON.stringify(piece)),
      streamPageSize
    ),
    (found) => found.flat()
  )
