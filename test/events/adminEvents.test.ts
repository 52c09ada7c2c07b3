/**
 * Events about deliveries and the database: they are in a table of their own, and in the same journal.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option, TestClock } from "effect"
import { ControlPlaneEvents, GitHubWebhookDeliveryRepo } from "../../src/index.js"
import { actingAs } from "../../src/events/ControlPlaneEvents.js"
import * as Retention from "../../src/Retention.js"
import { overDatabases } from "../support/database.js"
import { planIssues } from "../support/plans.js"
import { tagOf } from "../support/refusals.js"
import { shell } from "../sandbox/lifecycle/support.js"

const operator = actingAs({ type: "operator", id: "alice" })

const layers = overDatabases(Layer.merge(ControlPlaneEvents.layer, GitHubWebhookDeliveryRepo.layer))

const jobEvent = (subjectId: string) =>
  shell(
    `INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, to_state, actor_type, occurred_at)
     VALUES ('job', ?, 1, 'launch', 'queued', 'system', 0)`,
    subjectId
  )

/** A delivery that was processed under a lease. */
const processed = Effect.gen(function* () {
  const inbox = yield* GitHubWebhookDeliveryRepo
  const { delivery } = yield* inbox.record({ deliveryId: "from-github", eventType: "issues", payload: {} })
  yield* process
  return delivery.id
})

const process = Effect.gen(function* () {
  const inbox = yield* GitHubWebhookDeliveryRepo
  const claimed = yield* Effect.flatten(inbox.claimNext({ workerId: "worker", leaseDuration: "1 minute" }))
  yield* inbox.markProcessed(claimed.lease)
})

const backup = { file: "sealant.sqlite", bytes: 4096 }

for (const [name, layer] of Object.entries(layers)) {
  describe(`events about deliveries and the database (${name})`, () => {
    it.effect("continue the positions of the journal, and are read with its other events", () =>
      Effect.gen(function* () {
        const journal = yield* ControlPlaneEvents
        const inbox = yield* GitHubWebhookDeliveryRepo
        // The first event of the whole journal is one of them.
        yield* operator(journal.recordBackup(backup))
        yield* jobEvent("one")
        const id = yield* processed
        yield* operator(inbox.redeliver(id))
        yield* jobEvent("two")
        yield* process
        yield* inbox.redeliver(id)
        const all = yield* journal.read({})
        expect(
          all.map(({ position, sequence, subjectType, eventType }) => [position, subjectType, sequence, eventType])
        ).toEqual([
          [1, "database", 1, "backup"],
          [2, "job", 1, "launch"],
          [3, "delivery", 1, "redeliver"],
          [4, "job", 1, "launch"],
          [5, "delivery", 2, "redeliver"]
        ])
        expect(all[0]).toMatchObject({ actorType: "operator", payload: Option.some(backup) })
        expect(all[2]).toMatchObject({
          subjectId: id,
          fromState: Option.some("processed"),
          toState: Option.some("received"),
          actorId: Option.some("alice"),
          payload: Option.some({ deliveryId: "from-github" })
        })
        expect(all[4]).toMatchObject({ actorType: "system" })
        expect(yield* journal.journal).toMatchObject({ end: 5 })
        expect(yield* journal.list({ subjectType: "delivery", subjectId: id })).toEqual([all[2], all[4]])
        expect((yield* journal.search({ actorType: "operator" })).items).toEqual([all[2], all[0]])
        expect((yield* journal.search({ subjectId: id, limit: 1 })).items).toEqual([all[4]])
        expect((yield* journal.search({ beforePosition: 2 })).items).toEqual([all[0]])
        expect(yield* journal.getByPosition(3)).toEqual(all[2])
        expect(yield* journal.acknowledge({ consumer: "mail", position: 5 })).toBe(5)
      }).pipe(Effect.provide(layer))
    )

    it.effect("exist only if the change did", () =>
      Effect.gen(function* () {
        const journal = yield* ControlPlaneEvents
        const inbox = yield* GitHubWebhookDeliveryRepo
        const id = yield* processed
        yield* inbox.redeliver(id)
        // A repeated call changes nothing.
        yield* inbox.redeliver(id)
        expect(yield* tagOf(inbox.redeliver("none"))).toBe("NotFound")
        yield* inbox.claimNext({ workerId: "worker", leaseDuration: "1 minute" })
        expect(yield* tagOf(inbox.redeliver(id))).toBe("InvalidTransition")
        expect(yield* tagOf(journal.recordBackup({ file: "", bytes: 1 }))).toBe("InvalidInput")
        expect(yield* journal.read({})).toHaveLength(1)
        const fails = Effect.fail("a later write failed" as const)
        const sql = yield* SqlClient.SqlClient
        yield* Effect.flip(sql.withTransaction(Effect.zipRight(journal.recordBackup(backup), fails)))
        yield* jobEvent("one")
        expect((yield* journal.read({})).map(({ position }) => position)).toEqual([1, 2])
      }).pipe(Effect.provide(layer))
    )
  })
}

it.effect("the engine refuses an event with another position than the next one, a gap, and a change", () =>
  Effect.gen(function* () {
    const journal = yield* ControlPlaneEvents
    yield* journal.recordBackup(backup)
    const insert = (position: number, sequence: number) =>
      shell(
        `INSERT INTO control_plane_admin_events (position, subject_type, subject_id, sequence, event_type, actor_type, occurred_at)
         VALUES (?, 'database', 'database', ?, 'backup', 'system', 0)`,
        position,
        sequence
      )
    for (const [position, sequence] of [
      [1, 2],
      [3, 2],
      [2, 3]
    ] as const) {
      expect(yield* Effect.isFailure(insert(position, sequence)), `${position} ${sequence}`).toBe(true)
    }
    yield* insert(2, 2)
    expect(yield* Effect.isFailure(shell("UPDATE control_plane_admin_events SET actor_id = 'eve'"))).toBe(true)
  }).pipe(Effect.provide(layers.memory))
)

it.effect("a program of 0.2, which knows the first table only, reads every position that it knows, once", () =>
  Effect.gen(function* () {
    const journal = yield* ControlPlaneEvents
    const sql = yield* SqlClient.SqlClient
    // The statements of 0.2: the next events, and the end of the journal.
    const oldRead = (after: number) =>
      sql<{ readonly position: number }>`
        SELECT position FROM control_plane_events WHERE position > ${after} ORDER BY position LIMIT 50`
    const oldEnd = sql`SELECT seq AS "end" FROM sqlite_sequence WHERE name = 'control_plane_events'`
    yield* jobEvent("one")
    yield* journal.recordBackup(backup)
    expect(yield* oldRead(0)).toEqual([{ position: 1 }])
    // A reader that starts at the end, behind an event that it does not see, misses no later one.
    expect(yield* oldEnd).toEqual([{ end: 2 }])
    expect(yield* oldRead(2)).toEqual([])
    yield* jobEvent("two")
    expect(yield* oldRead(1)).toEqual([{ position: 3 }])
    const kinds = yield* sql`SELECT DISTINCT subject_type AS kind FROM control_plane_events`
    expect(kinds).toEqual([{ kind: "job" }])
  }).pipe(Effect.provide(layers.memory))
)

it.effect("a purge keeps those that a consumer has not acknowledged, and the newest of a stored delivery", () =>
  Effect.gen(function* () {
    const journal = yield* ControlPlaneEvents
    const inbox = yield* GitHubWebhookDeliveryRepo
    const id = yield* processed
    yield* inbox.redeliver(id)
    yield* process
    yield* inbox.redeliver(id)
    yield* journal.recordBackup(backup)
    yield* journal.acknowledge({ consumer: "mail", position: 0 })
    yield* TestClock.adjust("1 hour")
    const purged = Effect.map(
      Retention.purge({ policy: { control_plane_admin_events: "1 minute", github_webhook_deliveries: "keep" } }),
      (removed) => removed.control_plane_admin_events
    )
    expect(yield* purged).toBe(0)
    yield* journal.acknowledge({ consumer: "mail", position: 3 })
    expect(yield* purged).toBe(1)
    expect((yield* journal.read({})).map(({ sequence, subjectType }) => [subjectType, sequence])).toEqual([
      ["delivery", 2],
      ["database", 1]
    ])
    yield* shell("DELETE FROM github_webhook_deliveries")
    expect(yield* purged).toBe(1)
  }).pipe(Effect.provide(layers.memory))
)

it.effect("are written with an index in every statement", () =>
  Effect.gen(function* () {
    const journal = yield* ControlPlaneEvents
    const inbox = yield* GitHubWebhookDeliveryRepo
    const id = yield* processed
    const methods = {
      redeliver: Effect.ignore(inbox.redeliver(id)),
      recordBackup: Effect.ignore(journal.recordBackup(backup))
    }
    for (const [method, effect] of Object.entries(methods)) {
      const issues = (yield* planIssues(effect)).filter((issue) => !/^SCAN (sqlite_sequence|CONSTANT ROW)/.test(issue))
      expect(issues, method).toEqual([])
    }
  }).pipe(Effect.provide(layers.file))
)
