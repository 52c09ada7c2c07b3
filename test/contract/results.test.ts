/**
 * The schemas of results: each accepts the result of its method, and its JSON decodes to an equal value.
 */
import { describe, expect, it } from "@effect/vitest"
import { Account, Database, Maintenance, Migrations, PageRequest, Retention, Row } from "@sealant/db"
import { ClaimedJob } from "@sealant/db/build-job"
import { Cause, Chunk, Effect, Exit, Predicate, Schema, Stream } from "effect"
import { join } from "node:path"
import { temporaryDirectory } from "../support/directories.js"
import { sharedFixture } from "./fixture.js"
import { endless, omitsSecrets, resultSchemas, revealed } from "./resultSchemas.js"
import { services } from "./services.js"
import { outcomeOf } from "./walk.js"

/** Encodes a result to JSON text and decodes the text. */
const throughJson = (schema: Schema.Schema.AnyNoContext, value: unknown): unknown => {
  const text = JSON.stringify(Schema.encodeUnknownSync(schema)(value)) as string | undefined
  return Schema.decodeUnknownSync(schema)(text === undefined ? undefined : JSON.parse(text))
}

const withFixture = sharedFixture()

describe.each(services)("$name", (service) => {
  const withService = withFixture(service)
  const schemas = resultSchemas[service.name] ?? {}

  it.effect("returns what the schema of each method describes", () =>
    withService((instance, samples) =>
      Effect.gen(function* () {
        expect(Object.keys(schemas).toSorted()).toEqual(Object.keys(instance).toSorted())
        for (const [method, args] of samples) {
          const name = `${service.name}.${method}`
          const outcome = yield* outcomeOf(instance, method, args)
          const schema = schemas[method]
          if (schema === undefined || schema === endless) {
            const onSuccess = (value: unknown) => value === "waits"
            expect(Exit.match(outcome, { onFailure: Cause.isInterruptedOnly, onSuccess }), name).toBe(true)
            continue
          }
          const value = Exit.isSuccess(outcome) ? outcome.value : expect.fail(`${name}: ${Cause.pretty(outcome.cause)}`)
          expect(Schema.is(schema)(value), name).toBe(true)
          if (schema === revealed) expect(() => throughJson(schema, value), name).toThrow("Expected Redacted")
          else if (omitsSecrets.test(name) && Predicate.isObject(value))
            expect(value, name).toMatchObject(throughJson(schema, value) as object)
          else expect(throughJson(schema, value), name).toStrictEqual(value)
        }
      })
    )
  )
})

const expectRoundTrip = (schema: Schema.Schema.AnyNoContext, value: unknown) => {
  expect(Schema.is(schema)(value)).toBe(true)
  expect(throughJson(schema, value)).toStrictEqual(value)
}

describe("operations on the whole database", () => {
  it.scoped("return what their schemas describe", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const filePath = join(directory, "control-plane.sqlite")
      const backup = join(directory, "backup.sqlite")
      yield* Effect.gen(function* () {
        expectRoundTrip(Migrations.Status, yield* Migrations.status)
        expectRoundTrip(Schema.Array(Migrations.PendingMigration), yield* Migrations.plan)
        expectRoundTrip(Schema.Array(Migrations.AppliedMigration), yield* Migrations.run)
        expectRoundTrip(Migrations.Status, yield* Migrations.status)
        expectRoundTrip(Maintenance.Backup, yield* Maintenance.backup(backup))
        expectRoundTrip(Maintenance.IntegrityReport, yield* Maintenance.integrityCheck)
        expectRoundTrip(Maintenance.Checkpoint, yield* Maintenance.checkpoint)
        expectRoundTrip(Maintenance.Stats, yield* Maintenance.stats)
        expectRoundTrip(Retention.Purged, yield* Retention.purge())
        const batches = yield* Stream.runCollect(Retention.purgeBatches())
        expectRoundTrip(Schema.Array(Retention.PurgedBatch), Chunk.toReadonlyArray(batches))
      }).pipe(Effect.provide(Database.layer({ filePath })))
      const restored = yield* Maintenance.restore({ from: backup, to: join(directory, "restored.sqlite") })
      expectRoundTrip(Maintenance.Restored, restored)
    })
  )
})

describe("ClaimedJob", () => {
  it("accepts a lease on a job whose imported id is longer than new ids may be", () => {
    expect(Schema.is(ClaimedJob.fields.lease)({ jobId: "job".padEnd(300, "x"), workerId: "worker", token: 1 })).toBe(
      true
    )
  })
})

describe("Row", () => {
  it("does not accept a model with secret fields", () => {
    // @ts-expect-error The `json` variant of an account has no tokens.
    expect(Schema.isSchema(Row(Account))).toBe(true)
  })
})

describe("PageRequest", () => {
  it("accepts the limits of a list", () => {
    const accepts = (limit: number) => Schema.is(PageRequest)({ limit })
    expect([0, 1, 500, 501, 1.5].map(accepts)).toEqual([false, true, true, false, false])
  })
})
