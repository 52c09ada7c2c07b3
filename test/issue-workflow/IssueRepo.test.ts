import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option, TestClock } from "effect"
import { IssueId } from "../../src/issue-workflow/Issue.js"
import { IssueRepo } from "../../src/issue-workflow/IssueRepo.js"
import { PullRequestRepo } from "../../src/issue-workflow/PullRequestRepo.js"
import {
  badNames,
  layers,
  pages,
  refusalOf,
  type Services,
  shell,
  tagOf,
  minimalIssue,
  minimalPullRequest
} from "./issueSupport.js"

/** The contract of issues beyond that of all provider rows (`providerRows.test.ts`). */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`IssueRepo (${name})`, () => {
    it.effect("stores the assignees of an issue", () =>
      Effect.gen(function* () {
        const repo = yield* IssueRepo
        const created = yield* repo.upsert({ ...minimalIssue(1), assigneeUserId: "eve" })
        expect(created.id).toMatch(/^issue_/)
        expect(created).toMatchObject({
          state: "open",
          assigneeUserId: Option.some("eve"),
          authorUserId: Option.none()
        })
        expect(yield* repo.upsert(minimalIssue(1))).toEqual(created)
        expect((yield* repo.upsert({ ...minimalIssue(1), assigneeUserId: null })).assigneeUserId).toEqual(Option.none())
        expect(yield* refusalOf(repo.upsert({ ...minimalIssue(1), assigneeUserId: "nobody" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "assigneeUserId"
        })
        yield* repo.upsert({ ...minimalIssue(1), assigneeUserId: "eve", authorUserId: "eve" })
        yield* shell("DELETE FROM user WHERE id = 'eve'")
        expect(yield* repo.getById(created.id)).toMatchObject({
          assigneeUserId: Option.none(),
          authorUserId: Option.none()
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("links pull requests, also of other repositories, and keeps the first link of each", () =>
      Effect.gen(function* () {
        const repo = yield* IssueRepo
        const pullRequests = yield* PullRequestRepo
        const { id: issueId } = yield* repo.upsert(minimalIssue(1))
        const { id: near } = yield* pullRequests.upsert(minimalPullRequest(1))
        const { id: far } = yield* pullRequests.upsert({ ...minimalPullRequest(1), repositoryId: "rep2" })
        const first = yield* repo.linkPullRequest({ issueId, pullRequestId: near })
        expect(first).toMatchObject({
          issueId,
          pullRequestId: near,
          relation: "fixes",
          linkedAt: DateTime.unsafeMake(0)
        })
        yield* TestClock.adjust("1 second")
        const second = yield* repo.linkPullRequest({ issueId, pullRequestId: far, relation: "relates_to" })
        expect(second.relation).toBe("relates_to")
        expect(yield* repo.linkPullRequest({ issueId, pullRequestId: near, relation: "relates_to" })).toEqual(first)
        expect((yield* repo.listPullRequests({ issueId })).items).toEqual([second, first])
        expect(yield* pages((page) => repo.listPullRequests({ issueId, ...page }), 1)).toEqual([second, first])
        // It moves, and its links with it.
        yield* repo.upsert({ id: issueId, ...minimalIssue(8), repositoryId: "rep2" })
        expect((yield* repo.listPullRequests({ issueId })).items).toEqual([second, first])
        yield* shell("DELETE FROM pull_requests WHERE id = ?", near)
        expect((yield* repo.listPullRequests({ issueId })).items).toEqual([second])
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid links", () =>
      Effect.gen(function* () {
        const repo = yield* IssueRepo
        const { id: issueId } = yield* repo.upsert(minimalIssue(1))
        const { id: pullRequestId } = yield* (yield* PullRequestRepo).upsert(minimalPullRequest(1))
        expect(yield* refusalOf(repo.linkPullRequest({ issueId: "gone", pullRequestId }))).toMatchObject({
          _tag: "NotFound",
          entity: "Issue",
          id: "gone"
        })
        expect(yield* refusalOf(repo.linkPullRequest({ issueId, pullRequestId: "gone" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          entity: "IssuePullRequestLink",
          reference: "pullRequestId"
        })
        for (const bad of Object.values(badNames)) {
          expect(yield* tagOf(repo.linkPullRequest({ issueId: bad, pullRequestId }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.linkPullRequest({ issueId, pullRequestId: bad }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.listPullRequests({ issueId: bad }))).toBe("InvalidInput")
        }
        expect(yield* tagOf(repo.linkPullRequest({ issueId, pullRequestId, relation: "x" as "fixes" }))).toBe(
          "InvalidInput"
        )
        for (const page of [{ limit: 0 }, { cursor: "!" }])
          expect(yield* tagOf(repo.listPullRequests({ issueId, ...page }))).toBe("InvalidInput")
        expect((yield* repo.listPullRequests({ issueId })).items).toEqual([])
        expect((yield* repo.listPullRequests({ issueId: IssueId.make("gone") })).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores a pull request link once when many callers add it concurrently", () =>
      Effect.gen(function* () {
        const repo = yield* IssueRepo
        const { id: issueId } = yield* repo.upsert(minimalIssue(1))
        const { id: pullRequestId } = yield* (yield* PullRequestRepo).upsert(minimalPullRequest(1))
        const links = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? ("fixes" as const) : ("relates_to" as const))),
          (relation) => repo.linkPullRequest({ issueId, pullRequestId, relation }),
          { concurrency: "unbounded" }
        )
        const { items } = yield* repo.listPullRequests({ issueId })
        expect(items).toHaveLength(1)
        for (const link of links) expect([link]).toEqual(items)
      }).pipe(Effect.provide(layer))
    )

    it.effect("reads every row once in pages while ten thousand rows are inserted and deleted", () =>
      Effect.gen(function* () {
        const repo = yield* IssueRepo
        // A hundred share each instant.
        yield* shell(`
          WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
          INSERT INTO issues (id, repository_id, number, title, state, created_at, updated_at)
          SELECT printf('i%05d', i), 'rep', i, 'x', iif(i % 10 = 0, 'closed', 'open'), i / 100, i / 100 FROM n`)
        yield* TestClock.setTime(1_000_000)
        let round = 0
        const meanwhile = Effect.suspend(() => {
          round++
          return Effect.all(
            [
              repo.upsert({ ...minimalIssue(20_000 + round), id: `new${round}` }),
              shell(
                "DELETE FROM issues WHERE id IN (printf('i%05d', ?), printf('i%05d', ?))",
                9999 - round * 400,
                round * 3
              )
            ],
            { concurrency: "unbounded" }
          )
        })
        const seen = (yield* pages((page) => repo.list({ repositoryId: "rep", ...page }), 500, meanwhile)).map(
          ({ id }) => id
        )
        expect(seen).toEqual(seen.toSorted().toReversed())
        expect(new Set(seen).size).toBe(seen.length)
        const left = (yield* shell("SELECT id FROM issues WHERE id GLOB 'i0*'")).map((row) =>
          String(Object.values(row)[0])
        )
        const ids = new Set<string>(seen)
        expect(left.filter((id) => !ids.has(id))).toEqual([])
        expect(round).toBeGreaterThan(15)
        expect(yield* pages((page) => repo.list({ repositoryId: "rep", state: "closed", ...page }), 500)).toHaveLength(
          left.filter((id) => id.endsWith("0")).length
        )
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
