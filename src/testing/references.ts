/**
 * Factories of what sandboxes refer to. The models of these tables are not here yet, so they give what a test refers
 * to: ids, and what is unique.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect } from "effect"
import { UserId } from "../domain/auth/User.js"
import { RepositoryId } from "../domain/source/Repository.js"
import { idOrNew } from "../internal/ids.js"
import { ensure, factory, insertPlain } from "./rows.js"
import { repository } from "./source.js"

/** The given id or a new one, and the moment of the row. */
const identity = <Id extends string>(given: string | undefined, prefix: string, make: (id: string) => Id) =>
  Effect.all({ id: idOrNew(given === undefined ? undefined : make(given), prefix, make), now: Clock.currentTimeMillis })

/** A user. Name and email are made from the id. */
export const user = (given: { readonly id?: string; readonly name?: string; readonly email?: string } = {}) =>
  Effect.gen(function*() {
    const { id, now } = yield* identity(given.id, "user", UserId.make)
    const row = { name: id, email: `${id}@example.com`, ...given, id }
    yield* insertPlain("user", { ...row, createdAt: now, updatedAt: now })
    return row
  }).pipe(factory("user"))


/** The user of this id, made when missing; a new one when none is given. */
export const owner = (given: string | undefined) =>
  Effect.gen(function*() {
    yield* ensure("user", given, (id) => user({ id }))
    return given === undefined ? (yield* user()).id : UserId.make(given)
  })

/** The repository of this id, made when missing; a new one when none is given. */
export const repositoryOf = (given: string | undefined) =>
  Effect.gen(function*() {
    yield* ensure("repositories", given, (id) => repository({ id }))
    return given === undefined ? (yield* repository()).id : RepositoryId.make(given)
  })

/** The number after the highest among the rows of one parent. */
export const next = (table: string, column: string, parentColumn: string, parent: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly number: number }>`
      SELECT coalesce(max(${sql(column)}), 0) + 1 AS number FROM ${sql(table)} WHERE ${sql(parentColumn)} = ${parent}`
    return row?.number ?? 1
  })
