/**
 * A sentinel in every input that may hold a secret: it is stored, and given back to who asks for the delivery, and appears
 * nowhere else.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option, TestClock } from "effect"
import { Factories } from "@sealant/db/testing"
import { maxPayloadBytes } from "../../src/github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { shell } from "../support/lists.js"
import { badNames, refusalOf } from "../support/refusals.js"
import { collectOutput } from "../support/outputCollector.js"
import { at, claim, claimant, delivery, layers } from "./webhookSupport.js"

const sentinel = "correct-horse-battery-staple"

const secretive = { ...delivery, payload: { action: "created", token: sentinel, [sentinel]: [{ sentinel }] } } as const

const tooDeep = (depth: number): object => (depth === 0 ? { sentinel } : { [sentinel]: tooDeep(depth - 1) })

describe("payloads of webhook deliveries", () => {
  for (const [name, layer] of Object.entries(layers)) {
    it.effect(`are in no error, span or log (${name})`, () => {
      const { layer: watched, record, output } = collectOutput()
      return Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const inbox = yield* GitHubWebhookDeliveryRepo
        let failures = 0
        const refused = <A, E>(effect: Effect.Effect<A, E>) =>
          Effect.map(refusalOf(effect), (error) => {
            failures++
            record(error, String(error), JSON.stringify(error), error instanceof Error ? error.stack : "")
          })

        // Stored, repeated, refused.
        const { delivery: recorded } = yield* inbox.record({ ...secretive, id: "row", maxAttempts: 2 })
        expect(recorded.payload).toEqual(Option.some(secretive.payload))
        yield* inbox.record(secretive)
        yield* refused(inbox.record({ ...secretive, id: "row", deliveryId: "another" }))
        yield* refused(inbox.record({ ...secretive, eventType: badNames.nul }))
        yield* refused(inbox.record({ ...secretive, action: `${sentinel}\0` }))
        yield* refused(inbox.record({ ...secretive, maxAttempts: 0 }))
        yield* refused(
          inbox.record({
            ...secretive,
            payload: { [sentinel]: sentinel.repeat(maxPayloadBytes / 20) }
          } as unknown as typeof delivery)
        )
        yield* refused(
          inbox.record({ ...secretive, payload: { note: sentinel, count: Number.NaN } } as unknown as typeof delivery)
        )
        yield* refused(inbox.record({ ...secretive, payload: tooDeep(70) } as unknown as typeof delivery))
        yield* refused(inbox.record({ ...secretive, payload: [sentinel] } as unknown as typeof delivery))

        // Claimed, failed with a message, and again, and by those who have lost their lease.
        const first = yield* claim()
        yield* refused(inbox.markFailed(first.lease, { errorMessage: sentinel.repeat(10_000) }))
        yield* refused(inbox.markIgnored(first.lease, { reason: sentinel.repeat(10_000) }))
        yield* inbox.markFailed(first.lease, { errorMessage: sentinel })
        yield* TestClock.adjust("10 minutes")
        const second = yield* claim()
        yield* inbox.heartbeat(second.lease, "1 minute")
        yield* refused(inbox.heartbeat(first.lease, "1 minute"))
        yield* refused(inbox.markFailed(first.lease, { errorMessage: sentinel, retryable: false }))
        yield* refused(inbox.redeliver(recorded.id))
        yield* inbox.markIgnored(second.lease, { reason: sentinel })
        yield* refused(inbox.markProcessed(second.lease))

        // Read by each of the lists, also where the payload is beyond the limits of inputs.
        yield* inbox.list({ status: "ignored" })
        yield* refused(inbox.list({ cursor: sentinel }))
        yield* Factories.make.claimedDelivery({ id: "deep", leaseExpiresAt: at(0), errorMessage: sentinel })
        yield* shell("UPDATE github_webhook_deliveries SET payload = ? WHERE id = 'deep'", JSON.stringify(tooDeep(70)))
        expect((yield* inbox.list()).items).toHaveLength(2)
        expect(yield* inbox.claimNext(claimant)).toMatchObject({ _tag: "Some" })

        // The database itself refuses.
        yield* sql`CREATE TRIGGER refuse BEFORE INSERT ON github_webhook_deliveries BEGIN SELECT RAISE(ABORT, 'refused'); END`
        yield* refused(inbox.record({ ...secretive, deliveryId: "new" }))
        yield* sql`DROP TABLE github_webhook_deliveries`
        yield* refused(inbox.record({ ...secretive, deliveryId: "new" }))
        yield* refused(inbox.markFailed(second.lease, { errorMessage: sentinel }))
        yield* Effect.logDebug("done")

        expect(failures).toBe(18)
        expect(output.some((text) => text.includes("GitHubWebhookDeliveryRepo.record"))).toBe(true)
        expect(output.some((text) => text.includes("done"))).toBe(true)
        expect(output.filter((text) => text.includes(sentinel))).toEqual([])
      }).pipe(Effect.provide(layer), Effect.provide(watched))
    })
  }
})
