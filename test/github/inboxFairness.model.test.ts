/**
 * The rules of the inbox as invariants: whatever is received, claimed, ended, expired, redelivered or purged, each claim
 * takes a delivery that the rules allow, and the flows agree with the deliveries.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck, Option, TestClock } from "effect"
import type { WebhookLease } from "../../src/github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { makeInboxFlows } from "../../src/github/inboxFlows.js"
import { shell } from "../support/lists.js"
import { volume } from "../support/volume.js"
import { claimant, failure, layers } from "./webhookSupport.js"

const index = FastCheck.nat(1000)
const command = FastCheck.oneof(
  {
    weight: 8,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("receive" as const),
      installation: FastCheck.constantFrom("a", "b", "c", undefined),
      count: FastCheck.constantFrom(1, 1, 3)
    })
  },
  {
    weight: 10,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("claim" as const),
      count: FastCheck.constantFrom(1, 1, 2, 4),
      duration: FastCheck.constantFrom(500, 60_000)
    })
  },
  {
    weight: 6,
    arbitrary: FastCheck.record({ type: FastCheck.constant("end" as const), lease: index, how: FastCheck.nat(4) })
  },
  { weight: 1, arbitrary: FastCheck.record({ type: FastCheck.constant("claimById" as const), delivery: index }) },
  { weight: 1, arbitrary: FastCheck.record({ type: FastCheck.constant("redeliver" as const), delivery: index }) },
  { weight: 1, arbitrary: FastCheck.record({ type: FastCheck.constant("purge" as const), delivery: index }) },
  { weight: 1, arbitrary: FastCheck.record({ type: FastCheck.constant("reap" as const) }) },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("wait" as const),
      millis: FastCheck.constantFrom(1, 500, 400_000)
    })
  }
)
type Command = typeof command extends FastCheck.Arbitrary<infer A> ? A : never

interface Row {
  readonly id: string
  readonly status: string
  readonly installation: string
  readonly availableAt: number
  readonly leaseExpiresAt: number | null
  readonly hasAttempts: number
}

const rows = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<Row>`
    SELECT id, status, coalesce(installation_external_id, '') AS installation, available_at AS "availableAt",
      lease_expires_at AS "leaseExpiresAt", attempt_count < max_attempts AS "hasAttempts"
    FROM github_webhook_deliveries ORDER BY available_at, id`
)

/** The turns of other installations since the last turn of one, while it had due deliveries. */
class Turns {
  private readonly others = new Map<string, Map<string, number>>()

  /** Forgets the installations without due deliveries. */
  due(installations: ReadonlySet<string>) {
    for (const known of this.others.keys()) if (!installations.has(known)) this.others.delete(known)
    for (const installation of installations)
      if (!this.others.has(installation)) this.others.set(installation, new Map())
  }

  /** Counts a turn, and returns the most turns of one installation during the wait of another. */
  take(installation: string): number {
    let most = 0
    for (const [waiting, turns] of this.others) {
      if (waiting === installation) turns.clear()
      else {
        const count = (turns.get(installation) ?? 0) + 1
        turns.set(installation, count)
        most = Math.max(most, count)
      }
    }
    return most
  }

  reset() {
    this.others.clear()
  }
}

const pick = <A>(items: ReadonlyArray<A>, at: number) => items[at % Math.max(1, items.length)]

/** Two turns, and one for an installation whose retry has become due: the next claim opens its flow. */
const mostTurns = 3

class State {
  now = 0
  received = 0
  readonly leases: Array<WebhookLease> = []
  readonly turns = new Turns()
}

const dueOf = (all: ReadonlyArray<Row>, now: number) =>
  all.filter(({ availableAt, status }) => status === "received" && availableAt <= now)

/** Claims once, and checks the claim against the rows before it. */
const claimOnce = (state: State, duration: number) =>
  Effect.gen(function* () {
    const inbox = yield* GitHubWebhookDeliveryRepo
    const before = yield* rows
    const due = dueOf(before, state.now)
    const expired = before
      .filter(({ leaseExpiresAt, status }) => status === "processing" && (leaseExpiresAt ?? 0) <= state.now)
      .toSorted((a, b) => (a.leaseExpiresAt ?? 0) - (b.leaseExpiresAt ?? 0) || (a.id < b.id ? -1 : 1))
      .filter(({ hasAttempts }) => hasAttempts === 1)
    state.turns.due(new Set(due.map(({ installation }) => installation)))
    const claimed = yield* inbox.claimNext({ ...claimant, leaseDuration: duration })
    if (Option.isNone(claimed)) return expect([...expired, ...due]).toEqual([])
    const { delivery, lease } = claimed.value
    state.leases.push(lease)
    if (expired.length > 0) return expect(delivery.id).toBe(expired[0]?.id)
    const installation = Option.getOrElse(delivery.installationExternalId, () => "")
    expect(delivery.id).toBe(due.find((row) => row.installation === installation)?.id)
    expect(state.turns.take(installation)).toBeLessThanOrEqual(mostTurns)
  })

const perform = (state: State, command: Command) =>
  Effect.gen(function* () {
    const inbox = yield* GitHubWebhookDeliveryRepo
    switch (command.type) {
      case "receive": {
        for (let index = 0; index < command.count; index++) {
          const id = `delivery-${String((state.received += 1)).padStart(4, "0")}`
          yield* inbox.record({
            id,
            deliveryId: id,
            eventType: "push",
            installationExternalId: command.installation,
            maxAttempts: 2
          })
        }
        return
      }
      case "claim":
        for (let index = 0; index < command.count; index++) yield* claimOnce(state, command.duration)
        return
      case "claimById": {
        const row = pick(dueOf(yield* rows, state.now), command.delivery)
        if (row === undefined) return
        const claimed = yield* inbox.claimById({ ...claimant, id: row.id })
        state.leases.push(...Option.toArray(claimed).map(({ lease }) => lease))
        return state.turns.reset()
      }
      case "end": {
        const lease = pick(state.leases, command.lease)
        if (lease === undefined) return
        const ends: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          inbox.markProcessed(lease),
          inbox.markIgnored(lease),
          inbox.markFailed(lease, failure),
          inbox.markFailed(lease, { ...failure, retryable: false }),
          inbox.release(lease)
        ]
        return yield* Effect.ignore(ends[command.how] ?? Effect.void)
      }
      case "redeliver": {
        const row = pick(
          (yield* rows).filter(({ status }) => status !== "received" && status !== "processing"),
          command.delivery
        )
        return row === undefined ? undefined : yield* inbox.redeliver(row.id)
      }
      case "purge": {
        const row = pick(yield* rows, command.delivery)
        return row === undefined
          ? undefined
          : yield* shell("DELETE FROM github_webhook_deliveries WHERE id = ?", row.id)
      }
      case "reap":
        return yield* inbox.reapExpired(2)
      case "wait":
        state.now += command.millis
        return yield* TestClock.setTime(state.now)
    }
  })

describe("the rules of the inbox", () => {
  it.effect.prop(
    "hold for every claim of random sequences, and the flows agree with the deliveries after each command",
    [FastCheck.array(command, { minLength: 40, maxLength: 80, size: "max" })],
    ([sequence]) =>
      Effect.gen(function* () {
        const { drift } = makeInboxFlows(yield* SqlClient.SqlClient)
        const state = new State()
        for (const next of sequence) {
          yield* perform(state, next)
          expect(yield* drift, next.type).toBe(0)
        }
      }).pipe(Effect.provide(layers.memory)),
    { fastCheck: { numRuns: volume(60, 15) } }
  )
})
