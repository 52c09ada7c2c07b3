import { SqlClient } from "@effect/sql"
import { LibsqlClient } from "@effect/sql-libsql"
import { expect, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Fiber, Layer, TestClock } from "effect"
import { join } from "node:path"
import * as Database from "../src/Database.js"
import * as Migrations from "../src/Migrations.js"
import { temporaryDirectory } from "./support/directories.js"

const first = "CREATE TABLE plant (id TEXT PRIMARY KEY NOT NULL) STRICT; INSERT INTO plant VALUES ('fern');"
const second = `
CREATE TABLE leaf (id TEXT PRIMARY KEY NOT NULL, plant_id TEXT NOT NULL REFERENCES plant (id)) STRICT;
CREATE TRIGGER leaf_immutable BEFORE UPDATE ON leaf BEGIN
  SELECT RAISE(ABORT, 'a; b');
END;
CREATE INDEX leaf_plant_id_idx ON leaf (plant_id);`
const third = "ALTER TABLE plant ADD COLUMN height INTEGER; UPDATE plant SET height = 3;"
const record = { "0001_plants": first, "0002_leaves": second, "0003_heights": third }

const { plan, requireCurrent, run, status, verify } = Migrations.make(record)
const upTo = (count: number) => Migrations.make(Object.fromEntries(Object.entries(record).slice(0, count)))

const names = (migrations: ReadonlyArray<{ readonly name: string }>) => migrations.map(({ name }) => name)

/** The schema, and the rows that migrations wrote. */
const contents = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name`
)

const inMemory = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.provide(effect, Database.layerMemory)

type Opened = Layer.Layer<SqlClient.SqlClient>

/** A temporary file, opened with the default busy timeout and with one of 100 ms. */
const inFile = <A, E, R>(effect: (database: Opened, impatient: Opened) => Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.flatMap(temporaryDirectory, (directory) => {
      const filePath = join(directory, "test.sqlite")
      return effect(
        Layer.orDie(Database.layer({ filePath })),
        Layer.orDie(Database.layer({ filePath, busyTimeoutMs: 100 }))
      )
    })
  )

it.effect("applies all migrations and returns them; a second run applies nothing", () =>
  inMemory(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* TestClock.setTime(1_700_000_000_123)
      const applied = yield* run
      expect(names(applied)).toEqual(["0001_plants", "0002_leaves", "0003_heights"])
      expect(
        applied.map(({ appliedAt, checksum, id }) => [id, DateTime.toEpochMillis(appliedAt), checksum.length])
      ).toEqual([1, 2, 3].map((id) => [id, 1_700_000_000_123, 64]))
      expect(yield* sql`SELECT * FROM plant`).toEqual([{ id: "fern", height: 3 }])
      yield* TestClock.adjust("1 hour")
      expect(yield* run).toEqual([])
      expect(yield* status).toEqual({ applied, pending: [], mismatched: [], unknown: [] })
      yield* verify
    })
  )
)

it.effect("applies the missing migrations; the schema is the same as after a single run", () =>
  Effect.gen(function* () {
    const atOnce = yield* inMemory(Effect.zipRight(run, contents))
    for (const count of [1, 2]) {
      yield* inMemory(
        Effect.gen(function* () {
          yield* upTo(count).run
          expect(names(yield* plan)).toEqual(Object.keys(record).slice(count))
          expect(names((yield* status).applied)).toEqual(Object.keys(record).slice(0, count))
          expect(names(yield* run)).toEqual(Object.keys(record).slice(count))
          expect(yield* contents).toEqual(atOnce)
        })
      )
    }
  })
)

it.effect("keeps one STRICT table of its own beside those of the migrations", () =>
  inMemory(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* run
      expect(
        yield* sql`SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
      ).toEqual(["leaf", "plant", "sealant_migrations"].map((name) => ({ name, strict: 1 })))
    })
  )
)

it.effect("status and plan write nothing", () =>
  inMemory(
    Effect.gen(function* () {
      expect(names((yield* status).pending)).toEqual(Object.keys(record))
      expect(names(yield* plan)).toEqual(Object.keys(record))
      expect((yield* Effect.flip(verify))._tag).toBe("SchemaNotCurrent")
      expect(yield* contents).toEqual([])
    })
  )
)

it.effect("a failing migration is named with its statement, and none of the run is applied", () =>
  Effect.gen(function* () {
    const broken = {
      ...record,
      "0003_heights": "ALTER TABLE plant ADD COLUMN height INTEGER; INSERT INTO stem VALUES ('sentinel');"
    }
    yield* inMemory(
      Effect.gen(function* () {
        const failure = yield* Effect.flip(Migrations.make(broken).run)
        expect(failure).toEqual(
          new Migrations.MigrationFailed({ migration: "0003_heights", statement: 2, reason: "no such table: stem" })
        )
        expect(failure.message).toBe(
          "migration 0003_heights failed at statement 2 (no such table: stem); nothing was applied"
        )
        expect(yield* contents).toEqual([])
        // The client still works, and applies the corrected record.
        expect(yield* run).toHaveLength(3)
      })
    )
    yield* inMemory(
      Effect.gen(function* () {
        yield* upTo(1).run
        const before = yield* contents
        yield* Effect.flip(Migrations.make(broken).run)
        expect(yield* contents).toEqual(before)
        expect(names((yield* Migrations.make(broken).status).applied)).toEqual(["0001_plants"])
      })
    )
  })
)

it.effect("the values of a statement appear neither in the error nor in its message", () =>
  inMemory(
    Effect.gen(function* () {
      for (const [statement, reason] of [
        ["INSERT INTO plant VALUES ('fern')", "UNIQUE constraint failed: plant.id"],
        ["INSERT INTO plant VALUES (x'73656e74696e656c')", "UNKNOWN_SQLITE_ERROR_3091"],
        [
          "COMMIT",
          "a transaction accepts one statement at a time, and no BEGIN, COMMIT, END, ROLLBACK, PRAGMA, VACUUM, ATTACH or DETACH"
        ],
        [
          "PRAGMA foreign_keys = off",
          "a transaction accepts one statement at a time, and no BEGIN, COMMIT, END, ROLLBACK, PRAGMA, VACUUM, ATTACH or DETACH"
        ]
      ] as const) {
        const failure = yield* Effect.flip(Migrations.make({ "0001_plants": first, "0002_bad": statement }).run)
        expect(failure).toEqual(new Migrations.MigrationFailed({ migration: "0002_bad", statement: 1, reason }))
        expect(yield* contents).toEqual([])
      }
    })
  )
)

it.effect("a deferred reference that is missing at the commit rolls back the migrations", () =>
  inMemory(
    Effect.gen(function* () {
      const dangling = `CREATE TABLE twig (plant_id TEXT REFERENCES plant (id) DEFERRABLE INITIALLY DEFERRED) STRICT; INSERT INTO twig VALUES ('none');`
      const failure = yield* Effect.flip(Migrations.make({ "0001_plants": first, "0002_twigs": dangling }).run)
      expect(failure).toMatchObject({ _tag: "PersistenceError", cause: "SQLITE_CONSTRAINT_FOREIGNKEY" })
      expect(yield* contents).toEqual([])
    })
  )
)

it.effect("runs as part of the caller's transaction", () =>
  inMemory(
    Effect.gen(function* () {
      yield* Effect.flip(Database.transaction(Effect.zipRight(run, Effect.fail("no"))))
      expect(yield* contents).toEqual([])
      yield* Database.transaction(run)
      yield* verify
    })
  )
)

const refused = (other: Record<string, string>) =>
  Effect.map(Effect.flip(Migrations.make(other).run), ({ message }) => message)

const because = (issues: string) => `the migrations cannot be used: ${issues}`

it.effect("rejects a record with names, numbers or texts that the migrator would skip", () =>
  inMemory(
    Effect.gen(function* () {
      const text = "SELECT 1;"
      expect(yield* refused({ "0001_a": text, "0003_c": text })).toBe(
        because("0003_c is out of sequence: number 0002 is missing before it")
      )
      expect(yield* refused({ "0002_b": text })).toBe(
        because("0002_b is out of sequence: number 0001 is missing before it")
      )
      expect(yield* refused({ "0001_a": text, "0001_b": text })).toBe(
        because("0001_b has the number of another migration")
      )
      expect(yield* refused({ "0000_a": text, "0001_b": text })).toBe(
        because("0000_a has the number of another migration")
      )
      expect(yield* refused({ "0001_a": " -- nothing yet\n" })).toBe(because("0001_a contains no statement"))
      for (const name of [
        "1_a",
        "0001a",
        "0001_A",
        "0001_a-b",
        "0001_",
        "00001_a",
        "0001__a",
        "_0001_a",
        "0001_a.sql"
      ]) {
        expect(yield* refused({ [name]: text })).toBe(because(`"${name}" is not of the form NNNN_name`))
      }
      const several = yield* Effect.flip(Migrations.make({ x: text, "0002_b": "" }).status)
      expect(several).toMatchObject({
        _tag: "InvalidMigrations",
        issues: [expect.any(String), expect.any(String), expect.any(String)]
      })
      expect(yield* contents).toEqual([])
    })
  )
)

it.effect("rejects a migration whose text or name differs from the applied one, and names it and the remedy", () =>
  inMemory(
    Effect.gen(function* () {
      yield* upTo(2).run
      const before = yield* contents
      for (const altered of [
        { ...record, "0001_plants": `${first} ` },
        { "0001_plant": first, "0002_leaves": second, "0003_heights": third }
      ]) {
        const migrations = Migrations.make(altered)
        const [name = ""] = Object.keys(altered)
        const failure = yield* Effect.flip(migrations.run)
        expect(failure).toMatchObject({ _tag: "SchemaNotCurrent", reason: "altered", migrations: [name] })
        expect(failure.message).toBe(
          `${name}: differs from the database; put the released text back, and the change into a new migration`
        )
        expect(yield* Effect.flip(migrations.verify)).toEqual(failure)
        expect(yield* Effect.flip(migrations.plan)).toEqual(failure)
        const { applied, mismatched, pending } = yield* migrations.status
        expect([names(applied), names(mismatched), names(pending)]).toEqual([
          ["0002_leaves"],
          ["0001_plants"],
          ["0003_heights"]
        ])
        expect(mismatched[0]?.expected.name).toBe(name)
        expect(yield* contents).toEqual(before)
      }
    })
  )
)

it.effect("rejects a database that a newer program migrated", () =>
  inMemory(
    Effect.gen(function* () {
      yield* run
      for (const effect of [Effect.asVoid(upTo(1).run), Effect.asVoid(upTo(1).plan), upTo(1).verify]) {
        const failure = yield* Effect.flip(effect)
        expect(failure).toMatchObject({
          _tag: "SchemaNotCurrent",
          reason: "newer",
          migrations: ["0002_leaves", "0003_heights"]
        })
        expect(failure.message).toBe(
          "the program is older than the database, which has 0002_leaves, 0003_heights: deploy a version of the program that knows them"
        )
      }
      expect(names((yield* upTo(1).status).unknown)).toEqual(["0002_leaves", "0003_heights"])
    })
  )
)

it.effect("rejects a ledger with a missing row", () =>
  inMemory(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* upTo(2).run
      yield* sql`DELETE FROM sealant_migrations WHERE migration_id = 1`
      expect(yield* Effect.flip(run)).toMatchObject({
        _tag: "SchemaNotCurrent",
        reason: "altered",
        migrations: ["0001_plants"]
      })
    })
  )
)

it.effect("reports a ledger that cannot be written instead of assuming a concurrent migrator", () =>
  inMemory(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* upTo(1).run
      yield* sql`CREATE TRIGGER guard BEFORE INSERT ON sealant_migrations BEGIN SELECT RAISE(ABORT, 'no'); END`
      const before = yield* contents
      expect(yield* Effect.flip(run)).toMatchObject({
        _tag: "PersistenceError",
        cause: "sealant_migrations cannot be written"
      })
      expect(yield* contents).toEqual(before)
    })
  )
)

it.effect("rejects a database of another program before it changes anything", () =>
  inMemory(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE leaf (name TEXT)`
      const failure = yield* Effect.flip(run)
      expect(failure).toEqual(new Migrations.DatabaseNotEmpty({ object: "table leaf" }))
      expect(failure.message).toContain("sealant-db import-legacy PATH")
      expect(yield* contents).toHaveLength(1)
      // Tables with other names are allowed.
      yield* sql`ALTER TABLE leaf RENAME TO notes`
      yield* run
      // A migration that conflicts with a table of this package fails by its own statement.
      const twice = Migrations.make({ ...record, "0004_again": "CREATE TABLE plant (id TEXT) STRICT" })
      expect(yield* Effect.flip(twice.run)).toMatchObject({
        _tag: "MigrationFailed",
        migration: "0004_again",
        statement: 1
      })
    })
  )
)

const startOn =
  (database: Layer.Layer<SqlClient.SqlClient>) =>
  (layer: Layer.Layer<never, { readonly message: string }, SqlClient.SqlClient>) =>
    Effect.scoped(Effect.asVoid(Layer.build(Layer.provide(layer, database))))

it.effect("requireCurrent accepts the current schema only; layer migrates to it", () =>
  inFile((database) =>
    Effect.gen(function* () {
      const start = startOn(database)
      const older = yield* Effect.flip(start(requireCurrent))
      expect(older.message).toMatch(
        /^the database .* is older than the program and lacks 0001_plants, 0002_leaves, 0003_heights: run `sealant-db migrate`$/
      )
      yield* start(upTo(1).layer)
      expect((yield* Effect.flip(start(requireCurrent))).message).toMatch(
        /^the database .* is older than the program and lacks 0002_leaves, 0003_heights: run `sealant-db migrate`$/
      )
      yield* start(Migrations.make(record).layer)
      yield* start(requireCurrent)
      expect(yield* Effect.flip(start(upTo(2).requireCurrent))).toMatchObject({ reason: "newer" })
      expect(
        yield* Effect.flip(start(Migrations.make({ ...record, "0002_leaves": third }).requireCurrent))
      ).toMatchObject({ reason: "altered" })
    })
  )
)

it.live("of concurrent migrators on separate connections, one applies and the others find nothing to do", () =>
  inFile((database) =>
    Effect.gen(function* () {
      const migrators = Array.from({ length: 4 }, () => Effect.provide(run, Layer.fresh(database)))
      const outcomes = yield* Effect.all(migrators, { concurrency: "unbounded" })
      expect(outcomes.map((applied) => applied.length).toSorted()).toEqual([0, 0, 0, 3])
      yield* Effect.provide(verify, database)
    })
  )
)

it.scoped("runs through @libsql/client, without the local client", () =>
  Effect.flatMap(temporaryDirectory, (directory) =>
    Effect.gen(function* () {
      const broken = Migrations.make({ ...record, "0003_heights": "UPDATE stem SET height = 3" })
      expect(yield* Effect.flip(broken.run)).toMatchObject({
        _tag: "MigrationFailed",
        migration: "0003_heights",
        statement: 1
      })
      expect(yield* contents).toEqual([])
      expect(yield* run).toHaveLength(3)
      expect(yield* run).toEqual([])
      yield* verify
      expect(yield* Effect.flip(upTo(1).run)).toMatchObject({ _tag: "SchemaNotCurrent", reason: "newer" })
    }).pipe(Effect.provide(LibsqlClient.layer({ url: `file:${join(directory, "test.sqlite")}` })))
  )
)

it.live("supports concurrent migrators on one connection", () =>
  inMemory(
    Effect.gen(function* () {
      const outcomes = yield* Effect.all([run, run, run], { concurrency: "unbounded" })
      expect(outcomes.map((applied) => applied.length).toSorted()).toEqual([0, 0, 3])
    })
  )
)

it.live("fails with Busy and applies nothing if the lock is not released in time", () =>
  inFile((database, impatient) =>
    Effect.gen(function* () {
      const held = yield* Deferred.make<void>()
      const hold = Effect.flatMap(SqlClient.SqlClient, (sql) =>
        sql.withTransaction(
          Effect.zipRight(sql`SELECT 1`, Effect.zipRight(Deferred.succeed(held, undefined), Effect.never))
        )
      )
      const holder = yield* Effect.fork(Effect.provide(hold, database))
      yield* Deferred.await(held)
      const failure = yield* Effect.flip(Effect.provide(run, impatient))
      expect(failure).toMatchObject({ _tag: "PersistenceError", reason: "Busy", operation: "Migrations.run" })
      yield* Fiber.interrupt(holder)
      expect(yield* Effect.provide(contents, impatient)).toEqual([])
      expect(yield* Effect.provide(run, impatient)).toHaveLength(3)
    })
  )
)
