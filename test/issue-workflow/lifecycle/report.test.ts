import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, Stream, TestClock } from "effect"
import { IssueWorkflowExecutionRepo } from "../../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import { IssueWorkflowLifecycle } from "../../../src/issue-workflow/IssueWorkflowLifecycle.js"
import {
  badNames,
  contradictions,
  everything,
  goneExecution,
  layers,
  refusalOf,
  type Services,
  shell,
  started,
  tagOf,
  eventLines
} from "./support.js"

const line = (message: string) => ({ phase: "build", eventType: "line", message })

/** A report of everything that there is to report. */
const whole = {
  events: [line("one"), line("two"), line("two")],
  validationResults: [
    { checkKey: "lint", status: "pass" },
    { checkKey: "test", status: "fail", details: { failed: 1 } }
  ],
  diffFiles: [
    { changeType: "modified", path: "a", additions: 3, patchArtifactId: "patch" },
    { changeType: "added", path: "b" }
  ],
  artifacts: [
    { id: "patch", kind: "diff", inlineJson: { z: 1, a: 2 } },
    { kind: "log", storageBackend: "s3", storageKey: "logs/1" }
  ],
  summary: { objective: "mend it", filesChanged: 2 }
} as const

/** The contract of `report`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`IssueWorkflowLifecycle reports (${name})`, () => {
    it.effect("stores all parts of a report, and the execution is running", () =>
      Effect.gen(function* () {
        const { report } = yield* IssueWorkflowLifecycle
        const executions = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* started()
        const reported = yield* report({ executionId, ...whole })
        expect(reported).toMatchObject({
          execution: { id: executionId, status: "running" },
          events: { appended: 3, range: Option.some({ first: 1, last: 3 }) }
        })
        const detail = yield* executions.getDetail(executionId)
        expect(detail).toMatchObject({
          execution: reported.execution,
          summary: Option.some({ objective: Option.some("mend it"), filesChanged: 2 }),
          events: { items: [{ sequence: 1, message: "one" }, { sequence: 2 }, { sequence: 3 }] },
          validationResults: [
            { checkKey: "lint", status: "pass" },
            { checkKey: "test", status: "fail" }
          ],
          diffFiles: [
            { path: "a", additions: 3, patchArtifactId: Option.some("patch") },
            { path: "b", additions: 0 }
          ]
        })
        expect(detail.artifacts.map(({ kind }) => kind).toSorted()).toEqual(["diff", "log"])
        expect(yield* eventLines("execution", executionId)).toEqual([
          "1 startExecution: - > queued by system",
          "2 report: queued > running by system"
        ])
        // What is left out is not touched.
        expect(yield* report({ executionId })).toMatchObject({ events: { appended: 0, range: Option.none() } })
        yield* report({ executionId, summary: { additions: 3 } })
        expect(yield* executions.getDetail(executionId)).toEqual({
          ...detail,
          summary: Option.map(detail.summary, (summary) => ({ ...summary, additions: 3 }))
        })
        yield* report({ executionId, validationResults: [], diffFiles: [] })
        expect(yield* executions.getDetail(executionId)).toMatchObject({ validationResults: [], diffFiles: [] })
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores a report once when it is repeated under its key, alone or concurrently", () =>
      Effect.gen(function* () {
        const { report } = yield* IssueWorkflowLifecycle
        const { id: executionId } = yield* started()
        const keyed = { executionId, ...whole, idempotencyKey: "r1" }
        const results = yield* Effect.all(
          Array.from({ length: 10 }, () => report(keyed)),
          { concurrency: "unbounded" }
        )
        expect(results.filter(({ events }) => events.appended === 3)).toHaveLength(1)
        const before = yield* everything
        yield* TestClock.adjust("1 minute")
        expect(yield* report(keyed)).toMatchObject({
          events: { appended: 0, range: Option.some({ first: 1, last: 3 }) }
        })
        expect(yield* everything).toEqual(before)
        expect(yield* tagOf(report({ ...keyed, events: [line("other")] }))).toBe("AlreadyExists")
        expect(yield* everything).toEqual(before)
        // Another key, and another execution, are another report.
        const { artifacts: _, diffFiles: __, ...others } = whole
        expect((yield* report({ executionId, ...others, idempotencyKey: "r2" })).events.appended).toBe(3)
        const { id } = yield* started()
        expect((yield* report({ executionId: id, ...others, idempotencyKey: "r1" })).events.appended).toBe(3)
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores entries with an id or a sequence once, also without a key", () =>
      Effect.gen(function* () {
        const { report } = yield* IssueWorkflowLifecycle
        const { id: executionId } = yield* started()
        const artifacts = [
          { id: "one", kind: "log" as const, inlineJson: { z: 1, a: [1] } },
          { id: "two", storageBackend: "s3" as const, storageKey: "k", byteSize: 5 }
        ]
        const given = { executionId, events: [{ sequence: 5, ...line("x") }], artifacts }
        yield* report(given)
        const before = yield* everything
        yield* report({ ...given, artifacts: [{ id: "one", kind: "log", inlineJson: { a: [1], z: 1 } }] })
        expect(yield* everything).toEqual(before)
        yield* report({ ...given, artifacts: [...artifacts, { id: "three" }] })
        expect(yield* shell("SELECT id FROM issue_workflow_execution_artifacts")).toHaveLength(3)
        for (const other of [
          { id: "one", kind: "trace" as const, inlineJson: { z: 1, a: [1] } },
          { id: "two", storageBackend: "s3" as const, storageKey: "k" }
        ]) {
          expect(yield* tagOf(report({ executionId, artifacts: [other] }))).toBe("AlreadyExists")
        }
        expect(yield* tagOf(report({ executionId, events: [{ sequence: 5, ...line("y") }] }))).toBe("SequenceConflict")
        const { id } = yield* started()
        expect(yield* tagOf(report({ executionId: id, artifacts: [{ id: "three" }] }))).toBe("AlreadyExists")
        expect(yield* tagOf(report({ executionId: id, artifacts: [{ id: "new" }, { id: "new" }] }))).toBe(
          "AlreadyExists"
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("accepts reports after the end, and the execution stays ended", () =>
      Effect.gen(function* () {
        const { finish, report } = yield* IssueWorkflowLifecycle
        for (const outcome of ["succeeded", "failed", "cancelled"] as const) {
          const { id: executionId } = yield* started()
          const { execution } = yield* finish({ executionId, outcome })
          expect(
            yield* report({ executionId, ...whole, artifacts: [{ id: `patch-${outcome}` }], diffFiles: [] })
          ).toMatchObject({ execution, events: { appended: 3 } })
        }
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores nothing if any part cannot be stored", () =>
      Effect.gen(function* () {
        const { report } = yield* IssueWorkflowLifecycle
        const { id: executionId } = yield* started()
        const before = yield* everything
        const tables = ["events", "validation_results", "diff_files", "artifacts", "summaries"].map(
          (part) => `issue_workflow_execution_${part}`
        )
        for (const broken of [...tables, "control_plane_events"]) {
          yield* shell(`CREATE TRIGGER broken BEFORE INSERT ON ${broken} BEGIN SELECT RAISE(ABORT, 'broken'); END`)
          expect(yield* Effect.exit(report({ executionId, ...whole })), broken).toMatchObject({ _tag: "Failure" })
          yield* shell("DROP TRIGGER broken")
          expect(yield* everything, broken).toEqual(before)
        }
        const bad = {
          ReferenceNotFound: { diffFiles: [{ changeType: "added", path: "a", patchArtifactId: "nowhere" }] },
          InvalidInput: { summary: { filesChanged: -1 } }
        } as const
        for (const [tag, part] of Object.entries(bad))
          expect(yield* tagOf(report({ executionId, ...whole, ...part })), tag).toBe(tag)
        expect(yield* everything).toEqual(before)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input before it writes anything", () =>
      Effect.gen(function* () {
        const { report } = yield* IssueWorkflowLifecycle
        const { id: executionId } = yield* started()
        const before = yield* everything
        expect(yield* refusalOf(report({ executionId: goneExecution, ...whole }))).toMatchObject({
          _tag: "NotFound",
          entity: "IssueWorkflowExecution",
          id: "gone"
        })
        for (const bad of Object.values(badNames)) {
          for (const part of [
            { executionId: bad },
            { idempotencyKey: bad },
            { events: [{ ...line("x"), phase: bad }] },
            { validationResults: [{ checkKey: bad, status: "pass" as const }] },
            { diffFiles: [{ changeType: "added" as const, path: bad }] },
            { artifacts: [{ id: bad }] },
            { summary: { linkedIssueRef: bad } }
          ]) {
            expect(yield* tagOf(report({ executionId, ...part })), Object.keys(part).join()).toBe("InvalidInput")
          }
        }
        expect(yield* tagOf(report({ executionId, events: [{ sequence: 1, ...line("x") }, line("y")] }))).toBe(
          "InvalidInput"
        )
        for (const junk of [{ events: 7 }, { diffFiles: [undefined] }, { summary: "x" }]) {
          expect(yield* tagOf(report({ executionId, ...junk } as unknown as { readonly executionId: string }))).toBe(
            "InvalidInput"
          )
        }
        expect(yield* everything).toEqual(before)
      }).pipe(Effect.provide(layer))
    )

    it.effect("is visible to a tail as a whole", () =>
      Effect.gen(function* () {
        const { finish, report } = yield* IssueWorkflowLifecycle
        const executions = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* started()
        yield* report({ executionId, events: [line("one")] })
        const tail = yield* Effect.fork(
          Stream.runCollect(Stream.map(executions.tailEvents({ executionId }), ({ message }) => message))
        )
        yield* Effect.yieldNow()
        yield* report({ executionId, events: [line("two"), line("three")] })
        yield* finish({ executionId, outcome: "failed", reason: "it broke" })
        expect([...(yield* tail)]).toEqual(["one", "two", "three", "it broke"])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
