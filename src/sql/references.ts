/**
 * Which reference is missing: the engine says of a FOREIGN KEY only that one failed.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import { ReferenceNotFound } from "../Errors.js"
import { isTaggedAs } from "./tagged.js"

export const isReferenceNotFound = isTaggedAs<ReferenceNotFound>("ReferenceNotFound")

/** A row that is referred to: by which field, in which table. */
export interface Reference {
  readonly field: string
  readonly table: string
  readonly id: Option.Option<string>
  /** Whose it must be, where a foreign key asks for that. A row of another owner counts as not there. */
  readonly ownerUserId?: string
  /** What the trigger says that refuses a row of another owner. The caller gets the field, as if no such row were there. */
  readonly rule?: string
}

/**
 * After a write was refused for a reference that the engine did not name: finds the first one that does not exist, in the
 * order of `references`. A refusal by a trigger stands for the reference with its `rule`. Triggers run before foreign keys
 * are checked, so the references before that one are looked up too: another owner's row is then reported as a missing one.
 * A refusal by another rule stays as it is.
 */
export const nameMissing = (sql: SqlClient.SqlClient, references: ReadonlyArray<Reference>) => <E>(error: E) =>
  Effect.gen(function*() {
    if (!isReferenceNotFound(error)) return yield* Effect.fail(error)
    const refused = references.find(({ rule }) => rule !== undefined && rule === error.reference)
    if (refused === undefined && error.reference !== "unknown") return yield* Effect.fail(error)
    for (const reference of references) {
      const { field, id, ownerUserId, table } = reference
      if (reference === refused) return yield* new ReferenceNotFound({ entity: error.entity, reference: field })
      if (Option.isNone(id)) continue
      const ofOwner = ownerUserId === undefined ? sql`` : sql`AND owner_user_id = ${ownerUserId}`
      const found = yield* sql`SELECT 1 FROM ${sql(table)} WHERE id = ${id.value} ${ofOwner}`.pipe(Effect.orElseSucceed(() => [true]))
      if (found.length === 0) return yield* new ReferenceNotFound({ entity: error.entity, reference: field })
    }
    return yield* Effect.fail(error)
  })
