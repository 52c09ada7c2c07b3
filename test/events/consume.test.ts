import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Array, Cause, Deferred, Effect, Exit, Fiber, Layer, Logger, Option, Stream } from "effect"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import { ControlPlaneEvents } from "../../src/events/ControlPlaneEvents.js"
import * as Retention from "../../src/Retention.js"
import { migrated } from "../support/database.js"
import { refusalOf, tagOf } from "../support/refusals.js"
import { launch, layers as lifecycleLayers, shell } from "../sandbox/lifecycle/support.js"
import { temporaryDirectory } from "../support/directories.js"

const layer = Layer.provideMerge(ControlPlaneEvents.layer, lifecycleLayers.memory)

/** Appends events of one subject each. */
const appendEvents = (count: number) =>
  shell(
    `INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, actor_type, occurred_at)
     SELECT 'job', 'job-' || hex(randomblob(8)), 1, 'launch', 'system', 0 FROM json_each(?)`,
    JSON.stringify(Array.range(1, count))
  )

/** Changes the journal as a restore does: a new epoch, without the events after the backup. */
const restored = (position: number) =>
  Effect.zipRight(
    shell("DELETE FROM control_plane_events WHERE position > ?", position),
    Effect.zipRight(
      shell("UPDATE sqlite_sequence SET seq = ? WHERE name = 'control_plane_events'", position),
      shell("UPDATE control_plane_journal SET epoch = 'restored'")
    )
  )

/** Runs a consumer for this number of batches, and returns their positions. */
const batchesOf = (
  count: number,
  request: { readonly consumer: string; readonly batchSize?: number },
  onReset?: Effect.Effect<void>
) =>
  Effect.gen(function* () {
    const { consume } = yield* ControlPlaneEvents
    const got: globalThis.Array<ReadonlyArray<number>> = []
    const enough = yield* Deferred.make<void>()
    const fiber = yield* Effect.fork(
      consume({ ...request, ...(onReset === undefined ? {} : { onReset: () => onReset }) }, (batch) => {
        if (got.length === count) return Effect.zipRight(Deferred.succeed(enough, undefined), Effect.never)
        got.push(batch.map(({ position }) => position))
        return Effect.void
      })
    )
    yield* Effect.raceFirst(Deferred.await(enough), Fiber.join(fiber))
    yield* Fiber.interrupt(fiber)
    return got
  })

describe("positions of the journal", () => {
  it.effect("beyond the end are rejected by reads and acknowledgements", () =>
    Effect.gen(function* () {
      const events = yield* ControlPlaneEvents
      const before = yield* events.journal
      expect(before).toMatchObject({ end: 0 })
      yield* appendEvents(3)
      expect(yield* events.journal).toEqual({ ...before, end: 3 })
      for (const afterPosition of [4, 1000]) {
        expect(yield* tagOf(events.read({ afterPosition }))).toBe("InvalidInput")
        expect(yield* tagOf(Stream.runDrain(events.tail({ afterPosition })))).toBe("InvalidInput")
        expect(yield* refusalOf(events.acknowledge({ consumer: "mail", position: afterPosition }))).toMatchObject({
          _tag: "InvalidInput",
          issues: [
            "position: must not be beyond the last event of the journal; after a restore, continue from the current end"
          ]
        })
      }
      expect(yield* shell("SELECT * FROM control_plane_event_consumers")).toEqual([])
      expect(yield* events.read({ afterPosition: 3 })).toEqual([])
      expect(yield* events.acknowledge({ consumer: "mail", position: 3 })).toBe(3)
      // The end stays where it was when its event is purged.
      yield* shell("DELETE FROM control_plane_events")
      expect(yield* events.read({ afterPosition: 3 })).toEqual([])
      expect(yield* events.acknowledge({ consumer: "audit", position: 3 })).toBe(3)
    }).pipe(Effect.provide(layer))
  )

  it.effect("of another epoch are rejected, and nothing is acknowledged", () =>
    Effect.gen(function* () {
      const events = yield* ControlPlaneEvents
      yield* appendEvents(5)
      const { epoch } = yield* events.journal
      expect(yield* events.read({ afterPosition: 4, epoch })).toHaveLength(1)
      expect(yield* events.acknowledge({ consumer: "mail", position: 2, epoch })).toBe(2)
      yield* restored(3)
      const reset = { _tag: "JournalReset", epoch: "restored" }
      for (const afterPosition of [0, 3, 5]) {
        expect(yield* refusalOf(events.read({ afterPosition, epoch }))).toMatchObject(reset)
        expect(yield* refusalOf(Stream.runDrain(events.tail({ afterPosition, epoch })))).toMatchObject(reset)
      }
      expect(yield* refusalOf(events.acknowledge({ consumer: "mail", position: 3, epoch }))).toMatchObject(reset)
      expect(yield* refusalOf(events.acknowledge({ consumer: "mail", position: 5, epoch }))).toMatchObject(reset)
      expect(yield* events.position("mail")).toBe(2)
      expect(yield* events.acknowledge({ consumer: "mail", position: 3, epoch: "restored" })).toBe(3)
    }).pipe(Effect.provide(layer))
  )
})

describe("consume", () => {
  it.effect("creates its consumer before the first event, so that purge waits for it", () =>
    Effect.gen(function* () {
      const { consume, position } = yield* ControlPlaneEvents
      yield* appendEvents(3)
      const handling = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        consume({ consumer: "mail", batchSize: 2 }, () =>
          Effect.zipRight(Deferred.succeed(handling, undefined), Effect.never)
        )
      )
      yield* Deferred.await(handling)
      const policy = { control_plane_events: "0 millis" } as const
      expect((yield* Retention.purge({ policy })).control_plane_events).toBe(0)
      yield* Fiber.interrupt(fiber)
      expect((yield* Retention.purge({ policy })).control_plane_events).toBe(0)
      expect(yield* position("mail")).toBe(0)
    }).pipe(Effect.provide(layer))
  )

  it.effect("reports a restore once, before the first event, and continues from the restored position", () =>
    Effect.gen(function* () {
      const events = yield* ControlPlaneEvents
      yield* appendEvents(6)
      let resets = 0
      const count = Effect.sync(() => {
        resets++
      })
      expect(yield* batchesOf(2, { consumer: "mail", batchSize: 2 }, count)).toEqual([
        [1, 2],
        [3, 4]
      ])
      expect(resets).toBe(0)
      yield* restored(5)
      yield* appendEvents(3)
      // One that fails is reported again.
      expect(
        yield* refusalOf(events.consume({ consumer: "mail", onReset: Effect.fail }, () => Effect.void))
      ).toMatchObject({
        _tag: "JournalReset",
        epoch: "restored"
      })
      expect(yield* batchesOf(1, { consumer: "mail", batchSize: 2 }, count)).toEqual([[5, 6]])
      expect(resets).toBe(1)
      expect(yield* batchesOf(0, { consumer: "mail" }, count)).toEqual([])
      expect(resets).toBe(1)
    }).pipe(Effect.provide(layer))
  )

  it.effect("detects a restore when it acknowledges, and continues from the restored position", () =>
    Effect.gen(function* () {
      const { consume } = yield* ControlPlaneEvents
      yield* appendEvents(4)
      const seen: globalThis.Array<string> = []
      const outcome = yield* refusalOf(
        consume(
          { consumer: "mail", batchSize: 2, onReset: ({ epoch }) => Effect.sync(() => seen.push(epoch)) },
          (batch) => {
            seen.push(batch.map(({ position }) => position).join())
            return seen.length === 1 ? Effect.orDie(restored(3)) : seen.length < 4 ? Effect.void : Effect.fail("enough")
          }
        )
      )
      expect(outcome).toBe("enough")
      expect(seen).toEqual(["1,2", "restored", "1,2", "3"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("dies when a handler throws instead of returning an effect", () =>
    Effect.gen(function* () {
      const { consume } = yield* ControlPlaneEvents
      yield* launch()
      const exit = yield* Effect.exit(
        consume({ consumer: "mail" }, (): Effect.Effect<void> => {
          throw new Error("no effect")
        })
      )
      expect(Exit.isFailure(exit) && Option.isSome(Cause.dieOption(exit.cause))).toBe(true)
    }).pipe(Effect.provide(layer))
  )

  it.scopedLive("waits for a lock of another process, then acknowledges", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const open = (busyTimeoutMs: number) =>
        Database.layer({ filePath: join(directory, "test.sqlite"), busyTimeoutMs }).pipe(Layer.orDie)
      const consumer = yield* Layer.build(
        Layer.fresh(Layer.provideMerge(ControlPlaneEvents.layer, Layer.provideMerge(migrated, open(1))))
      )
      const other = yield* Layer.build(Layer.fresh(open(5000)))
      yield* Effect.provide(appendEvents(2), consumer)

      // Held until the consumer has logged that it cannot write, each time it is to write.
      let warned: Deferred.Deferred<void> | undefined
      const warnings = Logger.make(({ message }) => {
        if (warned !== undefined && String(message).includes("Busy")) Deferred.unsafeDone(warned, Effect.void)
      })
      const untilRefused = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const refused = yield* Deferred.make<void>()
        const isHeld = yield* Deferred.make<void>()
        const lock = sql`UPDATE control_plane_event_consumers SET updated_at = updated_at`.pipe(
          Effect.zipRight(Deferred.succeed(isHeld, undefined)),
          Effect.zipRight(Deferred.await(refused))
        )
        yield* Effect.fork(sql.withTransaction(lock))
        yield* Deferred.await(isHeld)
        warned = refused
      }).pipe(Effect.provide(other))

      yield* untilRefused
      const acknowledged = yield* Effect.gen(function* () {
        const { consume, position } = yield* ControlPlaneEvents
        let calls = 0
        const fiber = yield* Effect.fork(
          consume({ consumer: "mail", batchSize: 1 }, () => {
            calls++
            // Held again for the acknowledgement of the first batch.
            return calls === 1 ? Effect.orDie(untilRefused) : Effect.fail("enough")
          })
        )
        expect(yield* refusalOf(Fiber.join(fiber))).toBe("enough")
        return yield* position("mail")
      }).pipe(Effect.provide(consumer), Effect.provide(Logger.replace(Logger.defaultLogger, warnings)))
      expect(acknowledged).toBe(1)
    })
  )
})
