/**
 * The database of a test: the real engine in memory, with the schema that `Migrations.run` makes, in a fraction of its
 * time.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Layer } from "effect"
import { migrations as record } from "../../migrations/index.js"
import * as ControlPlane from "../ControlPlane.js"
import * as Database from "../Database.js"
import { KeyRing } from "../secret/KeyRing.js"
import { createLedger } from "../migration/ledger.js"
import { checkRecord } from "../migration/record.js"
import { abilitiesOf } from "../libsql/registry.js"
import { testKey } from "./secrets.js"

/** What `layerTest` gives. */
export type TestServices = Database.Services | ControlPlane.Services | KeyRing

// Read once, however many databases are made.
const { migrations } = checkRecord(record)
const statements = migrations.flatMap((migration) => migration.statements)

/** The ledger's rows: names are kept there without their number. */
const applied = JSON.stringify(migrations.map(({ checksum, id, name }) => ({ id, label: name.slice(5), checksum })))

// What `Migrations.run` does, without what costs more than the statements: a look at each migration, the migrator's
// logs, and a statement of `SqlClient` around each of hundreds.
const migrate = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Clock.currentTimeMillis
  yield* sql.withTransaction(Effect.gen(function*() {
    yield* createLedger
    yield* runAll(sql)
    yield* sql`
      INSERT INTO sealant_migrations (migration_id, name, checksum, created_at)
      SELECT value ->> 'id', value ->> 'label', value ->> 'checksum', ${now} FROM json_each(${applied})`
  }))
}).pipe(Effect.withTracerEnabled(false), Effect.orDie)

const runAll = (sql: SqlClient.SqlClient) =>
  abilitiesOf(sql)?.executeAll(statements.map((text) => ({ sql: text, values: [] }))) ?? Effect.dieMessage("layerTest needs a client of this package")

const testKeys = Layer.orDie(KeyRing.layer([testKey]))

/**
 * All services on an empty database in memory: the real engine and the real schema, ready in milliseconds, a new one
 * each time the layer is built. `Effect.provide(layerTest)` in each test gives each its own; one `it.layer(layerTest)`
 * around several lets them share one.
 *
 * @example
 * ```ts
 * import { expect, it } from "@effect/vitest"
 * import { Effect } from "effect"
 * import { SandboxRepo } from "@sealant/db"
 * import { Factories, layerTest } from "@sealant/db/testing"
 *
 * it.effect("a stopped sandbox can be queued again", () =>
 *   Effect.gen(function*() {
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
