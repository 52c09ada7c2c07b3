/**
 * Retention: what goes, what stays, and what it costs.
 */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Stream, TestClock } from "effect"
import * as Retention from "../../src/Retention.js"
import { growing, type Growing } from "../../src/operations/retentionTables.js"
import { databaseLayers, fileLayer, memoryLayer } from "../support/database.js"
import { shell } from "../support/lists.js"
import { planIssues } from "../support/plans.js"
import { refusalOf } from "../support/refusals.js"
import {
  attempt,
  begin,
  cacheEntry,
  day,
  delivery,
  event,
  eventNames,
  everything,
  execution,
  executionEvent,
  job,
  names,
  now,
  queueKey,
  redelivery,
  sandbox,
  seedWorkflow,
  session,
  tables,
  verification,
  teardown
} from "./retentionRows.js"

describe("the retention", () => {
  it.effect("is declared for every table of the schema, or has a reason for its absence", () =>
    Effect.gen(function* () {
      const found = yield* names(
        "pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT GLOB 'sqlite_*'",
        "name"
      )
      const declared = [...tables, ...Object.keys(Retention.kept)]
      expect(declared.filter((name) => name !== "sealant_migrations").toSorted()).toEqual(found)
      expect(new Set(declared).size).toBe(declared.length)
      expect(Object.values(Retention.kept).filter((reason) => reason.length < 10)).toEqual([])
    }).pipe(Effect.provide(memoryLayer))
  )

  it.effect("counts the size of all documents and messages", () =>
    Effect.gen(function* () {
      const columns = yield* names(
        "pragma_table_list AS t JOIN pragma_table_info(t.name) AS c WHERE t.schema = 'main' AND (c.name GLOB '*payload' OR c.name GLOB '*message')",
        "t.name || '.' || c.name"
      )
      const counted = Object.entries<Growing>(growing).flatMap(([table, { longTexts = [] }]) =>
        longTexts.map((column) => `${table}.${column}`)
      )
      expect(counted.toSorted()).toEqual(
        columns.filter((column) => tables.some((table) => column.startsWith(`${table}.`))).toSorted()
      )
    }).pipe(Effect.provide(memoryLayer))
  )

  it.effect("reads through an index at each step", () =>
    Effect.gen(function* () {
      yield* begin
      yield* seedWorkflow
      yield* Effect.forEach([1, 2, 3, 4, 5, 6], (number) =>
        Effect.gen(function* () {
          const id = `old-${number}`
          yield* session(id, number)
          yield* verification(id, number)
          yield* cacheEntry(id, number)
          yield* queueKey(id, number)
          for (const status of ["processed", "ignored", "failed"])
            yield* delivery(`${status}-${number}`, status, number, number)
          for (const status of ["succeeded", "failed", "cancelled"])
            yield* job(`${status}-${number}`, { status, createdAt: number, finishedAt: number })
          for (const status of ["succeeded", "failed", "queued"])
            yield* teardown(`${status}-${number}`, status, number, number)
          yield* sandbox(id, null)
          yield* shell("INSERT INTO sandbox_launch_keys VALUES ('user', ?1, 'f', ?1, NULL, NULL, ?2)", id, number)
          yield* execution(id, "succeeded", number)
          yield* shell("INSERT INTO issue_workflow_execution_keys VALUES ('workflow', ?1, 'f', ?1, ?2)", id, number)
          yield* executionEvent(id, 1, number)
          yield* event("attempt", id, 1, number)
          yield* redelivery(id, number)
          yield* shell(
            "INSERT INTO import_rejects (source_table, source_key, row_payload, reason, imported_at) VALUES ('t', 'k', '{}', 'r', ?1)",
            number
          )
        })
      )
      expect(
        yield* planIssues(Effect.asVoid(Retention.purge({ policy: everything, batchSize: 2, pause: 0, dryRun: true })))
      ).toEqual([])
      let purged: Retention.Purged | undefined
      expect(
        yield* planIssues(
          Effect.map(Retention.purge({ policy: everything, batchSize: 2, pause: 0 }), (counts) => (purged = counts))
        )
      ).toEqual([])
      expect(purged).toEqual(
        Object.fromEntries(tables.map((table) => [table, /deliveries|jobs|teardowns/.test(table) ? 18 : 6]))
      )
    }).pipe(Effect.provide(fileLayer))
  )

  it.effect("is validated before anything is deleted", () =>
    Effect.gen(function* () {
      yield* begin
      yield* session("old", 0)
      const bad: ReadonlyArray<unknown> = [
        { batchSize: 0 },
        { batchSize: 1001 },
        { batchSize: 1.5 },
        { batchSize: Number.NaN },
        { pause: "2 minutes" },
        { policy: { session: "soon" } },
        { policy: { session: "40000 days" } },
        ...[Number.NaN, -1, -1n, "-1 days", [-1, 0], [Number.NaN, 0]].map((session) => ({ policy: { session } })),
        { pause: Number.NaN },
        { pause: "-1 millis" },
        { policy: { user: "1 day" } },
        { dryRun: "yes" }
      ]
      for (const options of bad) {
        const error = yield* refusalOf(Retention.purge(options as Retention.PurgeOptions))
        expect([options, error._tag]).toEqual([options, "InvalidInput"])
        expect(error.message).not.toMatch(/soon|40000|yes/)
      }
      expect(yield* names("session")).toEqual(["old"])
    }).pipe(Effect.provide(memoryLayer))
  )

  it.effect("has defaults that can be overridden", () =>
    Effect.gen(function* () {
      yield* begin
      expect(Retention.defaults.session.keepFor).toEqual(Duration.days(7))
      yield* session("a", now - 8 * day)
      yield* session("b", now - 7 * day)
      yield* session("c", now - 6 * day)
      yield* session("live", now + 1)
      expect((yield* Retention.purge({ policy: { session: "keep" } })).session).toBe(0)
      expect((yield* Retention.purge({ policy: { session: Duration.infinity } })).session).toBe(0)
      expect((yield* Retention.purge({ dryRun: true })).session).toBe(2)
      expect(yield* names("session")).toEqual(["a", "b", "c", "live"])
      expect((yield* Retention.purge()).session).toBe(2)
      expect((yield* Retention.purge()).session).toBe(0)
      expect((yield* Retention.purge({ policy: { session: 0 } })).session).toBe(1)
      expect(yield* names("session")).toEqual(["live"])
    }).pipe(Effect.provide(memoryLayer))
  )
})

for (const [name, database] of Object.entries(databaseLayers)) {
  describe(`purging on ${name}`, () => {
    it.effect("deletes the oldest rows first in batches, and continues where it stopped", () =>
      Effect.gen(function* () {
        yield* begin
        const ids = Array.from({ length: 7 }, (_, index) => `session-${index}`)
        // Stored in another order than they expire, two of them at one instant.
        yield* Effect.forEach(ids.toReversed(), (id, index) => session(id, 6 - index - (index === 0 ? 1 : 0)))
        const batches = Retention.purgeBatches({ policy: { session: 0 }, batchSize: 3, pause: 0 }).pipe(
          Stream.filter(({ table }) => table === "session")
        )
        expect(yield* Stream.runCollect(Stream.take(batches, 1)).pipe(Effect.map((chunk) => [...chunk]))).toEqual([
          { table: "session", examined: 3, removed: 3 }
        ])
        expect(yield* names("session")).toEqual(ids.slice(3))
        expect([...(yield* Stream.runCollect(batches))].map(({ removed }) => removed)).toEqual([3, 1])
        expect(yield* names("session")).toEqual([])
      }).pipe(Effect.provide(database))
    )

    it.effect("deletes fewer rows at a time when they are long", () =>
      Effect.gen(function* () {
        yield* begin
        const length = 1_500_000
        yield* shell(
          `INSERT INTO import_rejects (source_table, source_key, row_payload, reason, imported_at)
           SELECT 't', value, json_object('text', printf('%.*c', ?1, 'x')), 'r', 0 FROM json_each('[1, 2, 3, 4, 5]')`,
          length
        )
        const batches = Retention.purgeBatches({ policy: { import_rejects: 0 }, pause: 0 }).pipe(
          Stream.filter(({ table }) => table === "import_rejects")
        )
        expect([...(yield* Stream.runCollect(batches))].map(({ removed }) => removed)).toEqual([2, 2, 1])
        expect(yield* names("import_rejects")).toEqual([])
      }).pipe(Effect.provide(database))
    )

    it.effect("keeps teardowns under a lease, and those for which a sandbox waits", () =>
      Effect.gen(function* () {
        yield* begin
        yield* teardown("waiting", "queued", 0, null)
        yield* teardown("unclaimed", "queued", 0, 1)
        yield* teardown("held", "running", 0, 1)
        yield* teardown("lost", "failed", 0, null)
        yield* teardown("failed", "failed", 0, 1)
        yield* teardown("young", "succeeded", 0, now - 29 * day)
        yield* teardown("done", "succeeded", 0, now - 30 * day)
        expect((yield* Retention.purge()).runtime_teardowns).toBe(3)
        expect(yield* names("runtime_teardowns")).toEqual(["held", "lost", "waiting", "young"])
      }).pipe(Effect.provide(database))
    )

    it.effect("keeps concurrency keys with jobs, and idle ones for a day after their last start", () =>
      Effect.gen(function* () {
        yield* begin
        yield* queueKey("idle", now - day)
        yield* queueKey("used", now - day + 1)
        yield* queueKey("queued", 0, "queued")
        yield* queueKey("running", 0, "running")
        expect((yield* Retention.purge({ batchSize: 1, pause: 0 })).build_queue_keys).toBe(1)
        expect(yield* names("build_queue_keys", "concurrency_key")).toEqual(["queued", "running", "used"])
      }).pipe(Effect.provide(database))
    )

    it.effect("keeps jobs that are queued, running, unsettled or needed for a rebuild", () =>
      Effect.gen(function* () {
        yield* begin
        yield* attempt("newest", "failed", 1)
        yield* attempt("before", "failed", 1)
        yield* attempt("live", "running", null)
        yield* sandbox("sandbox", "newest")
        const ended = { status: "failed", createdAt: 0, finishedAt: 1, settled: true }
        yield* job("queued", { status: "queued", createdAt: 0, finishedAt: null })
        yield* job("running", { status: "running", createdAt: 0, finishedAt: null })
        yield* job("of-newest", { ...ended, attemptId: "newest" })
        yield* job("of-live", { ...ended, attemptId: "live" })
        yield* job("unsettled", { ...ended, attemptId: "before", settled: false })
        yield* job("ended-now", { ...ended, finishedAt: now })
        yield* job("of-before", { ...ended, attemptId: "before" })
        yield* job("of-nobody", { ...ended, status: "cancelled", settled: false })
        expect((yield* Retention.purge({ batchSize: 1, pause: 0 })).oci_image_build_jobs).toBe(2)
        expect(yield* names("oci_image_build_jobs")).toEqual([
          "ended-now",
          "of-live",
          "of-newest",
          "queued",
          "running",
          "unsettled"
        ])
      }).pipe(Effect.provide(database))
    )

    it.effect("keeps journal events that a consumer has not read, and the last event of a subject", () =>
      Effect.gen(function* () {
        yield* begin
        yield* sandbox("there", null)
        yield* attempt("live", "running", null)
        yield* attempt("over", "succeeded", 1)
        for (const [type, id] of [
          ["sandbox", "there"],
          ["sandbox", "gone"],
          ["attempt", "live"],
          ["attempt", "over"]
        ] as const) {
          yield* event(type, id, 1, 0)
          yield* event(type, id, 2, 0)
        }
        yield* event("sandbox", "gone", 3, now)
        yield* event("attempt", "over", 3, 0)
        const purge = Effect.map(Retention.purge({ batchSize: 2, pause: 0 }), (purged) => purged.control_plane_events)
        yield* shell(
          "INSERT INTO control_plane_event_consumers (name, position, updated_at) VALUES ('fast', 9, 0), ('slow', 0, 0)"
        )
        expect(yield* purge).toBe(0)
        yield* shell("UPDATE control_plane_event_consumers SET position = 3 WHERE name = 'slow'")
        expect(yield* purge).toBe(2)
        expect(yield* eventNames).not.toContain("sandbox there 1")
        yield* shell("DELETE FROM control_plane_event_consumers WHERE name = 'slow'")
        yield* purge
        // The one before the last is too young, and the last is behind the consumer that is left.
        expect(yield* eventNames).toEqual(["attempt live 2", "attempt over 3", "sandbox gone 3", "sandbox there 2"])
        yield* event("sandbox", "there", 3, now)
        yield* shell("DELETE FROM control_plane_event_consumers")
        yield* TestClock.setTime(now + 91 * day)
        yield* purge
        expect(yield* eventNames).toEqual(["attempt live 2", "sandbox there 3"])
      }).pipe(Effect.provide(database))
    )

    it.effect("continues past events with future dates, and leaves no gaps in the events of a subject", () =>
      Effect.gen(function* () {
        yield* begin
        // Two subjects in turns: one whose second event a wrong clock has dated, and one that is all old and over.
        for (const sequence of [1, 2, 3, 4, 5]) {
          yield* event("attempt", "wrong-clock", sequence, sequence === 2 ? now + 1000 * day : 0)
          yield* event("attempt", "over", sequence, 0)
        }
        for (const batchSize of [1, 3]) {
          const counted = yield* Retention.purge({ batchSize, pause: 0, dryRun: true })
          expect(counted.control_plane_events).toBe(batchSize === 1 ? 6 : 0)
          expect((yield* Retention.purge({ batchSize, pause: 0 })).control_plane_events).toBe(
            counted.control_plane_events
          )
          expect(yield* eventNames).toEqual([2, 3, 4, 5].map((sequence) => `attempt wrong-clock ${sequence}`))
        }
        yield* TestClock.setTime(now + 1100 * day)
        expect((yield* Retention.purge()).control_plane_events).toBe(4)
      }).pipe(Effect.provide(database))
    )

    it.effect("keeps the idempotency keys of active rows, regardless of their age", () =>
      Effect.gen(function* () {
        yield* begin
        yield* seedWorkflow
        yield* sandbox("sandbox", null)
        for (const status of ["queued", "running", "failed"]) {
          const finishedAt = status === "failed" ? now : null
          yield* attempt(status, status, finishedAt)
          yield* job(status, { status, createdAt: 0, finishedAt })
          yield* execution(status, status, finishedAt)
          yield* shell(
            "INSERT INTO sandbox_launch_keys VALUES ('user', ?1, 'f', 'sandbox', ?2, NULL, 0)",
            `attempt ${status}`,
            status
          )
          yield* shell(
            "INSERT INTO sandbox_launch_keys VALUES ('user', ?1, 'f', 'sandbox', NULL, ?2, 0)",
            `job ${status}`,
            status
          )
          yield* shell("INSERT INTO issue_workflow_execution_keys VALUES ('workflow', ?1, 'f', ?1, 0)", status)
        }
        const purged = yield* Retention.purge({ batchSize: 2, pause: 0 })
        expect(purged).toMatchObject({ sandbox_launch_keys: 2, issue_workflow_execution_keys: 1 })
        expect(yield* names("sandbox_launch_keys", "idempotency_key")).toEqual([
          "attempt queued",
          "attempt running",
          "job queued",
          "job running"
        ])
        expect(yield* names("issue_workflow_execution_keys", "idempotency_key")).toEqual(["queued", "running"])
      }).pipe(Effect.provide(database))
    )

    it.effect("keeps waiting, active and recent deliveries, and the events of active executions", () =>
      Effect.gen(function* () {
        yield* begin
        yield* seedWorkflow
        yield* delivery("received", "received", 0, null)
        yield* delivery("processing", "processing", 0, null)
        for (const status of ["processed", "ignored", "failed"]) {
          yield* delivery(`${status}-old`, status, 0, 1)
          yield* delivery(`${status}-late`, status, 0, now - day)
        }
        yield* execution("running", "running", null)
        yield* execution("ended", "failed", 1)
        yield* execution("ended-lately", "cancelled", now - day)
        for (const id of ["running", "ended", "ended-lately"]) yield* executionEvent(id, 1, 0)
        yield* executionEvent("ended", 2, now)
        const purged = yield* Retention.purge({ batchSize: 2, pause: 0 })
        expect(purged).toMatchObject({ github_webhook_deliveries: 3, issue_workflow_execution_events: 1 })
        expect(yield* names("github_webhook_deliveries")).toEqual([
          "failed-late",
          "ignored-late",
          "processed-late",
          "processing",
          "received"
        ])
        expect(yield* names("issue_workflow_execution_events")).toEqual(["ended 2", "ended-lately 1", "running 1"])
      }).pipe(Effect.provide(database))
    )
  })
}
