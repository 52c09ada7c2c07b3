import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Option, Queue, Ref, TestClock } from "effect"
import type { GitHubWebhookDelivery } from "../../src/github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { PersistenceError } from "../../src/Errors.js"
import {
  type RunOptions,
  WebhookFailure,
  type WebhookHandler,
  WebhookOutcome
} from "../../src/github/WebhookHandler.js"
import { WebhookInbox } from "../../src/github/WebhookInbox.js"
import { eventually, passing, sleeping, turns } from "../support/eventLoop.js"
import { shell } from "../support/lists.js"
import { refusalOf } from "../support/refusals.js"
import { layers, leaveMark, marking, marks, receive, stored } from "./inboxSupport.js"

const busy = new PersistenceError({ operation: "test", reason: "Busy", cause: "SQLITE_BUSY" })

/** Starts the loop; what it has in hand at the end of the test is given back at once. */
const start = <E, R>(handler: WebhookHandler<E, R>, options: Partial<RunOptions> = {}) =>
  Effect.flatMap(WebhookInbox, (inbox) =>
    Effect.fork(inbox.run({ workerId: "worker", drainTimeout: 0, ...options }, handler))
  )

/** A handler that reports each delivery, waits until the test continues, and writes a mark. */
const waiting = Effect.gen(function* () {
  const begun = yield* Queue.unbounded<GitHubWebhookDelivery>()
  const go = yield* Deferred.make<void>()
  const interrupted = yield* Ref.make(0)
  const handler = (delivery: GitHubWebhookDelivery) =>
    Queue.offer(begun, delivery).pipe(
      Effect.zipRight(Deferred.await(go)),
      Effect.zipRight(marking(delivery)),
      Effect.onInterrupt(() => Ref.update(interrupted, (count) => count + 1))
    )
  return { begun, go, handler, interrupted }
})

const reaches = (id: string, status: GitHubWebhookDelivery["status"]) =>
  eventually(Effect.map(stored(id), (delivery) => delivery.status === status))

describe("WebhookInbox.run", () => {
  for (const [name, layer] of Object.entries(layers)) {
    it.effect(`processes waiting deliveries, and is woken by new ones without a clock (${name})`, () =>
      Effect.gen(function* () {
        for (const id of ["a", "b", "c"]) yield* receive(id)
        yield* start(marking, { pollInterval: "1 day" })
        for (const id of ["a", "b", "c"]) yield* reaches(id, "processed")
        yield* sleeping(24 * 3600)
        yield* receive("d")
        yield* reaches("d", "processed")
        expect(yield* marks).toEqual(["a 1", "b 1", "c 1", "d 1"])
      }).pipe(Effect.provide(layer))
    )

    // A server sends no notifications, so it is polled.
    if (name === "remote") continue

    it.effect(`an idle loop polls once, and its own read does not wake it (${name})`, () =>
      Effect.gen(function* () {
        const deliveries = yield* GitHubWebhookDeliveryRepo
        const looks = yield* Ref.make(0)
        const counting = Layer.succeed(GitHubWebhookDeliveryRepo, {
          ...deliveries,
          claimNext: (request) =>
            Effect.zipRight(
              Ref.update(looks, (count) => count + 1),
              deliveries.claimNext(request)
            )
        })
        yield* start(marking, { pollInterval: "1 day" }).pipe(
          Effect.provide(Layer.provide(WebhookInbox.layer, counting))
        )
        yield* sleeping(24 * 3600)
        yield* turns(200)
        expect(yield* Ref.get(looks)).toBe(1)
      }).pipe(Effect.provide(layer))
    )
  }

  it.effect("works on as many deliveries concurrently as configured, then on the others", () =>
    Effect.gen(function* () {
      for (const id of ["a", "b", "c", "d", "e"]) yield* receive(id)
      const { begun, go, handler } = yield* waiting
      yield* start(handler, { concurrency: 3 })
      yield* Queue.takeN(begun, 3)
      yield* turns(5)
      expect(yield* Queue.size(begun)).toBe(0)
      yield* Deferred.succeed(go, undefined)
      for (const id of ["a", "b", "c", "d", "e"]) yield* reaches(id, "processed")
      expect(yield* marks).toEqual(["a 1", "b 1", "c 1", "d 1", "e 1"])
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("continues after failures, and retries where allowed", () =>
    Effect.gen(function* () {
      const handler: WebhookHandler<unknown, never> = ({ attemptCount, deliveryId }) =>
        deliveryId === "good" || attemptCount === 2
          ? Effect.succeed(WebhookOutcome.processed)
          : deliveryId === "dies"
            ? Effect.die("no")
            : new WebhookFailure({ errorMessage: "no", retryable: deliveryId === "fails" })
      for (const id of ["dies", "fails", "hopeless", "good"]) yield* receive(id)
      yield* start(handler)
      yield* reaches("good", "processed")
      yield* reaches("hopeless", "failed")
      expect(yield* stored("fails")).toMatchObject({ status: "received", attemptCount: 1 })
      yield* passing(1)
      yield* reaches("dies", "processed")
      yield* reaches("fails", "processed")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("an unavailable database ends neither the loop nor a delivery", () =>
    Effect.gen(function* () {
      const deliveries = yield* GitHubWebhookDeliveryRepo
      const refusals = yield* Ref.make(3)
      const refusing = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | PersistenceError> =>
        Effect.flatMap(
          Ref.getAndUpdate(refusals, (left) => Math.max(0, left - 1)),
          (left): Effect.Effect<A, E | PersistenceError> => (left > 0 ? Effect.fail(busy) : effect)
        )
      const failing = Layer.succeed(GitHubWebhookDeliveryRepo, {
        ...deliveries,
        claimNext: (request) => refusing(deliveries.claimNext(request)),
        markProcessed: (lease) => refusing(deliveries.markProcessed(lease))
      })
      yield* receive("guid", { maxAttempts: 1 })
      yield* start(marking).pipe(Effect.provide(Layer.provide(WebhookInbox.layer, failing)))
      for (const left of [2, 1, 0]) {
        yield* eventually(Effect.map(Ref.get(refusals), (now) => now <= left))
        yield* passing(1)
      }
      yield* reaches("guid", "processed")
      // Given back and not counted, and nothing written twice.
      expect(yield* marks).toEqual(["guid 1"])
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("a defect of the database costs one delivery its lease and does not end the loop", () =>
    Effect.gen(function* () {
      const deliveries = yield* GitHubWebhookDeliveryRepo
      const breaking = Layer.succeed(GitHubWebhookDeliveryRepo, {
        ...deliveries,
        markFailed: (lease, failure) =>
          lease.deliveryId === "broken" ? Effect.dieMessage("broken") : deliveries.markFailed(lease, failure)
      })
      yield* receive("broken")
      yield* receive("good")
      const handler: WebhookHandler<unknown, never> = ({ deliveryId }) =>
        deliveryId === "good" ? Effect.succeed(WebhookOutcome.processed) : Effect.fail("no")
      yield* start(handler).pipe(Effect.provide(Layer.provide(WebhookInbox.layer, breaking)))
      yield* reaches("good", "processed")
      expect((yield* stored("broken")).status).toBe("processing")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("takes over expired leases, and fails deliveries without attempts left", () =>
    Effect.gen(function* () {
      const deliveries = yield* GitHubWebhookDeliveryRepo
      const { begun, handler } = yield* waiting
      for (const [id, maxAttempts] of [
        ["a-left", 5],
        ["b-spent", 1],
        ["c-mine", 5]
      ] as const)
        yield* receive(id, { maxAttempts })
      yield* deliveries.claimNext({ workerId: "dead", leaseDuration: "5 seconds" })
      yield* deliveries.claimNext({ workerId: "dead", leaseDuration: "5 seconds" })
      // The only slot is taken: nothing but the supervision looks.
      yield* start(handler)
      expect((yield* Queue.take(begun)).deliveryId).toBe("c-mine")
      yield* passing(15)
      yield* reaches("a-left", "received")
      yield* reaches("b-spent", "failed")
      expect((yield* stored("b-spent")).errorMessage).toEqual(
        Option.some("the last lease expired with no attempts left")
      )
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("waits for its handlers and starts no new work when it is interrupted", () =>
    Effect.gen(function* () {
      const { begun, go, handler } = yield* waiting
      yield* receive("guid")
      const loop = yield* start(handler, { drainTimeout: "10 seconds" })
      yield* Queue.take(begun)
      yield* receive("later")
      const ending = yield* Effect.fork(Fiber.interrupt(loop))
      yield* sleeping(10)
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(ending)
      expect((yield* stored("guid")).status).toBe("processed")
      expect((yield* stored("later")).status).toBe("received")
      expect(yield* marks).toEqual(["guid 1"])
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("releases a delivery that does not finish in time, and rolls back its writes", () =>
    Effect.gen(function* () {
      yield* receive("guid", { maxAttempts: 1 })
      const begun = yield* Deferred.make<void>()
      const loop = yield* start(
        (delivery) =>
          leaveMark(delivery).pipe(Effect.zipRight(Deferred.succeed(begun, undefined)), Effect.zipRight(Effect.never)),
        { drainTimeout: "10 seconds" }
      )
      yield* Deferred.await(begun)
      const ending = yield* Effect.fork(Fiber.interrupt(loop))
      yield* passing(10)
      yield* Fiber.join(ending)
      expect(yield* stored("guid")).toMatchObject({
        status: "received",
        attemptCount: 0,
        leaseOutcome: Option.some("released")
      })
      expect(yield* marks).toEqual([])
      yield* start(marking)
      yield* reaches("guid", "processed")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("rejects options out of range", () =>
    Effect.gen(function* () {
      const inbox = yield* WebhookInbox
      const bad: Readonly<Record<string, Partial<RunOptions>>> = {
        workerId: { workerId: "" },
        concurrency: { concurrency: 0 },
        "concurrency ": { concurrency: 1001 },
        leaseDuration: { leaseDuration: 0 },
        " leaseDuration": { leaseDuration: Infinity },
        pollInterval: { pollInterval: 0 },
        drainTimeout: { drainTimeout: "soon" as "1 second" }
      }
      for (const [field, options] of Object.entries(bad)) {
        const error = yield* refusalOf(inbox.run({ workerId: "worker", ...options }, marking))
        expect(error, field).toMatchObject({
          _tag: "InvalidInput",
          operation: "WebhookInbox.run",
          issues: [expect.stringContaining(`${field.trim()}: `)]
        })
      }
      expect(yield* shell("SELECT 1 FROM effects")).toEqual([])
      yield* TestClock.adjust("1 day")
    }).pipe(Effect.provide(layers.memory))
  )
})
