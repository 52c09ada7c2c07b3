import { describe, expect, it } from "@effect/vitest"
import { Chunk, type DateTime, Effect, type Layer, Option, Stream, TestClock } from "effect"
import { IssueRepo } from "../../src/issue-workflow/IssueRepo.js"
import {
  IssueWorkflowId,
  IssueWorkflowStatus,
  issueWorkflowTransitions
} from "../../src/issue-workflow/IssueWorkflow.js"
import { IssueWorkflowRepo } from "../../src/issue-workflow/IssueWorkflowRepo.js"
import { followsTransitions } from "../support/transitions.js"
import {
  ada,
  badNames,
  eve,
  layers,
  pages,
  refusalOf,
  type Services,
  shell,
  tagOf,
  minimalIssue
} from "./issueSupport.js"

const gone = IssueWorkflowId.make("gone")

/** The id of the issue of this number, which is made when it is not there. */
const issue = (number: number, repositoryId = "rep") =>
  Effect.flatMap(IssueRepo, (repo) =>
    Effect.map(repo.upsert({ ...minimalIssue(number), repositoryId }), ({ id }) => id)
  )

const millis = (instant: Option.Option<DateTime.Utc>) => Option.map(instant, ({ epochMillis }) => epochMillis)

/** The ways to end a workflow, by the status that each leads to. */
const endings = Effect.map(IssueWorkflowRepo, (repo) => ({
  completed: repo.succeed,
  failed: repo.fail,
  cancelled: (id: string) => repo.cancel({ id, reason: "enough" })
}))

/** The contract of `IssueWorkflowRepo`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`IssueWorkflowRepo (${name})`, () => {
    it.effect("stores every field of the input, in the repository of the issue", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowRepo
        yield* TestClock.setTime(1000)
        const issueId = yield* issue(1)
        const small = yield* repo.create({ issueId })
        expect(small.id).toMatch(/^wf_/)
        expect(small).toMatchObject({
          issueId,
          repositoryId: "rep",
          status: "active",
          ownerUserId: Option.none(),
          requestedByUserId: Option.none(),
          archivedAt: Option.none()
        })
        expect([small.createdAt.epochMillis, small.updatedAt.epochMillis]).toEqual([1000, 1000])
        const full = yield* repo.create({
          id: "given",
          issueId: yield* issue(2),
          repositoryId: "rep",
          ownerUserId: ada,
          requestedByUserId: eve
        })
        expect(full).toMatchObject({
          id: "given",
          ownerUserId: Option.some("ada"),
          requestedByUserId: Option.some("eve")
        })
        for (const workflow of [small, full]) {
          expect(yield* repo.findById(workflow.id)).toEqual(Option.some(workflow))
          expect(yield* repo.getById(workflow.id)).toEqual(workflow)
        }
        expect(yield* repo.findById(gone)).toEqual(Option.none())
        expect(yield* refusalOf(repo.getById(gone))).toMatchObject({
          _tag: "NotFound",
          entity: "IssueWorkflow",
          id: "gone"
        })
        // The issue moves: the work on it was begun where it was.
        yield* (yield* IssueRepo).upsert({ ...minimalIssue(9), id: issueId, repositoryId: "rep2" })
        expect(yield* repo.getById(small.id)).toEqual(small)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input for a new workflow", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowRepo
        const issueId = yield* issue(1)
        for (const field of ["issueId", "ownerUserId", "requestedByUserId", "repositoryId"] as const) {
          expect(yield* refusalOf(repo.create({ issueId, [field]: "nobody" }))).toMatchObject({
            _tag: "ReferenceNotFound",
            entity: "IssueWorkflow",
            reference: field
          })
          for (const [rule, bad] of Object.entries({ ...badNames })) {
            const error = yield* refusalOf(repo.create({ issueId, [field]: bad }))
            expect(error, `${field} ${rule}`).toMatchObject({
              _tag: "InvalidInput",
              issues: [expect.stringMatching(new RegExp(`^${field}: `))]
            })
          }
        }
        expect(yield* refusalOf(repo.create({ issueId, repositoryId: "rep2" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "repositoryId"
        })
        expect((yield* repo.list({})).items).toEqual([])
        yield* repo.create({ id: "taken", issueId })
        expect(yield* refusalOf(repo.create({ issueId }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "issue_workflows.issue_id"
        })
        expect(yield* refusalOf(repo.create({ id: "taken", issueId: yield* issue(2) }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "issue_workflows.id"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("has one active workflow per issue when many callers start one concurrently", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowRepo
        const issueId = yield* issue(1)
        const outcomes = yield* Effect.forEach(Array.from({ length: 20 }), () => tagOf(repo.create({ issueId })), {
          concurrency: "unbounded"
        })
        expect(outcomes.toSorted()).toEqual([...Array.from({ length: 19 }, () => "AlreadyExists"), "ok"])
        const [active] = (yield* repo.list({ issueId })).items
        if (active === undefined) return expect.unreachable()
        yield* repo.succeed(active.id)
        yield* repo.create({ issueId })
        expect((yield* repo.list({ issueId, statuses: ["active"] })).items).toHaveLength(1)
        expect((yield* repo.list({ issueId })).items).toHaveLength(2)
      }).pipe(Effect.provide(layer))
    )

    it.effect("ends from each state along the declared transitions only", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowRepo
        const all = yield* endings
        let number = 0
        for (const [to, run] of Object.entries(all)) {
          yield* followsTransitions({
            entity: "IssueWorkflow",
            machine: issueWorkflowTransitions,
            to: to as keyof typeof all,
            run,
            rowIn: (status) =>
              Effect.gen(function* () {
                const { id } = yield* repo.create({ issueId: yield* issue(number++) })
                return status === "active" ? yield* repo.getById(id) : yield* all[status](id)
              }),
            getById: repo.getById
          })
          expect(yield* tagOf(run(gone))).toBe("NotFound")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("cancel stores the first reason, and rejects an invalid one", () =>
      Effect.gen(function* () {
        const { cancel, create, getById } = yield* IssueWorkflowRepo
        const { cancelReason, id } = yield* create({ issueId: yield* issue(1), ownerUserId: ada })
        expect(cancelReason).toEqual(Option.none())
        for (const reason of ["a\0", "x".repeat(100_001)])
          expect(yield* tagOf(cancel({ id, reason }))).toBe("InvalidInput")
        expect(yield* tagOf(cancel({ id, ownerUserId: eve, reason: "not mine" }))).toBe("NotFound")
        const cancelled = yield* cancel({ id, ownerUserId: ada, reason: "a duplicate" })
        expect(cancelled).toMatchObject({ status: "cancelled", cancelReason: Option.some("a duplicate") })
        expect(yield* cancel({ id, reason: "another" })).toEqual(cancelled)
        expect(yield* getById(id)).toEqual(cancelled)
      }).pipe(Effect.provide(layer))
    )

    it.effect("the database rejects exactly the undeclared transitions", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowRepo
        const all = yield* endings
        let number = 0
        for (const from of IssueWorkflowStatus.literals) {
          for (const to of IssueWorkflowStatus.literals) {
            const { id } = yield* repo.create({ issueId: yield* issue(number++), ownerUserId: ada })
            if (from !== "active") yield* all[from](id)
            const taken = yield* Effect.isSuccess(shell("UPDATE issue_workflows SET status = ? WHERE id = ?", to, id))
            expect(taken, `${from} → ${to}`).toBe(from === to || issueWorkflowTransitions.allows(from, to))
          }
        }
        expect(yield* Effect.isFailure(shell("UPDATE issue_workflows SET owner_user_id = 'eve'"))).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps the first end when many callers end it differently", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowRepo
        const { id } = yield* repo.create({ issueId: yield* issue(1) })
        const all = Object.values(yield* endings)
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 30 }, (_, index) => index % 3),
          (which) => Effect.map(tagOf(all[which]?.(id) ?? Effect.die(which)), (tag) => [which, tag] as const),
          { concurrency: "unbounded" }
        )
        const { status } = yield* repo.getById(id)
        const winner = ["completed", "failed", "cancelled"].indexOf(status)
        for (const [which, tag] of outcomes) expect(tag).toBe(which === winner ? "ok" : "InvalidTransition")
      }).pipe(Effect.provide(layer))
    )

    it.effect("archives and unarchives, unless another workflow is active", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowRepo
        const issueId = yield* issue(1)
        const { id } = yield* repo.create({ issueId, ownerUserId: ada })
        yield* TestClock.adjust("1 second")
        const archived = yield* repo.archive(id)
        expect([archived.status, millis(archived.archivedAt), archived.updatedAt.epochMillis]).toEqual([
          "active",
          Option.some(1000),
          1000
        ])
        yield* TestClock.adjust("1 second")
        expect(yield* repo.archive(id)).toEqual(archived)
        expect((yield* repo.list({ ownerUserId: ada })).items).toEqual([])
        expect((yield* repo.list({ ownerUserId: ada, includeArchived: true })).items).toEqual([archived])

        const other = yield* repo.create({ issueId })
        expect(yield* refusalOf(repo.unarchive(id))).toMatchObject({
          _tag: "AlreadyExists",
          entity: "IssueWorkflow",
          constraint: "issue_workflows.issue_id"
        })
        expect(yield* repo.getById(id)).toEqual(archived)
        yield* repo.fail(other.id)
        const restored = yield* repo.unarchive(id)
        expect([restored.status, restored.archivedAt, restored.updatedAt.epochMillis]).toEqual([
          "active",
          Option.none(),
          2000
        ])
        yield* TestClock.adjust("1 second")
        expect(yield* repo.unarchive(id)).toEqual(restored)
        // An ended workflow does not block a new one.
        yield* repo.archive(other.id)
        expect((yield* repo.unarchive(other.id)).status).toBe("failed")
        for (const method of [repo.archive, repo.unarchive])
          expect(yield* tagOf<unknown, { readonly _tag: string }, never>(method(gone))).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports rows of other owners as NotFound", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowRepo
        const { id } = yield* repo.create({ issueId: yield* issue(1), ownerUserId: ada })
        const nobodys = yield* repo.create({ issueId: yield* issue(2) })
        expect((yield* repo.getById({ ownerUserId: ada, id })).id).toBe(id)
        expect(yield* refusalOf(repo.getById({ ownerUserId: eve, id }))).toMatchObject({ _tag: "NotFound", id })
        for (const other of [gone, nobodys.id])
          expect(yield* tagOf(repo.getById({ ownerUserId: ada, id: other }))).toBe("NotFound")
        for (const filter of [
          {},
          { repositoryId: "rep" },
          { statuses: ["active"] as const },
          { issueId: yield* issue(1) }
        ]) {
          expect((yield* repo.list({ ownerUserId: eve, ...filter })).items).toEqual([])
          expect((yield* repo.list({ ownerUserId: ada, ...filter })).items).toHaveLength(1)
        }
        const lost: { readonly ownerUserId: string } = { ownerUserId: undefined as unknown as string }
        expect(yield* tagOf(repo.list(lost))).toBe("InvalidInput")
        // Its owner is deleted: the workflow remains without an owner.
        yield* shell("DELETE FROM user WHERE id = 'ada'")
        expect((yield* repo.getById(id)).ownerUserId).toEqual(Option.none())
        expect(yield* tagOf(repo.getById({ ownerUserId: ada, id }))).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists newest first by all filters", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowRepo
        const all = yield* endings
        for (let index = 0; index < 48; index++) {
          if (index % 4 === 0) yield* TestClock.adjust("1 second")
          const { id } = yield* repo.create({
            id: `w${String(index).padStart(2, "0")}`,
            issueId: yield* issue(index % 24, index % 2 === 0 ? "rep" : "rep2"),
            ...(index % 3 === 0 ? {} : { ownerUserId: index % 3 === 1 ? ada : eve })
          })
          const status = IssueWorkflowStatus.literals[Math.floor(index / 2) % 4]
          if (status !== undefined && status !== "active") yield* all[status](id)
          if (index < 24 || index % 7 === 0) yield* repo.archive(id)
        }
        const everything = (yield* repo.list({ includeArchived: true, limit: 500 })).items
        expect(everything.map(({ id }) => id)).toEqual(
          Array.from({ length: 48 }, (_, index) => `w${String(47 - index).padStart(2, "0")}`)
        )
        const issueId = yield* issue(3, "rep2")
        for (const ownerUserId of [undefined, ada, eve]) {
          for (const repositoryId of [undefined, "rep", "gone"]) {
            for (const ofIssue of [undefined, issueId]) {
              for (const statuses of [
                undefined,
                [],
                ["active"],
                ["failed", "active", "failed"],
                IssueWorkflowStatus.literals
              ] as const) {
                for (const includeArchived of [undefined, true]) {
                  const filter = {
                    ...(ownerUserId === undefined ? {} : { ownerUserId }),
                    repositoryId,
                    issueId: ofIssue,
                    statuses,
                    includeArchived
                  }
                  const expected = everything.filter(
                    (workflow) =>
                      (ownerUserId === undefined || Option.contains(workflow.ownerUserId, ownerUserId)) &&
                      (repositoryId === undefined || workflow.repositoryId === repositoryId) &&
                      (ofIssue === undefined || workflow.issueId === ofIssue) &&
                      (statuses === undefined || statuses.some((status) => status === workflow.status)) &&
                      (includeArchived === true || Option.isNone(workflow.archivedAt))
                  )
                  expect(yield* pages((page) => repo.list({ ...filter, ...page }), 7)).toEqual(expected)
                  expect(Chunk.toReadonlyArray(yield* Stream.runCollect(repo.stream(filter)))).toEqual(expected)
                }
              }
            }
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("list rejects invalid filters", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowRepo
        const bad: ReadonlyArray<Parameters<typeof repo.list>[0]> = [
          ...[0, -1, 1.5, 501, Number.NaN].map((limit) => ({ limit })),
          ...["", "!", "W10"].map((cursor) => ({ cursor })),
          ...Object.values(badNames).flatMap((name) => [
            { ownerUserId: name },
            { issueId: name },
            { repositoryId: name }
          ]),
          { statuses: ["dead" as "active"] },
          { statuses: [], limit: 0 },
          { includeArchived: 1 as unknown as boolean }
        ]
        for (const request of bad)
          expect(yield* tagOf(repo.list(request)), JSON.stringify(request).slice(0, 80)).toBe("InvalidInput")
        const many = Array.from({ length: 100_000 }, () => "active" as const)
        for (const filter of [{}, { issueId: "x" }, { repositoryId: "rep" }])
          expect((yield* repo.list({ ...filter, statuses: many })).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("reads every row once in pages while ten thousand rows are inserted and deleted", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowRepo
        const issueId = yield* issue(1)
        // A hundred share each instant.
        yield* shell(
          `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
           INSERT INTO issue_workflows (id, issue_id, repository_id, owner_user_id, status, created_at, updated_at)
           SELECT printf('i%05d', i), ?, 'rep', 'ada', iif(i % 10 = 0, 'failed', 'completed'), i / 100, i / 100 FROM n`,
          issueId
        )
        yield* TestClock.setTime(1_000_000)
        let round = 0
        const meanwhile = Effect.suspend(() => {
          round++
          return Effect.all(
            [
              Effect.flatMap(issue(round + 1), (issueId) =>
                repo.create({ id: `new${round}`, issueId, ownerUserId: ada })
              ),
              shell(
                "DELETE FROM issue_workflows WHERE id IN (printf('i%05d', ?), printf('i%05d', ?))",
                9999 - round * 400,
                round * 3
              )
            ],
            { concurrency: "unbounded" }
          )
        })
        const seen = (yield* pages((page) => repo.list({ ownerUserId: ada, ...page }), 500, meanwhile)).map(
          ({ id }) => id
        )
        expect(seen).toEqual(seen.toSorted().toReversed())
        expect(new Set(seen).size).toBe(seen.length)
        const left = (yield* shell("SELECT id FROM issue_workflows WHERE id GLOB 'i0*'")).map((row) =>
          String(Object.values(row)[0])
        )
        const ids = new Set<string>(seen)
        expect(left.filter((id) => !ids.has(id))).toEqual([])
        expect(
          yield* pages((page) => repo.list({ ownerUserId: ada, statuses: ["failed"], ...page }), 500)
        ).toHaveLength(left.filter((id) => id.endsWith("0")).length)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
