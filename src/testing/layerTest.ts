/**
 * The test layer: the real engine with an in-memory database, and the schema of `Migrations.run` in a fraction of its
 * time.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Effect, Layer } from "effect"
import { migrations as record } from "../../migrations/index.js"
import * as ControlPlane from "../ControlPlane.js"
import * as Database from "../Database.js"
import { KeyRing } from "../secret/KeyRing.js"
import { createLedger } from "../migration/ledger.js"
import { checkRecord } from "../migration/record.js"
import { clientInternals } from "../libsql/registry.js"
import { testKey } from "./secrets.js"

/** The services of `layerTest`. */
export type TestServices = Database.Services | ControlPlane.Services | KeyRing

// Read once for all databases of the process.
const { migrations } = checkRecord(record)
const statements = migrations.flatMap((migration) => migration.statements)

/** The rows of the ledger, as JSON. The ledger stores names without their number. */
const applied = JSON.stringify(migrations.map(({ checksum, id, name }) => ({ id, label: name.slice(5), checksum })))

/**
 * The statements of the final schema, as the first database of the process has it. They take a third of the time of the
 * migrations.
 */
let finalSchema: ReadonlyArray<string> | undefined

// The same as `Migrations.run`, without its overhead: reading the ledger for each migration, logging, and running
// hundreds of statements one by one through `SqlClient`.
const migrate = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Clock.currentTimeMillis
  yield* sql.withTransaction(
    Effect.gen(function* () {
      if (finalSchema === undefined) {
        yield* createLedger
        yield* runAll(sql, statements)
        finalSchema = yield* readSchema(sql)
      } else yield* runAll(sql, finalSchema)
      yield* sql`
      INSERT INTO sealant_migrations (migration_id, name, checksum, created_at)
      SELECT value ->> 'id', value ->> 'label', value ->> 'checksum', ${now} FROM json_each(${applied})`
    })
  )
}).pipe(Effect.withTracerEnabled(false), Effect.orDie)

const runAll = (sql: SqlClient.SqlClient, texts: ReadonlyArray<string>) =>
  clientInternals(sql)?.executeAll(texts.map((text) => ({ sql: text, values: [] }))) ??
  Effect.dieMessage("layerTest needs a client of this package")

/** Reads the statements of the schema, and adds the rows that migrations insert. */
const readSchema = (sql: SqlClient.SqlClient) =>
  Effect.map(
    sql<{ readonly text: string }>`
    SELECT sql AS text FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*'
    ORDER BY type <> 'table', type = 'trigger', rowid`,
    (rows) => [...rows.map(({ text }) => text), ...statements.filter((text) => text.startsWith("INSERT"))]
  )

const testKeys = Layer.orDie(KeyRing.layer([testKey]))

/**
 * Provides all services over a new, empty in-memory database with the real engine and schema. It takes milliseconds.
 *
 * `Effect.provide(layerTest)` in a test creates a database for that test. `it.layer(layerTest)` shares one database
 * among several tests.
 *
 * @example
 * ```ts
 * import { expect, it } from "@effect/vitest"
 * import { Effect } from "effect"
 * import { SandboxRepo } from "@sealant/db"
 * import { Factories, layerTest } from "@sealant/db/testing"
 *
 * it.effect("a stopped sandbox can be queued again", () =>
 *   Effect.gen(function* () {
 *     const sandboxes = yield* SandboxRepo
 *     const { id } = yield* Factories.make.sandbox({ status: "stopped" })
 *     const queued = yield* sandboxes.setStatus({ id, status: "queued" })
 *     expect(queued.status).toBe("queued")
 *   }).pipe(Effect.provide(layerTest)))
 * ```
 */
export const layerTest: Layer.Layer<TestServices> = ControlPlane.layer.pipe(
  Layer.provideMerge(testKeys),
  Layer.provideMerge(Layer.effectDiscard(migrate)),
  Layer.provideMerge(Database.layerMemory)
)
