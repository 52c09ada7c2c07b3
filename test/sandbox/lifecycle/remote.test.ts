/**
 * The lifecycle on a server whose answer to COMMIT is lost. The result is unknown; a repeat of the call leaves the same rows
 * as a single call.
 */
import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Layer, Option, Queue, Ref, Stream, TestClock } from "effect"
import * as Database from "../../../src/Database.js"
import { IssueWorkflowExecutionRepo } from "../../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import * as BuildWorker from "../../../src/build-job/BuildWorker.js"
import { ControlPlaneEvents } from "../../../src/events/ControlPlaneEvents.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import type { Launch } from "../../../src/sandbox/SandboxViews.js"
import * as Sandboxes from "../../../src/sandbox/index.js"
import { line, running, services as executionServices } from "../../issue-workflow/executionSupport.js"
import { during, once, onPeer, requestsOf } from "../../libsql/remoteSupport.js"
import type { Peer } from "../../support/hrana/Peer.js"
import {
  answer,
  building,
  built,
  claim,
  claimed,
  counts,
  failed,
  launch,
  launchTables,
  partsOf,
  refusalOf,
  type Services,
  services,
  shell,
  stateOf,
  success
} from "./support.js"

const onServer = <A, E>(use: (peer: Peer) => Effect.Effect<A, E, Services>) =>
  onPeer((peer) => Effect.provide(use(peer), services))

/** The events of a launch in the journal, in order. */
const events = ({ attempt, job, sandbox }: Pick<Launch, "attempt" | "job" | "sandbox">) =>
  shell(
    `SELECT subject_type, sequence, event_type, from_state, to_state FROM control_plane_events
     WHERE subject_id IN (?, ?, ?) ORDER BY position`,
    sandbox.id,
    attempt.id,
    job.id
  )

type Leased = Effect.Effect.Success<ReturnType<typeof building>>
type Lifecycle = SandboxLifecycle["Type"]

/** An operation, and from where it starts. */
interface Case {
  readonly name: string
  readonly from: Effect.Effect<Leased, unknown, Services>
  readonly act: (lifecycle: Lifecycle, launched: Leased) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>
  /** It commits each of its steps: the one whose answer is lost has happened, and those after it have not. */
  readonly isInSteps?: true
}

/** A launch of which the last attempt to build it was left behind. */
const leftBehind = Effect.gen(function* () {
  const launched = yield* claimed()
  yield* TestClock.adjust("2 minutes")
  for (const _ of [2, 3]) {
    yield* claim(launched)
    yield* TestClock.adjust("2 minutes")
  }
  return launched
})

/** A launch whose image is published, and whose runtime is not launched yet. */
const published = Effect.tap(building(), ({ lease }) =>
  Effect.flatMap(SandboxLifecycle, ({ publishBuild }) => publishBuild(lease, success))
)

const cases: ReadonlyArray<Case> = [
  { name: "beginBuild", from: claimed(), act: (lifecycle, { lease }) => lifecycle.beginBuild(lease) },
  {
    name: "finishBuild",
    from: building(),
    act: (lifecycle, { lease }) => lifecycle.finishBuild(lease, { ...success, runtime: answer("running") })
  },
  {
    name: "failBuild, to be tried again",
    from: building(),
    act: (lifecycle, { lease }) => lifecycle.failBuild(lease, { errorMessage: "no" })
  },
  {
    name: "failBuild, for good",
    from: building(),
    act: (lifecycle, { lease }) => lifecycle.failBuild(lease, { errorMessage: "no", retryable: false })
  },
  {
    name: "recordRuntime under a lease",
    from: building(),
    act: (lifecycle, { lease }) => lifecycle.recordRuntime(lease, answer("running"))
  },
  {
    name: "recordRuntime of an attempt",
    from: built("pending"),
    act: (lifecycle, { attempt }) => lifecycle.recordRuntime(attempt.id, answer("running"))
  },
  {
    name: "publishBuild",
    from: building(),
    act: (lifecycle, { lease }) => lifecycle.publishBuild(lease, success)
  },
  {
    name: "failBuild after publishBuild",
    from: published,
    act: (lifecycle, { lease }) => lifecycle.failBuild(lease, { errorMessage: "no", retryable: false })
  },
  {
    name: "endRuntime under a lease",
    from: published,
    act: (lifecycle, { lease }) => lifecycle.endRuntime(lease, { status: "failed", reason: "launch-failed" })
  },
  {
    name: "endRuntime of an attempt",
    from: built("running"),
    act: (lifecycle, { attempt }) => lifecycle.endRuntime(attempt.id, { status: "stopped", reason: "exited" })
  },
  {
    name: "cancel",
    from: building(),
    act: (lifecycle, { sandbox }) => lifecycle.cancel({ id: sandbox.id, reason: "enough" })
  },
  { name: "stop", from: built("running"), act: (lifecycle, { sandbox }) => lifecycle.stop(sandbox.id) },
  {
    name: "supervise",
    from: leftBehind,
    act: (lifecycle) => lifecycle.supervise({ limit: 100, runtimeDeadline: "15 minutes" }),
    isInSteps: true
  }
]

const lost = { _tag: "PersistenceError", reason: "Unavailable" }

describe("when the answer to COMMIT is lost", () => {
  for (const fault of ["lost-request", "lost-answer"] as const) {
    for (const { act, from, isInSteps, name } of cases) {
      it.effect(`${name} can be repeated with the result of a single call (${fault})`, () =>
        onServer((peer) =>
          Effect.gen(function* () {
            const lifecycle = yield* SandboxLifecycle
            const first = yield* from
            yield* act(lifecycle, first)
            const expected = [yield* partsOf(first.sandbox.id), yield* events(first)]

            const launched = yield* from
            const before = [yield* partsOf(launched.sandbox.id), yield* events(launched)]
            expect(
              yield* Effect.flip(act(lifecycle, launched)).pipe(during(peer, once(/^COMMIT$/, fault)))
            ).toMatchObject(lost)
            // What is left of the stream goes when it has been idle for too long.
            peer.streams.expireAll()
            const meanwhile = [yield* partsOf(launched.sandbox.id), yield* events(launched)]
            if (fault === "lost-request") expect(meanwhile).toEqual(before)
            else if (isInSteps === undefined) expect(meanwhile).toEqual(expected)
            else {
              expect(yield* stateOf(launched.sandbox.id)).toBe("queued queued failed none")
              expect(meanwhile).not.toEqual(before)
            }
            yield* act(lifecycle, launched)
            expect([yield* partsOf(launched.sandbox.id), yield* events(launched)]).toEqual(expected)
            expect(expected).not.toEqual(before)
          })
        )
      )
    }

    it.effect(`launch can be repeated with its key: one sandbox, one job (${fault})`, () =>
      onServer((peer) =>
        Effect.gen(function* () {
          const keyed = launch({ idempotencyKey: "request-1" })
          expect(yield* Effect.flip(keyed).pipe(during(peer, once(/^COMMIT$/, fault)))).toMatchObject(lost)
          peer.streams.expireAll()
          const again = yield* keyed
          expect(again.created).toBe(fault === "lost-request")
          expect(yield* counts).toEqual(launchTables.map((name) => ({ name, rows: 1 })))
          const { sandbox } = yield* keyed
          expect(sandbox.id).toBe(again.sandbox.id)
          expect((yield* events(again)).length).toBe((yield* shell("SELECT 1 FROM control_plane_events")).length)
        })
      )
    )

    it.effect(`retry can be repeated, and reports whether it created an attempt (${fault})`, () =>
      onServer((peer) =>
        Effect.gen(function* () {
          const { retry } = yield* SandboxLifecycle
          const { sandbox } = yield* failed
          expect(yield* Effect.flip(retry(sandbox.id)).pipe(during(peer, once(/^COMMIT$/, fault)))).toMatchObject(lost)
          peer.streams.expireAll()
          if (fault === "lost-request") yield* retry(sandbox.id)
          expect(yield* refusalOf(retry(sandbox.id))).toMatchObject({ _tag: "InvalidTransition", from: "queued" })
          expect(yield* shell("SELECT count(*) AS attempts FROM sandbox_attempts")).toEqual([{ attempts: 2 }])
        })
      )
    )
  }
})

it.effect("each operation needs one request for its reads and one for its writes", () =>
  onServer((peer) =>
    Effect.gen(function* () {
      const lifecycle = yield* SandboxLifecycle
      const requests = <A, E, R>(effect: Effect.Effect<A, E, R>) => requestsOf(peer, effect)
      // The first request of a client asks for the version of the protocol, too.
      const [one, two] = [yield* launch(), yield* claimed()]
      const [{ lease }, failing, up] = [yield* claim(one), yield* claimed(), yield* built("running")]
      expect({
        launch: yield* requests(launch()),
        launchWithKey: yield* requests(launch({ idempotencyKey: "key" })),
        launchAgain: yield* requests(launch({ idempotencyKey: "key" })),
        beginBuild: yield* requests(lifecycle.beginBuild(lease)),
        recordRuntime: yield* requests(lifecycle.recordRuntime(one.attempt.id, answer("pending"))),
        publishBuild: yield* requests(lifecycle.publishBuild(lease, success)),
        endRuntime: yield* requests(lifecycle.endRuntime(up.attempt.id, { status: "failed", reason: "crashed" })),
        finishBuild: yield* requests(lifecycle.finishBuild(lease, { ...success, runtime: answer("running") })),
        failBuild: yield* requests(lifecycle.failBuild(failing.lease, { errorMessage: "no", retryable: false })),
        stop: yield* requests(lifecycle.stop(one.sandbox.id)),
        cancel: yield* requests(lifecycle.cancel({ id: two.sandbox.id, reason: "enough" }))
      }).toEqual({
        launch: 1,
        launchWithKey: 2,
        launchAgain: 2,
        beginBuild: 2,
        recordRuntime: 2,
        publishBuild: 2,
        endRuntime: 2,
        finishBuild: 2,
        failBuild: 2,
        stop: 2,
        cancel: 2
      })
    })
  )
)

describe("on a server, which sends no notifications of commits", () => {
  /** With a client of its own, as another process has. */
  const elsewhere = ({ url }: Peer) => {
    const other = Layer.provideMerge(
      Layer.merge(Sandboxes.layer, IssueWorkflowExecutionRepo.layer),
      Layer.orDie(Database.layerRemote({ url }))
    )
    return <A, E>(effect: Effect.Effect<A, E, SandboxLifecycle | IssueWorkflowExecutionRepo>) =>
      Effect.provide(effect, other)
  }

  it.live("a worker finds jobs of other processes, and reports in spite of lost answers", () =>
    onServer((peer) =>
      Effect.gen(function* () {
        const builds = yield* Ref.make(0)
        const handler = () =>
          Effect.as(
            Ref.update(builds, (count) => count + 1),
            { ...success, runtime: answer("running") }
          )
        const worker = yield* Effect.fork(
          BuildWorker.run(handler, { workerId: "worker", pollInterval: "1 day", drainTimeout: 0 })
        )
        const tail = yield* Effect.fork(
          Stream.unwrap(Effect.map(ControlPlaneEvents, (journal) => journal.tail({}))).pipe(
            Stream.takeUntil(
              ({ subjectType, toState }) => subjectType === "sandbox" && Option.contains(toState, "ready")
            ),
            Stream.runCollect,
            Effect.provide(ControlPlaneEvents.layer)
          )
        )
        const launched = yield* elsewhere(peer)(launch())
        let losses = 0
        // The answers to the first start of the build and to its end are lost. The worker sends both again.
        const isReport = (text: string) => text.startsWith("INSERT INTO control_plane_events")
        peer.faultInjection = (statements) =>
          statements.some(isReport) && losses++ % 2 === 0 && losses < 4 ? "lost-answer" : undefined
        const told = yield* Fiber.join(tail)
        expect(losses).toBeGreaterThan(2)
        // Nothing twice, nothing left out.
        const before = "SELECT position FROM control_plane_events WHERE position <= ? ORDER BY position"
        const positions = Chunk.toReadonlyArray(told).map(({ position }) => position)
        expect(yield* shell(before, positions.at(-1))).toEqual(positions.map((position) => ({ position })))
        expect(yield* stateOf(launched.sandbox.id)).toBe("ready succeeded succeeded running")
        expect(yield* Ref.get(builds)).toBe(1)
        yield* Fiber.interrupt(worker)
      })
    )
  )

  it.live("a tail emits the events of another process until the end", () =>
    onPeer((peer) =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const others = elsewhere(peer)
        const append = (message: string) =>
          others(
            Effect.flatMap(IssueWorkflowExecutionRepo, (other) =>
              other.appendEvents({ executionId, events: [line(message)] })
            )
          )
        yield* append("one")
        const seen = yield* Queue.unbounded<string>()
        const tail = yield* Effect.fork(
          Stream.runForEach(repo.tailEvents({ executionId }), ({ message }) => Queue.offer(seen, message))
        )
        for (const message of ["one", "two", "three"]) {
          if (message !== "one") yield* append(message)
          expect(yield* Queue.take(seen)).toBe(message)
        }
        yield* others(Effect.flatMap(IssueWorkflowExecutionRepo, (other) => other.succeed(executionId)))
        yield* Fiber.join(tail)
        expect(yield* Queue.size(seen)).toBe(0)
      }).pipe(Effect.provide(executionServices))
    )
  )
})
