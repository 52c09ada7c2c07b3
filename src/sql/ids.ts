/**
 * Ids of ours: a prefix that says what they name, and a UUIDv7 (https://www.rfc-editor.org/rfc/rfc9562#section-5.7),
 * which sorts by the time it was made.
 */
import { Effect } from "effect"
import { v7 } from "uuid"

/** The given id, or a new one with the prefix: `sbx_019a...`. */
export const idOrNew = <Id extends string>(given: Id | undefined, prefix: string, make: (id: string) => Id): Effect.Effect<Id> =>
  given === undefined ? Effect.sync(() => make(`${prefix}_${v7()}`)) : Effect.succeed(given)
