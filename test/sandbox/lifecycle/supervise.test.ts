/**
 * Supervision: every abandoned state has a rule, an unreadable row does not block others, and neither the write lock nor the
 * event loop is held for long.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { IssueWorkflowExecutionRepo } from "../../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import { RuntimeTeardownRepo } from "../../../src/sandbox/RuntimeTeardownRepo.js"
import { SandboxAttemptRepo } from "../../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../../../src/sandbox/SandboxRepo.js"
import { SandboxRuntimeInstanceRepo } from "../../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { IssueWorkflowLifecycle } from "../../../src/issue-workflow/IssueWorkflowLifecycle.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { findStuck } from "../../../src/operations/stuck.js"
import { planIssues, recordStatements } from "../../support/plans.js"
import {
  ada,
  answer,
  building,
  built,
  failed,
  launch,
  layers,
  ready,
  type Services,
  shell,
  stateOf,
  tagOf
} from "./support.js"
import { contradictions, disagreeing } from "./invariants.js"
import { layers as workflowLayers, make, opened, started } from "../../issue-workflow/lifecycle/support.js"

const supervision = { limit: 100, runtimeDeadline: "15 minutes" } as const

/** Cancels the jobs of `count` launches outside the lifecycle, so that supervision has to end them. */
const cancelledAlone = (count: number) =>
  Effect.gen(function* () {
    const launches = yield* Effect.forEach(Array.from({ length: count }), () => launch())
    yield* shell(
      "UPDATE oci_image_build_jobs SET status = 'cancelled', cancel_reason = 'by hand', finished_at = 0 WHERE status = 'queued'"
    )
    return launches
  })

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxLifecycle.supervise (${name})`, () => {
    it.effect("skips any number of rows that it cannot handle, and counts them", () =>
      Effect.gen(function* () {
        const { supervise } = yield* SandboxLifecycle
        const bad = yield* cancelledAlone(5)
        // Writes of these attempts are refused. Their jobs end first, and so are first in line.
        const ids = bad.map(({ attempt }) => `'${attempt.id}'`).join(", ")
        yield* shell(`CREATE TRIGGER refused BEFORE UPDATE ON sandbox_attempts WHEN OLD.id IN (${ids})
          BEGIN SELECT RAISE(ABORT, 'refused'); END`)
        yield* TestClock.adjust("1 second")
        const good = yield* launch()
        yield* (yield* WorkspaceBuildJobRepo).cancel({ id: good.job.id, reason: "by hand" })
        expect(yield* supervise({ ...supervision, limit: 1 })).toEqual({ requeued: 0, ended: 1, failed: 5 })
        expect(yield* stateOf(good.sandbox.id)).toBe("stopped cancelled cancelled none")
        for (const { sandbox } of bad) expect(yield* stateOf(sandbox.id)).toBe("queued queued cancelled none")
      }).pipe(Effect.provide(layer))
    )

    it.effect("fails the queued attempt of a job that an operator failed", () =>
      Effect.gen(function* () {
        const { supervise } = yield* SandboxLifecycle
        const { attempt, job, sandbox } = yield* launch()
        yield* (yield* WorkspaceBuildJobRepo).failQueued({ id: job.id, errorMessage: "no worker" })
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 1, failed: 0 })
        expect(yield* stateOf(sandbox.id)).toBe("failed failed failed none")
        const failed = yield* (yield* SandboxAttemptRepo).getById(attempt.id)
        expect([failed.startedAt, failed.durationMs]).toEqual([Option.none(), Option.none()])
      }).pipe(Effect.provide(layer))
    )

    it.effect("ends an attempt with a stop request, with a queued job or without a job", () =>
      Effect.gen(function* () {
        const { supervise } = yield* SandboxLifecycle
        const attempts = yield* SandboxAttemptRepo
        const [waiting, working] = [yield* launch(), yield* building()]
        const bare = yield* attempts.createQueued({ ownerUserId: ada })
        for (const id of [waiting.attempt.id, working.attempt.id, bare.id]) yield* attempts.requestStop(id)
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 3, failed: 0 })
        for (const { sandbox } of [waiting, working])
          expect(yield* stateOf(sandbox.id)).toBe("stopped cancelled cancelled none stop")
        expect(yield* attempts.getById(bare.id)).toMatchObject({
          status: "cancelled",
          cancelReason: Option.some("a stop was asked for")
        })
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "fails an attempt without a job and without a runtime after the deadline, and succeeds a running one",
      () =>
        Effect.gen(function* () {
          const { getDetail, recordRuntime, supervise } = yield* SandboxLifecycle
          const sandboxes = yield* SandboxRepo
          const attempts = yield* SandboxAttemptRepo
          const linked = Effect.gen(function* () {
            const { id } = yield* sandboxes.create({ name: "bare", ownerUserId: ada })
            const attempt = yield* attempts.createQueued({ ownerUserId: ada })
            yield* sandboxes.linkAttempt({ sandboxId: id, attemptId: attempt.id, relation: "resume" })
            return { id, attemptId: attempt.id }
          })
          const [queued, pending, up] = [yield* linked, yield* linked, yield* linked]
          const { id: never } = yield* sandboxes.create({ name: "never", ownerUserId: ada })
          yield* recordRuntime(pending.attemptId, answer("pending"))
          yield* (yield* SandboxRuntimeInstanceRepo).upsert({ attemptId: up.attemptId, status: "running" })
          yield* TestClock.adjust("15 minutes")
          expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 0, failed: 0 })
          yield* TestClock.adjust("1 milli")
          expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 3, failed: 0 })
          for (const { attemptId, id } of [queued, pending]) {
            expect(yield* getDetail({ ownerUserId: ada, id })).toMatchObject({
              status: "failed",
              sandbox: { status: "failed" },
              attempt: { value: { status: "failed" } }
            })
            const runtime = yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(attemptId)
            expect(Option.getOrThrow(runtime).errorCode).toEqual(Option.some("runtime-missing"))
          }
          expect((yield* getDetail({ ownerUserId: ada, id: up.id })).status).toBe("ready")
          expect((yield* sandboxes.getById(never)).status).toBe("failed")
          expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 0, failed: 0 })
        }).pipe(Effect.provide(layer))
    )

    it.effect("fails a pending runtime of an ended attempt after the deadline, and the sandbox with it", () =>
      Effect.gen(function* () {
        const { getDetail, supervise } = yield* SandboxLifecycle
        const { attempt, sandbox } = yield* ready
        yield* shell("DELETE FROM sandbox_runtime_instances")
        yield* (yield* SandboxRuntimeInstanceRepo).upsert({ attemptId: attempt.id, status: "pending" })
        yield* TestClock.adjust("15 minutes")
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 0, failed: 0 })
        yield* TestClock.adjust("1 milli")
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 1, failed: 0 })
        expect(yield* stateOf(sandbox.id)).toBe("failed succeeded succeeded failed")
        expect((yield* getDetail({ ownerUserId: ada, id: sandbox.id })).status).toBe("failed")
        expect(yield* contradictions(sandbox.id)).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("ends sandboxes whose runtime was ended by the repository, with their attempt and job, once", () =>
      Effect.gen(function* () {
        const { getDetail, supervise } = yield* SandboxLifecycle
        const runtimes = yield* SandboxRuntimeInstanceRepo
        const [up, down, early] = [yield* ready, yield* ready, yield* building()]
        yield* runtimes.upsert({ attemptId: up.attempt.id, status: "stopped", stopReason: "exited" })
        yield* runtimes.upsert({ attemptId: down.attempt.id, status: "failed", errorCode: "oom" })
        yield* runtimes.upsert({ attemptId: early.attempt.id, status: "failed" })
        expect(yield* disagreeing).toHaveLength(3)
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 3, failed: 0 })
        expect(yield* disagreeing).toEqual([])
        expect(yield* stateOf(up.sandbox.id)).toBe("stopped succeeded succeeded stopped")
        expect(yield* stateOf(down.sandbox.id)).toBe("failed succeeded succeeded failed")
        expect(yield* stateOf(early.sandbox.id)).toBe("failed failed cancelled failed")
        expect((yield* getDetail({ ownerUserId: ada, id: up.sandbox.id })).status).toBe("stopped")
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 0, failed: 0 })
        expect(yield* contradictions()).toEqual([])
        // What has ended stays ended.
        for (const status of ["pending", "running"] as const)
          expect(yield* tagOf(runtimes.upsert({ attemptId: down.attempt.id, status }))).toBe("InvalidTransition")
      }).pipe(Effect.provide(layer))
    )

    it.effect("stops the rest of a sandbox that was set to stopped, or whose attempt was asked to stop", () =>
      Effect.gen(function* () {
        const { supervise } = yield* SandboxLifecycle
        const [set, asked] = [yield* ready, yield* ready]
        yield* (yield* SandboxRepo).setStatus({ id: set.sandbox.id, status: "stopped" })
        yield* (yield* SandboxAttemptRepo).requestStop(asked.attempt.id)
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 2, failed: 0 })
        for (const { sandbox } of [set, asked])
          expect(yield* stateOf(sandbox.id)).toBe("stopped succeeded succeeded running stop")
        expect(yield* disagreeing).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("ends the rest of a sandbox that was set to failed", () =>
      Effect.gen(function* () {
        const { finishTeardown, getDetail, retry, supervise } = yield* SandboxLifecycle
        const { setStatus } = yield* SandboxRepo
        const { claimNext } = yield* RuntimeTeardownRepo
        const [queued, early, up, done] = [yield* launch(), yield* building(), yield* ready, yield* failed]
        const statusOf = ({ sandbox }: Pick<typeof up, "sandbox">) =>
          Effect.map(getDetail({ ownerUserId: ada, id: sandbox.id }), ({ status }) => status)
        for (const { sandbox } of [queued, early, up]) yield* setStatus({ id: sandbox.id, status: "failed" })
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 3, failed: 0 })
        expect(yield* stateOf(queued.sandbox.id)).toBe("failed failed cancelled none")
        expect(yield* stateOf(early.sandbox.id)).toBe("failed failed cancelled none")
        expect([yield* statusOf(queued), yield* statusOf(early)]).toEqual(["failed", "failed"])
        expect(yield* stateOf(up.sandbox.id)).toBe("failed succeeded succeeded running stop")
        expect(yield* statusOf(up)).toBe("stopping")
        const { lease } = yield* Effect.flatten(claimNext({ workerId: "worker", leaseDuration: "1 minute" }))
        yield* finishTeardown(lease)
        expect(yield* statusOf(up)).toBe("stopped")
        expect(yield* statusOf(done)).toBe("failed")
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 0, failed: 0 })
        expect((yield* retry(up.sandbox.id)).created).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("ends a sandbox and the job whose attempt was ended outside the lifecycle before the build", () =>
      Effect.gen(function* () {
        const { supervise } = yield* SandboxLifecycle
        const attempts = yield* SandboxAttemptRepo
        const [waits, builds] = [yield* launch(), yield* building()]
        for (const { attempt } of [waits, builds]) yield* attempts.markCancelled({ id: attempt.id, reason: "by hand" })
        expect(yield* disagreeing).toHaveLength(2)
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 2, failed: 0 })
        for (const { sandbox } of [waits, builds])
          expect(yield* stateOf(sandbox.id)).toBe("stopped cancelled cancelled none")
        expect(yield* disagreeing).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("ends a sandbox whose attempt was ended outside the lifecycle", () =>
      Effect.gen(function* () {
        const { supervise } = yield* SandboxLifecycle
        const attempts = yield* SandboxAttemptRepo
        const { attempt, sandbox } = yield* built()
        yield* attempts.markCancelled({ id: attempt.id, reason: "by hand" })
        yield* shell("UPDATE oci_image_build_jobs SET run_settled_at = 1")
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 1, failed: 0 })
        expect((yield* (yield* SandboxRepo).getById(sandbox.id)).status).toBe("stopped")
      }).pipe(Effect.provide(layer))
    )
  })

for (const name of ["memory", "file"] as const) suite(name, layers[name])

describe("supervision", () => {
  it.effect("commits each attempt separately, with turns of the event loop between", () =>
    Effect.gen(function* () {
      const { supervise } = yield* SandboxLifecycle
      const sql = yield* SqlClient.SqlClient
      yield* cancelledAlone(20)
      // Another writer gets its turn while supervision works: it does not wait for the end.
      const seen = { between: 0, done: false }
      const other = Effect.gen(function* () {
        while (!seen.done) {
          yield* sql`UPDATE user SET updated_at = updated_at + 1 WHERE id = ${ada}`
          const [row] = yield* sql<{
            readonly count: number
          }>`SELECT count(*) AS count FROM sandboxes WHERE status = 'stopped'`
          if (row !== undefined && row.count > 0 && row.count < 20) seen.between += 1
          yield* Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))
        }
      })
      const whole = Effect.ensuring(
        supervise(supervision),
        Effect.sync(() => (seen.done = true))
      )
      const [result] = yield* Effect.all([whole, other], { concurrency: "unbounded" })
      expect(result).toEqual({ requeued: 0, ended: 20, failed: 0 })
      expect(seen.between).toBeGreaterThan(0)
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("reads rows in pages of bounded size", () =>
    Effect.gen(function* () {
      const { supervise } = yield* SandboxLifecycle
      yield* launch()
      const statements = yield* recordStatements(supervise(supervision))
      const unbounded = statements.filter(
        ({ text }) => text.trimStart().startsWith("SELECT") && !/LIMIT (\d+|\?\d)$/.test(text.trim())
      )
      expect(unbounded).toEqual([])
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("of workflows skips executions whose update the database rejects, and counts them", () =>
    Effect.gen(function* () {
      const { beginExecution, supervise } = yield* IssueWorkflowLifecycle
      const bad = yield* started()
      const good = yield* started()
      yield* beginExecution(bad.id)
      yield* beginExecution(good.id)
      yield* shell("UPDATE issue_workflows SET status = 'failed'")
      yield* shell(`CREATE TRIGGER refuse_bad BEFORE UPDATE ON issue_workflow_executions WHEN OLD.id = '${bad.id}'
        BEGIN SELECT RAISE(ABORT, 'refused'); END`)
      expect(yield* supervise({ limit: 1 })).toEqual({ ended: 1, failed: 1 })
      const [row] = yield* shell<{ readonly reason: string }>(
        "SELECT cancel_reason AS reason FROM issue_workflow_executions WHERE id = ?",
        good.id
      )
      expect(row?.reason).toBe("the workflow has ended")
    }).pipe(Effect.provide(workflowLayers.memory))
  )

  it.effect("ends executions whose runtime has failed or stopped after a day, if nobody ends the sandbox", () =>
    Effect.gen(function* () {
      const { supervise } = yield* IssueWorkflowLifecycle
      const runtimes = yield* SandboxRuntimeInstanceRepo
      /** An execution in a ready sandbox, which has linked its attempt or has not. */
      const inSandbox = (isLinked: boolean) =>
        Effect.gen(function* () {
          const { id: attemptId } = yield* make.attempt({ ownerUserId: "ada", status: "succeeded" })
          const { id: sandboxId } = yield* make.sandbox({
            ownerUserId: "ada",
            status: "ready",
            latestAttemptId: attemptId
          })
          yield* runtimes.upsert({ attemptId, status: "running" })
          const execution = { sandboxId, status: "running", issueWorkflowId: (yield* opened).id } as const
          const { id } = yield* make.execution(isLinked ? { ...execution, sandboxAttemptId: attemptId } : execution)
          return { id, attemptId }
        })
      const failed = yield* inSandbox(true)
      // With statistics of tables with one row, the planner must not scan them later.
      yield* shell("ANALYZE")
      expect(yield* planIssues(supervise({ limit: 10 }))).toEqual([])
      const [stopped, up] = [yield* inSandbox(false), yield* inSandbox(false)]
      yield* runtimes.upsert({ attemptId: failed.attemptId, status: "failed" })
      yield* runtimes.upsert({ attemptId: stopped.attemptId, status: "stopped" })
      yield* TestClock.adjust("1 day")
      expect(yield* supervise({ limit: 10 })).toEqual({ ended: 0, failed: 0 })
      yield* TestClock.adjust("1 milli")
      expect(yield* supervise({ limit: 10 })).toEqual({ ended: 2, failed: 0 })
      const statusOf = (id: string) =>
        shell("SELECT status, cancel_reason AS reason FROM issue_workflow_executions WHERE id = ?", id)
      expect(yield* statusOf(failed.id)).toEqual([{ status: "failed", reason: null }])
      expect(yield* statusOf(stopped.id)).toEqual([{ status: "cancelled", reason: "the sandbox was stopped" }])
      expect(yield* statusOf(up.id)).toEqual([{ status: "running", reason: null }])
    }).pipe(Effect.provide(workflowLayers.memory))
  )

  it.effect("fails running executions without a sandbox whose agent reports nothing for a day", () =>
    Effect.gen(function* () {
      const { beginExecution, report, supervise } = yield* IssueWorkflowLifecycle
      const executions = yield* IssueWorkflowExecutionRepo
      const [silent, reporting, orphan] = [yield* started(), yield* started(), yield* started()]
      for (const { id } of [silent, reporting, orphan]) yield* beginExecution(id)
      // As an earlier release left the executions of a deleted sandbox.
      const { id: sandboxId } = yield* make.sandbox({ ownerUserId: "ada", status: "ready" })
      yield* shell("DROP TRIGGER issue_workflow_executions_sandbox_lost")
      yield* shell("UPDATE issue_workflow_executions SET sandbox_id = ? WHERE id = ?", sandboxId, orphan.id)
      yield* shell("DELETE FROM sandboxes")
      yield* TestClock.adjust("23 hours")
      yield* report({ executionId: reporting.id, events: [{ phase: "build", eventType: "log", message: "alive" }] })
      yield* TestClock.adjust("1 hour")
      expect(yield* supervise({ limit: 10 })).toEqual({ ended: 0, failed: 0 })
      yield* TestClock.adjust("1 milli")
      expect(yield* supervise({ limit: 10 })).toEqual({ ended: 2, failed: 0 })
      for (const { id } of [silent, orphan]) {
        expect((yield* executions.getById(id)).status).toBe("failed")
        expect((yield* executions.listEvents({ executionId: id })).items).toMatchObject([
          { level: "error", message: "its agent reported nothing for 1d" }
        ])
      }
      yield* TestClock.adjust("23 hours")
      expect(yield* supervise({ limit: 10 })).toEqual({ ended: 1, failed: 0 })
      expect((yield* executions.getById(reporting.id)).status).toBe("failed")
    }).pipe(Effect.provide(workflowLayers.memory))
  )

  it.effect("ends each row that the doctor reports", () =>
    Effect.gen(function* () {
      const left = Effect.map(findStuck, (stuck) =>
        [
          stuck.leftAttempts,
          stuck.leftExecutions,
          stuck.leftRuntimes,
          stuck.leftSandboxes,
          stuck.leftTeardowns,
          stuck.disagreeingSandboxes
        ].map(Option.match({ onNone: () => 0, onSome: ({ count }) => count }))
      )
      yield* started()
      yield* (yield* SandboxAttemptRepo).createQueued({ ownerUserId: "ada" })
      yield* (yield* SandboxRepo).create({ name: "bare", ownerUserId: "ada" })
      const done = yield* make.attempt({ ownerUserId: "ada", status: "succeeded" })
      yield* (yield* SandboxRuntimeInstanceRepo).upsert({ attemptId: done.id, status: "pending" })
      const ended = yield* make.attempt({ ownerUserId: "ada", status: "succeeded" })
      yield* make.sandbox({ ownerUserId: "ada", status: "ready", latestAttemptId: ended.id })
      yield* (yield* SandboxRuntimeInstanceRepo).upsert({ attemptId: ended.id, status: "failed" })
      const torn = yield* make.attempt({ ownerUserId: "ada", status: "succeeded" })
      yield* (yield* SandboxRuntimeInstanceRepo).upsert({ attemptId: torn.id, status: "running" })
      yield* (yield* SandboxAttemptRepo).requestStop(torn.id)
      expect(yield* left).toEqual([0, 0, 0, 0, 0, 0])
      yield* TestClock.adjust("26 hours")
      expect(yield* left).toEqual([1, 1, 1, 1, 1, 1])
      expect(yield* (yield* SandboxLifecycle).supervise(supervision)).toEqual({ requeued: 0, ended: 5, failed: 0 })
      expect(yield* (yield* IssueWorkflowLifecycle).supervise({ limit: 10 })).toEqual({ ended: 1, failed: 0 })
      expect(yield* left).toEqual([0, 0, 0, 0, 0, 0])
    }).pipe(Effect.provide(workflowLayers.memory))
  )
})
