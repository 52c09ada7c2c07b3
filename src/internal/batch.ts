/**
 * Batches: many rows as one parameter, so that a statement goes through them with `json_each`.
 */
import { Effect } from "effect"
import { InvalidInput } from "../Errors.js"

// A text of SQLite has at most 1,000,000,000 bytes (https://www.sqlite.org/limits.html), a character up to three of them.
const longestBatch = 200_000_000

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
      if (text === undefined || length > longestBatch) {
        return Effect.fail(new InvalidInput({ operation, issues: [`${field}: must be up to ${longestBatch} characters together`] }))
      }
      texts.push(text)
    }
    return Effect.succeed(`[${texts.join(",")}]`)
  })

/** The document as JSON; none when that, or a text in it, is longer than a string of JavaScript can be. */
export const jsonOf = (document: () => object): string | undefined => {
  try {
    return JSON.stringify(document())
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
