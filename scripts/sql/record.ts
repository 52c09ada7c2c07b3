/**
 * Records the statements of every method of every service, on a database in memory. The calls are the samples of
 * `test/contract`. Each is rolled back.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Layer, Logger, LogLevel, Redacted, TestClock, TestContext } from "effect"
import * as ControlPlane from "../../src/ControlPlane.js"
import { openMemory } from "../../src/libsql/openLocal.js"
import * as Sql from "../../src/libsql/SqlClient.js"
import * as Migrations from "../../src/Migrations.js"
import { KeyRing } from "../../src/secret/KeyRing.js"
import { testKey } from "../../src/testing/secrets.js"
import { samplesOf } from "../../test/contract/samples.js"
import { services } from "../../test/contract/services.js"
import { type Arguments, call, placesOf } from "../../test/contract/walk.js"
import { makeFixture } from "../../test/contract/fixtureRows.js"

/** The statements of one method, in the order in which it first runs them. */
export interface MethodStatements {
  readonly service: string
  readonly method: string
  readonly texts: ReadonlyArray<string>
  /** The statements that are inside a transaction of the method. */
  readonly inTransaction: "all" | "some" | "none"
}

/** Methods that loop until they are interrupted, and the methods that they call. */
export const loops: Readonly<Record<string, ReadonlyArray<string>>> = {
  "WebhookInbox.run": ["WebhookInbox.process", "SandboxLifecycle.supervise", "IssueWorkflowLifecycle.supervise"]
}

const recordingDriver = (driver: Sql.Driver, record: (text: string) => void): Sql.Driver => {
  const recorded = (target: Sql.Target): Sql.Target => ({
    run: (text, values) => {
      record(text)
      return target.run(text, values)
    }
  })
  const recordAll = (statements: Parameters<Sql.Driver["writeAll"]>[0]) => {
    for (const text of ["SAVEPOINT level_0", ...statements.map(({ sql }) => sql), "RELEASE level_0"]) record(text)
  }
  return {
    ...recorded(driver),
    writeAll: (statements) => {
      recordAll(statements)
      return driver.writeAll(statements)
    },
    client: driver.client,
    changes: driver.changes,
    place: driver.place,
    begin: () => {
      const transaction = driver.begin()
      return {
        ...recorded(transaction),
        get hasBegun() {
          return transaction.hasBegun
        },
        runAll: (statements) => transaction.runAll(statements),
        writeAll: (statements) => {
          recordAll(statements)
          return transaction.writeAll(statements)
        },
        commit: () => transaction.commit(),
        rollback: () => transaction.rollback()
      }
    }
  }
}

/** A key that is not active yet, for the statements of a rotation. */
const nextKey = { id: "next", key: Redacted.make(new Uint8Array(32).fill(2)) }

const recordingLayer = (record: (text: string) => void) => {
  const database = Sql.layer(
    Effect.map(
      Effect.acquireRelease(
        Effect.promise(() => openMemory()),
        (client) => Effect.promise(() => client.shutdown())
      ),
      (client) => recordingDriver(client, record)
    )
  )
  return ControlPlane.layer.pipe(
    Layer.provideMerge(KeyRing.layer([nextKey, testKey])),
    Layer.provideMerge(Migrations.layer),
    Layer.provideMerge(database)
  )
}

const isSavepoint = (text: string) => /^(SAVEPOINT|RELEASE|ROLLBACK TO) level_\d+$/.test(text)

/** Returns which statements are between a `SAVEPOINT` and its `RELEASE`. */
const transactionOf = (texts: ReadonlyArray<string>): MethodStatements["inTransaction"] => {
  const found = new Set<boolean>()
  let isInside = false
  for (const text of texts) {
    if (text === "SAVEPOINT level_1") isInside = true
    else if (text === "RELEASE level_1") isInside = false
    else if (!isSavepoint(text)) found.add(isInside)
  }
  return !found.has(true) ? "none" : found.has(false) ? "some" : "all"
}

/** Arguments with unknown ids, for the statements that explain why no row matched. */
const unknownIds = (args: Arguments): Arguments =>
  placesOf(args).reduce<Arguments>(
    (replaced, { path, value }) =>
      typeof value === "string" && /(^\d+|[iI]d)$/.test(path) && !/(ownerUserId|userId)$/.test(path)
        ? (placesOf(replaced)
            .find((place) => place.path === path)
            ?.replacedBy("unknown") ?? replaced)
        : replaced,
    args
  )

/** Jobs with a document that is no longer valid, as after a deployment with a stricter schema. */
const unreadableJobs = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`UPDATE oci_image_build_jobs SET request_payload = '{"harness":"retired"}'`
)

/** Deliveries that cannot be decoded. The constraints of the table exclude them, so a column changes its type. */
const unreadableDeliveries = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.zip(
    sql`ALTER TABLE github_webhook_deliveries DROP COLUMN action`,
    sql`ALTER TABLE github_webhook_deliveries ADD COLUMN action INTEGER DEFAULT 0`
  )
)

/** A time at which all leases, deadlines and cached rows have expired. */
const muchLater = TestClock.adjust("1000 days")

/** States in which a method runs statements that its sample does not. Each is prepared before one more call. */
const situations: Readonly<Record<string, Effect.Effect<unknown, unknown, SqlClient.SqlClient>>> = {
  "WorkspaceBuildJobRepo.claimNext": unreadableJobs,
  "WorkspaceBuildJobRepo.claimBatch": unreadableJobs,
  "WorkspaceBuildJobRepo.claimById": unreadableJobs,
  "GitHubWebhookDeliveryRepo.claimNext": unreadableDeliveries,
  "SandboxLifecycle.supervise": muchLater,
  "IssueWorkflowLifecycle.supervise": muchLater
}

/**
 * Records all methods of all services: called twice in a row, with unknown ids, and in its situation. Dies if a
 * method has no sample.
 */
export const recordMethods: Effect.Effect<ReadonlyArray<MethodStatements>> = Effect.suspend(() => {
  let recorded: Array<string> = []

  /** Runs the calls after a preparation, rolls both back, and returns the statements of the calls. */
  const statementsOf = (
    calls: Effect.Effect<unknown, never, SqlClient.SqlClient>,
    preparation: Effect.Effect<unknown, unknown, SqlClient.SqlClient> = Effect.void
  ) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rolledBack = Effect.gen(function* () {
        yield* Effect.orDie(preparation)
        recorded = []
        yield* calls
        return yield* Effect.fail("rolled back")
      })
      yield* Effect.ignore(sql.withTransaction(rolledBack))
      yield* TestClock.setTime(0)
      return recorded
    })

  const methodOf = (name: string, service: object, method: string, args: Arguments) =>
    Effect.gen(function* (): Effect.fn.Return<MethodStatements, never, SqlClient.SqlClient> {
      const sample = call(service, method, args)
      const situation = situations[`${name}.${method}`]
      const all = [
        ...(yield* statementsOf(Effect.zipRight(sample, sample))),
        ...(yield* statementsOf(call(service, method, unknownIds(args)))),
        ...(situation === undefined ? [] : yield* statementsOf(sample, situation))
      ]
      return {
        service: name,
        method,
        texts: all.filter((text) => !isSavepoint(text)),
        inTransaction: transactionOf(all)
      }
    })

  return Effect.gen(function* () {
    const samples = samplesOf(yield* makeFixture)
    const ofService = ({ name, tag }: (typeof services)[number]) =>
      Effect.flatMap(tag, (service) =>
        Effect.forEach(Object.keys(service), (method): Effect.Effect<MethodStatements, never, SqlClient.SqlClient> => {
          if (`${name}.${method}` in loops)
            return Effect.succeed({ service: name, method, texts: [], inTransaction: "none" })
          const args = samples[name]?.[method]
          return args === undefined
            ? Effect.dieMessage(`${name}.${method} has no sample in test/contract/samples`)
            : methodOf(name, service, method, args)
        })
      )
    // The order of the exports depends on the module loader.
    const inOrder = services.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    return (yield* Effect.forEach(inOrder, ofService)).flat()
  }).pipe(
    Effect.provide(Layer.orDie(recordingLayer((text) => recorded.push(text)))),
    Effect.provide(TestContext.TestContext),
    Logger.withMinimumLogLevel(LogLevel.None)
  )
})
