import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { IssueRepo } from "../../../src/issue-workflow/IssueRepo.js"
import { IssueWorkflowExecutionRepo } from "../../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import { IssueWorkflowStatus } from "../../../src/issue-workflow/IssueWorkflow.js"
import { IssueWorkflowLifecycle } from "../../../src/issue-workflow/IssueWorkflowLifecycle.js"
import { planIssues } from "../../support/plans.js"
import {
  goneExecution,
  goneWorkflow,
  layers,
  make,
  opened,
  pages,
  refusalOf,
  type Services,
  shell,
  started,
  tagOf,
  toLaunch
} from "./support.js"
import { volume } from "../../support/volume.js"

/** The contract of `getDetail` and `list`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`IssueWorkflowLifecycle views (${name})`, () => {
    it.effect("returns a workflow with its issue and its newest executions", () =>
      Effect.gen(function* () {
        const { getDetail } = yield* IssueWorkflowLifecycle
        const executions = yield* IssueWorkflowExecutionRepo
        const workflow = yield* opened
        const issue = yield* (yield* IssueRepo).getById(workflow.issueId)
        expect(yield* getDetail({ ownerUserId: "ada", id: workflow.id })).toEqual({
          workflow,
          issue,
          executions: { items: [], nextCursor: Option.none() }
        })
        yield* started()
        for (let count = 0; count < 53; count++) {
          if (count % 5 === 0) yield* TestClock.adjust("1 second")
          yield* started({ issueWorkflowId: workflow.id })
        }
        const all = (yield* executions.list({ issueWorkflowId: workflow.id, limit: 500 })).items
        const detail = yield* getDetail({ ownerUserId: "ada", id: workflow.id })
        expect(detail).toMatchObject({ workflow, issue })
        expect(detail.executions.items).toEqual(all.slice(0, 50))
        const cursor = Option.getOrThrow(detail.executions.nextCursor)
        expect((yield* executions.list({ issueWorkflowId: workflow.id, cursor })).items).toEqual(all.slice(50))
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists an owner's workflows, newest first, with their newest execution", () =>
      Effect.gen(function* () {
        const { list } = yield* IssueWorkflowLifecycle
        const issues = yield* IssueRepo
        const executions = yield* IssueWorkflowExecutionRepo
        const count = name === "file" ? 40 : volume(40, 14)
        for (let index = 0; index < count; index++) {
          if (index % 3 === 0) yield* TestClock.adjust("1 second")
          const status = IssueWorkflowStatus.literals[index % 4] ?? "active"
          const ownerUserId = index % 5 === 0 ? "eve" : "ada"
          const archived = index % 7 === 0 ? { archivedAt: (yield* make.issue()).createdAt } : {}
          const { id } = yield* make.workflow({
            id: `w${String(index).padStart(2, "0")}`,
            ownerUserId,
            status,
            ...archived
          })
          for (let number = 0; number < index % 3; number++)
            yield* make.execution({ issueWorkflowId: id, status: number === 0 ? "succeeded" : "running" })
        }
        for (const ownerUserId of ["ada", "eve", "nobody"]) {
          const all = yield* pages((page) => list({ ownerUserId, includeArchived: true, ...page }), 7)
          const ids = Array.from({ length: count }, (_, index) => count - 1 - index)
            .filter((index) => ownerUserId !== "nobody" && (index % 5 === 0 ? "eve" : "ada") === ownerUserId)
            .map((index) => `w${String(index).padStart(2, "0")}`)
          expect(all.map(({ workflow }) => workflow.id)).toEqual(ids)
          for (const { issue, latestExecution, workflow } of all) {
            expect(issue).toEqual(yield* issues.getById(workflow.issueId))
            const [newest] = (yield* executions.list({ issueWorkflowId: workflow.id, limit: 1 })).items
            expect(latestExecution).toEqual(Option.fromNullable(newest))
          }
          for (const statuses of [undefined, [], ["active"], ["failed", "completed", "failed"]] as const) {
            for (const includeArchived of [undefined, true]) {
              const expected = all.filter(
                ({ workflow }) =>
                  (statuses === undefined || statuses.some((status) => status === workflow.status)) &&
                  (includeArchived === true || Option.isNone(workflow.archivedAt))
              )
              expect(yield* pages((page) => list({ ownerUserId, statuses, includeArchived, ...page }), 5)).toEqual(
                expected
              )
            }
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports rows of other owners as NotFound, and rejects invalid input", () =>
      Effect.gen(function* () {
        const { getDetail, list } = yield* IssueWorkflowLifecycle
        const { id } = yield* opened
        expect(yield* refusalOf(getDetail({ ownerUserId: "eve", id }))).toMatchObject({
          _tag: "NotFound",
          entity: "IssueWorkflow",
          id
        })
        expect(yield* tagOf(getDetail({ ownerUserId: "ada", id: "gone" }))).toBe("NotFound")
        expect((yield* list({ ownerUserId: "eve" })).items).toEqual([])
        const lost: { readonly ownerUserId: string } = { ownerUserId: undefined as unknown as string }
        expect(yield* tagOf(list(lost))).toBe("InvalidInput")
        const bad = [
          { limit: 0 },
          { limit: 501 },
          { limit: Number.NaN },
          { cursor: "!" },
          { statuses: ["dead" as "active"] },
          { includeArchived: 1 as unknown as boolean }
        ]
        for (const request of bad)
          expect(yield* tagOf(list({ ownerUserId: "ada", ...request })), JSON.stringify(request)).toBe("InvalidInput")
        const many = Array.from({ length: 100_000 }, () => "active" as const)
        expect((yield* list({ ownerUserId: "ada", statuses: many })).items).toHaveLength(1)
        yield* shell("DELETE FROM user WHERE id = 'ada'")
        expect(yield* tagOf(getDetail({ ownerUserId: "ada", id }))).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

const methods = Effect.gen(function* () {
  const lifecycle = yield* IssueWorkflowLifecycle
  const { id: issueId } = yield* make.issue()
  const { id } = yield* opened
  const execution = yield* started({ issueWorkflowId: id })
  const { id: sandboxId } = yield* make.sandbox({ ownerUserId: "ada", latestAttemptId: "run" })
  const { id: pullRequestId } = yield* make.pullRequest()
  const keyed = { issueWorkflowId: id, launch: toLaunch, idempotencyKey: "key" }
  const report = {
    executionId: execution.id,
    idempotencyKey: "r",
    events: [{ phase: "a", eventType: "b", message: "c" }],
    validationResults: [{ checkKey: "a", status: "pass" }],
    diffFiles: [{ changeType: "added", path: "a" }],
    artifacts: [{}],
    summary: { objective: "x" }
  } as const
  return {
    open: Effect.all([1, 2].map(() => lifecycle.open({ id: "own", issueId, ownerUserId: "ada" }))),
    startExecution: Effect.all([
      ...[1, 2].map(() => lifecycle.startExecution(keyed)),
      lifecycle.startExecution({ issueWorkflowId: id, sandboxId, ownerUserId: "ada" })
    ]),
    beginExecution: Effect.ignore(lifecycle.beginExecution(goneExecution)),
    report: Effect.all([1, 2].map(() => lifecycle.report(report))),
    getDetail: lifecycle.getDetail({ ownerUserId: "ada", id }),
    list: Effect.forEach([{}, { statuses: ["active"] }, { includeArchived: true }] as const, (filter) =>
      lifecycle.list({ ownerUserId: "ada", ...filter })
    ),
    supervise: lifecycle.supervise({ limit: 10 }),
    finish: lifecycle.finish({
      executionId: execution.id,
      outcome: "failed",
      reason: "x",
      pullRequests: [{ pullRequestId }],
      workflow: "failed"
    }),
    listAll: lifecycle.listAll({ limit: 10 }),
    cancel: Effect.all([
      lifecycle.cancel({ id: "own", ownerUserId: "ada", reason: "x" }),
      Effect.ignore(lifecycle.cancel({ id: goneWorkflow, reason: "x" }))
    ])
  }
})

describe("IssueWorkflowLifecycle", () => {
  it.effect("uses an index in every statement", () =>
    Effect.gen(function* () {
      const known: Readonly<Record<string, Effect.Effect<unknown, unknown>>> = yield* methods
      expect(Object.keys(known).toSorted()).toEqual(Object.keys(yield* IssueWorkflowLifecycle).toSorted())
      for (const [method, effect] of Object.entries(known)) expect(yield* planIssues(effect), method).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )
})
