import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxRepo } from "../../../src/sandbox/SandboxRepo.js"
import { SandboxRuntimeInstanceRepo } from "../../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { SandboxStopReason } from "../../../src/sandbox/SandboxRuntimeInstance.js"
import { runtimeEndReasons, type SandboxStatusView } from "../../../src/sandbox/SandboxViews.js"
import { IssueWorkflowExecutionRepo } from "../../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import { IssueWorkflowLifecycle } from "../../../src/issue-workflow/IssueWorkflowLifecycle.js"
import { layers as workflowLayers, make, opened } from "../../issue-workflow/lifecycle/support.js"
import { contradictions, disagreeing } from "./invariants.js"
import {
  ada,
  answer,
  building,
  built,
  claim,
  claimed,
  launch,
  layers,
  millis,
  ready,
  refusalOf,
  request,
  type Services,
  shell,
  stateOf,
  success,
  tagOf
} from "./support.js"

const exited = { status: "stopped", reason: "exited" } as const
const killed = { status: "failed", reason: "out-of-memory", errorCode: "137", errorMessage: "killed" } as const

/** Each status of an end with each reason. */
const ends = (["stopped", "failed"] as const).flatMap((status) =>
  runtimeEndReasons[status].map((reason) => [status, reason] as const)
)

const viewOf = (id: string) =>
  Effect.flatMap(SandboxLifecycle, ({ getDetail }) =>
    Effect.map(getDetail({ ownerUserId: ada, id }), ({ status }) => status)
  )

/** The payloads of the events of a subject that report the end of a runtime. */
const endsOf = (id: string) =>
  Effect.map(
    shell<{ readonly payload: string }>(
      `SELECT payload FROM control_plane_events WHERE subject_id = ? AND payload ->> 'runtimeStatus' IS NOT NULL
       ORDER BY sequence`,
      id
    ),
    (rows) => rows.map(({ payload }): unknown => JSON.parse(payload))
  )

/** The contract of `endRuntime` and `publishBuild`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxLifecycle.endRuntime (${name})`, () => {
    it.effect("ends a ready sandbox, so that row, view and lists agree, and the sandbox can be retried", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const sandboxes = yield* SandboxRepo
        const [up, stopped, died] = [yield* ready, yield* ready, yield* ready]
        yield* TestClock.setTime(5000)
        expect(yield* lifecycle.endRuntime(stopped.attempt.id, exited)).toMatchObject({
          status: "stopped",
          stopReason: Option.some("exited"),
          errorCode: Option.none()
        })
        const runtime = yield* lifecycle.endRuntime(died.attempt.id, killed)
        expect(runtime).toMatchObject({
          status: "failed",
          stopReason: Option.some("out-of-memory"),
          errorCode: Option.some("137"),
          errorMessage: Option.some("killed"),
          resourceId: Option.some("container")
        })
        expect(millis(runtime.finishedAt)).toBe(5000)
        expect(yield* stateOf(up.sandbox.id)).toBe("ready succeeded succeeded running")
        expect(yield* stateOf(stopped.sandbox.id)).toBe("stopped succeeded succeeded stopped")
        expect(yield* stateOf(died.sandbox.id)).toBe("failed succeeded succeeded failed")
        for (const [{ sandbox }, status] of [
          [up, "ready"],
          [stopped, "stopped"],
          [died, "failed"]
        ] as const) {
          const rows = yield* sandboxes.list({ ownerUserId: ada, statuses: [status] })
          const views = yield* lifecycle.list({ ownerUserId: ada, statuses: [status] })
          expect(rows.items.map(({ id }) => id)).toEqual([sandbox.id])
          expect(views.items.map((view) => [view.sandbox.id, view.status])).toEqual([[sandbox.id, status]])
        }
        expect(yield* contradictions()).toEqual([])
        // Supervision finds nothing to do, and a new attempt begins.
        expect(yield* lifecycle.supervise({ limit: 10, runtimeDeadline: "1 milli" })).toMatchObject({ ended: 0 })
        for (const { sandbox } of [stopped, died]) {
          const next = yield* lifecycle.retry(sandbox.id)
          const { lease } = yield* claim(next)
          yield* lifecycle.finishBuild(lease, { ...success, runtime: answer("running", "next") })
          expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
        }
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps the first end: a repeat, another end and late responses of the resource change nothing", () =>
      Effect.gen(function* () {
        const { endRuntime, recordRuntime } = yield* SandboxLifecycle
        const { attempt, sandbox } = yield* ready
        const first = yield* endRuntime(attempt.id, exited)
        yield* TestClock.adjust("1 second")
        for (const again of [exited, killed]) expect(yield* endRuntime(attempt.id, again)).toEqual(first)
        for (const status of ["pending", "running"] as const) {
          expect(yield* recordRuntime(attempt.id, answer(status))).toEqual(first)
          expect(yield* tagOf(recordRuntime(attempt.id, answer(status, "other")))).toBe("InvalidTransition")
        }
        expect(yield* stateOf(sandbox.id)).toBe("stopped succeeded succeeded stopped")
        expect(yield* endsOf(attempt.id)).toHaveLength(1)
        expect(yield* endsOf(sandbox.id)).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("ignores the end of another resource, and returns the current runtime", () =>
      Effect.gen(function* () {
        const { endRuntime } = yield* SandboxLifecycle
        const { attempt, sandbox } = yield* ready
        const current = yield* endRuntime(attempt.id, { ...killed, resourceId: "earlier" })
        expect(current).toMatchObject({ status: "running", resourceId: Option.some("container") })
        expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
        expect(yield* endRuntime(attempt.id, { ...killed, resourceId: "container" })).toMatchObject({
          status: "failed"
        })
        expect(yield* stateOf(sandbox.id)).toBe("failed succeeded succeeded failed")
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores every reason, and records status, reason, error code and resource in the journal", () =>
      Effect.gen(function* () {
        const { endRuntime } = yield* SandboxLifecycle
        for (const [status, reason] of ends) {
          const { attempt, sandbox } = yield* ready
          yield* endRuntime(attempt.id, { status, reason, errorCode: "e1" })
          const details = {
            runtimeStatus: status,
            stopReason: reason,
            errorCode: "e1",
            adapter: "docker",
            resourceId: "container",
            reference: "docker:container"
          }
          expect(yield* endsOf(attempt.id)).toEqual([details])
          expect(yield* endsOf(sandbox.id)).toEqual([{ attemptId: attempt.id, ...details }])
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "ends an attempt that has not succeeded: stopped cancels it, failed fails it, and its job is cancelled",
      () =>
        Effect.gen(function* () {
          const { endRuntime, recordRuntime } = yield* SandboxLifecycle
          const outcomes = { stopped: ["stopped cancelled", "cancelled"], failed: ["failed failed", "failed"] } as const
          for (const end of [exited, killed]) {
            const [rows, view] = outcomes[end.status]
            for (const [begun, job] of [
              [built("pending"), "succeeded"],
              [Effect.tap(building(), ({ lease }) => recordRuntime(lease, answer("running"))), "cancelled"],
              [claimed(), "cancelled"],
              [launch(), "cancelled"]
            ] as const) {
              const { attempt, sandbox } = yield* begun
              yield* endRuntime(attempt.id, end)
              expect(yield* stateOf(sandbox.id)).toBe(`${rows} ${job} ${end.status}`)
              expect(yield* viewOf(sandbox.id)).toBe(view)
              expect(yield* tagOf(recordRuntime(attempt.id, answer("running")))).toBe("InvalidTransition")
            }
          }
          expect(yield* contradictions()).toEqual([])
        }).pipe(Effect.provide(layer))
    )

    it.effect("of an image that was published keeps the image: the job has succeeded, and the launch has failed", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const launchFailed = { status: "failed", reason: "launch-failed", errorCode: "no-host" } as const
        for (const target of ["lease", "attempt"] as const) {
          const { attempt, lease, sandbox } = yield* building()
          const published = yield* lifecycle.publishBuild(lease, success)
          expect(published).toMatchObject({
            status: "running",
            publishedReference: Option.some(success.publishedReference)
          })
          // A repeat, after its answer was lost.
          expect((yield* lifecycle.publishBuild(lease, success)).status).toBe("running")
          const end = lifecycle.endRuntime(target === "lease" ? lease : attempt.id, launchFailed)
          const runtime = yield* end
          expect(runtime).toMatchObject({
            status: "failed",
            errorCode: Option.some("no-host"),
            resourceId: Option.none()
          })
          expect(yield* end).toEqual(runtime)
          expect(yield* stateOf(sandbox.id)).toBe("failed failed succeeded failed")
          expect(yield* viewOf(sandbox.id)).toBe("failed")
          expect(yield* tagOf(lifecycle.publishBuild(lease, success))).toBe("LeaseLost")
          expect((yield* lifecycle.retry(sandbox.id)).created).toBe(true)
        }
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a failed build whose image was published is retried with the image, and then a failed launch", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const first = yield* building()
        yield* lifecycle.publishBuild(first.lease, success)
        expect((yield* lifecycle.failBuild(first.lease, { errorMessage: "no" })).status).toBe("queued")
        yield* TestClock.adjust("5 minutes")
        const second = yield* claim(first, "next")
        const { job } = yield* lifecycle.beginBuild(second.lease)
        expect(job.publishedDigest).toEqual(Option.some(success.publishedDigest))
        const last = { errorMessage: "no host", errorCode: "no-host", retryable: false }
        for (const _ of ["first", "repeat"])
          expect((yield* lifecycle.failBuild(second.lease, last)).status).toBe("succeeded")
        expect(yield* stateOf(first.sandbox.id)).toBe("failed failed succeeded failed")
        const runtime = yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(first.attempt.id)
        expect(Option.getOrThrow(runtime)).toMatchObject({
          stopReason: Option.some("launch-failed"),
          errorMessage: Option.some("no host")
        })
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a build without an attempt that fails after its image was published has succeeded", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { registryId, repository, spec: requestPayload, tag } = request
        const { job } = yield* (yield* WorkspaceBuildJobRepo).enqueue({ registryId, repository, tag, requestPayload })
        const { lease } = yield* claim({ job })
        yield* lifecycle.publishBuild(lease, success)
        const failure = { errorMessage: "no", retryable: false }
        expect((yield* lifecycle.failBuild(lease, failure)).status).toBe("succeeded")
      }).pipe(Effect.provide(layer))
    )

    it.effect("a failed build that published its image leaves an attempt with a newer job unchanged", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { registryId, repository, spec: requestPayload, tag } = request
        const { attempt, job: older, lease, sandbox } = yield* building()
        yield* lifecycle.publishBuild(lease, success)
        yield* TestClock.adjust("1 second")
        const jobs = yield* WorkspaceBuildJobRepo
        yield* jobs.enqueue({ attemptId: attempt.id, registryId, repository, tag, requestPayload })
        const failed = yield* lifecycle.failBuild(lease, { errorMessage: "no", retryable: false })
        expect(failed).toMatchObject({ id: older.id, status: "succeeded" })
        expect(yield* stateOf(sandbox.id)).toBe("running running queued none")
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("fails for a lost lease, an unknown attempt and an invalid report", () =>
      Effect.gen(function* () {
        const { endRuntime } = yield* SandboxLifecycle
        const { attempt, job, lease } = yield* building()
        yield* TestClock.adjust("1 minute")
        yield* claim({ job }, "next")
        expect(yield* refusalOf(endRuntime(lease, killed))).toMatchObject({ _tag: "LeaseLost", reason: "superseded" })
        expect(yield* refusalOf(endRuntime("missing", killed))).toMatchObject({
          _tag: "NotFound",
          entity: "SandboxAttempt",
          id: "missing"
        })
        const invalid = { ...killed, errorCode: "" }
        expect(yield* refusalOf(endRuntime(attempt.id, invalid))).toMatchObject({
          _tag: "InvalidInput",
          operation: "SandboxLifecycle.endRuntime"
        })
        for (const status of ["stopped", "failed"] as const) {
          const allowed: ReadonlyArray<SandboxStopReason> = runtimeEndReasons[status]
          for (const reason of SandboxStopReason.literals.filter((literal) => !allowed.includes(literal))) {
            expect(yield* refusalOf(endRuntime(attempt.id, { status, reason }))).toMatchObject({
              _tag: "InvalidInput",
              issues: [`reason: must be one of ${allowed.join(", ")} for the status ${status}`]
            })
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("a stop of a ready sandbox is shown as stopped by its user, one before that as cancelled", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const runtimes = yield* SandboxRuntimeInstanceRepo
        const [was, early] = [yield* ready, yield* built("pending")]
        for (const { attempt, sandbox } of [was, early]) {
          yield* lifecycle.stop(sandbox.id)
          expect(yield* viewOf(sandbox.id)).toBe("stopping")
          yield* lifecycle.endRuntime(attempt.id, killed)
        }
        const views: ReadonlyArray<SandboxStatusView> = [yield* viewOf(was.sandbox.id), yield* viewOf(early.sandbox.id)]
        expect(views).toEqual(["stopped", "cancelled"])
        for (const { attempt } of [was, early]) {
          const runtime = Option.getOrThrow(yield* runtimes.findByAttemptId(attempt.id))
          expect(runtime.stopReason).toEqual(Option.some("user"))
          // The stop stands.
          expect(yield* lifecycle.endRuntime(attempt.id, killed)).toEqual(runtime)
        }
        expect(yield* disagreeing).toEqual([])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("the end of a runtime", () => {
  it.effect("ends the executions in its sandbox, with the reason", () =>
    Effect.gen(function* () {
      const { endRuntime } = yield* SandboxLifecycle
      const { supervise } = yield* IssueWorkflowLifecycle
      const executions = yield* IssueWorkflowExecutionRepo
      const runtimes = yield* SandboxRuntimeInstanceRepo
      const running = Effect.gen(function* () {
        const { id: attemptId } = yield* make.attempt({ ownerUserId: "ada", status: "succeeded" })
        const { id: sandboxId } = yield* make.sandbox({
          ownerUserId: "ada",
          status: "ready",
          latestAttemptId: attemptId
        })
        yield* runtimes.upsert({ attemptId, status: "running", resourceId: "container" })
        const issueWorkflowId = (yield* opened).id
        const { id } = yield* make.execution({ sandboxId, status: "running", issueWorkflowId })
        return { id, attemptId }
      })
      const [stopped, died, up] = [yield* running, yield* running, yield* running]
      yield* endRuntime(stopped.attemptId, exited)
      yield* endRuntime(died.attemptId, killed)
      expect(yield* supervise({ limit: 10 })).toEqual({ ended: 2, failed: 0 })
      expect(yield* executions.getById(stopped.id)).toMatchObject({
        status: "cancelled",
        cancelReason: Option.some("the sandbox was stopped (exited)")
      })
      expect((yield* executions.getById(died.id)).status).toBe("failed")
      expect((yield* executions.listEvents({ executionId: died.id })).items).toMatchObject([
        { level: "error", message: "the sandbox has failed (out-of-memory)" }
      ])
      expect((yield* executions.getById(up.id)).status).toBe("running")
    }).pipe(Effect.provide(workflowLayers.memory))
  )

  it.effect(
    "leaves a build that published its image and lost its last lease succeeded, and its launch to the deadline",
    () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const first = yield* claimed()
        yield* lifecycle.publishBuild(first.lease, success)
        for (const worker of ["second", "third"]) {
          yield* TestClock.adjust("1 minute")
          yield* claim(first, worker)
        }
        yield* TestClock.adjust("1 minute")
        yield* lifecycle.supervise({ limit: 10, runtimeDeadline: "15 minutes" })
        expect(yield* stateOf(first.sandbox.id)).toBe("running running succeeded none")
        expect(
          yield* shell(
            "SELECT to_state AS state FROM control_plane_events WHERE subject_id = ? ORDER BY sequence",
            first.job.id
          )
        ).toEqual([{ state: "queued" }, { state: "succeeded" }])
        yield* TestClock.adjust("16 minutes")
        yield* lifecycle.supervise({ limit: 10, runtimeDeadline: "15 minutes" })
        expect(yield* stateOf(first.sandbox.id)).toBe("failed failed succeeded failed")
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layers.memory))
  )

  it.effect("has a reason only while it stands: a reason of an active runtime is removed", () =>
    Effect.gen(function* () {
      const { attempt } = yield* building()
      yield* shell(
        "INSERT INTO sandbox_runtime_instances (run_id, status, stop_reason, created_at, updated_at) VALUES (?, 'running', 'idle', 0, 0)",
        attempt.id
      )
      const reasons = shell("SELECT stop_reason AS reason FROM sandbox_runtime_instances")
      expect(yield* reasons).toEqual([{ reason: null }])
      yield* shell("UPDATE sandbox_runtime_instances SET status = 'failed', stop_reason = 'idle'")
      expect(yield* reasons).toEqual([{ reason: "idle" }])
      // As a program of the previous release launches it again.
      yield* shell("UPDATE sandbox_runtime_instances SET status = 'running'")
      expect(yield* reasons).toEqual([{ reason: null }])
    }).pipe(Effect.provide(layers.memory))
  )
})
