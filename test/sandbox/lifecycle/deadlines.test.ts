/**
 * The deadlines of sandboxes: an absolute one, and one after a time without activity.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, type Layer, Option, TestClock } from "effect"
import { IssueWorkflowExecutionRepo } from "../../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import { IssueWorkflowLifecycle } from "../../../src/issue-workflow/IssueWorkflowLifecycle.js"
import { findStuck } from "../../../src/operations/stuck.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { SandboxRepo } from "../../../src/sandbox/SandboxRepo.js"
import { SandboxRuntimeInstanceRepo } from "../../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import type { LaunchSandbox } from "../../../src/sandbox/SandboxViews.js"
import { layers as workflowLayers, opened, toLaunch } from "../../issue-workflow/lifecycle/support.js"
import { passedDeadline } from "../../../src/sandbox/lifecycle/deadlines.js"
import { makeStates } from "../../../src/sandbox/lifecycle/state.js"
import { fingerprint } from "../../../src/sql/fingerprint.js"
import { failedGuard, writeAll } from "../../../src/sql/writeAll.js"
import { onPeer, requestsOf } from "../../libsql/remoteSupport.js"
import { issuesOf, recordStatements } from "../../support/plans.js"
import { contradictions, disagreeing } from "./invariants.js"
import {
  ada,
  answer,
  building,
  claim,
  eve,
  launch,
  layers,
  refusalOf,
  request,
  type Services,
  services,
  shell,
  stateOf,
  success,
  tagOf
} from "./support.js"

const supervision = { limit: 100, runtimeDeadline: "30 days" } as const

const none = { requeued: 0, ended: 0, failed: 0 }
const one = { requeued: 0, ended: 1, failed: 0 }

/** A ready sandbox. */
const readyWith = (given: Partial<typeof LaunchSandbox.Encoded>) =>
  Effect.gen(function* () {
    const { finishBuild } = yield* SandboxLifecycle
    const launched = yield* building(given)
    yield* finishBuild(launched.lease, { ...success, runtime: answer("running") })
    return launched
  })

const inFuture = (millis: number) => Effect.map(Clock.currentTimeMillis, (now) => DateTime.unsafeMake(now + millis))

const deadlinesOf = (id: string) =>
  Effect.map(
    shell("SELECT lifetime_ms, expires_at, idle_timeout_ms, last_active_at FROM sandboxes WHERE id = ?", id),
    ([row]) => row
  )

const hour = 3_600_000

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`deadlines of sandboxes (${name})`, () => {
    it.effect("supervise stops a sandbox at the deadline of its launch, in each state, with the reason expired", () =>
      Effect.gen(function* () {
        const { endRuntime, supervise } = yield* SandboxLifecycle
        const runtimes = yield* SandboxRuntimeInstanceRepo
        const start = yield* Clock.currentTimeMillis
        const [queued, working, up] = [
          yield* launch({ lifetime: "1 hour" }),
          yield* building({ lifetime: "1 hour" }),
          yield* readyWith({ lifetime: "1 hour" })
        ]
        const [endless, later] = [yield* readyWith({}), yield* readyWith({ lifetime: "1 day" })]
        expect(queued.sandbox).toMatchObject({
          lifetimeMs: Option.some(hour),
          expiresAt: Option.some({ epochMillis: start + hour })
        })
        yield* TestClock.adjust(hour - 1)
        // The lease of the build in progress has expired meanwhile.
        expect(yield* supervise(supervision)).toMatchObject({ ended: 0, failed: 0 })
        yield* TestClock.adjust(1)
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 3, failed: 0 })
        for (const { sandbox } of [queued, working])
          expect(yield* stateOf(sandbox.id)).toBe("stopped cancelled cancelled none stop")
        expect(yield* stateOf(up.sandbox.id)).toBe("stopped succeeded succeeded running stop")
        const events = yield* shell(
          "SELECT to_state AS state, payload ->> 'stopReason' AS reason FROM control_plane_events WHERE event_type = 'supervise' AND subject_id IN (?, ?) ORDER BY subject_type",
          up.sandbox.id,
          up.attempt.id
        )
        expect(events).toEqual([
          { state: "succeeded", reason: "expired" },
          { state: "stopped", reason: "expired" }
        ])
        // Whatever the adapter reports of the end, its reason is that of the request.
        yield* endRuntime(up.attempt.id, { status: "failed", reason: "crashed" })
        const runtime = Option.getOrThrow(yield* runtimes.findByAttemptId(up.attempt.id))
        expect(runtime).toMatchObject({ status: "stopped", stopReason: Option.some("expired") })
        for (const { sandbox } of [endless, later])
          expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
        expect(yield* supervise(supervision)).toEqual(none)
        expect(yield* contradictions()).toEqual([])
        expect(yield* disagreeing).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("supervise stops a ready sandbox that is idle, counted from when it was ready or last touched", () =>
      Effect.gen(function* () {
        const { endRuntime, supervise, touch } = yield* SandboxLifecycle
        const runtimes = yield* SandboxRuntimeInstanceRepo
        // It waits for a worker for longer than its idle timeout.
        const waiting = yield* launch({ idleTimeout: "1 hour" })
        yield* TestClock.adjust(2 * hour)
        expect(yield* supervise(supervision)).toEqual(none)
        const { finishBuild } = yield* SandboxLifecycle
        const { lease } = yield* claim(waiting)
        yield* finishBuild(lease, { ...success, runtime: answer("running") })
        // The decision has the rule of its own: the sandbox may have been retried after supervision had listed it.
        const state = yield* (yield* makeStates(yield* SqlClient.SqlClient)).ofSandbox(waiting.sandbox.id)
        const readyAt = yield* Clock.currentTimeMillis
        expect([passedDeadline(state, readyAt + hour - 1), passedDeadline(state, readyAt + hour)]).toEqual([
          undefined,
          "idle"
        ])
        yield* TestClock.adjust(hour - 1)
        expect(yield* supervise(supervision)).toEqual(none)
        yield* touch({ ownerUserId: ada, id: waiting.sandbox.id })
        yield* TestClock.adjust(hour - 1)
        expect(yield* supervise(supervision)).toEqual(none)
        yield* TestClock.adjust(1)
        expect(yield* supervise(supervision)).toEqual(one)
        expect(yield* stateOf(waiting.sandbox.id)).toBe("stopped succeeded succeeded running stop")
        yield* endRuntime(waiting.attempt.id, { status: "stopped", reason: "exited" })
        const runtime = Option.getOrThrow(yield* runtimes.findByAttemptId(waiting.attempt.id))
        expect(runtime.stopReason).toEqual(Option.some("idle"))
        expect(yield* supervise(supervision)).toEqual(none)
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("touch writes at most once a minute, and nothing for an ended sandbox or another owner", () =>
      Effect.gen(function* () {
        const { stop, touch } = yield* SandboxLifecycle
        const { sandbox } = yield* readyWith({})
        const activeAt = Effect.map(deadlinesOf(sandbox.id), (row) => Reflect.get(Object(row), "last_active_at"))
        const by = { ownerUserId: ada, id: sandbox.id }
        expect(yield* activeAt).toBeNull()
        yield* TestClock.adjust("1 second")
        const first = yield* Clock.currentTimeMillis
        yield* touch(by)
        yield* TestClock.adjust(59_999)
        yield* touch(by)
        expect(yield* activeAt).toBe(first)
        yield* TestClock.adjust(1)
        yield* touch(by)
        expect(yield* activeAt).toBe(first + 60_000)
        // The clock was set back.
        yield* TestClock.setTime(first)
        yield* touch(by)
        expect(yield* activeAt).toBe(first + 60_000)
        yield* TestClock.adjust("1 hour")
        expect(yield* tagOf(touch({ ownerUserId: eve, id: sandbox.id }))).toBe("NotFound")
        expect(yield* tagOf(touch({ id: "missing" }))).toBe("NotFound")
        yield* stop(sandbox.id)
        yield* touch(by)
        expect(yield* activeAt).toBe(first + 60_000)
      }).pipe(Effect.provide(layer))
    )

    it.effect("extend sets the deadline, and refuses ended sandboxes, past instants and other owners", () =>
      Effect.gen(function* () {
        const { extend, supervise } = yield* SandboxLifecycle
        const { sandbox } = yield* readyWith({ lifetime: "1 hour" })
        const by = { ownerUserId: ada, id: sandbox.id }
        yield* TestClock.adjust(hour - 1)
        const until = yield* inFuture(hour)
        const extended = yield* extend({ ...by, until })
        expect(extended).toMatchObject({ expiresAt: Option.some(until), lifetimeMs: Option.some(hour) })
        yield* TestClock.adjust(hour - 1)
        expect(yield* supervise(supervision)).toEqual(none)
        expect(yield* refusalOf(extend({ ...by, until: yield* inFuture(0) }))).toMatchObject({
          _tag: "InvalidInput",
          issues: ["until: must be in the future"]
        })
        expect(yield* tagOf(extend({ ownerUserId: eve, id: sandbox.id, until: yield* inFuture(1) }))).toBe("NotFound")
        yield* TestClock.adjust(1)
        expect(yield* supervise(supervision)).toEqual(one)
        expect(yield* refusalOf(extend({ ...by, until: yield* inFuture(hour) }))).toMatchObject({
          _tag: "InvalidTransition",
          from: "stopped"
        })
        const endless = yield* readyWith({})
        yield* extend({ id: endless.sandbox.id, until: yield* inFuture(1) })
        yield* TestClock.adjust(1)
        expect(yield* supervise(supervision)).toEqual(one)
      }).pipe(Effect.provide(layer))
    )

    it.effect("a retry counts the lifetime and the idle timeout from its own time, and drops a set deadline", () =>
      Effect.gen(function* () {
        const { extend, retry, supervise } = yield* SandboxLifecycle
        const limited = yield* readyWith({ lifetime: "1 hour", idleTimeout: "1 day" })
        const endless = yield* readyWith({})
        yield* extend({ id: endless.sandbox.id, until: yield* inFuture(hour) })
        yield* TestClock.adjust(2 * hour)
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 2, failed: 0 })
        const now = yield* Clock.currentTimeMillis
        const again = yield* retry(limited.sandbox.id)
        expect(again.sandbox).toMatchObject({ expiresAt: Option.some({ epochMillis: now + hour }) })
        expect(yield* deadlinesOf(limited.sandbox.id)).toEqual({
          lifetime_ms: hour,
          expires_at: now + hour,
          idle_timeout_ms: 24 * hour,
          last_active_at: now
        })
        expect((yield* retry(endless.sandbox.id)).sandbox.expiresAt).toEqual(Option.none())
        expect(yield* supervise(supervision)).toEqual(none)
        yield* TestClock.adjust(hour)
        expect(yield* supervise(supervision)).toEqual(one)
        expect(yield* stateOf(limited.sandbox.id)).toBe("stopped cancelled cancelled none stop")
        expect(yield* stateOf(endless.sandbox.id)).toBe("queued queued queued none")
      }).pipe(Effect.provide(layer))
    )

    it.effect("SandboxRepo.setStatus to queued counts the lifetime from its own time", () =>
      Effect.gen(function* () {
        const { supervise } = yield* SandboxLifecycle
        const { sandbox } = yield* readyWith({ lifetime: "1 hour" })
        yield* TestClock.adjust(hour)
        yield* supervise(supervision)
        const again = yield* (yield* SandboxRepo).setStatus({ id: sandbox.id, status: "queued" })
        expect(again.expiresAt).toMatchObject(Option.some({ epochMillis: (yield* Clock.currentTimeMillis) + hour }))
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps a sandbox that was extended or touched after supervision had listed it", () =>
      Effect.gen(function* () {
        const { supervise } = yield* SandboxLifecycle
        const [first, second] = [yield* readyWith({ lifetime: "1 hour" }), yield* readyWith({ lifetime: "2 hours" })]
        yield* TestClock.adjust(2 * hour)
        const [third, fourth] = [yield* readyWith({ idleTimeout: 1 }), yield* readyWith({ idleTimeout: 2 })]
        yield* TestClock.adjust(2)
        const now = yield* Clock.currentTimeMillis
        for (const [stopped, kept, change] of [
          [first, second, `expires_at = ${now + hour}`],
          [third, fourth, `last_active_at = ${now}`]
        ] as const) {
          yield* shell(`CREATE TRIGGER "${stopped.sandbox.id}" AFTER UPDATE OF status ON sandboxes
            WHEN NEW.id = '${stopped.sandbox.id}' BEGIN UPDATE sandboxes SET ${change} WHERE id = '${kept.sandbox.id}'; END`)
        }
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 2, failed: 0 })
        for (const { sandbox } of [first, third])
          expect(yield* stateOf(sandbox.id)).toBe("stopped succeeded succeeded running stop")
        for (const { sandbox } of [second, fourth])
          expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
      }).pipe(Effect.provide(layer))
    )

    it.effect("the guard of a decision fails after a touch or an extension of the sandbox", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { extend, touch } = yield* SandboxLifecycle
        const { id } = (yield* readyWith({ lifetime: "1 hour", idleTimeout: "1 hour" })).sandbox
        const { ofSandbox } = yield* makeStates(sql)
        for (const change of [touch({ id }), extend({ id, until: yield* inFuture(2 * hour) })]) {
          const { unchanged } = yield* ofSandbox(id)
          yield* writeAll(sql, [unchanged])
          yield* change
          expect(failedGuard([unchanged], yield* Effect.flip(writeAll(sql, [unchanged])))).toEqual(
            Option.some(unchanged)
          )
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("launch refuses durations out of range", () =>
      Effect.gen(function* () {
        for (const field of ["lifetime", "idleTimeout"] as const) {
          for (const value of [0, -1, "366 days"] as const) {
            expect(yield* tagOf(launch({ [field]: value }))).toBe("InvalidInput")
          }
        }
      }).pipe(Effect.provide(layer))
    )
  })

suite("memory", layers.memory)
suite("file", layers.file)

it.effect("a launch for an execution takes deadlines, and the execution ends with the sandbox", () =>
  Effect.gen(function* () {
    const { startExecution, supervise: superviseWorkflows } = yield* IssueWorkflowLifecycle
    const { supervise } = yield* SandboxLifecycle
    const { id: issueWorkflowId } = yield* opened
    const { execution } = yield* startExecution({
      issueWorkflowId,
      launch: { ...toLaunch, lifetime: "1 hour" }
    })
    yield* TestClock.adjust(hour)
    expect(yield* supervise(supervision)).toMatchObject({ ended: 1 })
    expect(yield* superviseWorkflows({ limit: 10 })).toMatchObject({ failed: 0 })
    const stored = yield* (yield* IssueWorkflowExecutionRepo).getById(execution.id)
    expect(stored).toMatchObject({
      status: "cancelled",
      cancelReason: Option.some("the sandbox was stopped")
    })
  }).pipe(Effect.provide(workflowLayers.memory))
)

it.effect("a repeated launch without deadlines finds the key that an earlier release stored", () =>
  Effect.gen(function* () {
    yield* launch({ idempotencyKey: "key" })
    expect(yield* shell("SELECT request_fingerprint AS stored FROM sandbox_launch_keys")).toEqual([
      { stored: fingerprint(request) }
    ])
    expect((yield* launch({ idempotencyKey: "key" })).created).toBe(false)
    expect(yield* tagOf(launch({ idempotencyKey: "key", lifetime: "1 hour" }))).toBe("IdempotencyConflict")
  }).pipe(Effect.provide(layers.memory))
)

it.effect("doctor counts sandboxes that are past a deadline for more than an hour", () =>
  Effect.gen(function* () {
    yield* readyWith({ lifetime: "1 hour" })
    yield* readyWith({ idleTimeout: "1 hour" })
    yield* TestClock.adjust(2 * hour - 1)
    expect(yield* findStuck).toMatchObject({ expiredSandboxes: Option.none(), idleSandboxes: Option.none() })
    yield* TestClock.adjust(1)
    const late = Option.some({ count: 1, longest: Duration.hours(1) })
    const found = yield* findStuck
    expect([found.expiredSandboxes, found.idleSandboxes]).toEqual([late, late])
    yield* (yield* SandboxLifecycle).supervise(supervision)
    expect(yield* findStuck).toMatchObject({ expiredSandboxes: Option.none(), idleSandboxes: Option.none() })
  }).pipe(Effect.provide(layers.file))
)

it.effect("supervise reads deadlines from indexes, and only those of sandboxes that may be due", () =>
  Effect.gen(function* () {
    const { supervise } = yield* SandboxLifecycle
    yield* readyWith({ lifetime: "1 hour", idleTimeout: "1 hour" })
    // With statistics of tables with one row, the planner must not scan them later.
    yield* shell("ANALYZE")
    yield* TestClock.adjust(hour)
    const statements = yield* recordStatements(supervise(supervision))
    const reads = statements.filter(
      ({ text }) => text.includes("sandboxes_expires_at_idx") || text.includes("sandboxes_idle_idx")
    )
    expect(reads.length).toBe(2)
    expect(yield* issuesOf(reads)).toEqual([])
  }).pipe(Effect.provide(layers.file))
)

it.effect("touch needs one request, and extend one, or two when it fails", () =>
  onPeer((peer) =>
    Effect.gen(function* () {
      const { extend, stop, touch } = yield* SandboxLifecycle
      const { sandbox } = yield* readyWith({})
      const until = yield* inFuture(hour)
      const by = { ownerUserId: ada, id: sandbox.id }
      expect({
        touch: yield* requestsOf(peer, touch(by)),
        again: yield* requestsOf(peer, touch(by)),
        missing: yield* requestsOf(peer, Effect.ignore(touch({ id: "missing" }))),
        extend: yield* requestsOf(peer, extend({ ...by, until }))
      }).toEqual({ touch: 1, again: 1, missing: 1, extend: 1 })
      yield* stop(sandbox.id)
      expect(yield* requestsOf(peer, Effect.ignore(extend({ ...by, until })))).toBe(2)
    }).pipe(Effect.provide(services))
  )
)
