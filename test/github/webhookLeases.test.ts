import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, Random, TestClock } from "effect"
import { Factories } from "@sealant/db/testing"
import type { WebhookLease } from "../../src/github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { LeaseLost } from "../../src/Errors.js"
import { badNames, refusalOf, tagOf } from "../support/refusals.js"
import {
  at,
  claim,
  claimant,
  failure,
  gone,
  layers,
  leased,
  lossOf,
  record,
  type Services,
  underLease
} from "./webhookSupport.js"

const { make } = Factories

/** Each call under the lease is refused for this reason, and changes nothing. */
const isLost = (lease: WebhookLease, reason: string) =>
  Effect.gen(function* () {
    const inbox = yield* GitHubWebhookDeliveryRepo
    const before = yield* inbox.findById(lease.deliveryId)
    yield* TestClock.adjust("1 second")
    for (const [method, call] of Object.entries(yield* underLease(lease))) {
      expect(yield* refusalOf(call), method).toEqual(
        new LeaseLost({
          entity: "GitHubWebhookDelivery",
          id: lease.deliveryId,
          workerId: lease.workerId,
          reason: reason as "expired"
        })
      )
    }
    expect(yield* inbox.findById(lease.deliveryId)).toEqual(before)
  })

/** The contract of the inbox. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`GitHubWebhookDeliveryRepo leases (${name})`, () => {
    it.effect("heartbeat extends the lease from the current time", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { delivery, lease } = yield* leased("row")
        yield* TestClock.adjust("40 seconds")
        const alive = yield* inbox.heartbeat(lease, "1 minute")
        expect({ ...alive }).toEqual({ ...delivery, leaseExpiresAt: Option.some(at(100_000)), updatedAt: at(40_000) })
        yield* TestClock.adjust("59 seconds")
        expect(yield* inbox.claimNext({ ...claimant, workerId: "two" })).toEqual(Option.none())
        yield* TestClock.adjust("1 second")
        expect((yield* claim("two")).lease.token).toBe(2)
      }).pipe(Effect.provide(layer))
    )

    it.effect("heartbeat rejects invalid durations", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { delivery, lease } = yield* leased("row")
        for (const duration of [0, -1, Number.POSITIVE_INFINITY, Number.NaN, Number.MAX_SAFE_INTEGER]) {
          expect(yield* tagOf(inbox.heartbeat(lease, duration)), String(duration)).toBe("InvalidInput")
        }
        expect(yield* inbox.getById(delivery.id)).toEqual(delivery)
      }).pipe(Effect.provide(layer))
    )

    it.effect("an expired lease stays valid until another processor claims the delivery", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { delivery, lease } = yield* leased("row")
        yield* TestClock.adjust("1 hour")
        expect(yield* inbox.getByLease(lease)).toEqual(delivery)
        expect((yield* inbox.markProcessed(lease)).status).toBe("processed")
      }).pipe(Effect.provide(layer))
    )

    it.effect("markProcessed ends the delivery, and clears the errors of earlier attempts", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { delivery, lease } = yield* make.claimedDelivery({ id: "row", attemptCount: 2, ...failure })
        yield* TestClock.setTime(30_000)
        const done = yield* inbox.markProcessed(lease)
        expect({ ...done }).toEqual({
          ...delivery,
          status: "processed",
          leaseOutcome: Option.some("processed"),
          leaseExpiresAt: Option.none(),
          processedAt: Option.some(at(30_000)),
          errorMessage: Option.none(),
          updatedAt: at(30_000)
        })
        expect(yield* inbox.getById(done.id)).toEqual(done)
      }).pipe(Effect.provide(layer))
    )

    it.effect("markIgnored ends the delivery, and stores the reason", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        for (const [ignored, kept] of [
          [undefined, Option.none()],
          [{}, Option.none()],
          [{ reason: "a ping" }, Option.some("a ping")]
        ] as const) {
          const { delivery, lease } = yield* make.claimedDelivery({ errorMessage: "before" })
          expect({ ...(yield* inbox.markIgnored(lease, ignored)) }).toEqual({
            ...delivery,
            status: "ignored",
            leaseOutcome: Option.some("ignored"),
            leaseExpiresAt: Option.none(),
            processedAt: Option.some(at(0)),
            errorMessage: kept
          })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("markFailed makes the delivery due again while attempts are left, and ends it after the last", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const received = yield* record("row", { maxAttempts: 2 })
        const first = yield* claim()
        const retried = yield* inbox.markFailed(first.lease, failure).pipe(Effect.withRandom(Random.fixed([0])))
        expect({ ...retried }).toEqual({
          ...received,
          attemptCount: 1,
          leaseToken: 1,
          leaseOutcome: Option.some("retried"),
          availableAt: at(500),
          errorMessage: Option.some("the handler failed")
        })
        yield* TestClock.setTime(499)
        expect(yield* inbox.claimNext(claimant)).toEqual(Option.none())
        yield* TestClock.setTime(500)
        const second = yield* claim("two")
        expect(second.delivery.errorMessage).toEqual(Option.some("the handler failed"))
        expect(yield* inbox.markFailed(second.lease, { errorMessage: "again" })).toMatchObject({
          status: "failed",
          attemptCount: 2,
          leaseOutcome: Option.some("failed"),
          workerId: Option.some("two"),
          processedAt: Option.some(at(500)),
          errorMessage: Option.some("again")
        })
        yield* TestClock.adjust("1 hour")
        expect(yield* inbox.claimNext(claimant)).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("markFailed ends the delivery at once when the error is not retryable", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { lease } = yield* leased("row")
        expect(yield* inbox.markFailed(lease, { ...failure, retryable: false })).toMatchObject({
          status: "failed",
          attemptCount: 1,
          processedAt: Option.some(at(0))
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("the pause before a retry doubles from 1 s to 5 min, and half of it is random", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const pauses = (random: number) =>
          Effect.forEach([1, 2, 3, 9, 10, 40, 999], (attemptCount) =>
            Effect.gen(function* () {
              const { lease } = yield* make.claimedDelivery({ attemptCount, maxAttempts: 1000 })
              return (yield* inbox.markFailed(lease, failure).pipe(Effect.withRandom(Random.fixed([random]))))
                .availableAt.epochMillis
            })
          )
        expect(yield* pauses(0)).toEqual([500, 1000, 2000, 128_000, 150_000, 150_000, 150_000])
        expect(yield* pauses(1)).toEqual([1000, 2000, 4000, 256_000, 300_000, 300_000, 300_000])
      }).pipe(Effect.provide(layer))
    )

    it.effect("invalid reasons and errors are rejected", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { delivery, lease } = yield* leased("row")
        expect(yield* tagOf(inbox.markFailed(lease, { errorMessage: badNames.huge }))).toBe("InvalidInput")
        expect(yield* tagOf(inbox.markIgnored(lease, { reason: badNames.huge }))).toBe("InvalidInput")
        expect(yield* inbox.getById(delivery.id)).toEqual(delivery)
      }).pipe(Effect.provide(layer))
    )

    it.effect("release makes the delivery due again without counting the attempt", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const received = yield* record("row", { maxAttempts: 1 })
        yield* TestClock.adjust("1 second")
        for (let token = 1; token < 10; token++) {
          const { lease } = yield* claim()
          expect(lease.token).toBe(token)
          expect({ ...(yield* inbox.release(lease)) }).toEqual({
            ...received,
            leaseToken: token,
            leaseOutcome: Option.some("released"),
            updatedAt: at(1000)
          })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("repeating a call with the same lease succeeds and changes nothing", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const calls = {
          markProcessed: (lease: WebhookLease) => inbox.markProcessed(lease),
          markIgnored: (lease: WebhookLease) => inbox.markIgnored(lease, { reason: "a ping" }),
          "markFailed with a retry": (lease: WebhookLease) => inbox.markFailed(lease, failure),
          "markFailed for good": (lease: WebhookLease) => inbox.markFailed(lease, { ...failure, retryable: false }),
          release: (lease: WebhookLease) => inbox.release(lease)
        }
        for (const [method, call] of Object.entries(calls)) {
          const { lease } = yield* make.claimedDelivery()
          const first = yield* call(lease)
          yield* TestClock.adjust("1 second")
          expect(yield* call(lease), method).toEqual(first)
          expect(yield* inbox.getById(lease.deliveryId), method).toEqual(first)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("another call with a lease that has ended the delivery is rejected", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const ends = {
          markProcessed: [(lease: WebhookLease) => inbox.markProcessed(lease), "finished"],
          markIgnored: [(lease: WebhookLease) => inbox.markIgnored(lease), "finished"],
          markFailed: [(lease: WebhookLease) => inbox.markFailed(lease, failure), "finished"],
          release: [(lease: WebhookLease) => inbox.release(lease), "released"]
        } as const
        for (const [method, [end, reason]] of Object.entries(ends)) {
          const { lease } = yield* make.claimedDelivery()
          const after = yield* end(lease)
          for (const [other, call] of Object.entries(yield* underLease(lease))) {
            if (other !== method) expect(yield* lossOf(call), `${other} after ${method}`).toBe(reason)
          }
          expect(yield* inbox.getById(lease.deliveryId)).toEqual(after)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("LeaseLost is reported after a takeover, a reap and a redelivery, and for an unknown delivery", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { lease } = yield* leased("row", { maxAttempts: 3 })
        yield* isLost({ ...lease, workerId: "two" }, "superseded")
        yield* isLost({ ...lease, token: 2 }, "superseded")
        yield* isLost({ ...lease, deliveryId: gone }, "not-found")
        yield* TestClock.adjust("1 minute")
        yield* inbox.reapExpired(10)
        yield* isLost(lease, "expired")
        const second = yield* claim("two")
        yield* isLost(lease, "superseded")
        yield* TestClock.adjust("1 minute")
        const third = yield* claim("three")
        yield* isLost(second.lease, "superseded")
        yield* inbox.markFailed(third.lease, { ...failure, retryable: false })
        yield* inbox.redeliver(lease.deliveryId)
        expect(yield* lossOf(inbox.markProcessed(third.lease))).toBe("finished")
        expect((yield* claim("four")).lease.token).toBe(4)
        yield* isLost(third.lease, "superseded")
      }).pipe(Effect.provide(layer))
    )

    it.effect("only the lease that ended a delivery can repeat the end", () =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { lease } = yield* leased("row")
        yield* inbox.markProcessed(lease)
        expect(yield* lossOf(inbox.markProcessed({ ...lease, workerId: "two" }))).toBe("finished")
        expect(yield* lossOf(inbox.markProcessed({ ...lease, token: 2 }))).toBe("superseded")
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
