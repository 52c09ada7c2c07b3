/**
 * Generated ids: a prefix that names the entity, and a UUIDv7 (https://www.rfc-editor.org/rfc/rfc9562#section-5.7),
 * which sorts by creation time.
 */
import { Effect } from "effect"
import { v7 } from "uuid"

/** Returns `id`, or generates one with the prefix: `sbx_019a...`. */
export const idOrNew = <Id extends string>(
  id: Id | undefined,
  prefix: string,
  make: (id: string) => Id
): Effect.Effect<Id> => (id === undefined ? Effect.sync(() => make(`${prefix}_${v7()}`)) : Effect.succeed(id))
