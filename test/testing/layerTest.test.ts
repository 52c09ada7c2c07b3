import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Factories, layerTest } from "@sealant/db/testing"
import * as Database from "../../src/Database.js"
import { SandboxRepo } from "../../src/sandbox/SandboxRepo.js"
import * as Migrations from "../../src/Migrations.js"

const { make } = Factories

const schema = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name`
)

const ledger = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`
  SELECT migration_id, name, checksum FROM sealant_migrations ORDER BY migration_id`
)

const countSandboxes = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT count(*) AS count FROM sandboxes`)

describe("layerTest", () => {
  it.effect("has the schema and the ledger of a real migration run", () =>
    Effect.gen(function* () {
      const both = Effect.all([schema, ledger])
      const [tables, applied] = yield* Effect.provide(both, layerTest)
      const [expectedTables, expectedApplied] = yield* Effect.provide(
        Effect.zipRight(Migrations.run, both),
        Database.layerMemory
      )
      expect(tables).toEqual(expectedTables)
      expect(applied).toEqual(expectedApplied)
      expect(applied.length).toBeGreaterThan(0)
    })
  )

  it.effect("is current for the migrations", () =>
    Effect.gen(function* () {
      yield* Migrations.verify
      expect(yield* Migrations.run).toEqual([])
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("creates a new database for each build", () =>
    Effect.gen(function* () {
      const once = Effect.zipRight(make.sandbox({ id: "sandbox" }), countSandboxes).pipe(Effect.provide(layerTest))
      expect(yield* Effect.all([once, once], { concurrency: 2 })).toEqual([[{ count: 1 }], [{ count: 1 }]])
    })
  )

  for (const name of ["one test", "another test"]) {
    it.effect(`gives ${name} an empty database`, () =>
      Effect.gen(function* () {
        expect(yield* countSandboxes).toEqual([{ count: 0 }])
        yield* make.sandbox({ id: "sandbox" })
      }).pipe(Effect.provide(layerTest))
    )
  }

  it.effect("is one database for everything that is built with it", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxRepo
      yield* sandboxes.create({ name: "sandbox", ownerUserId: (yield* make.user()).id })
      expect(yield* countSandboxes).toEqual([{ count: 1 }])
    }).pipe(Effect.provide(Layer.merge(layerTest, Layer.effectDiscard(countSandboxes).pipe(Layer.provide(layerTest)))))
  )
})
