/**
 * Search for a missing referenced row. The engine reports that a FOREIGN KEY failed, but not which one.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import { ReferenceNotFound } from "../Errors.js"
import { isTaggedAs } from "./tagged.js"

export const isReferenceNotFound = isTaggedAs<ReferenceNotFound>("ReferenceNotFound")

/** A referenced row: the field that contains its id, and its table. */
export interface Reference {
  readonly field: string
  readonly table: string
  readonly id: Option.Option<string>
  /** The owner that the foreign key requires. A row of another owner is reported as missing. */
  readonly ownerUserId?: string
  /**
   * The RAISE text of the trigger that refuses a row of another owner. The error contains `field`, as for a missing
   * row.
   */
  readonly rule?: string
}

/**
 * Handles the error of a refused write: fails with `ReferenceNotFound` for the first missing row, in the order of
 * `references`, which are built for an error only.
 *
 * A trigger refuses the reference that has its text as `rule`. Triggers run before foreign keys are checked, so the
 * references before that one are read, too. A row of another owner is then reported like a missing row. Other errors
 * are unchanged.
 */
export const resolveForeignKeyError =
  (sql: SqlClient.SqlClient, referencesOf: () => ReadonlyArray<Reference>) =>
  <E>(error: E) =>
    Effect.gen(function* () {
      if (!isReferenceNotFound(error)) return yield* Effect.fail(error)
      const references = referencesOf()
      const refused = references.find(({ rule }) => rule !== undefined && rule === error.reference)
      if (refused === undefined && error.reference !== "unknown") return yield* Effect.fail(error)
      for (const reference of references) {
        const { field, id, ownerUserId, table } = reference
        if (reference === refused) return yield* new ReferenceNotFound({ entity: error.entity, reference: field })
        if (Option.isNone(id)) continue
        const ofOwner = ownerUserId === undefined ? sql`` : sql`AND owner_user_id = ${ownerUserId}`
        const found = yield* sql`SELECT 1 FROM ${sql(table)} WHERE id = ${id.value} ${ofOwner}`.pipe(
          Effect.orElseSucceed(() => [true])
        )
        if (found.length === 0) return yield* new ReferenceNotFound({ entity: error.entity, reference: field })
      }
      return yield* Effect.fail(error)
    })
