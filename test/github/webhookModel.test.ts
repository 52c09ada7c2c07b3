/**
 * After any sequence of commands, by several workers, with repeated calls under lost leases, the inbox equals its model.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck, Option, Random, TestClock } from "effect"
import { GitHubWebhookDeliveryId } from "../../src/github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { tagOf } from "../support/refusals.js"
import { type Command, type ModelDelivery, ModelInbox } from "./webhookModel.js"
import { delivery, failure, layers, lossOf } from "./webhookSupport.js"
import { runsAll, volume } from "../support/volume.js"

const worker = FastCheck.constantFrom("one", "two", "three")
const duration = FastCheck.constantFrom(500, 1000, 30_000)
const index = FastCheck.nat(1000)

const one = <Type extends Command["type"]>(type: Type) => FastCheck.constant(type)

const command = FastCheck.oneof(
  {
    weight: 4,
    arbitrary: FastCheck.record({
      type: one("record"),
      guid: FastCheck.nat(15),
      maxAttempts: FastCheck.integer({ min: 1, max: 3 })
    })
  },
  { weight: 6, arbitrary: FastCheck.record({ type: one("claimNext"), worker, duration }) },
  { weight: 2, arbitrary: FastCheck.record({ type: one("heartbeat"), lease: index, duration }) },
  {
    weight: 5,
    arbitrary: FastCheck.record({
      type: FastCheck.constantFrom("markProcessed" as const, "markIgnored" as const, "release" as const),
      lease: index
    })
  },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      type: one("markFailed"),
      lease: index,
      retryable: FastCheck.boolean(),
      random: FastCheck.constantFrom(0, 0.25, 0.5, 0.75)
    })
  },
  { weight: 2, arbitrary: FastCheck.record({ type: one("redeliver"), delivery: index }) },
  { weight: 1, arbitrary: FastCheck.record({ type: one("reap"), limit: FastCheck.integer({ min: 1, max: 3 }) }) },
  {
    weight: 4,
    arbitrary: FastCheck.record({ type: one("wait"), millis: FastCheck.constantFrom(1, 250, 500, 1000, 40_000) })
  }
)

const commands: FastCheck.Arbitrary<ReadonlyArray<Command>> = FastCheck.array(command, {
  minLength: 40,
  maxLength: 80,
  size: "max"
})

/** The stored rows, as the model represents them. */
const stored = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<ModelDelivery>`
  SELECT id, delivery_id AS guid, max_attempts AS "maxAttempts", status, attempt_count AS attempts, available_at AS "availableAt",
    lease_token AS token, lease_outcome AS outcome, iif(status = 'processing', worker_id, NULL) AS worker, lease_expires_at AS "expiresAt"
  FROM github_webhook_deliveries ORDER BY id`
)

const seen = (row: ModelDelivery): ModelDelivery => ({
  ...row,
  worker: row.status === "processing" ? row.worker : null
})

const pick = <A>(items: ReadonlyArray<A>, at: number) => items[at % Math.max(1, items.length)]

/** Runs a call under a lease on the inbox and on the model, and compares the results. */
const performUnderLease = (model: ModelInbox, command: Extract<Command, { readonly lease: number }>) =>
  Effect.gen(function* () {
    const inbox = yield* GitHubWebhookDeliveryRepo
    const lease = pick(model.leases, command.lease)
    if (lease === undefined) return
    switch (command.type) {
      case "heartbeat":
        return expect(yield* lossOf(inbox.heartbeat(lease, command.duration))).toBe(
          model.underLease(lease, [], (row) => (row.expiresAt = model.now + command.duration))
        )
      case "markProcessed":
        return expect(yield* lossOf(inbox.markProcessed(lease))).toBe(
          model.underLease(lease, ["processed"], (row) => model.end(row, "processed", "processed"))
        )
      case "markIgnored":
        return expect(yield* lossOf(inbox.markIgnored(lease))).toBe(
          model.underLease(lease, ["ignored"], (row) => model.end(row, "ignored", "ignored"))
        )
      case "markFailed": {
        const failed = inbox.markFailed(lease, { ...failure, retryable: command.retryable })
        return expect(yield* lossOf(Effect.withRandom(failed, Random.fixed([command.random])))).toBe(
          model.underLease(lease, ["retried", "failed"], (row) => model.fail(row, command.retryable, command.random))
        )
      }
      case "release":
        return expect(yield* lossOf(inbox.release(lease))).toBe(
          model.underLease(lease, ["released"], (row) => model.release(row))
        )
    }
  })

/** Runs a command on the inbox and on the model, and compares the results. */
const perform = (model: ModelInbox, command: Command) =>
  Effect.gen(function* () {
    const inbox = yield* GitHubWebhookDeliveryRepo
    switch (command.type) {
      case "record": {
        const guid = `guid-${command.guid}`
        const recorded = yield* inbox.record({
          ...delivery,
          id: model.nextId(),
          deliveryId: guid,
          maxAttempts: command.maxAttempts
        })
        return expect({ id: recorded.delivery.id, created: recorded.created }).toEqual(
          model.record(guid, command.maxAttempts)
        )
      }
      case "claimNext": {
        const given = Option.toArray(
          yield* inbox.claimNext({ workerId: command.worker, leaseDuration: command.duration })
        )
        const leases = given.map(({ lease }) => lease)
        const due = model.claimDue(1)
        for (const row of due) model.lease(row, command.worker, command.duration)
        expect(leases).toEqual(due.map(({ id, token }) => ({ deliveryId: id, workerId: command.worker, token })))
        return void model.leases.push(...leases)
      }
      case "redeliver": {
        const row = pick(model.rows, command.delivery)
        if (row === undefined) return
        return expect(yield* tagOf(inbox.redeliver(GitHubWebhookDeliveryId.make(row.id)))).toBe(model.redeliver(row))
      }
      case "reap": {
        const reaped = yield* inbox.reapExpired(command.limit)
        return expect(reaped.map(({ id }) => id).toSorted()).toEqual(model.reap(command.limit).toSorted())
      }
      case "wait":
        model.now += command.millis
        return yield* TestClock.setTime(model.now)
      default:
        return yield* performUnderLease(model, command)
    }
  })

describe("the inbox and its model", () => {
  const reached = new Set<string>()

  it.effect.prop(
    "agree after every command of random sequences",
    [commands],
    ([sequence]) =>
      Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const model = new ModelInbox()
        for (const next of sequence) {
          yield* perform(model, next)
          const now = yield* stored
          expect(now).toEqual(model.rows.map(seen))
          for (const { outcome } of now) if (outcome !== null) reached.add(outcome)
        }
        const given = model.leases.map(({ deliveryId, token }) => `${deliveryId} ${token}`)
        expect(new Set(given).size).toBe(given.length)
        // Of all leases ever given, those still current are those of the deliveries that are processing: one each.
        const current = yield* Effect.filter(model.leases, (lease) =>
          Effect.map(tagOf(inbox.getByLease(lease)), (tag) => tag === "ok")
        )
        expect(current.map(({ deliveryId }) => deliveryId).toSorted()).toEqual(
          model.rows.filter(({ status }) => status === "processing").map(({ id }) => id)
        )
      }).pipe(Effect.provide(layers.memory)),
    { fastCheck: { numRuns: volume(40, 12) } }
  )

  it.runIf(runsAll)("the random sequences cover every way in which a lease ends", () => {
    expect([...reached].toSorted()).toEqual(["expired", "failed", "ignored", "processed", "released", "retried"])
  })
})
