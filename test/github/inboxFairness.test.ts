/**
 * The order of claims between installations, and the repair of the flows behind it.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option, Random, TestClock } from "effect"
import { SqlClient } from "@effect/sql"
import * as Database from "../../src/Database.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { makeInboxFlows } from "../../src/github/inboxFlows.js"
import { supervisionBesides } from "../../src/supervision/supervisorLoop.js"
import { shell } from "../support/lists.js"
import { volume } from "../support/volume.js"
import { claim, claimant, failure, layers, record } from "./webhookSupport.js"

/** Stores received deliveries of an installation, all due. */
const insert = (installation: string | null, count: number) =>
  shell(
    `INSERT INTO github_webhook_deliveries (id, delivery_id, event_type, installation_external_id, payload, received_at,
      available_at, updated_at)
    SELECT prefix || '-' || printf('%06d', value), prefix || value, 'push', ?1, '{}', 0, 0, 0
    FROM (WITH RECURSIVE numbers (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < ?2)
      SELECT value, coalesce(?1, 'none') AS prefix FROM numbers)`,
    installation,
    count
  )

const of = (installation: string) => ({ installationExternalId: installation })

/** Claims so many deliveries one after the other, and returns their ids. */
const claims = (count: number) =>
  Effect.map(Effect.replicateEffect(claim(), count), (claimed) => claimed.map(({ delivery }) => delivery.id))

const installationsOf = (ids: ReadonlyArray<string>) => ids.map((id) => id.split("-")[0])
const countOf = (ids: ReadonlyArray<string>, installation: string) =>
  installationsOf(ids).filter((of) => of === installation).length

const drift = Effect.flatMap(SqlClient.SqlClient, (sql) => makeInboxFlows(sql).drift)

for (const [name, layer] of Object.entries(layers)) {
  describe(`the order of deliveries (${name})`, () => {
    it.effect("claims the 10 deliveries of an installation within 20 claims behind many of another", () =>
      Effect.gen(function* () {
        yield* insert("a", volume(10_000, 1000))
        yield* claims(3)
        yield* Effect.forEach(Array.from({ length: 10 }), (_, index) => record(`b-${index}`, of("b")))
        const order = yield* claims(20)
        expect(countOf(order, "b")).toBe(10)
        expect(yield* drift).toBe(0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("is the same for simultaneous claims, which are one batch, as for single ones", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        yield* insert("a", 50)
        yield* insert("b", 3)
        yield* insert(null, 2)
        const batch = yield* Effect.all(
          Array.from({ length: 10 }, () => inbox.claimNext(claimant)),
          { concurrency: "unbounded" }
        )
        expect(batch.flatMap(Option.toArray).map(({ delivery }) => delivery.id)).toEqual([
          "none-000001",
          "a-000001",
          "b-000001",
          "none-000002",
          "a-000002",
          "b-000002",
          "a-000003",
          "b-000003",
          "a-000004",
          "a-000005"
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("claims the deliveries of an installation in the order of their due times", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1000)
        for (const id of ["a-3", "a-1", "b-1", "a-2"]) {
          yield* record(id, of(id.slice(0, 1)))
          yield* TestClock.adjust(1)
        }
        const order = yield* claims(4)
        expect(order.filter((id) => id.startsWith("a"))).toEqual(["a-3", "a-1", "a-2"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("gives an installation that was idle no saved turns", () =>
      Effect.gen(function* () {
        yield* insert("b", 1)
        yield* claims(1)
        yield* insert("a", 100)
        yield* claims(50)
        yield* Effect.forEach(Array.from({ length: 20 }), (_, index) => record(`b-new-${index}`, of("b")))
        expect(countOf(yield* claims(20), "b")).toBe(10)
      }).pipe(Effect.provide(layer))
    )

    it.effect("does not let an installation wait for the turns that it had while it was alone", () =>
      Effect.gen(function* () {
        yield* insert("a", 50)
        yield* claims(50)
        yield* insert("b", 20)
        yield* claims(1)
        yield* Effect.forEach(Array.from({ length: 10 }), (_, index) => record(`a-new-${index}`, of("a")))
        expect(countOf(yield* claims(10), "a")).toBeGreaterThanOrEqual(4)
      }).pipe(Effect.provide(layer))
    )

    it.effect("claims a steady stream of single deliveries in turn with a backlog", () =>
      Effect.gen(function* () {
        yield* insert("b", 50)
        // "a" comes before "b" among equal turns, and "c" after it.
        const order = []
        for (let index = 0; index < 15; index++) {
          yield* record(`a-${index}`, of("a"))
          yield* record(`c-${index}`, of("c"))
          order.push(...(yield* claims(2)))
        }
        for (const installation of ["a", "b", "c"]) expect(countOf(order, installation)).toBeGreaterThanOrEqual(9)
      }).pipe(Effect.provide(layer))
    )

    it.effect("does not delay the retry of an installation behind many due retries of another", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        yield* insert("a", 150)
        const fail = Effect.flatMap(claim(), ({ lease }) => inbox.markFailed(lease, failure))
        yield* Effect.withRandom(Effect.replicateEffect(fail, 150), Random.fixed([0]))
        yield* insert("b", 3)
        yield* Effect.withRandom(Effect.replicateEffect(fail, 3), Random.fixed([0.5]))
        expect(yield* inbox.claimNext(claimant)).toEqual(Option.none())
        yield* TestClock.adjust("1 minute")
        expect(countOf(yield* claims(8), "b")).toBe(3)
        expect(yield* drift).toBe(0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("claims a delivery whose due time is after the clock of the claim, because it was received", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(60_000)
        yield* record("a-1", of("a"))
        yield* TestClock.setTime(0)
        expect(yield* claims(1)).toEqual(["a-1"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps a row for each installation with stored deliveries, and deletes it with the last one", () =>
      Effect.gen(function* () {
        const installations = shell<{ readonly installation: string }>(
          "SELECT installation FROM webhook_inbox_flows ORDER BY installation"
        ).pipe(Effect.map((rows) => rows.map(({ installation }) => installation)))
        yield* insert("a", 2)
        yield* insert("b", 1)
        yield* insert(null, 1)
        yield* shell("DELETE FROM github_webhook_deliveries WHERE id IN ('a-000001', 'b-000001', 'none-000001')")
        expect(yield* installations).toEqual(["", "a"])
        yield* shell("UPDATE github_webhook_deliveries SET installation_external_id = 'c'")
        expect(yield* drift).toBe(0)
        expect(yield* claims(1)).toEqual(["a-000002"])
      }).pipe(Effect.provide(layer))
    )
  })
}

describe("the order of deliveries with several clients of one file", () => {
  it.effect("claims the deliveries of a second installation within 20 claims of 4 workers of 2 clients", () =>
    Effect.gen(function* () {
      yield* insert("a", 1000)
      yield* insert("b", 10)
      const [file] = yield* shell<{ readonly file: string }>(
        "SELECT file FROM pragma_database_list WHERE name = 'main'"
      )
      const other = GitHubWebhookDeliveryRepo.layer.pipe(Layer.provide(Database.layer({ filePath: file?.file ?? "" })))
      const claimFive = (workerId: string) =>
        Effect.flatMap(GitHubWebhookDeliveryRepo, (inbox) =>
          Effect.replicateEffect(Effect.flatten(inbox.claimNext({ ...claimant, workerId })), 5)
        )
      const claimed = yield* Effect.all(
        [
          claimFive("one"),
          claimFive("two"),
          Effect.provide(Effect.all([claimFive("three"), claimFive("four")], { concurrency: "unbounded" }), other)
        ],
        { concurrency: "unbounded" }
      )
      const ids = claimed.flat(2).map(({ delivery }) => delivery.id)
      expect(new Set(ids).size).toBe(20)
      expect(countOf(ids, "b")).toBe(10)
    }).pipe(Effect.provide(layers.file))
  )
})

const damages = {
  "a deleted flow": "DELETE FROM webhook_inbox_flows WHERE installation = 'a'",
  "a flow without its first delivery":
    "UPDATE webhook_inbox_flows SET next_at = NULL, is_open = 0 WHERE installation = 'a'",
  "a flow with a late first delivery":
    "UPDATE webhook_inbox_flows SET next_at = 9e12, is_open = 0 WHERE installation = 'a'",
  "an open flow without deliveries": "INSERT INTO webhook_inbox_flows VALUES ('0', 0, 0, 1)",
  "a flow whose turn is far away":
    "UPDATE webhook_inbox_flows SET virtual_time = virtual_time + 1000 * (installation = 'a')"
}

describe("the repair of the inbox", () => {
  for (const [damage, text] of Object.entries(damages)) {
    it.effect(`repairs ${damage}`, () =>
      Effect.gen(function* () {
        const { supervise } = makeInboxFlows(yield* SqlClient.SqlClient)
        for (const id of ["a-1", "b-1", "a-2", "b-2"]) yield* record(id, of(id.slice(0, 1)))
        expect(yield* drift).toBe(0)
        yield* shell(text)
        expect(yield* drift).toBe(1)
        // Other installations do not wait for the repair.
        expect(countOf(yield* claims(1), "b") + countOf(yield* claims(1), "b")).toBeGreaterThanOrEqual(1)
        yield* supervise
        expect(yield* drift).toBe(0)
        yield* claims(2)
        expect(yield* supervise).toBe(0)
      }).pipe(Effect.provide(layers.memory))
    )
  }

  it.effect("compares 100 installations in a round, and continues with the next ones", () =>
    Effect.gen(function* () {
      const { supervise } = makeInboxFlows(yield* SqlClient.SqlClient)
      yield* shell(`
        INSERT INTO github_webhook_deliveries (id, delivery_id, event_type, installation_external_id, payload,
          received_at, available_at, updated_at)
        SELECT n, n, 'push', 'installation-' || n, '{}', 0, 0, 0
        FROM (WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 250) SELECT n FROM n)`)
      yield* shell("UPDATE webhook_inbox_flows SET next_at = 7")
      yield* shell("DELETE FROM webhook_inbox_flows WHERE installation LIKE 'installation-1%'")
      expect(yield* drift).toBe(250)
      expect([yield* supervise, yield* supervise, yield* supervise]).toEqual([99, 100, 51])
      expect(yield* drift).toBe(0)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("is a part of each round of Supervisor", () =>
    Effect.gen(function* () {
      yield* record("a-1", of("a"))
      yield* shell("DELETE FROM webhook_inbox_flows")
      yield* Effect.raceFirst(
        supervisionBesides({ leaseDuration: "15 seconds" }),
        Effect.repeat(drift, { until: (count) => count === 0 })
      )
      expect(yield* claims(1)).toEqual(["a-1"])
    }).pipe(Effect.provide(layers.memory))
  )
})
