/**
 * Transfers of issues: the row of an issue follows its new id.
 */
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option } from "effect"
import { IssueRepo } from "../../src/issue-workflow/IssueRepo.js"
import { layers, minimalIssue, refusalOf, type Services, shell } from "./issueSupport.js"

const at = (millis: number) => DateTime.unsafeMake(millis)

const from = { ...minimalIssue(1), externalId: "from", url: "u", syncedAt: at(10) }
const to = { externalId: "to", repositoryId: "rep2", number: 5, title: "moved", syncedAt: at(20) }

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`IssueRepo.markTransferred (${name})`, () => {
    it.effect("gives the row the new identity and fields, and keeps its id and other fields", () =>
      Effect.gen(function* () {
        const issues = yield* IssueRepo
        const { id } = yield* issues.upsert(from)
        const moved = yield* issues.markTransferred({ fromExternalId: "from", to })
        expect(moved).toMatchObject({
          id,
          externalId: Option.some("to"),
          repositoryId: "rep2",
          number: 5,
          title: "moved",
          url: Option.some("u")
        })
        expect(yield* issues.findByExternalId({ externalId: "from" })).toEqual(Option.none())
        expect(yield* issues.markTransferred({ fromExternalId: "from", to })).toEqual(moved)
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores the report of an issue that is not known", () =>
      Effect.gen(function* () {
        const issues = yield* IssueRepo
        const { id } = yield* issues.markTransferred({ fromExternalId: "from", to })
        expect(yield* issues.findByExternalId({ externalId: "to" })).toMatchObject(Option.some({ id }))
      }).pipe(Effect.provide(layer))
    )

    it.effect("merges a later report under the new identity, with its references", () =>
      Effect.gen(function* () {
        const issues = yield* IssueRepo
        const { id } = yield* issues.upsert(from)
        const later = yield* issues.upsert({ ...to, externalId: undefined, title: "later", syncedAt: at(30) })
        yield* shell(`INSERT INTO issue_workflows (id, issue_id, repository_id, created_at, updated_at)
          VALUES ('wf', '${later.id}', 'rep2', 0, 0)`)
        yield* shell(`INSERT INTO sandbox_attempts (id, owner_user_id, issue_id, queued_at, created_at, updated_at)
          VALUES ('run', 'ada', '${later.id}', 0, 0, 0)`)
        expect(yield* issues.markTransferred({ fromExternalId: "from", to })).toMatchObject({
          id,
          externalId: Option.some("to"),
          title: "later"
        })
        expect(yield* issues.findById(later.id)).toEqual(Option.none())
        expect(yield* shell("SELECT issue_id, status FROM issue_workflows")).toEqual([
          { issue_id: id, status: "active" }
        ])
        expect(yield* shell("SELECT issue_id FROM sandbox_attempts")).toEqual([{ issue_id: id }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("writes nothing if it fails", () =>
      Effect.gen(function* () {
        const issues = yield* IssueRepo
        const before = yield* issues.upsert(from)
        const refusals = [
          [
            { ...to, repositoryId: "gone" },
            { _tag: "ReferenceNotFound", reference: "repositoryId" }
          ],
          [
            { ...to, authorUserId: "gone" },
            { _tag: "ReferenceNotFound", reference: "authorUserId" }
          ],
          [{ ...to, number: -1 }, { _tag: "InvalidInput" }]
        ] as const
        for (const [target, refusal] of refusals) {
          expect(yield* refusalOf(issues.markTransferred({ fromExternalId: "from", to: target }))).toMatchObject(
            refusal
          )
          expect(yield* issues.getById(before.id)).toEqual(before)
        }
        yield* issues.upsert({ ...to, externalId: "to", number: 6 })
        const taken = yield* issues.upsert({ ...to, externalId: "other", number: 5 })
        expect(yield* refusalOf(issues.markTransferred({ fromExternalId: "from", to }))).toMatchObject({
          _tag: "AlreadyExists"
        })
        expect(yield* issues.getById(before.id)).toEqual(before)
        expect(yield* issues.getById(taken.id)).toEqual(taken)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
