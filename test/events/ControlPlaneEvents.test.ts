import { describe, expect, it } from "@effect/vitest"
import { Array, Chunk, Deferred, Effect, Exit, Fiber, Layer, Option, Ref, Stream, TestClock } from "effect"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import { actingAs, ControlPlaneEvents } from "../../src/events/ControlPlaneEvents.js"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import { migrated } from "../support/database.js"
import { planIssues } from "../support/plans.js"
import { badNames, refusalOf, tagOf } from "../support/refusals.js"
import {
  ada,
  answer,
  building,
  eve,
  launch,
  layers as lifecycleLayers,
  type Services as LifecycleServices,
  shell,
  success
} from "../sandbox/lifecycle/support.js"
import { temporaryDirectory } from "../support/directories.js"

type Services = LifecycleServices | ControlPlaneEvents

const layers = {
  memory: Layer.provideMerge(ControlPlaneEvents.layer, lifecycleLayers.memory),
  file: Layer.provideMerge(ControlPlaneEvents.layer, lifecycleLayers.file)
}

/** The events of a subject, one line each. */
const eventLines = (subjectType: "sandbox" | "attempt" | "job", subjectId: string) =>
  Effect.flatMap(ControlPlaneEvents, (events) =>
    Effect.map(
      events.list({ subjectType, subjectId }),
      Array.map((event) => {
        const from = Option.getOrElse(event.fromState, () => "-")
        const who = [event.actorType, ...Option.toArray(event.actorId)].join(" ")
        return `${event.sequence} ${event.eventType}: ${from} > ${Option.getOrElse(event.toState, () => "-")} by ${who}`
      })
    )
  )

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`ControlPlaneEvents (${name})`, () => {
    it.effect("records the actor of each change to a sandbox, its attempt and its job", () =>
      Effect.gen(function* () {
        const { finishBuild, stop } = yield* SandboxLifecycle
        const events = yield* ControlPlaneEvents
        yield* TestClock.setTime(1000)
        const { attempt, job, lease, sandbox } = yield* building()
        yield* finishBuild(lease, { ...success, runtime: answer("running") })
        yield* stop(sandbox.id).pipe(actingAs({ type: "user", id: eve }))
        expect(yield* eventLines("sandbox", sandbox.id)).toEqual([
          "1 launch: - > queued by user ada",
          "2 beginBuild: queued > running by worker worker",
          "3 finishBuild: running > ready by worker worker",
          "4 stop: ready > stopped by user eve"
        ])
        expect(yield* eventLines("attempt", attempt.id)).toEqual([
          "1 launch: - > queued by user ada",
          "2 beginBuild: queued > running by worker worker",
          "3 finishBuild: running > succeeded by worker worker",
          // Its runtime is to be torn down.
          "4 stop: succeeded > succeeded by user eve"
        ])
        expect(yield* eventLines("job", job.id)).toEqual([
          "1 launch: - > queued by user ada",
          "2 beginBuild: queued > running by worker worker",
          "3 finishBuild: running > succeeded by worker worker"
        ])
        const [first] = yield* events.list({ subjectType: "job", subjectId: job.id })
        expect(first).toMatchObject({
          ownerUserId: Option.some(ada),
          payload: Option.some({ attemptCount: 0, leaseToken: 0 }),
          occurredAt: { epochMillis: 1000 }
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects actors that it could not store", () =>
      Effect.gen(function* () {
        const events = yield* ControlPlaneEvents
        for (const id of Object.values(badNames)) {
          expect(yield* tagOf(Effect.asVoid(launch().pipe(actingAs({ type: "user", id }))))).toBe("InvalidInput")
        }
        expect(yield* tagOf(Effect.asVoid(launch().pipe(actingAs({ type: "dog" as "user" }))))).toBe("InvalidInput")
        expect(yield* events.read({})).toEqual([])
        yield* launch().pipe(actingAs({ type: "system" }))
        expect(yield* events.read({ limit: 1 })).toMatchObject([{ actorType: "system", actorId: Option.none() }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("records nothing of rolled back changes, and each change once", () =>
      Effect.gen(function* () {
        const { beginBuild, stop } = yield* SandboxLifecycle
        const events = yield* ControlPlaneEvents
        expect(yield* tagOf(launch({ repositoryId: "nowhere" }))).toBe("ReferenceNotFound")
        yield* Database.transaction(Effect.zipRight(launch(), Effect.fail("no"))).pipe(Effect.ignore)
        expect(yield* events.read({})).toEqual([])

        const { lease, sandbox } = yield* building({ idempotencyKey: "key" })
        const once = yield* events.read({})
        yield* launch({ idempotencyKey: "key" })
        yield* beginBuild(lease)
        expect(yield* events.read({})).toEqual(once)
        yield* stop(sandbox.id)
        const stopped = yield* events.read({})
        yield* stop(sandbox.id)
        expect(yield* events.read({})).toEqual(stopped)
      }).pipe(Effect.provide(layer))
    )

    it.effect("numbers the events of each subject without gaps when many callers write", () =>
      Effect.gen(function* () {
        const events = yield* ControlPlaneEvents
        yield* Effect.forEach(Array.range(1, 20), () => building(), { concurrency: "unbounded" })
        const all = yield* events.read({ limit: 500 })
        expect(all).toHaveLength(20 * 6)
        for (const [subject, its] of Object.entries(Array.groupBy(all, ({ subjectId }) => subjectId))) {
          expect(
            its.map(({ sequence }) => sequence),
            subject
          ).toEqual([1, 2])
        }
        expect(all.map(({ position }) => position)).toEqual(
          all.map(({ position }) => position).toSorted((a, b) => a - b)
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists and reads in pages, and only events of the requested owner", () =>
      Effect.gen(function* () {
        const events = yield* ControlPlaneEvents
        const { sandbox } = yield* building()
        const subject = { subjectType: "sandbox", subjectId: sandbox.id } as const
        expect(yield* events.list({ ...subject, limit: 1 })).toMatchObject([{ sequence: 1 }])
        expect(yield* events.list({ ...subject, afterSequence: 1 })).toMatchObject([{ sequence: 2 }])
        expect(yield* events.list({ ...subject, ownerUserId: ada })).toHaveLength(2)
        expect(yield* events.list({ ...subject, ownerUserId: eve })).toEqual([])
        const [first, second] = yield* events.read({ limit: 2 })
        expect(yield* events.read({ afterPosition: first?.position ?? 0, limit: 1 })).toEqual([second])
        for (const limit of [0, -1, 501, 1.5, Number.NaN]) {
          expect(yield* tagOf(events.list({ ...subject, limit }))).toBe("InvalidInput")
          expect(yield* tagOf(events.read({ limit }))).toBe("InvalidInput")
        }
        expect(yield* tagOf(events.read({ afterPosition: -1 }))).toBe("InvalidInput")
        expect(yield* tagOf(events.list({ subjectType: "sandbox", subjectId: "" }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.live("tails stored events, then new ones", () =>
      Effect.gen(function* () {
        const events = yield* ControlPlaneEvents
        yield* launch()
        const seen = yield* Ref.make(0)
        const three = yield* Deferred.make<void>()
        const tail = yield* events.tail({}).pipe(
          Stream.tap(() =>
            Effect.flatMap(
              Ref.updateAndGet(seen, (count) => count + 1),
              (count) => (count === 3 ? Deferred.succeed(three, undefined) : Effect.void)
            )
          ),
          Stream.take(6),
          Stream.runCollect,
          Effect.fork
        )
        yield* Deferred.await(three)
        const { sandbox } = yield* launch()
        const collected = Chunk.toReadonlyArray(yield* Fiber.join(tail))
        expect(collected).toEqual(yield* events.read({}))
        expect(collected.at(-3)).toMatchObject({ subjectType: "attempt" })
        expect(collected.map(({ subjectId }) => String(subjectId))).toContain(sandbox.id)
      }).pipe(Effect.provide(layer))
    )

    it.live("delivers each event to each consumer until it is acknowledged", () =>
      Effect.gen(function* () {
        const events = yield* ControlPlaneEvents
        yield* Effect.forEach(Array.range(1, 4), () => launch())
        const all = yield* events.read({})
        const got = yield* Ref.make<ReadonlyArray<number>>([])
        const handled = (failAfter: number) => (batch: ReadonlyArray<{ readonly position: number }>) =>
          Effect.flatMap(
            Ref.updateAndGet(got, (before) => [...before, ...batch.map(({ position }) => position)]),
            (now) => (now.length >= failAfter ? Effect.fail("killed" as const) : Effect.void)
          )

        // Killed while it handles the second batch: the first is acknowledged, the second comes again.
        expect(yield* refusalOf(events.consume({ consumer: "mail", batchSize: 5 }, handled(6)))).toBe("killed")
        expect(yield* Ref.get(got)).toEqual(all.slice(0, 10).map(({ position }) => position))
        expect(yield* events.position("mail")).toBe(all[4]?.position)
        yield* Ref.set(got, [])
        expect(yield* refusalOf(events.consume({ consumer: "mail", batchSize: 5 }, handled(7)))).toBe("killed")
        expect(yield* Ref.get(got)).toEqual(all.slice(5).map(({ position }) => position))
        // Another consumer begins at the first.
        yield* Ref.set(got, [])
        expect(yield* refusalOf(events.consume({ consumer: "audit" }, handled(12)))).toBe("killed")
        expect(yield* Ref.get(got)).toEqual(all.map(({ position }) => position))
        expect(yield* events.position("audit")).toBe(0)
      }).pipe(Effect.provide(layer))
    )

    it.live("wakes a consumer that has handled everything", () =>
      Effect.gen(function* () {
        const events = yield* ControlPlaneEvents
        const came = yield* Deferred.make<ReadonlyArray<string>>()
        const consumer = yield* Effect.fork(
          events.consume({ consumer: "mail" }, (batch) =>
            Deferred.succeed(
              came,
              batch.map(({ subjectType }) => subjectType)
            )
          )
        )
        yield* Effect.yieldNow()
        yield* launch()
        expect(yield* Deferred.await(came)).toEqual(expect.arrayContaining(["sandbox", "attempt", "job"]))
        expect(Exit.isInterrupted(yield* Fiber.interrupt(consumer))).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("never moves an acknowledgement back", () =>
      Effect.gen(function* () {
        const events = yield* ControlPlaneEvents
        yield* Effect.forEach(Array.range(1, 3), () => launch())
        expect(yield* events.acknowledge({ consumer: "mail", position: 7 })).toBe(7)
        expect(yield* events.acknowledge({ consumer: "mail", position: 3 })).toBe(7)
        expect(yield* events.position("mail")).toBe(7)
        for (const bad of [
          { consumer: "", position: 1 },
          { consumer: "a\0", position: 1 },
          { consumer: "a", position: -1 },
          { consumer: "a", position: 0.5 }
        ]) {
          expect(yield* tagOf(events.acknowledge(bad))).toBe("InvalidInput")
        }
        expect(yield* tagOf(events.position(""))).toBe("InvalidInput")
        expect(yield* tagOf(events.consume({ consumer: "mail", batchSize: 0 }, () => Effect.void))).toBe("InvalidInput")
        expect(yield* Effect.isFailure(shell("UPDATE control_plane_event_consumers SET position = 1"))).toBe(true)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("ControlPlaneEvents", () => {
  it.live("tails events that another connection to the same file writes", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const open = Database.layer({ filePath: join(directory, "test.sqlite") }).pipe(Layer.orDie)
      const reader = yield* Layer.build(
        Layer.fresh(Layer.provideMerge(ControlPlaneEvents.layer, Layer.provideMerge(migrated, open)))
      )
      const writer = yield* Layer.build(Layer.fresh(open))
      const tail = yield* ControlPlaneEvents.pipe(
        Effect.flatMap((events) => Stream.runHead(events.tail({}))),
        Effect.provide(reader),
        Effect.fork
      )
      yield* shell(`
        INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, actor_type, occurred_at)
        VALUES ('job', 'one', 1, 'launch', 'system', 0)`).pipe(Effect.provide(writer))
      expect(Option.map(yield* Fiber.join(tail), ({ subjectId }) => subjectId)).toEqual(Option.some("one"))
    }).pipe(Effect.scoped)
  )

  it.effect("uses an index in every statement", () =>
    Effect.gen(function* () {
      const events = yield* ControlPlaneEvents
      const methods = {
        list: Effect.asVoid(events.list({ subjectType: "job", subjectId: "one", ownerUserId: ada })),
        read: Effect.asVoid(events.read({})),
        journal: Effect.asVoid(events.journal),
        position: Effect.asVoid(events.position("mail")),
        acknowledge: Effect.asVoid(events.acknowledge({ consumer: "mail", position: 0 }))
      }
      for (const [method, effect] of Object.entries(methods)) {
        // One row for each table with AUTOINCREMENT.
        const issues = (yield* planIssues(effect)).filter((issue) => !issue.startsWith("SCAN sqlite_sequence "))
        expect(issues, method).toEqual([])
      }
    }).pipe(Effect.provide(layers.file))
  )
})
