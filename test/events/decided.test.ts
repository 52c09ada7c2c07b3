/**
 * Operations that read, decide and write: what happens when a row changes between the read and the write.
 */
import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Effect, Ref } from "effect"
import { operationsOf } from "../../src/events/operation.js"
import { clientInternals } from "../../src/libsql/registry.js"
import { guard } from "../../src/sql/writeAll.js"
import { memoryLayer } from "../support/database.js"

const { decided } = operationsOf("SandboxLifecycle", "Sandbox")

const createUser = (sql: SqlClient.SqlClient) =>
  sql`INSERT INTO "user" (id, name, email, email_verified, created_at, updated_at) VALUES ('ada', '0', 'a@example.test', 1, 0, 0)`

const nameOf = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ readonly name: string }>`SELECT name FROM "user"`, ([row]) => row?.name ?? "")

const rename = (sql: SqlClient.SqlClient, name: string) => sql`UPDATE "user" SET name = ${name}`

/** Appends `!` to the name. The first `changes` decisions are followed by a change of another program. */
const exclaim = (sql: SqlClient.SqlClient, changes: number) =>
  Effect.gen(function* () {
    const decisions = yield* Ref.make<ReadonlyArray<boolean>>([])
    const isInTransaction = clientInternals(sql)?.isInTransaction ?? Effect.succeed(false)
    const result = yield* decided(
      sql,
      "exclaim"
    )(() =>
      Effect.gen(function* () {
        const read = yield* nameOf(sql)
        const inTransaction = yield* isInTransaction
        const count = (yield* Ref.updateAndGet(decisions, (before) => [...before, inTransaction])).length
        if (count <= changes) yield* rename(sql, String(count))
        return {
          writes: [
            guard(`(SELECT name FROM "user") = ?1`, [read]),
            { sql: `UPDATE "user" SET name = ?1`, values: [`${read}!`] }
          ],
          transitions: [],
          result: () => Effect.succeed(`${read}!`)
        }
      })
    )
    return { decisions: yield* Ref.get(decisions), result }
  })

it.effect("an operation decides again when a row changed after it was read, and overwrites nothing", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* createUser(sql)
    expect(yield* exclaim(sql, 2)).toEqual({ decisions: [false, false, false], result: "2!" })
    expect(yield* nameOf(sql)).toBe("2!")
  }).pipe(Effect.provide(memoryLayer))
)

it.effect("the last decision is made under the write lock", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* createUser(sql)
    expect(yield* exclaim(sql, 5)).toEqual({ decisions: [false, false, false, false, false, true], result: "5!" })
    expect(yield* nameOf(sql)).toBe("5!")
  }).pipe(Effect.provide(memoryLayer))
)
