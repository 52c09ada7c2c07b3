/**
 * Random upserts match a model: the first identity that finds a row decides, the row takes the present fields, an identity of
 * another row is rejected, a merge is never reverted, and an out-of-order update changes nothing.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, FastCheck, Option } from "effect"
import type { Issue } from "../../src/issue-workflow/Issue.js"
import { IssueRepo } from "../../src/issue-workflow/IssueRepo.js"
import { type PullRequest, pullRequestTransitions } from "../../src/issue-workflow/PullRequest.js"
import { PullRequestRepo } from "../../src/issue-workflow/PullRequestRepo.js"
import { layers, type Services, tagOf, minimalIssue, minimalPullRequest } from "./issueSupport.js"

type State = "draft" | "open" | "merged" | "closed"

interface Input {
  readonly id?: string
  readonly externalId?: string | null
  readonly repositoryId: string
  readonly number: number
  readonly url?: string | null
  readonly state?: State
  readonly closedAt?: number | null
  readonly syncedAt?: number
}

interface ModelRow {
  readonly id: string
  readonly externalId: string | null
  readonly repositoryId: string
  readonly number: number
  readonly url: string | null
  readonly state: State
  readonly closedAt: number | null
  readonly syncedAt: number | null
}

const maybe = <A>(arbitrary: FastCheck.Arbitrary<A>) => FastCheck.option(arbitrary, { nil: undefined })

/** Of few ids and numbers, so that they meet. */
const told = (states: ReadonlyArray<State>): FastCheck.Arbitrary<Input> =>
  FastCheck.record({
    id: maybe(FastCheck.constantFrom("a", "b")),
    externalId: maybe(FastCheck.constantFrom("x", "y", null)),
    repositoryId: FastCheck.constantFrom("rep", "rep2"),
    number: FastCheck.constantFrom(1, 2),
    url: maybe(FastCheck.constantFrom("u", "v", null)),
    state: maybe(FastCheck.constantFrom(...states)),
    closedAt: maybe(FastCheck.constantFrom(7, null)),
    syncedAt: maybe(FastCheck.constantFrom(1, 2, 3))
  }).map((fields): Input => {
    const { number, repositoryId, ...rest } = fields
    return {
      repositoryId,
      number,
      ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
    }
  })

const sameNumber = (row: ModelRow, { number, repositoryId }: Input) =>
  row.number === number && row.repositoryId === repositoryId

/** The rows after an upsert and its result, in the model. `fresh` is the id of a new row. */
const apply = (rows: ReadonlyArray<ModelRow>, given: Input, initial: State, fresh: string) => {
  const found =
    rows.find(({ id }) => id === given.id) ??
    rows.find(({ externalId }) => externalId !== null && externalId === given.externalId) ??
    rows.find((row) => sameNumber(row, given))
  const before: ModelRow = found ?? {
    id: given.id ?? fresh,
    externalId: null,
    repositoryId: "",
    number: 0,
    url: null,
    state: initial,
    closedAt: null,
    syncedAt: null
  }
  if (found !== undefined && given.syncedAt !== undefined && (found.syncedAt ?? 0) > given.syncedAt)
    return { rows, outcome: "ok", row: found }
  if (
    found !== undefined &&
    given.state !== undefined &&
    found.state !== given.state &&
    !pullRequestTransitions.allows(found.state, given.state)
  ) {
    return { rows, outcome: "InvalidTransition" }
  }
  const isOpen = given.state === "open" || given.state === "draft"
  const row: ModelRow = { ...before, ...(isOpen ? { closedAt: null } : {}), ...given, id: before.id }
  const others = rows.filter((other) => other !== found)
  const taken = others.some(
    (other) => sameNumber(other, given) || (row.externalId !== null && other.externalId === row.externalId)
  )
  return taken ? { rows, outcome: "AlreadyExists" } : { rows: [...others, row], outcome: "ok", row }
}

const inputOf = ({ closedAt, syncedAt, ...rest }: Input) => ({
  ...rest,
  ...(closedAt === undefined ? {} : { closedAt: closedAt === null ? null : DateTime.unsafeMake(closedAt) }),
  ...(syncedAt === undefined ? {} : { syncedAt: DateTime.unsafeMake(syncedAt) })
})

interface Subject {
  readonly initial: State
  readonly states: ReadonlyArray<State>
  readonly upsert: (told: Input) => Effect.Effect<Issue | PullRequest, { readonly _tag: string }, Services>
}

const subjects: Readonly<Record<string, Subject>> = {
  issues: {
    initial: "open",
    states: ["open", "closed"],
    upsert: (given: Input) =>
      Effect.flatMap(IssueRepo, (repo) =>
        repo.upsert({
          ...minimalIssue(1),
          ...inputOf(given),
          state: given.state === "closed" ? "closed" : given.state && "open"
        })
      )
  },
  pull_requests: {
    initial: "draft",
    states: ["draft", "open", "merged", "closed"],
    upsert: (given: Input) =>
      Effect.flatMap(PullRequestRepo, (repo) => repo.upsert({ ...minimalPullRequest(1), ...inputOf(given) }))
  }
}

const stored = (table: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      sql<ModelRow>`
      SELECT id, external_id AS "externalId", repository_id AS "repositoryId", number, url, state, closed_at AS "closedAt",
        synced_at AS "syncedAt"
      FROM ${sql(table)} ORDER BY id`
  )

const byId = (a: ModelRow, b: ModelRow) => (a.id < b.id ? -1 : 1)

describe("random upserts", () => {
  for (const [table, { initial, states, upsert }] of Object.entries(subjects)) {
    it.effect(
      `of ${table} match the model`,
      () =>
        Effect.gen(function* () {
          const runtime = yield* Effect.runtime<Services>()
          const check = (calls: ReadonlyArray<Input>) =>
            Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              yield* sql`DELETE FROM ${sql(table)}`
              let model: ReadonlyArray<ModelRow> = []
              for (const given of calls) {
                const result = yield* Effect.either(upsert(given))
                const fresh = result._tag === "Right" ? result.right.id : ""
                const expected = apply(model, given, initial, fresh)
                expect(yield* tagOf(result)).toBe(expected.outcome)
                if (result._tag === "Right") {
                  expect([result.right.id, result.right.state]).toEqual([expected.row?.id, expected.row?.state])
                  expect(Option.getOrNull(result.right.url)).toBe(expected.row?.url)
                }
                model = expected.rows
                expect(yield* stored(table)).toEqual(model.toSorted(byId))
              }
            })
          const runs = FastCheck.asyncProperty(
            FastCheck.array(told(states), { minLength: 1, maxLength: 12 }),
            (calls) => Effect.runPromise(Effect.provide(check(calls), runtime))
          )
          yield* Effect.promise(() => FastCheck.assert(runs, { numRuns: 100 }))
        }).pipe(Effect.provide(layers.memory)),
      60_000
    )
  }
})
