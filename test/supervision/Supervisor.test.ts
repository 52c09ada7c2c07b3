/**
 * The loop of supervision.
 */
import { describe, expect, it } from "@effect/vitest"
import {
  GitHubWebhookDeliveryRepo,
  IssueWorkflowLifecycle,
  PersistenceError,
  SandboxLifecycle,
  Supervisor,
  WebhookInbox
} from "@sealant/db"
import { Factories, layerTest } from "@sealant/db/testing"
import { Effect, Fiber, Layer, TestClock } from "effect"
import { eventually, sleeping } from "../support/eventLoop.js"
import { refusalOf } from "../support/refusals.js"

const busy = new PersistenceError({ operation: "test", reason: "Busy", cause: "SQLITE_BUSY" })

/** The three services, which count their calls under their names. `failing` fails or dies each time. */
const counted = (
  calls: Array<string>,
  failing: Readonly<Record<string, Effect.Effect<never, PersistenceError>>> = {}
) =>
  Effect.gen(function* () {
    const sandboxes = yield* SandboxLifecycle
    const workflows = yield* IssueWorkflowLifecycle
    const deliveries = yield* GitHubWebhookDeliveryRepo
    const count = (name: string) =>
      Effect.suspend(() => {
        calls.push(name)
        return failing[name] ?? Effect.void
      })
    return Layer.mergeAll(
      Layer.succeed(SandboxLifecycle, {
        ...sandboxes,
        supervise: (request) => Effect.zipRight(count("sandboxes"), sandboxes.supervise(request))
      }),
      Layer.succeed(IssueWorkflowLifecycle, {
        ...workflows,
        supervise: (request) => Effect.zipRight(count("workflows"), workflows.supervise(request))
      }),
      Layer.succeed(GitHubWebhookDeliveryRepo, {
        ...deliveries,
        reapExpired: (limit) => Effect.zipRight(count("deliveries"), deliveries.reapExpired(limit))
      })
    )
  })

const everything = ["sandboxes", "workflows", "deliveries"]

describe("Supervisor", () => {
  it.effect("run calls every supervision at once and after each pause", () =>
    Effect.gen(function* () {
      const calls: Array<string> = []
      const fiber = yield* Effect.fork(Effect.provide(Supervisor.run({ every: "1 minute" }), yield* counted(calls)))
      yield* sleeping(60)
      expect(calls).toEqual(everything)
      yield* TestClock.adjust("1 minute")
      yield* sleeping(60)
      expect(calls).toEqual([...everything, ...everything])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(layerTest))
  )

  for (const [kind, failure] of Object.entries({ fails: busy, dies: Effect.dieMessage("s3cr3t") })) {
    it.effect.each(everything)(`calls the others when that of %s ${kind}, and continues`, (name) =>
      Effect.gen(function* () {
        const calls: Array<string> = []
        const fiber = yield* Effect.fork(
          Effect.provide(Supervisor.run({ every: "1 minute" }), yield* counted(calls, { [name]: failure }))
        )
        yield* sleeping(60)
        yield* TestClock.adjust("1 minute")
        yield* sleeping(60)
        expect(calls).toEqual([...everything, ...everything])
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.provide(layerTest))
    )
  }

  it.effect("reaps up to 100 expired leases of deliveries in a round, at most 10 at a time", () =>
    Effect.gen(function* () {
      yield* Effect.replicateEffect(Factories.make.claimedDelivery(), 105, { discard: true })
      yield* TestClock.adjust("2 minutes")
      const deliveries = yield* GitHubWebhookDeliveryRepo
      const reaped: Array<number> = []
      const counting = Layer.succeed(GitHubWebhookDeliveryRepo, {
        ...deliveries,
        reapExpired: (limit) => Effect.tap(deliveries.reapExpired(limit), (rows) => reaped.push(rows.length))
      })
      const fiber = yield* Effect.fork(Effect.provide(Supervisor.run({ every: "1 minute" }), counting))
      yield* sleeping(60)
      expect(reaped).toEqual(Array.from({ length: 10 }, () => 10))
      yield* TestClock.adjust("1 minute")
      yield* sleeping(60)
      expect(reaped.slice(10)).toEqual([5])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("layer supervises until its scope is closed", () =>
    Effect.gen(function* () {
      const calls: Array<string> = []
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Layer.build(Layer.provide(Supervisor.layer(), yield* counted(calls)))
          yield* sleeping(15)
        })
      )
      yield* TestClock.adjust("1 minute")
      expect(calls).toEqual(everything)
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("runs beside a worker by default, and not with supervise: false", () =>
    Effect.gen(function* () {
      for (const supervise of [undefined, false]) {
        const calls: Array<string> = []
        const services = yield* counted(calls)
        const worker = Effect.flatMap(WebhookInbox, (inbox) =>
          inbox.run(
            { workerId: "worker", pollInterval: "1 minute", ...(supervise === undefined ? {} : { supervise }) },
            () => Effect.never
          )
        )
        const fiber = yield* Effect.fork(Effect.provide(worker, Layer.provideMerge(WebhookInbox.layer, services)))
        yield* sleeping(60)
        if (supervise === undefined) yield* eventually(Effect.sync(() => calls.length === everything.length))
        expect(calls).toEqual(supervise === undefined ? everything : [])
        yield* Fiber.interrupt(fiber)
      }
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("rejects options out of range", () =>
    Effect.gen(function* () {
      expect(yield* refusalOf(Supervisor.run({ every: 0 }))).toMatchObject({
        _tag: "InvalidInput",
        operation: "Supervisor.run"
      })
      expect(yield* refusalOf(Supervisor.run({ runtimeDeadline: -1 }))).toMatchObject({
        _tag: "InvalidInput",
        operation: "Supervisor.run"
      })
    }).pipe(Effect.provide(layerTest))
  )
})
