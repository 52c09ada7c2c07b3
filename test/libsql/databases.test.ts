import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Database } from "@sealant/db"
import { Effect, Exit, Fiber, Layer, Scope } from "effect"
import { join } from "node:path"
import { descriptorsBelow } from "./support.js"
import { temporaryDirectory } from "../support/directories.js"

const client = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`
  return sql
})

const open = Effect.map(Layer.build(Layer.fresh(Database.layerMemory)), (context) => Effect.provide(context))

describe("two databases at once", () => {
  it.scoped("a transaction of one does not include statements on the other", () =>
    Effect.gen(function* () {
      const one = yield* client.pipe(yield* open)
      const other = yield* client.pipe(yield* open)
      yield* Effect.ignore(
        one.withTransaction(
          Effect.gen(function* () {
            yield* one`INSERT INTO t VALUES (1)`
            yield* other`INSERT INTO t VALUES (2)`
            yield* other.withTransaction(
              Effect.zipRight(other`INSERT INTO t VALUES (3)`, one`INSERT INTO t VALUES (4)`)
            )
            return yield* Effect.fail("undone")
          })
        )
      )
      expect(yield* one`SELECT id FROM t`).toEqual([])
      expect(yield* other`SELECT id FROM t`).toEqual([{ id: 2 }, { id: 3 }])
    })
  )
})

describe("changes", () => {
  it.scoped("wake waiters at once on a commit in memory", () =>
    Effect.gen(function* () {
      const inDatabase = yield* open
      const sql = yield* client.pipe(inDatabase)
      const seen = yield* Database.version.pipe(inDatabase)
      const waiting = yield* Effect.fork(Database.changedSince(seen).pipe(inDatabase))
      yield* sql`INSERT INTO t VALUES (1)`
      yield* Fiber.join(waiting)
      expect(yield* Database.version.pipe(inDatabase)).not.toBe(seen)
    })
  )

  it.scoped("do not wake waiters for an earlier commit", () =>
    Effect.gen(function* () {
      const inDatabase = yield* open
      const sql = yield* client.pipe(inDatabase)
      const seen = yield* Database.version.pipe(inDatabase)
      yield* sql.withTransaction(sql`INSERT INTO t VALUES (1)`)
      yield* Database.changedSince(seen).pipe(inDatabase)
    })
  )

  it.scopedLive("include commits through another connection to the file", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const layer = Layer.fresh(Database.layer({ filePath: join(directory, "a.sqlite") }))
      const here = Effect.provide(yield* Layer.build(layer))
      const there = Effect.provide(yield* Layer.build(layer))
      yield* client.pipe(here)
      const seen = yield* Database.version.pipe(here)
      const waiting = yield* Effect.fork(Database.changedSince(seen).pipe(here))
      yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO t VALUES (1)`).pipe(there)
      yield* Fiber.join(waiting)
    })
  )

  it.scoped("fail when the database is closed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const scope = yield* Scope.make()
      const inDatabase = Effect.provide(
        yield* Layer.buildWithScope(Database.layer({ filePath: join(directory, "a.sqlite") }), scope)
      )
      const seen = yield* Database.version.pipe(inDatabase)
      const waiting = yield* Effect.fork(Database.changedSince(seen).pipe(inDatabase))
      yield* Effect.yieldNow()
      yield* Scope.close(scope, Exit.void)
      const descriptors = descriptorsBelow(directory)
      yield* Fiber.join(waiting)
      yield* Database.changedSince(seen).pipe(inDatabase)
      expect(yield* Database.version.pipe(inDatabase)).not.toBe(seen)
      expect(descriptorsBelow(directory)).toBeLessThanOrEqual(descriptors)
    })
  )

  it.scoped("release interrupted waiters", () =>
    Effect.gen(function* () {
      const inDatabase = yield* open
      const sql = yield* client.pipe(inDatabase)
      const seen = yield* Database.version.pipe(inDatabase)
      const waiting = yield* Effect.fork(Database.changedSince(seen).pipe(inDatabase))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(waiting)
      yield* sql`INSERT INTO t VALUES (1)`
      expect(yield* Database.version.pipe(inDatabase)).not.toBe(seen)
    })
  )
})
