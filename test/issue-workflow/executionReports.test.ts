import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, FastCheck, type Layer, Option, TestClock } from "effect"
import {
  IssueWorkflowExecutionChangeType,
  IssueWorkflowExecutionValidationStatus
} from "../../src/issue-workflow/ExecutionReport.js"
import {
  IssueWorkflowExecutionRepo,
  type IssueWorkflowExecutionService
} from "../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import { recordStatements } from "../support/plans.js"
import {
  badNames,
  gone,
  hardDocument,
  layers,
  line,
  refusalOf,
  running,
  type Services,
  shell,
  tagOf
} from "./executionSupport.js"
import { volume } from "../support/volume.js"

type Results = Parameters<IssueWorkflowExecutionService["replaceValidationResults"]>[0]["results"]
type Files = Parameters<IssueWorkflowExecutionService["replaceDiffFiles"]>[0]["files"]

/** The contract of `IssueWorkflowExecutionRepo` for reports. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`reports of executions (${name})`, () => {
    it.effect("replaces validation results as a set", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const { id: other } = yield* running
        const replace = (results: Results) => repo.replaceValidationResults({ executionId, results })
        const kept = yield* repo.replaceValidationResults({
          executionId: other,
          results: [{ checkKey: "lint", status: "fail" }]
        })
        yield* TestClock.setTime(1000)
        const first = yield* replace([
          { checkKey: "test", status: "fail", durationMs: 5, message: "é 👍", details: hardDocument },
          { checkKey: "lint", status: "pass" }
        ])
        expect(first).toMatchObject([
          {
            executionId,
            checkKey: "test",
            status: "fail",
            durationMs: Option.some(5),
            message: Option.some("é 👍"),
            details: Option.some(hardDocument)
          },
          {
            executionId,
            checkKey: "lint",
            status: "pass",
            durationMs: Option.none(),
            message: Option.none(),
            details: Option.none()
          }
        ])
        expect(first.map(({ id }) => id.slice(0, 4))).toEqual(["val_", "val_"])
        yield* TestClock.adjust("1 second")
        const statuses = IssueWorkflowExecutionValidationStatus.literals.map((status) => ({ checkKey: status, status }))
        const second = yield* replace([...statuses, { checkKey: "test", status: "pass" }])
        expect(second.map(({ checkKey, status }) => [checkKey, status])).toEqual([
          ...statuses.map(({ status }) => [status, status]),
          ["test", "pass"]
        ])
        expect(second.at(-1)).toMatchObject({
          id: first[0]?.id,
          createdAt: first[0]?.createdAt,
          details: Option.none(),
          message: Option.none()
        })
        expect((yield* repo.getDetail(executionId)).validationResults).toHaveLength(5)
        expect(yield* replace([])).toEqual([])
        expect((yield* repo.getDetail(executionId)).validationResults).toEqual([])
        expect((yield* repo.getDetail(other)).validationResults).toEqual(kept)

        yield* replace([{ checkKey: "lint", status: "warn" }])
        const ok = { checkKey: "lint", status: "pass" } as const
        const bad: ReadonlyArray<Results> = [
          [ok, { checkKey: "x", status: "pass" }, ok],
          ...Object.values(badNames).map((checkKey) => [{ ...ok, checkKey }]),
          ...[-1, 0.5, Number.NaN, Infinity].map((durationMs) => [{ ...ok, durationMs }]),
          [{ ...ok, status: "dead" as "pass" }],
          [{ ...ok, message: badNames.huge }],
          [{ ...ok, details: { a: undefined } }]
        ]
        for (const results of bad) expect(yield* tagOf(replace(results))).toBe("InvalidInput")
        expect(yield* refusalOf(replace([ok, ok]))).toMatchObject({ issues: ["results.1.checkKey: is given twice"] })
        expect((yield* repo.getDetail(executionId)).validationResults).toMatchObject([
          { checkKey: "lint", status: "warn" }
        ])
        for (const results of [[], [ok]]) {
          expect(yield* refusalOf(repo.replaceValidationResults({ executionId: gone, results }))).toMatchObject({
            _tag: "NotFound",
            id: "gone"
          })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("replaces changed files as a set", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const { id: other } = yield* running
        const replace = (files: Files) => repo.replaceDiffFiles({ executionId, files })
        yield* repo.insertArtifacts({ executionId, artifacts: [{ id: "patch", kind: "diff" }] })
        yield* repo.insertArtifacts({ executionId: other, artifacts: [{ id: "others", kind: "diff" }] })
        yield* TestClock.setTime(1000)
        const path = `a/${"é".repeat(4000)}.ts`
        const full = {
          changeType: "renamed",
          path,
          oldPath: "'old'",
          additions: 3,
          deletions: 2,
          isBinary: true,
          patchArtifactId: "patch"
        } as const
        const first = yield* replace([
          full,
          ...IssueWorkflowExecutionChangeType.literals.map((changeType) => ({ changeType, path: changeType }))
        ])
        expect(first[0]).toMatchObject({
          ...full,
          oldPath: Option.some("'old'"),
          patchArtifactId: Option.some("patch")
        })
        expect(first[1]).toMatchObject({
          changeType: "added",
          additions: 0,
          deletions: 0,
          isBinary: false,
          oldPath: Option.none(),
          patchArtifactId: Option.none()
        })
        expect(first.every(({ id }) => id.startsWith("dif_"))).toBe(true)
        yield* TestClock.adjust("1 second")
        const second = yield* replace([
          { changeType: "modified", path: "new" },
          { changeType: "modified", path }
        ])
        expect(second.map(({ path }) => path)).toEqual(["new", path])
        expect(second[1]).toMatchObject({
          id: first[0]?.id,
          createdAt: first[0]?.createdAt,
          changeType: "modified",
          isBinary: false,
          patchArtifactId: Option.none()
        })
        expect((yield* repo.getDetail(executionId)).diffFiles.map(({ path }) => path)).toEqual([path, "new"])

        const ok = { changeType: "added", path: "ok" } as const
        for (const patchArtifactId of ["nowhere", "others"]) {
          expect(
            yield* refusalOf(
              replace([
                { ...ok, path: "new" },
                { ...ok, patchArtifactId }
              ])
            )
          ).toMatchObject({
            _tag: "ReferenceNotFound",
            reference: "patchArtifactId"
          })
        }
        const bad: ReadonlyArray<Files> = [
          [ok, ok],
          ...Object.values(badNames).flatMap((text) => [
            [{ ...ok, path: text }],
            [{ ...ok, oldPath: text }],
            [{ ...ok, patchArtifactId: text }]
          ]),
          ...[-1, 0.5, Number.NaN].flatMap((count) => [[{ ...ok, additions: count }], [{ ...ok, deletions: count }]]),
          [{ ...ok, changeType: "copied" as "added" }]
        ]
        for (const files of bad) expect(yield* tagOf(replace(files))).toBe("InvalidInput")
        for (const files of [[], [ok]])
          expect(yield* tagOf(repo.replaceDiffFiles({ executionId: gone, files }))).toBe("NotFound")
        expect((yield* repo.getDetail(executionId)).diffFiles.map(({ path }) => path)).toEqual([path, "new"])
        // An artifact that goes leaves the file.
        yield* replace([{ ...ok, patchArtifactId: "patch" }])
        yield* shell("DELETE FROM issue_workflow_execution_artifacts WHERE id = 'patch'")
        expect((yield* repo.getDetail(executionId)).diffFiles).toMatchObject([{ patchArtifactId: Option.none() }])
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "replaces sets of any size in a constant number of statements, and one of several concurrent sets wins as a whole",
      () =>
        Effect.gen(function* () {
          const repo = yield* IssueWorkflowExecutionRepo
          const { id: executionId } = yield* running
          const files = (count: number, additions: number): Files =>
            Array.from({ length: count }, (_, index) => ({ changeType: "added", path: `${index}`, additions }))
          const few = yield* recordStatements(repo.replaceDiffFiles({ executionId, files: files(1, 0) }))
          const many = yield* recordStatements(repo.replaceDiffFiles({ executionId, files: files(20_000, 0) }))
          expect(many).toHaveLength(few.length)
          const results: Results = Array.from({ length: 1000 }, (_, index) => ({
            checkKey: `${index}`,
            status: "pass"
          }))
          expect(yield* recordStatements(repo.replaceValidationResults({ executionId, results }))).toHaveLength(
            few.length
          )
          yield* Effect.forEach(
            [1, 2, 3, 4, 5],
            (n) => repo.replaceDiffFiles({ executionId, files: files(n * 3, n) }),
            { concurrency: "unbounded" }
          )
          const { diffFiles } = yield* repo.getDetail(executionId)
          const [winner] = diffFiles
          expect(diffFiles).toHaveLength((winner?.additions ?? 0) * 3)
          expect(new Set(diffFiles.map(({ additions }) => additions)).size).toBe(1)
        }).pipe(Effect.provide(layer))
    )

    it.effect("upsertSummary updates present fields and keeps absent ones", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        yield* TestClock.setTime(1000)
        const empty = yield* repo.upsertSummary({ executionId })
        expect(empty).toMatchObject({
          executionId,
          objective: Option.none(),
          linkedIssueRef: Option.none(),
          filesChanged: 0,
          additions: 0,
          deletions: 0,
          assumptions: [],
          warnings: [],
          summaryMarkdown: Option.none()
        })
        expect([empty.generatedAt, empty.updatedAt].map(({ epochMillis }) => epochMillis)).toEqual([1000, 1000])
        const full = {
          objective: "fix",
          linkedIssueRef: "acme/app#7",
          filesChanged: 1,
          additions: 2,
          deletions: 3,
          assumptions: ["é", ""],
          warnings: ['"\\'],
          summaryMarkdown: "# done",
          generatedAt: DateTime.unsafeMake(5)
        }
        yield* TestClock.adjust("1 second")
        const said = yield* repo.upsertSummary({ executionId, ...full })
        expect(said).toMatchObject({
          ...full,
          objective: Option.some("fix"),
          linkedIssueRef: Option.some("acme/app#7"),
          summaryMarkdown: Option.some("# done")
        })
        expect(said.updatedAt.epochMillis).toBe(2000)
        yield* TestClock.adjust("1 second")
        for (const same of [{}, full, { objective: "fix" }, { warnings: full.warnings }]) {
          expect(yield* repo.upsertSummary({ executionId, ...same })).toEqual(said)
        }
        const cleared = yield* repo.upsertSummary({
          executionId,
          objective: null,
          summaryMarkdown: null,
          assumptions: []
        })
        expect({ ...cleared }).toEqual({
          ...said,
          objective: Option.none(),
          summaryMarkdown: Option.none(),
          assumptions: [],
          updatedAt: DateTime.unsafeMake(3000)
        })
        expect(Option.map((yield* repo.getDetail(executionId)).summary, (summary) => ({ ...summary }))).toEqual(
          Option.some({ ...cleared })
        )

        expect(yield* refusalOf(repo.upsertSummary({ executionId: gone, objective: "x" }))).toMatchObject({
          _tag: "NotFound",
          id: "gone"
        })
        expect(yield* tagOf(repo.upsertSummary({ executionId: gone }))).toBe("NotFound")
        const bad: ReadonlyArray<Omit<Parameters<typeof repo.upsertSummary>[0], "executionId">> = [
          ...[-1, 0.5, Number.NaN].flatMap((count) => [
            { filesChanged: count },
            { additions: count },
            { deletions: count }
          ]),
          ...[badNames.nul, badNames.huge, badNames.surrogate].map((text) => ({ linkedIssueRef: text })),
          { objective: badNames.huge },
          { summaryMarkdown: badNames.huge },
          { assumptions: [badNames.huge] },
          { warnings: [badNames.huge] },
          { linkedIssueRef: "" },
          { filesChanged: null as unknown as number },
          { assumptions: null as unknown as Array<string> },
          { generatedAt: DateTime.unsafeMake(-1) }
        ]
        for (const fields of bad)
          expect(
            yield* tagOf(repo.upsertSummary({ executionId, ...fields })),
            JSON.stringify(fields).slice(0, 60)
          ).toBe("InvalidInput")
        expect({ ...(yield* repo.upsertSummary({ executionId })) }).toEqual({ ...cleared })
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns all of an execution from a consistent snapshot", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const sql = yield* SqlClient.SqlClient
        const { id: executionId } = yield* running
        const nothing = yield* repo.getDetail(executionId)
        expect(nothing).toEqual({
          execution: yield* repo.getById(executionId),
          summary: Option.none(),
          events: { items: [], nextCursor: Option.none() },
          validationResults: [],
          diffFiles: [],
          artifacts: []
        })
        yield* repo.appendEvents({
          executionId,
          events: Array.from({ length: 120 }, (_, n) => ({
            ...line(`é\n"${n}`),
            payload: { n, details: hardDocument }
          }))
        })
        yield* TestClock.adjust("1 second")
        for (const id of ["first", "second"]) {
          yield* repo.insertArtifacts({ executionId, artifacts: [{ id, inlineJson: hardDocument }] })
          yield* TestClock.adjust("1 second")
        }
        const validationResults = yield* repo.replaceValidationResults({
          executionId,
          results: [
            { checkKey: "a", status: "pass", details: hardDocument },
            { checkKey: "b", status: "fail" }
          ]
        })
        const diffFiles = yield* repo.replaceDiffFiles({
          executionId,
          files: [
            { changeType: "added", path: "a", isBinary: true, patchArtifactId: "first" },
            { changeType: "deleted", path: "b" }
          ]
        })
        const summary = yield* repo.upsertSummary({ executionId, warnings: ["é"] })
        const detail = yield* repo.getDetail(executionId)
        expect(detail).toEqual({
          execution: yield* repo.getById(executionId),
          summary: Option.some(summary),
          events: yield* repo.listEvents({ executionId }),
          validationResults,
          diffFiles,
          artifacts: (yield* repo.listArtifacts({ executionId })).items
        })
        expect(detail.artifacts.map(({ id }) => id)).toEqual(["second", "first"])
        expect(detail.events.items).toHaveLength(50)
        const rest = yield* repo.listEvents({
          executionId,
          limit: 500,
          cursor: Option.getOrThrow(detail.events.nextCursor)
        })
        expect(rest.items.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 70 }, (_, index) => index + 51))
        expect(yield* recordStatements(repo.getDetail(executionId))).toHaveLength(1)
        expect(yield* refusalOf(repo.getDetail(gone))).toMatchObject({
          _tag: "NotFound",
          entity: "IssueWorkflowExecution",
          id: "gone"
        })

        // Each round is one commit; whoever reads sees a round whole.
        const round = (n: number) =>
          sql.withTransaction(
            Effect.gen(function* () {
              yield* repo.upsertSummary({ executionId, additions: n })
              yield* repo.replaceDiffFiles({ executionId, files: [{ changeType: "added", path: "a", additions: n }] })
              yield* repo.replaceValidationResults({
                executionId,
                results: [{ checkKey: "a", status: "pass", durationMs: n }]
              })
            })
          )
        yield* round(0)
        const reads = Effect.forEach(Array.from({ length: 60 }), () =>
          Effect.map(
            Effect.zipLeft(repo.getDetail(executionId), Effect.yieldNow()),
            ({ diffFiles, summary, validationResults }) => [
              Option.getOrThrow(summary).additions,
              diffFiles[0]?.additions,
              Option.getOrUndefined(validationResults[0]?.durationMs ?? Option.none())
            ]
          )
        )
        const [seen] = yield* Effect.all(
          [
            reads,
            Effect.forEach(
              Array.from({ length: 30 }, (_, n) => n + 1),
              round
            )
          ],
          { concurrency: "unbounded" }
        )
        for (const [additions, ofFile, ofResult] of seen) expect([ofFile, ofResult]).toEqual([additions, additions])
      }).pipe(Effect.provide(layer))
    )

    it.effect("deletes reports with their execution only", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const [first, second] = [yield* running, yield* running]
        for (const { id: executionId } of [first, second]) {
          yield* repo.appendEvents({ executionId, events: [line("x")] })
          yield* repo.insertArtifacts({ executionId, artifacts: [{ id: `patch of ${executionId}` }] })
          yield* repo.replaceValidationResults({ executionId, results: [{ checkKey: "a", status: "pass" }] })
          yield* repo.replaceDiffFiles({
            executionId,
            files: [{ changeType: "added", path: "a", patchArtifactId: `patch of ${executionId}` }]
          })
          yield* repo.upsertSummary({ executionId })
          yield* repo.linkPullRequest({ executionId, pullRequestId: "pr-1" })
        }
        yield* shell("DELETE FROM issue_workflow_executions WHERE id = ?", first.id)
        const tables = ["events", "artifacts", "validation_results", "diff_files", "summaries", "pull_request_links"]
        for (const table of tables) {
          expect(yield* shell(`SELECT count(*) AS count FROM issue_workflow_execution_${table}`), table).toEqual([
            { count: 1 }
          ])
        }
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("reports of executions", () => {
  it.effect("replace any set with the input, and keep the ids of rows that stay", () =>
    Effect.gen(function* () {
      const repo = yield* IssueWorkflowExecutionRepo
      const runtime = yield* Effect.runtime<Services>()
      const check = (sets: ReadonlyArray<ReadonlyArray<readonly [path: string, additions: number]>>) =>
        Effect.gen(function* () {
          const { id: executionId } = yield* running
          let ids: ReadonlyMap<string, string> = new Map()
          for (const set of sets) {
            const files = yield* repo.replaceDiffFiles({
              executionId,
              files: set.map(([path, additions]) => ({ changeType: "added", path, additions }))
            })
            expect(files.map(({ additions, path }) => [path, additions])).toEqual(set)
            for (const { id, path } of files) if (ids.has(path)) expect(id).toBe(ids.get(path))
            ids = new Map(files.map(({ id, path }) => [path, id]))
            expect((yield* repo.getDetail(executionId)).diffFiles).toEqual(
              files.toSorted((a, b) => (a.path < b.path ? -1 : 1))
            )
          }
        })
      const set = FastCheck.uniqueArray(
        FastCheck.tuple(FastCheck.constantFrom("a", "b", "c", "d", "e"), FastCheck.nat(2)),
        { selector: ([path]) => path }
      )
      yield* Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(FastCheck.array(set, { maxLength: 5 }), (sets) =>
            Effect.runPromise(Effect.provide(check(sets), runtime))
          ),
          {
            numRuns: volume(60, 20)
          }
        )
      )
    }).pipe(Effect.provide(layers.memory))
  )
})
