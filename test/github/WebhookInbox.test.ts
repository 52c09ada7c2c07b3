import { SqlClient, SqlError } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Data, Deferred, Effect, Exit, Fiber, Layer, Option, TestClock } from "effect"
import * as Database from "../../src/Database.js"
import { UserRepo } from "../../src/auth/UserRepo.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { LeaseLost, NotFound, PersistenceError } from "../../src/Errors.js"
import { WebhookFailure, type WebhookHandler, WebhookOutcome } from "../../src/github/WebhookHandler.js"
import { WebhookInbox } from "../../src/github/WebhookInbox.js"
import { shell } from "../support/lists.js"
import { badNames, refusalOf, tagOf } from "../support/refusals.js"
import { collectOutput } from "../support/outputCollector.js"
import { layers, leaveMark, marking, marks, receive, type Services, stored, takeOver, worker } from "./inboxSupport.js"

const busy = new PersistenceError({ operation: "test", reason: "Busy", cause: "SQLITE_BUSY" })

class Foreign extends Data.TaggedError("Foreign")<{ readonly secret: string }> {}

/** A handler that writes a mark and then ends like this. */
const after =
  <E>(then: Effect.Effect<WebhookOutcome, E>): WebhookHandler<unknown, SqlClient.SqlClient> =>
  (delivery) =>
    Effect.zipRight(leaveMark(delivery), then)

/** The contract of the inbox, for each database. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`WebhookInbox (${name})`, () => {
    it.effect("stores a delivery once, regardless of repeats", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        const sent = { deliveryId: "guid", eventType: "push", payload: { ref: "main" } }
        const answers = yield* Effect.all(
          Array.from({ length: 20 }, () => inbox.receive(sent)),
          { concurrency: "unbounded" }
        )
        expect(answers.filter(({ created }) => created)).toHaveLength(1)
        expect(new Set(answers.map(({ delivery }) => delivery.id)).size).toBe(1)
        expect(yield* tagOf(inbox.receive({ ...sent, deliveryId: "" }))).toBe("InvalidInput")
        expect(Option.map(yield* inbox.process(worker, marking), ({ status }) => status)).toEqual(
          Option.some("processed")
        )
        const again = yield* inbox.receive(sent)
        expect(again).toMatchObject({ created: false, delivery: { status: "processed" } })
        expect(yield* inbox.process(worker, marking)).toEqual(Option.none())
        expect(yield* marks).toEqual(["guid 1"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("processes a failed delivery again when its sender repeats it", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        yield* receive("a")
        const broken = after(new WebhookFailure({ errorMessage: "not ready", retryable: false }))
        expect(Option.map(yield* inbox.process(worker, broken), ({ status }) => status)).toEqual(Option.some("failed"))
        expect(yield* inbox.process(worker, marking)).toEqual(Option.none())
        expect(yield* receive("a")).toMatchObject({ status: "received", attemptCount: 0 })
        expect(yield* inbox.process(worker, marking)).toMatchObject(
          Option.some({ status: "processed", errorMessage: Option.none() })
        )
        expect(yield* marks).toEqual(["a 1"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("processes the delivery that has been due longest, and returns None when none is due", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        expect(yield* inbox.process(worker, marking)).toEqual(Option.none())
        for (const id of ["b", "c", "a"]) {
          yield* receive(id)
          yield* TestClock.adjust("1 second")
        }
        const order = yield* Effect.replicateEffect(inbox.process(worker, marking), 4)
        expect(order.map(Option.map(({ deliveryId }) => deliveryId))).toEqual([
          Option.some("b"),
          Option.some("c"),
          Option.some("a"),
          Option.none()
        ])
        expect(yield* stored("a")).toMatchObject({
          status: "processed",
          attemptCount: 1,
          workerId: Option.some("worker")
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("the writes of the handler and the end of the delivery are one transaction", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        const users = yield* UserRepo
        yield* receive("guid")
        const done = yield* inbox.process(worker, (delivery) =>
          Effect.gen(function* () {
            yield* users.ensure({ email: "ada@example.com", name: "Ada" })
            yield* leaveMark(delivery)
            // Not ended yet: nobody but the handler could see what it has done so far.
            expect((yield* stored("guid")).status).toBe("processing")
            return WebhookOutcome.processed
          })
        )
        expect(Option.getOrThrow(done)).toEqual(yield* stored("guid"))
        expect(Option.isSome(yield* users.findByEmail("ada@example.com"))).toBe(true)
        expect(yield* marks).toEqual(["guid 1"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("an ignored delivery is not retried, and the writes of its handler are kept", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        yield* receive("plain")
        expect(
          Option.getOrThrow(yield* inbox.process(worker, () => Effect.succeed(WebhookOutcome.ignored())))
        ).toMatchObject({ status: "ignored", errorMessage: Option.none() })
        yield* receive("reason")
        const ignored = yield* inbox.process(worker, (delivery) =>
          Effect.as(leaveMark(delivery), WebhookOutcome.ignored("a bot"))
        )
        expect(Option.getOrThrow(ignored)).toMatchObject({ status: "ignored", errorMessage: Option.some("a bot") })
        expect(yield* inbox.process(worker, marking)).toEqual(Option.none())
        expect(yield* marks).toEqual(["reason 1"])
      }).pipe(Effect.provide(layer))
    )

    const failures: Readonly<
      Record<string, readonly [then: Effect.Effect<WebhookOutcome, unknown>, kept: string | RegExp]>
    > = {
      "a failure of its own": [new WebhookFailure({ errorMessage: "no such account" }), "no such account"],
      "an error of this package": [new NotFound({ entity: "User", id: "ada" }), "User ada was not found"],
      "another error": [new Foreign({ secret: "s3cr3t" }), "the handler failed (Foreign)"],
      "a plain error": [Effect.fail(new Error("s3cr3t")), "the handler failed"],
      "a text": [Effect.fail("s3cr3t"), "the handler failed"],
      "a defect": [Effect.die(new TypeError("s3cr3t")), "the handler died"],
      "a defect that is no error": [Effect.die("s3cr3t"), "the handler died"],
      "an interruption of its own": [Effect.interrupt, "the handler died"],
      "a store that cannot answer": [
        new PersistenceError({ operation: "test", reason: "Unknown", cause: "SQLITE_X" }),
        "test: Unknown (SQLITE_X)"
      ],
      "a failure too long to record": [new WebhookFailure({ errorMessage: "x".repeat(200_000) }), /errorMessage|100000/]
    }
    for (const [kind, [then, kept]] of Object.entries(failures)) {
      it.effect(`after ${kind} the writes of the handler are rolled back, and the delivery is retried`, () =>
        Effect.gen(function* () {
          const inbox = yield* WebhookInbox
          yield* receive("guid", { maxAttempts: 2 })
          const failed = Option.getOrThrow(yield* inbox.process(worker, after(then)))
          expect(failed).toMatchObject({ status: "received", attemptCount: 1, leaseOutcome: Option.some("retried") })
          expect(Option.getOrThrow(failed.errorMessage)).toMatch(kept)
          if (typeof kept === "string") expect(failed.errorMessage).toEqual(Option.some(kept))
          expect(yield* marks).toEqual([])
          expect(yield* inbox.process(worker, marking)).toEqual(Option.none())
          yield* TestClock.adjust("1 second")
          expect(Option.getOrThrow(yield* inbox.process(worker, marking))).toMatchObject({
            status: "processed",
            errorMessage: Option.none()
          })
          expect(yield* marks).toEqual(["guid 2"])
        }).pipe(Effect.provide(layer))
      )
    }

    it.effect("a delivery fails after its last attempt, or at once when the error is not retryable", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        yield* receive("last", { maxAttempts: 1 })
        const last = after(new WebhookFailure({ errorMessage: "no" }))
        expect(Option.getOrThrow(yield* inbox.process(worker, last))).toMatchObject({
          status: "failed",
          errorMessage: Option.some("no")
        })
        yield* receive("hopeless")
        const hopeless = after(new WebhookFailure({ errorMessage: "never", retryable: false }))
        expect(Option.getOrThrow(yield* inbox.process(worker, hopeless))).toMatchObject({
          status: "failed",
          attemptCount: 1,
          errorMessage: Option.some("never")
        })
        yield* receive("nonsense")
        const nonsense = () => Effect.succeed(WebhookOutcome.ignored(badNames.huge))
        expect(Option.getOrThrow(yield* inbox.process(worker, nonsense))).toMatchObject({
          status: "failed",
          attemptCount: 1
        })
        yield* receive("thrown", { maxAttempts: 1 })
        const throws = (): Effect.Effect<WebhookOutcome> => {
          throw new RangeError("s3cr3t")
        }
        expect(Option.getOrThrow(yield* inbox.process(worker, throws))).toMatchObject({
          status: "failed",
          errorMessage: Option.some("the handler died")
        })
        expect(yield* marks).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a failed statement that the handler catches rolls back nothing else", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        const users = yield* UserRepo
        yield* users.create({ id: "ada", email: "ada@example.com", name: "Ada" })
        yield* receive("guid")
        const again = users.create({ id: "ada", email: "ada@example.com", name: "Ada" })
        yield* inbox.process(worker, (delivery) => Effect.zipRight(Effect.ignore(again), marking(delivery)))
        expect(yield* marks).toEqual(["guid 1"])
        yield* receive("other")
        const refused = yield* inbox.process(worker, (delivery) => Effect.zipLeft(marking(delivery), again))
        expect(Option.getOrThrow(refused).errorMessage).toEqual(Option.some("User already exists (user.email)"))
        expect(yield* marks).toEqual(["guid 1"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a lock timeout does not count as an attempt", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        yield* receive("guid", { maxAttempts: 1 })
        expect(yield* refusalOf(inbox.process(worker, after(busy)))).toEqual(busy)
        expect(yield* stored("guid")).toMatchObject({
          status: "received",
          attemptCount: 0,
          leaseOutcome: Option.some("released")
        })
        expect(yield* marks).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    const lateEnds = {
      "has processed": WebhookOutcome.processed,
      "ignores it": WebhookOutcome.ignored("late"),
      fails: undefined
    } as const
    for (const [kind, outcome] of Object.entries(lateEnds)) {
      it.effect(
        `a processor whose lease was lost while the handler ran and ${kind} writes nothing, and the work of the new holder is kept`,
        () =>
          Effect.gen(function* () {
            const inbox = yield* WebhookInbox
            const deliveries = yield* GitHubWebhookDeliveryRepo
            yield* receive("guid")
            const begun = yield* Deferred.make<void>()
            const go = yield* Deferred.make<void>()
            const slow = yield* Effect.fork(
              Effect.flip(
                inbox.process(worker, (delivery) =>
                  Effect.gen(function* () {
                    yield* Deferred.succeed(begun, undefined)
                    yield* Deferred.await(go)
                    yield* leaveMark(delivery)
                    return outcome ?? (yield* new WebhookFailure({ errorMessage: "too late", retryable: false }))
                  })
                )
              )
            )
            yield* Deferred.await(begun)
            const lease = yield* takeOver
            const before = yield* deliveries.getByLease(lease)
            yield* Deferred.succeed(go, undefined)
            expect(yield* Fiber.join(slow)).toEqual(
              new LeaseLost({ entity: "GitHubWebhookDelivery", id: "guid", workerId: "worker", reason: "superseded" })
            )
            expect(yield* marks).toEqual([])
            expect(yield* deliveries.getByLease(lease)).toEqual(before)
            yield* deliveries.markProcessed(lease)
            expect((yield* stored("guid")).status).toBe("processed")
          }).pipe(Effect.provide(layer))
      )
    }

    it.effect("a transaction whose COMMIT was stored without an answer has processed the delivery", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const unheard = new SqlError.SqlError({ cause: Object.assign(new Error("gone"), { code: "HRANA_CLOSED" }) })
        const deaf = new Proxy(sql, {
          get: (target, key) =>
            key === "withTransaction"
              ? <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.zipRight(sql.withTransaction(body), unheard)
              : Reflect.get(target, key)
        })
        yield* receive("guid")
        const processed = Effect.flatMap(WebhookInbox, (inbox) => inbox.process(worker, marking)).pipe(
          Effect.provide(Layer.provide(WebhookInbox.layer, Layer.succeed(SqlClient.SqlClient, deaf)))
        )
        expect(Option.getOrThrow(yield* processed)).toMatchObject({ status: "processed", attemptCount: 1 })
        expect(yield* processed).toEqual(Option.none())
        expect(yield* marks).toEqual(["guid 1"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a handler is interrupted at the end of its lease", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        yield* receive("guid")
        const begun = yield* Deferred.make<void>()
        const endless = yield* Effect.fork(
          inbox.process(worker, (delivery) =>
            leaveMark(delivery).pipe(Effect.zipRight(Deferred.succeed(begun, undefined)), Effect.zipRight(Effect.never))
          )
        )
        yield* Deferred.await(begun)
        // It is interrupted before its lease ends, so that nobody else has begun by then.
        yield* TestClock.adjust("54 seconds")
        const failed = Option.getOrThrow(yield* Fiber.join(endless))
        expect(failed).toMatchObject({
          status: "received",
          errorMessage: Option.some("the handler took longer than its lease")
        })
        expect(yield* marks).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("releases the delivery without counting the attempt when it is interrupted", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        yield* receive("guid")
        const begun = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(
          inbox.process(worker, (delivery) =>
            leaveMark(delivery).pipe(Effect.zipRight(Deferred.succeed(begun, undefined)), Effect.zipRight(Effect.never))
          )
        )
        yield* Deferred.await(begun)
        expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
        expect(yield* stored("guid")).toMatchObject({
          status: "received",
          attemptCount: 0,
          leaseOutcome: Option.some("released")
        })
        expect(yield* marks).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("joins the caller's transaction", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        yield* receive("guid")
        yield* Effect.ignore(
          Database.transaction(Effect.zipRight(inbox.process(worker, marking), Effect.fail("undone")))
        )
        expect(yield* marks).toEqual([])
        expect(yield* stored("guid")).toMatchObject({ status: "received", leaseToken: 0 })
        const failed = Database.transaction(inbox.process(worker, after(new WebhookFailure({ errorMessage: "no" }))))
        expect(Option.getOrThrow(yield* failed).status).toBe("received")
        expect(yield* marks).toEqual([])
        expect((yield* stored("guid")).errorMessage).toEqual(Option.some("no"))
      }).pipe(Effect.provide(layer))
    )

    it.effect("an out-of-order event changes nothing if the handler compares timestamps", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        yield* shell("CREATE TABLE names (id TEXT PRIMARY KEY, name TEXT, at INTEGER)")
        const rename: WebhookHandler<unknown, SqlClient.SqlClient> = ({ payload }) =>
          Effect.flatMap(SqlClient.SqlClient, (sql) => {
            const { at, name } = Option.getOrThrow(payload)
            return Effect.map(
              sql`INSERT INTO names (id, name, at) VALUES ('repo', ${String(name)}, ${Number(at)})
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, at = excluded.at WHERE excluded.at > names.at RETURNING id`,
              (changed) =>
                changed.length === 1 ? WebhookOutcome.processed : WebhookOutcome.ignored("older than what is known")
            )
          })
        // The second of three fails at first, and comes last.
        const flaky: WebhookHandler<unknown, SqlClient.SqlClient> = (delivery) =>
          delivery.deliveryId === "two" && delivery.attemptCount === 1
            ? Effect.zipRight(rename(delivery), new WebhookFailure({ errorMessage: "not now" }))
            : rename(delivery)
        for (const [id, at] of [
          ["one", 1],
          ["two", 2],
          ["three", 3],
          ["zero", 0]
        ] as const) {
          yield* receive(id, { payload: { name: id, at } })
          yield* TestClock.adjust("1 millis")
        }
        yield* Effect.replicateEffect(inbox.process(worker, flaky), 4)
        yield* TestClock.adjust("1 second")
        yield* inbox.process(worker, flaky)
        expect(yield* shell("SELECT name, at FROM names")).toEqual([{ name: "three", at: 3 }])
        const ends = yield* Effect.forEach(["one", "two", "three", "zero"], (id) =>
          Effect.map(stored(id), ({ status }) => status)
        )
        expect(ends).toEqual(["processed", "ignored", "processed", "ignored"])
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "each delivery takes effect once with concurrent processors, repeats, failures, defects and lost leases",
      () =>
        Effect.gen(function* () {
          const inbox = yield* WebhookInbox
          yield* shell("CREATE TABLE counter (n INTEGER NOT NULL)")
          yield* shell("INSERT INTO counter VALUES (0)")
          // A round trip for each statement, and each transaction waits for the others': a few are enough there.
          const count = name === "remote" ? 5 : 24
          const ids = Array.from({ length: count }, (_, index) => `guid-${String(index).padStart(2, "0")}`)
          const send = Effect.forEach(
            [...ids, ...ids, ...ids.toReversed()],
            (id) => inbox.receive({ deliveryId: id, eventType: "push", maxAttempts: 1000 }),
            { concurrency: "unbounded" }
          )
          const handler: WebhookHandler<unknown, SqlClient.SqlClient> = (delivery) =>
            Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              // Some lose their lease before they have written anything, and do not notice.
              if ((Number(delivery.deliveryId.slice(5)) + delivery.attemptCount) % 5 === 0)
                yield* TestClock.adjust("1500 millis")
              yield* sql`UPDATE counter SET n = n + 1`
              yield* leaveMark(delivery)
              switch ((Number(delivery.deliveryId.slice(5)) + delivery.attemptCount) % 4) {
                case 0:
                  return yield* new WebhookFailure({ errorMessage: "not now" })
                case 1:
                  return yield* Effect.die("now dead")
                default:
                  return WebhookOutcome.processed
              }
            })
          const processor = (fiber: number) =>
            Effect.gen(function* () {
              let ended = 0
              while (ended < count) {
                yield* Effect.ignore(inbox.process({ workerId: `worker-${fiber}`, leaseDuration: "1 second" }, handler))
                yield* TestClock.adjust("250 millis")
                const [row] = yield* shell(
                  "SELECT count(*) AS ended FROM github_webhook_deliveries WHERE status = 'processed'"
                )
                ended = Number(Object.values(row ?? {})[0])
              }
            })
          const processors = Effect.forEach(
            Array.from({ length: name === "remote" ? 3 : 12 }, (_, fiber) => fiber),
            processor,
            { concurrency: "unbounded" }
          )
          yield* Effect.all([send, processors, Effect.zipRight(TestClock.adjust("1 second"), send)], {
            concurrency: "unbounded"
          })
          expect(yield* shell("SELECT n FROM counter")).toEqual([{ n: count }])
          expect((yield* marks).map((mark) => mark.split(" ")[0])).toEqual(ids)
          // Each mark is of the attempt that ended its delivery.
          expect(
            yield* shell(`
          SELECT count(*) AS wrong FROM effects JOIN github_webhook_deliveries ON delivery_id = delivery
          WHERE attempt <> attempt_count OR status <> 'processed'`)
          ).toEqual([{ wrong: 0 }])
        }).pipe(Effect.provide(layer))
    )

    it.effect("no error, span or log contains a payload, whatever the handler fails with", () => {
      const { layer: watched, record, output } = collectOutput()
      return Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        for (const [kind, [then]] of Object.entries(failures)) {
          yield* receive(kind, { payload: { token: "s3cr3t" }, maxAttempts: 1 })
          const failed = Option.getOrThrow(yield* inbox.process(worker, after(then)))
          record(failed.errorMessage)
        }
        expect(output.some((text) => text.includes("WebhookInbox.process"))).toBe(true)
        expect(output.filter((text) => text.includes("s3cr3t"))).toEqual([])
      }).pipe(Effect.provide(layer), Effect.provide(watched))
    })

    it.effect("rejects options out of range, and claims nothing", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        yield* receive("guid")
        for (const workerId of Object.values(badNames)) {
          expect(yield* tagOf(inbox.process({ ...worker, workerId }, marking))).toBe("InvalidInput")
          expect(yield* tagOf(inbox.run({ ...worker, workerId }, marking))).toBe("InvalidInput")
        }
        for (const leaseDuration of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
          expect(yield* tagOf(inbox.process({ ...worker, leaseDuration }, marking))).toBe("InvalidInput")
        }
        expect((yield* stored("guid")).leaseToken).toBe(0)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
