import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck, type Layer, Option, Runtime, TestClock } from "effect"
import { IssueWorkflowExecutionRepo } from "../../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import { IssueWorkflowLifecycle } from "../../../src/issue-workflow/IssueWorkflowLifecycle.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import {
  badNames,
  contradictions,
  everything,
  goneExecution,
  layers,
  make,
  opened,
  refusalOf,
  type Services,
  shell,
  started,
  tagOf,
  eventLines,
  toLaunch
} from "./support.js"
import { volume } from "../../support/volume.js"

const outcomes = ["succeeded", "failed", "cancelled"] as const

/** The contract of `finish` and `cancel`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`IssueWorkflowLifecycle endings (${name})`, () => {
    it.effect("ends an execution in any active state, once", () =>
      Effect.gen(function* () {
        const { beginExecution, finish } = yield* IssueWorkflowLifecycle
        for (const outcome of outcomes) {
          for (const begun of [false, true]) {
            const { id: executionId, issueWorkflowId } = yield* started()
            if (begun) yield* beginExecution(executionId)
            yield* TestClock.adjust("1 second")
            const ended = yield* finish({ executionId, outcome })
            expect(ended).toMatchObject({
              execution: { id: executionId, status: outcome },
              workflow: { id: issueWorkflowId, status: "active" }
            })
            const before = yield* everything
            yield* TestClock.adjust("1 second")
            expect(yield* finish({ executionId, outcome })).toEqual(ended)
            for (const other of outcomes.filter((other) => other !== outcome)) {
              expect(yield* refusalOf(finish({ executionId, outcome: other, workflow: "completed" }))).toMatchObject({
                _tag: "InvalidTransition",
                entity: "IssueWorkflowExecution",
                from: outcome,
                to: other
              })
            }
            expect(yield* everything).toEqual(before)
          }
        }
        const { id } = yield* started()
        yield* finish({ executionId: id, outcome: "failed" })
        expect(yield* eventLines("execution", id)).toEqual([
          "1 startExecution: - > queued by system",
          "2 finish: queued > running by system",
          "3 finish: running > failed by system"
        ])
        expect(yield* refusalOf(finish({ executionId: goneExecution, outcome: "failed" }))).toMatchObject({
          _tag: "NotFound",
          id: "gone"
        })
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores why it did not succeed", () =>
      Effect.gen(function* () {
        const { finish } = yield* IssueWorkflowLifecycle
        const executions = yield* IssueWorkflowExecutionRepo
        const cancelled = yield* finish({ executionId: (yield* started()).id, outcome: "cancelled", reason: "enough" })
        expect(cancelled.execution.cancelReason).toEqual(Option.some("enough"))
        const { id: executionId } = yield* started()
        for (const reason of ["it broke", "it broke", "said later"])
          yield* finish({ executionId, outcome: "failed", reason })
        expect((yield* executions.listEvents({ executionId })).items).toMatchObject([
          { sequence: 1, level: "error", eventType: "failed", message: "it broke" }
        ])
        expect(yield* refusalOf(finish({ executionId, outcome: "succeeded", reason: "x" }))).toMatchObject({
          _tag: "InvalidInput",
          issues: ["reason: must be omitted when the outcome is succeeded"]
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("links the pull requests, also when it is repeated", () =>
      Effect.gen(function* () {
        const { finish } = yield* IssueWorkflowLifecycle
        const executions = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* started()
        const [one, two] = [yield* make.pullRequest(), yield* make.pullRequest()]
        const request = { executionId, outcome: "succeeded" as const, pullRequests: [{ pullRequestId: one.id }] }
        yield* finish(request)
        const links = (yield* executions.listPullRequests({ executionId })).items
        expect(links).toMatchObject([{ pullRequestId: one.id, relation: "created" }])
        yield* TestClock.adjust("1 second")
        yield* finish({
          ...request,
          pullRequests: [
            { pullRequestId: one.id, relation: "updated" },
            { pullRequestId: two.id, relation: "updated" }
          ]
        })
        expect((yield* executions.listPullRequests({ executionId })).items).toMatchObject([
          { pullRequestId: two.id, relation: "updated" },
          ...links
        ])

        const { id } = yield* started()
        const before = yield* everything
        expect(
          yield* refusalOf(
            finish({
              executionId: id,
              outcome: "succeeded",
              pullRequests: [{ pullRequestId: one.id }, { pullRequestId: "gone" }],
              workflow: "completed"
            })
          )
        ).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "pullRequestId"
        })
        const many = Array.from({ length: 101 }, () => ({ pullRequestId: one.id }))
        expect(yield* tagOf(finish({ executionId: id, outcome: "succeeded", pullRequests: many }))).toBe("InvalidInput")
        expect(yield* everything).toEqual(before)
      }).pipe(Effect.provide(layer))
    )

    it.effect("ends the workflow on request, with its other active executions", () =>
      Effect.gen(function* () {
        const { beginExecution, finish } = yield* IssueWorkflowLifecycle
        const executions = yield* IssueWorkflowExecutionRepo
        for (const workflow of ["completed", "failed"] as const) {
          const { id: executionId, issueWorkflowId } = yield* started()
          const waiting = yield* started({ issueWorkflowId })
          const running = yield* started({ issueWorkflowId })
          yield* beginExecution(running.id)
          const done = yield* started({ issueWorkflowId })
          yield* finish({ executionId: done.id, outcome: "failed" })
          const ended = yield* finish({ executionId, outcome: "succeeded", workflow })
          expect(ended).toMatchObject({
            execution: { status: "succeeded" },
            workflow: { id: issueWorkflowId, status: workflow }
          })
          for (const { id } of [waiting, running]) {
            expect(yield* executions.getById(id)).toMatchObject({
              status: "cancelled",
              cancelReason: Option.some("the workflow has ended")
            })
          }
          expect((yield* executions.getById(done.id)).status).toBe("failed")
          const before = yield* everything
          expect(yield* finish({ executionId, outcome: "succeeded", workflow })).toEqual(ended)
          const other = workflow === "failed" ? "completed" : "failed"
          expect(yield* refusalOf(finish({ executionId, outcome: "succeeded", workflow: other }))).toMatchObject({
            _tag: "InvalidTransition",
            entity: "IssueWorkflow",
            from: workflow,
            to: other
          })
          expect(yield* everything).toEqual(before)
          expect(yield* eventLines("workflow", issueWorkflowId)).toEqual([
            "1 open: - > active by user ada",
            `2 finish: active > ${workflow} by system`
          ])
        }
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("cancels a workflow with any number of active executions", () =>
      Effect.gen(function* () {
        const { beginExecution, cancel, finish } = yield* IssueWorkflowLifecycle
        const executions = yield* IssueWorkflowExecutionRepo
        const { id } = yield* opened
        const done = yield* started({ issueWorkflowId: id })
        yield* finish({ executionId: done.id, outcome: "succeeded" })
        const running = yield* started({ issueWorkflowId: id })
        yield* beginExecution(running.id)
        for (let count = 0; count < 60; count++) yield* started({ issueWorkflowId: id })
        const cancelled = yield* cancel({ id, ownerUserId: "ada", reason: "enough" })
        expect(cancelled.status).toBe("cancelled")
        expect(yield* executions.getById(running.id)).toMatchObject({
          status: "cancelled",
          cancelReason: Option.some("enough")
        })
        expect((yield* executions.list({ issueWorkflowId: id, statuses: ["queued", "running"] })).items).toEqual([])
        expect(
          (yield* executions.list({ issueWorkflowId: id, statuses: ["succeeded"] })).items.map(
            (execution) => execution.id
          )
        ).toEqual([done.id])
        const before = yield* everything
        yield* TestClock.adjust("1 second")
        expect(yield* cancel({ id, reason: "again" })).toEqual(cancelled)
        expect(yield* everything).toEqual(before)
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects a cancel of ended workflows, and of those of another owner", () =>
      Effect.gen(function* () {
        const { cancel, finish } = yield* IssueWorkflowLifecycle
        const { id: executionId, issueWorkflowId: id } = yield* started()
        const live = yield* everything
        expect(yield* refusalOf(cancel({ id, ownerUserId: "eve", reason: "x" }))).toMatchObject({
          _tag: "NotFound",
          entity: "IssueWorkflow",
          id
        })
        const lost: { readonly ownerUserId: string } = { ownerUserId: undefined as unknown as string }
        expect(yield* tagOf(cancel({ id, reason: "x", ...lost }))).toBe("InvalidInput")
        for (const reason of [badNames.huge, badNames.nul, badNames.surrogate])
          expect(yield* tagOf(cancel({ id, reason }))).toBe("InvalidInput")
        expect(yield* tagOf(cancel({ id: "gone", reason: "x" }))).toBe("NotFound")
        expect(yield* everything).toEqual(live)
        yield* finish({ executionId, outcome: "succeeded", workflow: "completed" })
        const ended = yield* everything
        expect(yield* refusalOf(cancel({ id, reason: "x" }))).toMatchObject({
          _tag: "InvalidTransition",
          entity: "IssueWorkflow",
          from: "completed",
          to: "cancelled"
        })
        expect(yield* everything).toEqual(ended)
      }).pipe(Effect.provide(layer))
    )

    it.effect("writes nothing if any of its statements fails", () =>
      Effect.gen(function* () {
        const { cancel, finish } = yield* IssueWorkflowLifecycle
        const { id: executionId, issueWorkflowId } = yield* started()
        yield* started({ issueWorkflowId })
        const { id: pullRequestId } = yield* make.pullRequest()
        const before = yield* everything
        const request = {
          executionId,
          outcome: "failed",
          reason: "x",
          pullRequests: [{ pullRequestId }],
          workflow: "failed"
        } as const
        const writes = [
          "UPDATE ON issue_workflows",
          "UPDATE ON issue_workflow_executions WHEN NEW.status = 'cancelled'",
          "INSERT ON issue_workflow_execution_events",
          "INSERT ON issue_workflow_execution_pull_request_links",
          "INSERT ON control_plane_events"
        ]
        for (const broken of writes) {
          yield* shell(`CREATE TRIGGER broken BEFORE ${broken} BEGIN SELECT RAISE(ABORT, 'broken'); END`)
          expect(yield* Effect.exit(finish(request)), broken).toMatchObject({ _tag: "Failure" })
          if (!broken.includes("execution_")) {
            expect(yield* Effect.exit(cancel({ id: issueWorkflowId, reason: "x" })), broken).toMatchObject({
              _tag: "Failure"
            })
          }
          yield* shell("DROP TRIGGER broken")
          expect(yield* everything, broken).toEqual(before)
        }
        expect((yield* finish(request)).workflow.status).toBe("failed")
      }).pipe(Effect.provide(layer))
    )

    it.effect("ends executions that lost their sandbox, and no others", () =>
      Effect.gen(function* () {
        const { beginExecution, startExecution, supervise } = yield* IssueWorkflowLifecycle
        const executions = yield* IssueWorkflowExecutionRepo
        const sandboxes = yield* SandboxLifecycle
        const { id: issueWorkflowId } = yield* opened
        const launched = Effect.gen(function* () {
          const { execution, sandbox } = yield* startExecution({ issueWorkflowId, launch: toLaunch })
          return {
            id: execution.id,
            sandboxId: Option.getOrThrow(sandbox).id,
            attemptId: Option.getOrThrow(execution.sandboxAttemptId)
          }
        })
        const [waits, stopped, retried, failed, bare] = [
          yield* launched,
          yield* launched,
          yield* launched,
          yield* launched,
          yield* started({ issueWorkflowId })
        ]
        yield* beginExecution(stopped.id)
        yield* sandboxes.stop(stopped.sandboxId)
        // Another attempt brings the sandbox up again: the execution belonged to the previous one, and the retry ends it.
        yield* sandboxes.stop(retried.sandboxId)
        yield* sandboxes.retry(retried.sandboxId)
        yield* shell("UPDATE sandboxes SET status = 'failed' WHERE id = ?", failed.sandboxId)
        yield* shell("UPDATE sandbox_attempts SET status = 'running', started_at = 0 WHERE id = ?", failed.attemptId)
        yield* shell("UPDATE sandbox_attempts SET status = 'failed', finished_at = 0 WHERE id = ?", failed.attemptId)
        expect(yield* supervise({ limit: 1 })).toEqual({ ended: 1, failed: 0 })
        expect(yield* supervise({ limit: 2 })).toEqual({ ended: 1, failed: 0 })
        const before = yield* everything
        expect(yield* supervise({ limit: 2 })).toEqual({ ended: 0, failed: 0 })
        expect(yield* everything).toEqual(before)
        const states = yield* Effect.forEach([waits, stopped, retried, failed, bare], ({ id }) =>
          executions.getById(id)
        )
        expect(states.map(({ status }) => status)).toEqual(["queued", "cancelled", "cancelled", "failed", "queued"])
        expect(states[1]?.cancelReason).toEqual(Option.some("the sandbox was stopped"))
        expect((yield* executions.listEvents({ executionId: failed.id })).items).toMatchObject([
          { message: "the sandbox has failed" }
        ])
        expect(yield* eventLines("execution", stopped.id)).toContain("3 supervise: running > cancelled by system")
        for (const limit of [0, 1001, 1.5, Number.NaN]) expect(yield* tagOf(supervise({ limit }))).toBe("InvalidInput")
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("every method rejects a request that is not an object", () =>
      Effect.gen(function* () {
        const { cancel, finish, open, report, startExecution } = yield* IssueWorkflowLifecycle
        for (const junk of [undefined, null, 7, {}]) {
          const given = junk as never
          const calls: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
            cancel(given),
            finish(given),
            open(given),
            report(given),
            startExecution(given)
          ]
          for (const call of calls) expect(yield* tagOf(call), String(junk)).toBe("InvalidInput")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("ends once when many callers end it concurrently", () =>
      Effect.gen(function* () {
        const { cancel, finish, report } = yield* IssueWorkflowLifecycle
        const { id: executionId, issueWorkflowId: id } = yield* started()
        const others = yield* Effect.all(Array.from({ length: 3 }, () => started({ issueWorkflowId: id })))
        const calls = Array.from({ length: 5 }, () => [
          finish({ executionId, outcome: "succeeded", workflow: "completed" }),
          finish({ executionId, outcome: "failed", reason: "x", workflow: "failed" }),
          ...others.map((other) => finish({ executionId: other.id, outcome: "failed" })),
          report({ executionId, events: [{ phase: "a", eventType: "b", message: "c" }] }),
          cancel({ id, reason: "enough" })
        ]).flat()
        const tags = yield* Effect.forEach(
          calls,
          (call: Effect.Effect<unknown, { readonly _tag: string }>) => tagOf(call),
          { concurrency: "unbounded" }
        )
        expect(new Set(tags)).toEqual(new Set(["ok", "InvalidTransition"]))
        expect(
          yield* shell("SELECT count(*) AS live FROM issue_workflow_executions WHERE status IN ('queued', 'running')")
        ).toEqual([{ live: 0 }])
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

type State = "queued" | "running" | "succeeded" | "failed" | "cancelled"

/** What a model of few lines keeps of a workflow. */
interface Model {
  readonly workflow: "active" | "completed" | "failed" | "cancelled"
  readonly executions: ReadonlyArray<State>
}

type Command =
  | { readonly op: "start" }
  | { readonly op: "begin"; readonly which: number }
  | { readonly op: "report"; readonly which: number }
  | {
      readonly op: "finish"
      readonly which: number
      readonly outcome: (typeof outcomes)[number]
      readonly workflow: "completed" | "failed" | undefined
    }
  | { readonly op: "cancel" }

const commands: FastCheck.Arbitrary<Command> = FastCheck.oneof(
  FastCheck.constant<Command>({ op: "start" }),
  FastCheck.record({ op: FastCheck.constant("begin" as const), which: FastCheck.nat(2) }),
  FastCheck.record({ op: FastCheck.constant("report" as const), which: FastCheck.nat(2) }),
  FastCheck.record({
    op: FastCheck.constant("finish" as const),
    which: FastCheck.nat(2),
    outcome: FastCheck.constantFrom(...outcomes),
    workflow: FastCheck.constantFrom(undefined, undefined, "completed" as const, "failed" as const)
  }),
  FastCheck.constant<Command>({ op: "cancel" })
)

const isLive = (state: State | undefined) => state === "queued" || state === "running"

const moved = (model: Model, which: number, to: State): Model => ({
  ...model,
  executions: model.executions.with(which, to)
})

const ended = (model: Model, workflow: Model["workflow"]): Model => ({
  workflow,
  executions: model.executions.map((state) => (isLive(state) ? "cancelled" : state))
})

/** What a command makes of the model; nothing when it is refused. */
const apply = (model: Model, command: Command): Model | undefined => {
  if (command.op === "start")
    return model.workflow === "active" ? { ...model, executions: [...model.executions, "queued"] } : undefined
  if (command.op === "cancel")
    return model.workflow === "active" || model.workflow === "cancelled" ? ended(model, "cancelled") : undefined
  const { which } = command
  const state = model.executions[which]
  if (state === undefined) return undefined
  if (command.op === "begin") return isLive(state) ? moved(model, which, "running") : undefined
  if (command.op === "report") return state === "queued" ? moved(model, which, "running") : model
  const { outcome, workflow } = command
  if (!isLive(state) && state !== outcome) return undefined
  const after = moved(model, which, outcome)
  if (workflow === undefined) return after
  return model.workflow === "active" || model.workflow === workflow ? ended(after, workflow) : undefined
}

describe("IssueWorkflowLifecycle states", () => {
  it.effect(
    "match the model for random commands, without contradictions",
    () =>
      Effect.gen(function* () {
        const lifecycle = yield* IssueWorkflowLifecycle
        const executions = yield* IssueWorkflowExecutionRepo
        const runtime = yield* Effect.runtime<Services>()
        const check = (way: ReadonlyArray<Command>) =>
          Effect.gen(function* () {
            yield* shell("DELETE FROM issues")
            yield* shell("DELETE FROM control_plane_events")
            const { id } = yield* opened
            const ids: Array<typeof goneExecution> = []
            let model: Model = { workflow: "active", executions: [] }
            for (const command of way) {
              const executionId = "which" in command ? (ids[command.which] ?? goneExecution) : goneExecution
              const call: Effect.Effect<unknown, { readonly _tag: string }> =
                command.op === "start"
                  ? Effect.tap(lifecycle.startExecution({ issueWorkflowId: id }), ({ execution }) =>
                      ids.push(execution.id)
                    )
                  : command.op === "cancel"
                    ? lifecycle.cancel({ id, reason: "enough" })
                    : command.op === "begin"
                      ? lifecycle.beginExecution(executionId)
                      : command.op === "report"
                        ? lifecycle.report({ executionId, summary: { additions: 1 } })
                        : lifecycle.finish({ executionId, outcome: command.outcome, workflow: command.workflow })
              const next = apply(model, command)
              expect((yield* tagOf(call)) === "ok", JSON.stringify(command)).toBe(next !== undefined)
              model = next ?? model
              const detail = yield* lifecycle.getDetail({ ownerUserId: "ada", id })
              const states = yield* Effect.forEach(ids, (id) =>
                Effect.map(executions.getById(id), ({ status }) => status)
              )
              expect({ workflow: detail.workflow.status, executions: states }, JSON.stringify(way)).toEqual(model)
            }
            expect(yield* contradictions, JSON.stringify(way)).toEqual([])
          })
        const ways = FastCheck.array(commands, { minLength: 3, maxLength: 20 })
        yield* Effect.promise(() =>
          FastCheck.assert(
            FastCheck.asyncProperty(ways, (way) => Runtime.runPromise(runtime)(check(way))),
            { numRuns: volume(60, 20) }
          )
        )
      }).pipe(Effect.provide(layers.memory)),
    60_000
  )

  it.effect("the consistency rules detect each kind of contradiction", () =>
    Effect.gen(function* () {
      const { issueWorkflowId } = yield* started()
      expect(yield* contradictions).toEqual([])
      yield* shell("UPDATE issue_workflows SET status = 'failed'")
      const untold = "a workflow of which the journal tells otherwise"
      expect(yield* contradictions).toEqual(["an ended workflow, and something of it that goes on", untold])
      yield* shell("UPDATE issue_workflow_executions SET status = 'cancelled', finished_at = queued_at")
      expect(yield* contradictions).toEqual([untold, "an execution of which the journal tells otherwise"])
      yield* shell("DELETE FROM control_plane_events WHERE subject_id = ?", issueWorkflowId)
      yield* shell(
        `INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, from_state, to_state, actor_type, occurred_at)
         VALUES ('workflow', ?, 1, 'x', 'active', 'failed', 'system', 0)`,
        issueWorkflowId
      )
      expect(yield* contradictions).toEqual([
        "an execution of which the journal tells otherwise",
        "an event of another owner",
        "events with a gap, or that do not follow from each other"
      ])
    }).pipe(Effect.provide(layers.memory))
  )
})
