import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, type Layer, Option, Stream, TestClock } from "effect"
import {
  IssueWorkflowExecutionArtifactId,
  IssueWorkflowExecutionArtifactKind,
  IssueWorkflowExecutionPullRequestRelation
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
  pages,
  refusalOf,
  running,
  type Services,
  shell,
  tagOf
} from "./executionSupport.js"

type Artifacts = Parameters<IssueWorkflowExecutionService["insertArtifacts"]>[0]["artifacts"]

/** The contract of `IssueWorkflowExecutionRepo` for what executions leave behind. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`artifacts and pull requests of executions (${name})`, () => {
    it.effect("stores artifacts", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const { id: other } = yield* running
        const insert = (...artifacts: Artifacts) => repo.insertArtifacts({ executionId, artifacts })
        yield* TestClock.setTime(1000)
        const full = {
          kind: "log",
          storageBackend: "s3",
          storageKey: "bucket/é",
          contentType: "text/plain",
          byteSize: 7,
          checksum: "sha256:1",
          inlineJson: hardDocument
        } as const
        const [own, small] = yield* insert({ id: "own", ...full }, {})
        expect(own).toMatchObject({
          id: "own",
          executionId,
          kind: "log",
          storageBackend: "s3",
          storageKey: Option.some("bucket/é"),
          contentType: Option.some("text/plain"),
          byteSize: Option.some(7),
          checksum: Option.some("sha256:1"),
          inlineJson: Option.some(hardDocument)
        })
        expect(small).toMatchObject({
          kind: "other",
          storageBackend: "inline",
          storageKey: Option.none(),
          inlineJson: Option.none()
        })
        expect(small?.id).toMatch(/^art_/)
        expect(yield* repo.getArtifact(IssueWorkflowExecutionArtifactId.make("own"))).toEqual(own)
        expect(yield* refusalOf(repo.getArtifact(IssueWorkflowExecutionArtifactId.make("gone")))).toMatchObject({
          _tag: "NotFound",
          entity: "IssueWorkflowExecutionArtifact"
        })
        expect(yield* insert()).toEqual([])
        yield* repo.succeed(executionId)
        expect(yield* recordStatements(insert(...Array.from({ length: 5000 }, () => ({}))))).toHaveLength(1)

        expect(yield* refusalOf(insert({}, { id: "own" }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "issue_workflow_execution_artifacts.id"
        })
        expect(yield* tagOf(insert({ id: "twice" }, { id: "twice" }))).toBe("AlreadyExists")
        const bad: ReadonlyArray<Artifacts[number]> = [
          { storageBackend: "s3" },
          { storageBackend: "ftp" as "s3", storageKey: "x" },
          { kind: "x" as "log" },
          { byteSize: -1 },
          { byteSize: Number.NaN },
          { inlineJson: { a: 1n } },
          ...Object.values(badNames).flatMap((text) => [
            { id: text },
            { storageKey: text },
            { contentType: text },
            { checksum: text }
          ])
        ]
        for (const artifact of bad)
          expect(yield* tagOf(insert({}, artifact)), JSON.stringify(Object.keys(artifact))).toBe("InvalidInput")
        for (const artifacts of [[], [{}]])
          expect(yield* tagOf(repo.insertArtifacts({ executionId: gone, artifacts }))).toBe("NotFound")
        expect(yield* shell("SELECT count(*) AS count FROM issue_workflow_execution_artifacts")).toEqual([
          { count: 5002 }
        ])
        expect((yield* repo.listArtifacts({ executionId: other })).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists artifacts newest first, optionally of one kind", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const kinds = IssueWorkflowExecutionArtifactKind.literals
        for (let index = 0; index < 30; index++) {
          if (index % 4 === 0) yield* TestClock.adjust("1 second")
          const kind = kinds[index % kinds.length]
          yield* repo.insertArtifacts({
            executionId,
            artifacts: [{ id: `a${10 + index}`, ...(kind === undefined ? {} : { kind }) }]
          })
        }
        const all = yield* pages((page) => repo.listArtifacts({ executionId, ...page }), 7)
        expect(all.map(({ id }) => id)).toEqual(Array.from({ length: 30 }, (_, index) => `a${39 - index}`))
        for (const kind of kinds) {
          const expected = all.filter((artifact) => artifact.kind === kind)
          expect(yield* pages((page) => repo.listArtifacts({ executionId, kind, ...page }), 2)).toEqual(expected)
          expect(Chunk.toReadonlyArray(yield* Stream.runCollect(repo.streamArtifacts({ executionId, kind })))).toEqual(
            expected
          )
        }
        const bad: ReadonlyArray<Parameters<typeof repo.listArtifacts>[0]> = [
          ...[0, 501, Number.NaN].map((limit) => ({ executionId, limit })),
          { executionId, cursor: "!" },
          { executionId, kind: "x" as "log" },
          { executionId: "" }
        ]
        for (const request of bad) expect(yield* tagOf(repo.listArtifacts(request))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("links pull requests, and keeps the first link of each", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const first = yield* repo.linkPullRequest({ executionId, pullRequestId: "pr-1" })
        expect(first).toMatchObject({ executionId, pullRequestId: "pr-1", relation: "created" })
        yield* TestClock.adjust("1 second")
        expect(yield* repo.linkPullRequest({ executionId, pullRequestId: "pr-1", relation: "updated" })).toEqual(first)
        for (const [index, relation] of IssueWorkflowExecutionPullRequestRelation.literals.entries()) {
          expect(
            (yield* repo.linkPullRequest({ executionId, pullRequestId: `pr-${index + 2}`, relation })).relation
          ).toBe(relation)
        }
        const linked = yield* pages((page) => repo.listPullRequests({ executionId, ...page }), 2)
        expect(linked.map(({ pullRequestId }) => pullRequestId)).toEqual(["pr-4", "pr-3", "pr-2", "pr-1"])
        expect((yield* repo.listPullRequests({ executionId: gone })).items).toEqual([])

        for (const pullRequestId of ["pr-1", "nowhere"]) {
          expect(yield* refusalOf(repo.linkPullRequest({ executionId: gone, pullRequestId }))).toMatchObject({
            _tag: "NotFound",
            id: "gone"
          })
        }
        expect(yield* refusalOf(repo.linkPullRequest({ executionId, pullRequestId: "nowhere" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "pullRequestId"
        })
        expect(
          yield* tagOf(repo.linkPullRequest({ executionId, pullRequestId: "pr-5", relation: "x" as "created" }))
        ).toBe("InvalidInput")
        for (const bad of Object.values(badNames))
          expect(yield* tagOf(repo.linkPullRequest({ executionId, pullRequestId: bad }))).toBe("InvalidInput")
        for (const request of [{ limit: 0 }, { cursor: "!" }])
          expect(yield* tagOf(repo.listPullRequests({ executionId, ...request }))).toBe("InvalidInput")
        const links = yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => repo.linkPullRequest({ executionId, pullRequestId: "pr-5" }),
          { concurrency: "unbounded" }
        )
        for (const link of links) expect(link).toEqual(links[0])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
