import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, FastCheck, type Layer, Option, Stream, TestClock } from "effect"
import { Factories } from "@sealant/db/testing"
import { defaultDeliveryAttempts, maxPayloadBytes } from "../../src/github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { pages, shell } from "../support/lists.js"
import { countingTurns } from "../support/eventLoop.js"
import { badNames, refusalOf, tagOf } from "../support/refusals.js"
import {
  at,
  claim,
  claimant,
  delivery,
  gone,
  idOf,
  layers,
  leased,
  lossOf,
  record,
  type Services
} from "./webhookSupport.js"

const { make } = Factories

/** A delivery that is processing under a lease which expires at the given moment. */
const expiring = (id: string, leaseExpiresAt: number, given: object = {}) =>
  make.claimedDelivery({ id, leaseExpiresAt: at(leaseExpiresAt), ...given })

/** How many deliveries there are in each status. */
const counts = Effect.map(
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly status: string; readonly count: number }>`
    SELECT status, count(*) AS count FROM github_webhook_deliveries GROUP BY status`
  ),
  (rows): Readonly<Record<string, number>> => Object.fromEntries(rows.map(({ count, status }) => [status, count]))
)

/** The contract of the inbox. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`GitHubWebhookDeliveryRepo (${name})`, () => {
    it.effect("records a delivery, due now", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        yield* TestClock.setTime(1000)
        const { created, delivery: recorded } = yield* inbox.record(delivery)
        expect(created).toBe(true)
        expect(recorded.id).toMatch(/^delivery_/)
        expect({ ...recorded }).toEqual({
          id: recorded.id,
          deliveryId: "guid",
          eventType: "installation",
          action: Option.some("created"),
          installationExternalId: Option.some("42"),
          payload: Option.some(delivery.payload),
          receivedAt: at(1000),
          processedAt: Option.none(),
          status: "received",
          errorMessage: Option.none(),
          attemptCount: 0,
          maxAttempts: defaultDeliveryAttempts,
          availableAt: at(1000),
          claimedAt: Option.none(),
          leaseExpiresAt: Option.none(),
          workerId: Option.none(),
          leaseToken: 0,
          leaseOutcome: Option.none(),
          updatedAt: at(1000)
        })
        expect(yield* inbox.getById(recorded.id)).toEqual(recorded)
        expect(yield* inbox.findById(recorded.id)).toEqual(Option.some(recorded))
        expect(yield* inbox.findByDeliveryId("guid")).toEqual(Option.some(recorded))
      }).pipe(Effect.provide(layer))
    )

    it.effect("counts the deliveries of the inbox", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const none = { received: 0, processing: 0, processed: 0, failed: 0, ignored: 0 }
        expect(yield* inbox.stats).toEqual({ byStatus: none, due: 0, oldestDueAt: Option.none() })
        for (const status of ["processed", "failed", "ignored"] as const)
          yield* make.webhookDelivery({ status, availableAt: at(1) })
        yield* make.webhookDelivery({ availableAt: at(1000) })
        yield* make.webhookDelivery({ availableAt: at(70) })
        yield* make.claimedDelivery({ leaseExpiresAt: at(60), availableAt: at(0) })
        yield* make.claimedDelivery({ leaseExpiresAt: at(50), attemptCount: 5, maxAttempts: 5 })
        yield* TestClock.setTime(100)
        expect(yield* inbox.stats).toEqual({
          byStatus: { received: 2, processing: 2, processed: 1, failed: 1, ignored: 1 },
          // Not the one without attempts left: it can only be failed.
          due: 2,
          oldestDueAt: Option.some(at(60))
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("records a delivery without optional fields", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { delivery: bare } = yield* inbox.record({ deliveryId: "guid", eventType: "ping" })
        expect(bare).toMatchObject({
          action: Option.none(),
          installationExternalId: Option.none(),
          payload: Option.none()
        })
        expect(yield* refusalOf(inbox.getById(gone))).toMatchObject({
          _tag: "NotFound",
          entity: "GitHubWebhookDelivery",
          id: "gone"
        })
        expect(yield* inbox.findById(gone)).toEqual(Option.none())
        expect(yield* inbox.findByDeliveryId("gone")).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns the current delivery for a repeat", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { delivery: first } = yield* inbox.record({ ...delivery, id: "row" })
        yield* TestClock.setTime(5000)
        expect(yield* inbox.record(delivery)).toEqual({ delivery: first, created: false })
        expect(yield* inbox.record({ ...delivery, id: "row" })).toEqual({ delivery: first, created: false })
        const another = { ...delivery, id: "another", eventType: "push", payload: { another: true }, maxAttempts: 1 }
        expect(yield* inbox.record(another)).toEqual({ delivery: first, created: false })
        const { lease } = yield* claim()
        const processed = yield* inbox.markProcessed(lease)
        expect(yield* inbox.record(delivery)).toEqual({ delivery: processed, created: false })
        expect(yield* counts).toEqual({ processed: 1 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("receives a failed delivery again when GitHub repeats it, with all attempts", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        yield* inbox.record({ ...delivery, id: "row" })
        const { lease } = yield* claim()
        yield* inbox.markFailed(lease, { errorMessage: "it broke", retryable: false })
        yield* TestClock.setTime(5000)
        const { created, delivery: again } = yield* inbox.record(delivery)
        expect([created, again]).toMatchObject([
          false,
          { id: "row", status: "received", attemptCount: 0, availableAt: at(5000), errorMessage: Option.none() }
        ])
        expect(yield* inbox.record(delivery)).toEqual({ delivery: again, created: false })
        expect((yield* claim()).lease.token).toBe(2)
      }).pipe(Effect.provide(layer))
    )

    it.effect("claims one delivery by its id if it is due", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        yield* record("first")
        yield* record("second")
        const byId = (id: string) => Effect.map(inbox.claimById({ ...claimant, id }), idOf)
        expect(yield* byId("second")).toEqual(Option.some("second"))
        expect([yield* byId("second"), yield* byId("gone")]).toEqual([Option.none(), Option.none()])
        expect((yield* claim()).delivery.id).toBe("first")
        yield* TestClock.adjust("2 minutes")
        expect(yield* byId("second")).toEqual(Option.some("second"))
        expect(yield* refusalOf(inbox.claimById({ ...claimant, leaseDuration: 0, id: "first" }))).toMatchObject({
          _tag: "InvalidInput"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects the id of another delivery", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const first = yield* record("row")
        expect(yield* refusalOf(inbox.record({ ...delivery, id: "row", deliveryId: "another" }))).toMatchObject({
          _tag: "AlreadyExists",
          entity: "GitHubWebhookDelivery",
          constraint: "github_webhook_deliveries.id"
        })
        expect(yield* inbox.getById(first.id)).toEqual(first)
        expect(yield* counts).toEqual({ received: 1 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores a delivery once when many callers record it concurrently", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const answers = yield* Effect.all(
          Array.from({ length: 200 }, (_, index) => inbox.record({ ...delivery, deliveryId: `guid-${index % 10}` })),
          { concurrency: "unbounded" }
        )
        expect(answers.filter(({ created }) => created)).toHaveLength(10)
        for (const { delivery } of answers)
          expect(
            answers.find((one) => one.created && one.delivery.deliveryId === delivery.deliveryId)?.delivery
          ).toEqual(delivery)
        expect(yield* counts).toEqual({ received: 10 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input, and stores nothing", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const fields = ["id", "deliveryId", "eventType", "installationExternalId"]
        for (const field of fields) {
          for (const [kind, bad] of Object.entries(badNames)) {
            expect(yield* tagOf(inbox.record({ ...delivery, [field]: bad })), `${field} ${kind}`).toBe("InvalidInput")
          }
        }
        for (const action of [badNames.huge, badNames.nul, badNames.surrogate])
          expect(yield* tagOf(inbox.record({ ...delivery, action }))).toBe("InvalidInput")
        for (const maxAttempts of [0, -1, 1.5, 1001, Number.NaN])
          expect(yield* tagOf(inbox.record({ ...delivery, maxAttempts }))).toBe("InvalidInput")
        const nested = (depth: number): object => (depth === 0 ? {} : { in: nested(depth - 1) })
        for (const payload of [
          { a: Number.NaN },
          { a: undefined },
          { a: [Number.POSITIVE_INFINITY] },
          { a: new Date(0) },
          nested(70),
          nested(3000)
        ]) {
          expect(yield* tagOf(inbox.record({ ...delivery, payload } as typeof delivery))).toBe("InvalidInput")
        }
        for (const payload of [[], "text", 1, null]) {
          expect(yield* tagOf(inbox.record({ ...delivery, payload } as unknown as typeof delivery))).toBe(
            "InvalidInput"
          )
        }
        expect(yield* counts).toEqual({})
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores any JSON payload unchanged", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const payload = JSON.parse(
          `{"__proto__": 1, "nul": "a\\u0000b", "half": "\\ud800", "": [null, -0.5, {"a": []}], "é": "😀"}`
        )
        const { delivery: recorded } = yield* inbox.record({ ...delivery, payload })
        expect(recorded.payload).toEqual(Option.some(payload))
        expect(Object.keys(Option.getOrThrow(recorded.payload))).toEqual(["__proto__", "nul", "half", "", "é"])
      }).pipe(Effect.provide(layer))
    )

    // The limit of a server is lower: test/libsql/server.test.ts.
    it.effect.skipIf(name === "remote")("accepts the longest payload of GitHub, and rejects a longer one", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        // Two bytes a letter: the limit is of bytes.
        const payloadOf = (bytes: number) => ({ a: "é".repeat((bytes - `{"a":""}`.length) / 2) })
        const refused = yield* refusalOf(inbox.record({ ...delivery, payload: payloadOf(maxPayloadBytes + 2) }))
        expect(refused).toMatchObject({
          _tag: "InvalidInput",
          issues: ["payload: must be at most 26214400 bytes of JSON"]
        })
        const { delivery: longest } = yield* inbox.record({ ...delivery, payload: payloadOf(maxPayloadBytes) })
        expect(Option.isSome(longest.payload)).toBe(true)
        expect(yield* shell("SELECT octet_length(payload) AS bytes FROM github_webhook_deliveries")).toEqual([
          { bytes: maxPayloadBytes }
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("hands out a delivery under a new lease", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const received = yield* record("row")
        yield* TestClock.setTime(1000)
        const claimed = yield* Effect.flatten(inbox.claimNext({ workerId: "one", leaseDuration: "5 seconds" }))
        expect(claimed.lease).toEqual({ deliveryId: "row", workerId: "one", token: 1 })
        expect({ ...claimed.delivery }).toEqual({
          ...received,
          status: "processing",
          attemptCount: 1,
          leaseToken: 1,
          workerId: Option.some("one"),
          claimedAt: Option.some(at(1000)),
          leaseExpiresAt: Option.some(at(6000)),
          updatedAt: at(1000)
        })
        expect(yield* inbox.getById(received.id)).toEqual(claimed.delivery)
        expect(yield* inbox.getByLease(claimed.lease)).toEqual(claimed.delivery)
      }).pipe(Effect.provide(layer))
    )

    it.effect("claims deliveries under expired leases first, then the one that is due longest, ties by id", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        yield* make.webhookDelivery({ id: "f", availableAt: at(60) })
        yield* make.webhookDelivery({ id: "c", availableAt: at(30) })
        yield* make.webhookDelivery({ id: "later", availableAt: at(101) })
        yield* make.webhookDelivery({ id: "b", availableAt: at(20) })
        yield* make.webhookDelivery({ id: "a", availableAt: at(20) })
        yield* expiring("e", 50)
        yield* expiring("d", 30)
        yield* expiring("live", 101)
        for (const status of ["processed", "failed", "ignored"] as const)
          yield* make.webhookDelivery({ id: status, status })
        yield* TestClock.setTime(100)
        const order = []
        for (
          let next = yield* inbox.claimNext(claimant);
          Option.isSome(next);
          next = yield* inbox.claimNext(claimant)
        ) {
          order.push(next.value.delivery.id)
        }
        expect(order).toEqual(["d", "e", "a", "b", "c", "f"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("lets an expired lease be taken over, but not a current one", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { lease } = yield* leased("row")
        yield* TestClock.adjust("59999 millis")
        expect(yield* inbox.claimNext({ ...claimant, workerId: "two" })).toEqual(Option.none())
        yield* TestClock.adjust("1 millis")
        const taken = yield* claim("two")
        expect(taken.lease).toEqual({ deliveryId: "row", workerId: "two", token: 2 })
        expect(taken.delivery).toMatchObject({
          attemptCount: 2,
          claimedAt: Option.some(at(60_000)),
          leaseOutcome: Option.none()
        })
        expect(yield* lossOf(inbox.markProcessed(lease))).toBe("superseded")
      }).pipe(Effect.provide(layer))
    )

    it.effect("fails a delivery without attempts left, and never hands it out", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { delivery: spent, lease } = yield* expiring("spent", 50, {
          attemptCount: 2,
          maxAttempts: 2,
          errorMessage: "before"
        })
        yield* TestClock.setTime(100)
        expect(yield* inbox.claimNext(claimant)).toEqual(Option.none())
        const failed = yield* inbox.getById(spent.id)
        expect({ ...failed }).toEqual({
          ...spent,
          status: "failed",
          leaseOutcome: Option.some("expired"),
          leaseExpiresAt: Option.none(),
          errorMessage: Option.some("the last lease expired with no attempts left"),
          processedAt: Option.some(at(100)),
          updatedAt: at(100)
        })
        expect(yield* lossOf(inbox.heartbeat(lease, "1 minute"))).toBe("expired")
        expect(yield* inbox.claimNext(claimant)).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("finds a due delivery behind any number of exhausted ones", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        for (let index = 0; index < 25; index++)
          yield* expiring(`spent-${index}`, 10, { attemptCount: 1, maxAttempts: 1 })
        yield* expiring("expired", 20)
        yield* make.webhookDelivery({ id: "received", availableAt: at(30) })
        yield* TestClock.setTime(100)
        expect(idOf(yield* inbox.claimNext(claimant))).toEqual(Option.some("expired"))
        expect(idOf(yield* inbox.claimNext(claimant))).toEqual(Option.some("received"))
        expect(yield* inbox.claimNext(claimant)).toEqual(Option.none())
        expect(yield* counts).toEqual({ failed: 25, processing: 2 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("hands out a delivery whose payload is nested deeper than an input may be", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        for (const id of ["a", "deep", "c"]) yield* record(id)
        yield* shell(
          "UPDATE github_webhook_deliveries SET payload = ? WHERE id = 'deep'",
          `${'{"a":'.repeat(70)}1${"}".repeat(70)}`
        )
        const claims = yield* Effect.all(
          Array.from({ length: 3 }, () => inbox.claimNext(claimant)),
          { concurrency: "unbounded" }
        )
        expect(claims.flatMap((claimed) => Option.toArray(idOf(claimed))).toSorted()).toEqual(["a", "c", "deep"])
        expect(yield* counts).toEqual({ processing: 3 })
        expect(yield* inbox.findByDeliveryId("deep")).toMatchObject({ _tag: "Some" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("gives fifty callers of twenty deliveries twenty different ones", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        for (let index = 0; index < 20; index++) yield* record(`row-${index}`)
        const answers = yield* Effect.forEach(
          Array.from({ length: 50 }, (_, index) => `worker-${index % 25}`),
          (workerId) => inbox.claimNext({ ...claimant, workerId }),
          { concurrency: "unbounded" }
        )
        const claimed = answers.flatMap(Option.toArray)
        expect(claimed).toHaveLength(20)
        expect(new Set(claimed.map(({ delivery }) => delivery.id)).size).toBe(20)
        for (const { delivery, lease } of claimed) expect(delivery.workerId).toEqual(Option.some(lease.workerId))
      }).pipe(Effect.provide(layer))
    )

    it.effect("gives out each lease once while fibers claim, end and lose deliveries concurrently", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        for (let index = 0; index < 60; index++) yield* record(`row-${index}`, { maxAttempts: 1000 })
        const given: Array<string> = []
        const ended: Array<string> = []
        const work = (fiber: number) =>
          Effect.gen(function* () {
            for (let round = 0; round < 12; round++) {
              const claimed = yield* inbox.claimNext({ workerId: `worker-${fiber % 8}`, leaseDuration: "1 second" })
              if (Option.isNone(claimed)) continue
              const { lease } = claimed.value
              given.push(`${lease.deliveryId} ${lease.token}`)
              if ((fiber + round) % 4 === 0) yield* TestClock.adjust("1 second")
              else if ((yield* lossOf(inbox.markProcessed(lease))) === "ok") ended.push(lease.deliveryId)
            }
          })
        yield* Effect.forEach(
          Array.from({ length: 24 }, (_, fiber) => fiber),
          work,
          { concurrency: "unbounded" }
        )
        expect(new Set(given).size).toBe(given.length)
        expect(new Set(ended).size).toBe(ended.length)
        expect((yield* counts)["processed"]).toBe(ended.length)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects an empty worker name, an infinite lease and a batch size out of range", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { id } = yield* record("row")
        for (const workerId of Object.values(badNames))
          expect(yield* tagOf(inbox.claimNext({ ...claimant, workerId }))).toBe("InvalidInput")
        for (const leaseDuration of [0, -1, Number.POSITIVE_INFINITY, Number.NaN, Number.MAX_SAFE_INTEGER]) {
          expect(yield* tagOf(inbox.claimNext({ ...claimant, leaseDuration }))).toBe("InvalidInput")
        }
        for (const limit of [0, -1, 1001, 1.5, Number.NaN])
          expect(yield* tagOf(inbox.reapExpired(limit))).toBe("InvalidInput")
        expect((yield* inbox.getById(id)).status).toBe("received")
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists deliveries newest first, by status and installation", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const statuses = ["received", "processed", "ignored"] as const
        for (let index = 0; index < 30; index++) {
          yield* make.webhookDelivery({
            id: `row-${String(index).padStart(2, "0")}`,
            status: statuses[index % 3] ?? "received",
            receivedAt: at(100 + Math.floor(index / 4)),
            ...(index % 2 === 0 ? { installationExternalId: `inst-${index % 4}` } : {})
          })
        }
        const all = Array.from({ length: 30 }, (_, index) => index).toReversed()
        const expected = (keep: (index: number) => boolean) =>
          all.filter(keep).map((index) => `row-${String(index).padStart(2, "0")}`)
        const ids = (filter: object) =>
          Effect.map(
            pages((page) => inbox.list({ ...filter, ...page }), 4),
            (rows) => rows.map(({ id }) => id)
          )
        expect(yield* ids({})).toEqual(expected(() => true))
        expect(yield* ids({ status: "processed" })).toEqual(expected((index) => index % 3 === 1))
        expect(yield* ids({ installationExternalId: "inst-2" })).toEqual(expected((index) => index % 4 === 2))
        expect(yield* ids({ status: "ignored", installationExternalId: "inst-0" })).toEqual(
          expected((index) => index % 12 === 8)
        )
        expect(yield* ids({ installationExternalId: "none" })).toEqual([])
        expect((yield* inbox.list()).items).toHaveLength(30)
        const streamed = yield* Stream.runCollect(inbox.stream({ status: "processed" }))
        expect(Chunk.toReadonlyArray(streamed).map(({ id }) => id)).toEqual(expected((index) => index % 3 === 1))
        expect(Chunk.size(yield* Stream.runCollect(inbox.stream()))).toBe(30)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid filters, also an installation of undefined", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        yield* record("row")
        const filters = [
          { installationExternalId: undefined },
          { installationExternalId: "" },
          { status: "done" },
          { limit: 0 },
          { limit: 501 },
          { cursor: "bad" }
        ]
        for (const filter of filters) {
          expect(yield* tagOf(inbox.list(filter as object)), JSON.stringify(filter)).toBe("InvalidInput")
        }
        expect((yield* inbox.list({ status: undefined })).items).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("redelivers an ended delivery with all its attempts and a new lease", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        for (const status of ["processed", "failed", "ignored"] as const) {
          const before = yield* make.webhookDelivery({ status, attemptCount: 5, leaseToken: 7, errorMessage: "before" })
          yield* TestClock.adjust("1 second")
          const again = yield* inbox.redeliver(before.id)
          expect({ ...again }).toEqual({
            ...before,
            status: "received",
            attemptCount: 0,
            availableAt: again.updatedAt,
            claimedAt: Option.none(),
            workerId: Option.none(),
            processedAt: Option.none(),
            errorMessage: Option.none(),
            updatedAt: again.updatedAt
          })
          const { lease } = yield* claim()
          expect(lease.token).toBe(8)
          expect(yield* lossOf(inbox.markProcessed({ ...lease, workerId: "worker", token: 7 }))).toBe("superseded")
        }
        expect(yield* refusalOf(inbox.redeliver(gone))).toMatchObject({ _tag: "NotFound", id: "gone" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("reaps hundreds of expired leases in statements of 100, between which the event loop turns", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        for (let n = 1; n <= 250; n++) yield* expiring(`d-${n}`, n)
        yield* TestClock.setTime(1000)
        const [reaped, turns] = yield* countingTurns((turn) => Effect.zip(inbox.reapExpired(230), Effect.sync(turn)))
        expect(reaped.map(({ id }) => id).toSorted()).toEqual(
          Array.from({ length: 230 }, (_, index) => `d-${index + 1}`).toSorted()
        )
        expect(turns).toBeGreaterThanOrEqual(2)
        expect(yield* inbox.reapExpired(1000)).toHaveLength(20)
      }).pipe(Effect.provide(layer))
    )

    it.effect("reaps expired leases up to the limit, the longest expired first", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        for (const [id, expires] of [
          ["c", 30],
          ["a", 10],
          ["b", 20],
          ["live", 101]
        ] as const)
          yield* expiring(id, expires)
        yield* expiring("spent", 5, { attemptCount: 1, maxAttempts: 1 })
        yield* TestClock.setTime(100)
        const first = yield* inbox.reapExpired(2)
        expect(first.map(({ id, status }) => [id, status]).toSorted()).toEqual([
          ["a", "received"],
          ["spent", "failed"]
        ])
        expect(first.find(({ id }) => id === "a")).toMatchObject({
          availableAt: at(100),
          workerId: Option.none(),
          leaseOutcome: Option.some("expired"),
          attemptCount: 1
        })
        expect((yield* inbox.reapExpired(1000)).map(({ id }) => id).toSorted()).toEqual(["b", "c"])
        expect(yield* inbox.reapExpired(1000)).toEqual([])
        expect(yield* counts).toEqual({ failed: 1, processing: 1, received: 3 })
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("recording deliveries", () => {
  it.effect("rejects a payload that is longer than any string", () =>
    Effect.gen(function* () {
      const inbox = yield* GitHubWebhookDeliveryRepo
      const endless = "x".repeat(2 ** 28)
      expect(yield* tagOf(inbox.record({ ...delivery, payload: { a: endless, b: endless, c: endless } }))).toBe(
        "InvalidInput"
      )
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect.prop(
    "accepts any valid text as an id, and finds it again",
    [FastCheck.string()],
    ([text]) =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const recorded = yield* Effect.option(inbox.record({ deliveryId: text, eventType: "push" }))
        const found = yield* inbox.findByDeliveryId(text)
        expect(Option.isSome(found)).toBe(Option.isSome(recorded))
      }).pipe(Effect.provide(layers.memory)),
    { fastCheck: { numRuns: 30 } }
  )
})
