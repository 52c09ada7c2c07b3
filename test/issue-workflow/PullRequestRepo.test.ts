import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option, TestClock } from "effect"
import { PullRequestId, PullRequestState, pullRequestTransitions } from "../../src/issue-workflow/PullRequest.js"
import { PullRequestRepo } from "../../src/issue-workflow/PullRequestRepo.js"
import { badNames, layers, refusalOf, type Services, shell, tagOf, minimalPullRequest } from "./issueSupport.js"

const at = (millis: number) => DateTime.unsafeMake(millis)

/** The contract of pull requests beyond that of all provider rows (`providerRows.test.ts`). */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`PullRequestRepo (${name})`, () => {
    it.effect("stores branches, commit and merge", () =>
      Effect.gen(function* () {
        const repo = yield* PullRequestRepo
        const created = yield* repo.upsert(minimalPullRequest(1))
        expect(created.id).toMatch(/^pr_/)
        expect(created).toMatchObject({
          state: "draft",
          headBranch: "fix",
          baseBranch: "main",
          headSha: Option.none(),
          mergedAt: Option.none()
        })
        const merged = yield* repo.upsert({
          ...minimalPullRequest(1),
          state: "merged",
          headBranch: "fix/🐳",
          baseBranch: "next",
          headSha: "0a1b",
          mergedAt: at(5),
          closedAt: at(5)
        })
        expect(merged).toMatchObject({
          id: created.id,
          state: "merged",
          headBranch: "fix/🐳",
          baseBranch: "next",
          headSha: Option.some("0a1b"),
          mergedAt: Option.some(at(5)),
          closedAt: Option.some(at(5))
        })
        expect(yield* repo.upsert({ ...minimalPullRequest(1), headSha: null, mergedAt: null })).toMatchObject({
          headSha: Option.none(),
          mergedAt: Option.none(),
          state: "merged"
        })
        for (const bad of Object.values(badNames)) {
          for (const field of ["headBranch", "baseBranch", "headSha"]) {
            expect(yield* tagOf(repo.upsert({ ...minimalPullRequest(1), [field]: bad })), field).toBe("InvalidInput")
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("follows the declared transitions only, and keeps the rest of the row", () =>
      Effect.gen(function* () {
        const repo = yield* PullRequestRepo
        let number = 0
        for (const from of PullRequestState.literals) {
          for (const to of PullRequestState.literals) {
            number++
            const before = yield* repo.upsert({ ...minimalPullRequest(number), state: from })
            yield* TestClock.adjust("1 second")
            const outcome = yield* Effect.either(
              repo.upsert({ ...minimalPullRequest(number), state: to, title: "new" })
            )
            const after = yield* repo.getById(before.id)
            if (from === to || pullRequestTransitions.allows(from, to)) {
              expect(outcome, `${from} → ${to}`).toMatchObject({ _tag: "Right", right: after })
              expect(after).toMatchObject({ state: to, title: "new" })
            } else {
              expect(outcome, `${from} → ${to}`).toMatchObject({
                _tag: "Left",
                left: { _tag: "InvalidTransition", entity: "PullRequest", id: before.id, from, to }
              })
              expect(after).toEqual(before)
            }
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("the database rejects exactly the undeclared transitions", () =>
      Effect.gen(function* () {
        const repo = yield* PullRequestRepo
        let number = 0
        for (const from of PullRequestState.literals) {
          for (const to of PullRequestState.literals) {
            const { id } = yield* repo.upsert({ ...minimalPullRequest(number++), state: from })
            const taken = yield* Effect.isSuccess(shell("UPDATE pull_requests SET state = ? WHERE id = ?", to, id))
            expect(taken, `${from} → ${to}`).toBe(from === to || pullRequestTransitions.allows(from, to))
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("does not revert a merge, and fails unless the update is out of order", () =>
      Effect.gen(function* () {
        const repo = yield* PullRequestRepo
        const told = { ...minimalPullRequest(1), externalId: "x" }
        const merged = yield* repo.upsert({ ...told, state: "merged", mergedAt: at(10), syncedAt: at(10) })
        yield* TestClock.adjust("1 second")
        expect(yield* repo.upsert({ ...told, state: "open", syncedAt: at(9) })).toEqual(merged)
        for (const syncedAt of [undefined, null, at(10), at(11)]) {
          expect(yield* refusalOf(repo.upsert({ ...told, number: 4, state: "open", syncedAt }))).toMatchObject({
            _tag: "InvalidTransition",
            from: "merged",
            to: "open"
          })
        }
        expect(yield* repo.getById(merged.id)).toEqual(merged)
        expect(yield* repo.upsert({ ...told, title: "renamed", state: "merged" })).toMatchObject({
          id: merged.id,
          title: "renamed"
        })
        expect(yield* repo.findById(PullRequestId.make("gone"))).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("ends up merged when many callers report it concurrently", () =>
      Effect.gen(function* () {
        const repo = yield* PullRequestRepo
        const states = ["open", "merged", "closed", "draft"] as const
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, index) => states[index % 4] ?? "open"),
          (state) =>
            Effect.map(tagOf(repo.upsert({ ...minimalPullRequest(1), state })), (tag) => [state, tag] as const),
          { concurrency: "unbounded" }
        )
        expect(outcomes.filter(([state, tag]) => state === "merged" && tag !== "ok")).toEqual([])
        expect(new Set(outcomes.map(([, tag]) => tag))).toEqual(new Set(["ok", "InvalidTransition"]))
        expect((yield* repo.list({ repositoryId: "rep" })).items.map(({ state }) => state)).toEqual(["merged"])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
