/**
 * Several writes as one, over each database: all of them are stored, or none.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option } from "effect"
import { BatchFailure } from "../../src/libsql/BatchFailure.js"
import { engineErrorOf } from "../../src/sql/engineError.js"
import { failedGuard, guard, type Write, writeAll } from "../../src/sql/writeAll.js"
import { databaseLayers } from "../support/database.js"

const insert = (id: string): Write => ({
  sql: `INSERT INTO "user" (id, name, email, email_verified, created_at, updated_at)
    VALUES (?1, 'Ada', ?1 || '@example.test', 1, 0, 0) RETURNING id`,
  values: [id]
})

const isUser = (id: string) => guard(`EXISTS (SELECT 1 FROM "user" WHERE id = ?1)`, [id])

const users = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ readonly id: string }>`SELECT id FROM "user" ORDER BY id`, (rows) => rows.map(({ id }) => id))
)

const write = (...writes: ReadonlyArray<Write>) => Effect.flatMap(SqlClient.SqlClient, (sql) => writeAll(sql, writes))

/** Fails with the error of the writes, and the position of the failed one. */
const failureOf = (...writes: ReadonlyArray<Write>) =>
  Effect.map(Effect.flip(write(...writes)), (error) => ({
    code: engineErrorOf(error).code,
    guard: Option.getOrUndefined(failedGuard(writes, error)),
    index: error.cause instanceof BatchFailure ? error.cause.index : undefined
  }))

const suite = (name: string, layer: Layer.Layer<SqlClient.SqlClient>) =>
  describe(`writeAll (${name})`, () => {
    it.effect("stores all writes in order, and returns the rows of each", () =>
      Effect.gen(function* () {
        expect(yield* write(insert("a"), isUser("a"), insert("b"))).toEqual([
          [{ id: "a" }],
          [{ held: "true" }],
          [{ id: "b" }]
        ])
        expect(yield* users).toEqual(["a", "b"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores nothing if a write fails, and reports its position", () =>
      Effect.gen(function* () {
        yield* write(insert("a"))
        expect(yield* failureOf(insert("b"), insert("a"), insert("c"))).toMatchObject({
          code: expect.stringMatching(/^SQLITE_CONSTRAINT/),
          guard: undefined,
          index: 1
        })
        expect(yield* users).toEqual(["a"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores nothing if a guard does not hold, and returns that guard", () =>
      Effect.gen(function* () {
        const missing = isUser("z")
        expect(yield* failureOf(insert("a"), isUser("a"), missing, insert("b"))).toMatchObject({
          guard: missing,
          index: 2
        })
        expect(yield* users).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("inside a transaction, a failure rolls back these writes only", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* write(insert("a"))
            expect(yield* failureOf(insert("b"), isUser("z"))).toMatchObject({ index: 1 })
            yield* write(insert("c"))
          })
        )
        expect(yield* users).toEqual(["a", "c"])
        const aborted = sql.withTransaction(Effect.zipRight(write(insert("d")), Effect.fail("no")))
        expect(yield* Effect.flip(aborted)).toBe("no")
        expect(yield* users).toEqual(["a", "c"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("concurrent ones fail alone", () =>
      Effect.gen(function* () {
        const ids = Array.from({ length: 20 }, (_, index) => `user-${index}`)
        const outcomes = yield* Effect.forEach(
          ids,
          (id, index) =>
            Effect.either(index % 3 === 0 ? write(insert(id), isUser("z")) : write(insert(id), isUser(id))),
          { concurrency: "unbounded" }
        )
        expect(outcomes.map(({ _tag }) => _tag)).toEqual(ids.map((_, index) => (index % 3 === 0 ? "Left" : "Right")))
        expect(yield* users).toEqual(ids.filter((_, index) => index % 3 !== 0).sort())
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(databaseLayers)) suite(name, layer)
