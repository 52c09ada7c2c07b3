import { describe, expect, it } from "@effect/vitest"
import { Chunk, DateTime, Effect, type Layer, Option, Stream, TestClock } from "effect"
import type {
  AlreadyExists,
  InvalidInput,
  InvalidTransition,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../../src/Errors.js"
import type { Page, PageRequest } from "../../src/sql/page.js"
import { type Issue, type IssueFilter, IssueId } from "../../src/issue-workflow/Issue.js"
import { IssueRepo } from "../../src/issue-workflow/IssueRepo.js"
import type { ByExternalId, ByNumber } from "../../src/issue-workflow/ProviderRow.js"
import { type PullRequest, PullRequestId } from "../../src/issue-workflow/PullRequest.js"
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

type Row = Issue | PullRequest

type Input<A> = Effect.Effect<
  A,
  NotFound | InvalidTransition | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError
>

/** The common interface of issues and pull requests, for one suite over both. */
interface Subject {
  readonly upsert: (fields: object) => Input<Row>
  readonly find: (id: string) => Input<Option.Option<Row>>
  readonly get: (id: string) => Input<Row>
  readonly repo: {
    readonly findByNumber: (request: typeof ByNumber.Encoded) => Input<Option.Option<Row>>
    readonly findByExternalId: (request: typeof ByExternalId.Encoded) => Input<Option.Option<Row>>
    readonly list: (request: PageRequest & typeof IssueFilter.Encoded) => Input<Page<Row>>
    readonly stream: (filter: typeof IssueFilter.Encoded) => Stream.Stream<Row, InvalidInput | PersistenceError>
  }
}

const issues: Effect.Effect<Subject, never, IssueRepo> = Effect.map(IssueRepo, (repo) => ({
  repo,
  upsert: (fields) => repo.upsert({ ...minimalIssue(1), ...fields }),
  find: (id) => repo.findById(IssueId.make(id)),
  get: (id) => repo.getById(IssueId.make(id))
}))

const pullRequests: Effect.Effect<Subject, never, PullRequestRepo> = Effect.map(PullRequestRepo, (repo) => ({
  repo,
  upsert: (fields) => repo.upsert({ ...minimalPullRequest(1), ...fields }),
  find: (id) => repo.findById(PullRequestId.make(id)),
  get: (id) => repo.getById(PullRequestId.make(id))
}))

const at = (millis: number) => DateTime.unsafeMake(millis)

/** The contract of rows that follow a provider. */
const suite = (
  name: string,
  subject: Effect.Effect<Subject, never, IssueRepo | PullRequestRepo>,
  { entity, table }: { readonly entity: string; readonly table: string },
  layer: Layer.Layer<Services>
) =>
  describe(name, () => {
    it.effect("store every field of the input, and are found by every identity", () =>
      Effect.gen(function* () {
        const { find, get, repo, upsert } = yield* subject
        yield* TestClock.setTime(1000)
        const small = yield* upsert({ number: 0 })
        expect(small).toMatchObject({
          provider: "github",
          number: 0,
          externalId: Option.none(),
          url: Option.none(),
          syncedAt: Option.none()
        })
        expect([small.createdAt.epochMillis, small.updatedAt.epochMillis]).toEqual([1000, 1000])
        const full = yield* upsert({
          id: "given",
          provider: "gitlab",
          externalId: "X_1",
          number: 7,
          title: "two 🐳",
          state: "closed",
          url: "https://example.com/7",
          authorUserId: "ada",
          openedAt: at(1),
          closedAt: at(2),
          syncedAt: at(3)
        })
        expect(full).toMatchObject({
          id: "given",
          provider: "gitlab",
          externalId: Option.some("X_1"),
          number: 7,
          title: "two 🐳",
          state: "closed",
          url: Option.some("https://example.com/7"),
          authorUserId: Option.some("ada"),
          openedAt: Option.some(at(1)),
          closedAt: Option.some(at(2)),
          syncedAt: Option.some(at(3))
        })
        for (const row of [small, full]) {
          expect(yield* find(row.id)).toEqual(Option.some(row))
          expect(yield* get(row.id)).toEqual(row)
        }
        expect(yield* repo.findByNumber({ repositoryId: "rep", number: 0 })).toEqual(Option.some(small))
        expect(yield* repo.findByNumber({ provider: "gitlab", repositoryId: "rep", number: 7 })).toEqual(
          Option.some(full)
        )
        expect(yield* repo.findByExternalId({ provider: "gitlab", externalId: "X_1" })).toEqual(Option.some(full))
        for (const other of [
          { repositoryId: "rep2", number: 0 },
          { repositoryId: "rep", number: 7 },
          { repositoryId: "gone", number: 0 }
        ]) {
          expect(yield* repo.findByNumber(other)).toEqual(Option.none())
        }
        expect(yield* repo.findByExternalId({ externalId: "X_1" })).toEqual(Option.none())
        expect(yield* find("gone")).toEqual(Option.none())
        expect(yield* refusalOf(get("gone"))).toMatchObject({ _tag: "NotFound", entity, id: "gone" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("stay one row through renumbering, transfer and another external id", () =>
      Effect.gen(function* () {
        const { repo, upsert } = yield* subject
        const first = yield* upsert({ externalId: "x", url: "u", authorUserId: "ada" })
        yield* TestClock.adjust("1 second")
        const same = yield* upsert({})
        expect(same).toEqual(first)
        const renumbered = yield* upsert({ externalId: "x", number: 9 })
        expect(renumbered).toMatchObject({
          id: first.id,
          number: 9,
          url: first.url,
          authorUserId: first.authorUserId,
          createdAt: first.createdAt
        })
        expect(renumbered.updatedAt.epochMillis).toBe(1000)
        const transferred = yield* upsert({ id: "ignored", externalId: "x", repositoryId: "rep2", number: 3 })
        expect(transferred).toMatchObject({ id: first.id, repositoryId: "rep2", number: 3, url: first.url })
        // A provider was moved elsewhere: its ids are others, the numbers stay.
        const moved = yield* upsert({ externalId: "y", repositoryId: "rep2", number: 3 })
        expect(moved).toMatchObject({ id: first.id, externalId: Option.some("y") })
        const byId = yield* upsert({ id: first.id, externalId: "z", provider: "gitlab", number: 12 })
        expect(byId).toMatchObject({
          id: first.id,
          externalId: Option.some("z"),
          repositoryId: "rep",
          number: 12,
          provider: "gitlab"
        })
        expect(yield* upsert({ id: first.id, number: 12 })).toEqual(byId)
        expect(yield* shell(`SELECT id FROM ${table}`)).toEqual([{ id: first.id }])
        // Where it was is free.
        expect((yield* upsert({ number: 1 })).id).not.toBe(first.id)
        expect(yield* repo.findByExternalId({ externalId: "x" })).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("update present fields, keep absent ones, and clear null ones", () =>
      Effect.gen(function* () {
        const { upsert } = yield* subject
        const full = yield* upsert({
          externalId: "x",
          state: "closed",
          url: "u",
          authorUserId: "ada",
          openedAt: at(1),
          closedAt: at(2),
          syncedAt: at(3)
        })
        yield* TestClock.adjust("1 second")
        expect(yield* upsert({ url: undefined, state: undefined })).toEqual(full)
        expect(yield* upsert({ title: "new" })).toMatchObject({ ...full, title: "new", updatedAt: at(1000) })
        const cleared = yield* upsert({
          title: "new",
          externalId: null,
          url: null,
          authorUserId: null,
          openedAt: null,
          closedAt: null,
          syncedAt: null
        })
        const none = Option.none()
        expect(cleared).toMatchObject({
          id: full.id,
          state: "closed",
          externalId: none,
          url: none,
          authorUserId: none,
          openedAt: none,
          closedAt: none,
          syncedAt: none
        })
        yield* TestClock.adjust("1 second")
        expect(yield* upsert({ title: "new", externalId: null, url: null })).toEqual(cleared)
      }).pipe(Effect.provide(layer))
    )

    it.effect("are reopened, and then no longer closed", () =>
      Effect.gen(function* () {
        const { upsert } = yield* subject
        const closed = yield* upsert({ state: "closed", closedAt: at(5) })
        expect(yield* upsert({ title: "again" })).toMatchObject({ state: "closed", closedAt: Option.some(at(5)) })
        expect(yield* upsert({ state: "open" })).toMatchObject({
          id: closed.id,
          state: "open",
          closedAt: Option.none()
        })
        expect(yield* upsert({ state: "open", closedAt: at(6) })).toMatchObject({ closedAt: Option.some(at(6)) })
      }).pipe(Effect.provide(layer))
    )

    it.effect("ignore updates that are older than the stored row", () =>
      Effect.gen(function* () {
        const { upsert } = yield* subject
        const now = yield* upsert({ externalId: "x", title: "now", state: "closed", syncedAt: at(1000) })
        yield* TestClock.adjust("1 second")
        const late = { title: "before", state: "open", syncedAt: at(999) }
        for (const fields of [{}, { externalId: "x", number: 5 }, { id: now.id, repositoryId: "rep2" }]) {
          expect(yield* upsert({ ...late, ...fields })).toEqual(now)
        }
        expect(yield* upsert({ title: "of the same moment", syncedAt: at(1000) })).toMatchObject({
          title: "of the same moment"
        })
        expect(yield* upsert({ title: "whenever" })).toMatchObject({
          title: "whenever",
          syncedAt: Option.some(at(1000))
        })
        expect(yield* upsert({ title: "later", syncedAt: at(1001) })).toMatchObject({
          title: "later",
          syncedAt: Option.some(at(1001))
        })
        // In whatever order they come, the latest stands.
        yield* Effect.forEach(
          Array.from({ length: 30 }, (_, index) => (index * 7) % 30),
          (index) => upsert({ title: `${index}`, syncedAt: at(2000 + index) }),
          { concurrency: "unbounded" }
        )
        expect(yield* upsert({ title: "29", syncedAt: at(0) })).toMatchObject({
          id: now.id,
          title: "29",
          syncedAt: Option.some(at(2029))
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("reject the identity of another row, and write nothing", () =>
      Effect.gen(function* () {
        const { repo, upsert } = yield* subject
        const one = yield* upsert({ externalId: "x", number: 1 })
        const two = yield* upsert({ externalId: "y", number: 2 })
        const refused = [
          [{ externalId: "x", number: 2 }, `${table}.provider, ${table}.repository_id, ${table}.number`],
          [{ id: one.id, externalId: "x", number: 2 }, `${table}.provider, ${table}.repository_id, ${table}.number`],
          [{ id: one.id, externalId: "y", number: 1 }, `${table}.provider, ${table}.external_id`],
          [{ id: two.id, externalId: "x", number: 1 }, undefined]
        ] as const
        for (const [fields, constraint] of refused) {
          const error = yield* refusalOf(upsert({ title: "other", ...fields }))
          expect(error, JSON.stringify(fields)).toMatchObject({
            _tag: "AlreadyExists",
            entity,
            ...(constraint === undefined ? {} : { constraint })
          })
        }
        expect((yield* repo.list({ repositoryId: "rep" })).items.toSorted((a, b) => a.number - b.number)).toEqual([
          one,
          two
        ])
        // The update of the conflicting row comes first, and frees the number.
        yield* upsert({ externalId: "y", number: 3 })
        expect(yield* upsert({ externalId: "x", number: 2 })).toMatchObject({ id: one.id, number: 2 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("are stored once when many callers report one concurrently", () =>
      Effect.gen(function* () {
        const { upsert } = yield* subject
        const rows = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, index) => index),
          (index) => upsert({ ...(index % 2 === 0 ? { externalId: "x" } : {}), title: `${index}` }),
          { concurrency: "unbounded" }
        )
        expect(new Set(rows.map(({ id }) => id)).size).toBe(1)
        expect(yield* shell(`SELECT count(*) AS count, max(external_id) AS external FROM ${table}`)).toEqual([
          { count: 1, external: "x" }
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("reject invalid input and missing references before anything is written", () =>
      Effect.gen(function* () {
        const { repo, upsert } = yield* subject
        const before = yield* upsert({ externalId: "x", number: 1 })
        for (const [rule, bad] of Object.entries(badNames)) {
          for (const field of ["id", "externalId", "repositoryId", "title", "url", "authorUserId"]) {
            const error = yield* refusalOf(upsert({ [field]: bad }))
            expect(error, `${field} ${rule}`).toMatchObject({
              _tag: "InvalidInput",
              issues: expect.arrayContaining([expect.stringMatching(new RegExp(`^${field}: `))])
            })
            if (bad !== "") expect(JSON.stringify(error)).not.toContain(bad)
          }
          expect(yield* tagOf(repo.findByExternalId({ externalId: bad }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.findByNumber({ repositoryId: bad, number: 1 }))).toBe("InvalidInput")
        }
        for (const number of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "1"]) {
          expect(yield* tagOf(upsert({ number }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.findByNumber({ repositoryId: "rep", number: number as number }))).toBe(
            "InvalidInput"
          )
        }
        expect(yield* tagOf(upsert({ number: 1e300 }))).toBe("InvalidInput")
        for (const fields of [
          { state: "dead" },
          { provider: "svn" },
          { title: null },
          { state: null },
          { openedAt: at(-1) },
          { syncedAt: 5 }
        ]) {
          expect(yield* tagOf(upsert(fields)), JSON.stringify(fields)).toBe("InvalidInput")
        }
        for (const field of ["repositoryId", "authorUserId"]) {
          expect(yield* refusalOf(upsert({ [field]: "nobody", number: 5 }))).toMatchObject({
            _tag: "ReferenceNotFound",
            entity,
            reference: field
          })
          expect(yield* refusalOf(upsert({ [field]: "nobody", externalId: "x" }))).toMatchObject({
            _tag: "ReferenceNotFound",
            entity,
            reference: field
          })
        }
        expect((yield* repo.list({ repositoryId: "rep" })).items).toEqual([before])
      }).pipe(Effect.provide(layer))
    )

    it.effect("are listed by repository and state, newest first", () =>
      Effect.gen(function* () {
        const { repo, upsert } = yield* subject
        for (let index = 0; index < 40; index++) {
          if (index % 4 === 0) yield* TestClock.adjust("1 second")
          yield* upsert({
            id: `r${String(index).padStart(2, "0")}`,
            number: index,
            repositoryId: index % 3 === 0 ? "rep2" : "rep",
            state: index % 5 === 0 ? "closed" : "open"
          })
        }
        for (const repositoryId of ["rep", "rep2", "gone"]) {
          const all = (yield* repo.list({ repositoryId, limit: 500 })).items
          const numbers = Array.from({ length: 40 }, (_, index) => 39 - index).filter(
            (number) => repositoryId !== "gone" && (number % 3 === 0 ? "rep2" : "rep") === repositoryId
          )
          expect(all.map(({ number }) => number)).toEqual(numbers)
          for (const state of [undefined, "open", "closed"] as const) {
            const expected = all.filter((row) => state === undefined || row.state === state)
            expect(yield* pages((page) => repo.list({ repositoryId, state, ...page }), 7)).toEqual(expected)
            expect(Chunk.toReadonlyArray(yield* Stream.runCollect(repo.stream({ repositoryId, state })))).toEqual(
              expected
            )
          }
        }
        const lost: { readonly repositoryId: string } = { repositoryId: undefined as unknown as string }
        const bad = [lost, ...Object.values(badNames).map((repositoryId) => ({ repositoryId }))]
        for (const filter of bad) expect(yield* tagOf(repo.list(filter))).toBe("InvalidInput")
        for (const page of [{ limit: 0 }, { limit: 501 }, { limit: Number.NaN }, { cursor: "!" }, { cursor: "" }]) {
          expect(yield* tagOf(repo.list({ repositoryId: "rep", ...page }))).toBe("InvalidInput")
        }
        expect(yield* tagOf(repo.list({ repositoryId: "rep", state: "dead" as "open" }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) {
  suite(`issues (${name})`, issues, { entity: "Issue", table: "issues" }, layer)
  suite(`pull requests (${name})`, pullRequests, { entity: "PullRequest", table: "pull_requests" }, layer)
}
