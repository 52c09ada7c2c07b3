/**
 * Conditions, order and pages, compared with a model in plain JavaScript.
 */
import { describe, expect, it } from "@effect/vitest"
import type { DBAdapter, Where, WhereOperator } from "better-auth/adapters"
import { Effect, FastCheck as fc } from "effect"
import { databaseLayers } from "../support/database.js"
import { planIssues } from "../support/plans.js"
import { createTable, type Gadget, makeAdapter, model, plain } from "./plugin.js"
import { volume } from "../support/volume.js"

type Scalar = string | number | boolean | Date

const lower = (text: string) => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())

const compare = (left: Scalar, right: Scalar): number =>
  typeof left === "string" && typeof right === "string"
    ? Buffer.compare(Buffer.from(left), Buffer.from(right))
    : Number(left) - Number(right)

const holds = (row: Gadget, { field, mode, operator = "eq", value }: Where): boolean => {
  const stored = row[field as "displayName" | "ownerId" | "itemCount" | "isOpen" | "openedAt"]
  const given = Array.isArray(value) ? value : [value]
  if (operator === "not_in" && given.length === 0) return true
  if (operator === "eq" && value === null) return stored === null
  if (operator === "ne" && value === null) return stored !== null
  if (stored === null) return false
  const folds = mode === "insensitive" && given.every((item) => typeof item === "string")
  const folded = (item: Scalar) => (folds && typeof item === "string" ? lower(item) : item)
  const differences = given.flatMap((item) => (item === null ? [] : [compare(folded(stored), folded(item))]))
  const inOrder = differences.length > 0 ? compare(stored, given[0] as Scalar) : Number.NaN
  const text = String(folded(stored))
  const part = String(folded(String(value)))
  switch (operator) {
    case "eq":
    case "in":
      return differences.includes(0)
    case "ne":
    case "not_in":
      return differences.length > 0 && !differences.includes(0)
    case "lt":
      return inOrder < 0
    case "lte":
      return inOrder <= 0
    case "gt":
      return inOrder > 0
    case "gte":
      return inOrder >= 0
    case "contains":
      return text.includes(part)
    case "starts_with":
      return text.startsWith(part)
    case "ends_with":
      return text.endsWith(part)
  }
}

const holdsAll = (row: Gadget, where: ReadonlyArray<Where>) => {
  const any = where.filter(({ connector }) => connector === "OR")
  const all = where.filter(({ connector }) => connector !== "OR")
  return all.every((clause) => holds(row, clause)) && (any.length === 0 || any.some((clause) => holds(row, clause)))
}

// Few letters, so that conditions match rows, and all characters with a meaning in patterns and statements.
const text = fc.oneof(
  fc.stringOf(fc.constantFrom("a", "A", "b", "%", "_", "é", "É", "\\", "'", '"', "*", "?", "[", "😀", " "), {
    maxLength: 3
  }),
  fc.string({ maxLength: 4 }).filter((value) => !/[\0\uD800-\uDFFF]/u.test(value))
)
const whole = fc.integer({ min: -2, max: 3 })
const instant = fc.integer({ min: 0, max: 4 }).map((millis) => new Date(millis))

const row = fc.record({
  displayName: text,
  itemCount: fc.option(whole),
  isOpen: fc.option(fc.boolean()),
  openedAt: fc.option(instant)
})

const ordered: ReadonlyArray<WhereOperator> = ["lt", "lte", "gt", "gte"]
const patterns: ReadonlyArray<WhereOperator> = ["contains", "starts_with", "ends_with"]

const part = fc.stringOf(fc.constantFrom("a", "A", "b", "%", "_", "é", "'", "*"), { maxLength: 2 })

const clauseOf = <A extends string | number | boolean | Date>(
  field: string,
  value: fc.Arbitrary<A>,
  operators: ReadonlyArray<WhereOperator>
) => {
  const rest = {
    field: fc.constant(field),
    connector: fc.constantFrom<"AND" | "OR">("AND", "OR"),
    mode: fc.constantFrom<"sensitive" | "insensitive">("sensitive", "insensitive")
  }
  const list = fc.array(value, { maxLength: 3 }) as fc.Arbitrary<Array<string>>
  return fc.oneof(
    fc.record({ ...rest, operator: fc.constantFrom<WhereOperator>("eq", "ne"), value: fc.option(value) }),
    fc.record({ ...rest, operator: fc.constantFrom<WhereOperator>("in", "not_in"), value: list }),
    ...(operators.length === 0 ? [] : [fc.record({ ...rest, operator: fc.constantFrom(...operators), value })])
  )
}

const clause: fc.Arbitrary<Where> = fc.oneof(
  clauseOf("displayName", text, ordered),
  clauseOf("displayName", part, patterns),
  clauseOf("itemCount", whole, ordered),
  clauseOf("isOpen", fc.boolean(), []),
  clauseOf("openedAt", instant, ordered)
)

const query = fc.record({
  where: fc.array(clause, { maxLength: 4 }),
  sortBy: fc.option(
    fc.record({
      field: fc.constantFrom("displayName", "itemCount", "isOpen", "openedAt"),
      direction: fc.constantFrom<"asc" | "desc">("asc", "desc")
    }),
    { nil: undefined }
  ),
  limit: fc.integer({ min: 0, max: 12 }),
  offset: fc.integer({ min: 0, max: 4 })
})

const expected = (
  rows: ReadonlyArray<Gadget>,
  { limit, offset, sortBy, where }: typeof query extends fc.Arbitrary<infer A> ? A : never
) => {
  const found = rows.filter((candidate) => holdsAll(candidate, where))
  if (sortBy === undefined) return found
  const key = (candidate: Gadget) => candidate[sortBy.field as "displayName"]
  const order = (left: Gadget, right: Gadget) => {
    const [a, b] = [key(left) as Scalar | null, key(right) as Scalar | null]
    const difference = a === null || b === null ? Number(a !== null) - Number(b !== null) : compare(a, b)
    return (sortBy.direction === "desc" ? -difference : difference) || compare(left.id, right.id)
  }
  return found.toSorted(order).slice(offset, offset + limit)
}

const methods = ["update", "updateMany", "delete", "deleteMany", "consumeOne", "incrementOne"] as const

const fill = async (adapter: DBAdapter, rows: ReadonlyArray<Partial<Gadget>>) => {
  await adapter.deleteMany({ model, where: [] })
  const made: Array<Gadget> = []
  for (const data of rows)
    made.push(await adapter.create<Record<string, unknown>, Gadget>({ model, data: { ...plain, ...data } }))
  return made
}

const byId = (left: { readonly id: string }, right: { readonly id: string }) => compare(left.id, right.id)

describe("conditions", () => {
  it.effect(
    "select the same rows as the model for random rows, orders and pages",
    () =>
      Effect.gen(function* () {
        yield* createTable
        const adapter = yield* makeAdapter()
        const agrees = fc.asyncProperty(
          fc.array(row, { minLength: 4, maxLength: 10 }),
          fc.array(query, { minLength: 10, maxLength: 20 }),
          async (given, queries) => {
            const rows = await fill(adapter, given)
            expect(rows).toMatchObject(given)
            for (const asked of queries) {
              const { limit, offset, sortBy, where } = asked
              const matching = rows.filter((candidate) => holdsAll(candidate, where))
              expect(await adapter.count({ model, where })).toBe(matching.length)
              const page = sortBy === undefined ? { limit: 100 } : { limit, offset, sortBy }
              const found = await adapter.findMany<Gadget>({ model, where, ...page })
              const wanted = expected(rows, asked)
              if (sortBy === undefined) expect(found.toSorted(byId)).toEqual(wanted.toSorted(byId))
              else expect(found).toEqual(wanted)
              const first = await adapter.findOne<Gadget>({ model, where })
              expect(first === null ? 0 : matching.filter(({ id }) => id === first.id).length).toBe(
                Math.min(1, matching.length)
              )
            }
          }
        )
        yield* Effect.promise(() => fc.assert(agrees, { numRuns: volume(50, 20) }))
      }).pipe(Effect.provide(databaseLayers.memory)),
    120_000
  )

  it.effect(
    "select the rows that are updated and deleted",
    () =>
      Effect.gen(function* () {
        yield* createTable
        const adapter = yield* makeAdapter()
        const check = async (
          given: ReadonlyArray<Partial<Gadget>>,
          where: Array<Where>,
          method: (typeof methods)[number]
        ) => {
          const rows = await fill(adapter, given)
          const matching = rows.filter((candidate) => holdsAll(candidate, where))
          const change = { displayName: "changed", settings: { changed: true } }
          const all = async () => (await adapter.findMany<Gadget>({ model })).toSorted(byId)
          const without = (gone: ReadonlyArray<Gadget>) =>
            rows.filter((candidate) => !gone.includes(candidate)).toSorted(byId)
          const instead = (by: Gadget | null) =>
            rows.map((candidate) => (candidate.id === by?.id ? by : candidate)).toSorted(byId)
          const one = (found: Gadget | null) =>
            expect(matching.filter(({ id }) => id === found?.id)).toHaveLength(Math.min(1, matching.length))
          switch (method) {
            case "update": {
              const changed = await adapter.update<Gadget>({ model, where, update: change })
              one(changed)
              if (changed !== null) expect(changed).toMatchObject(change)
              return expect(await all()).toEqual(instead(changed))
            }
            case "updateMany": {
              expect(await adapter.updateMany({ model, where, update: change })).toBe(matching.length)
              return expect(await all()).toEqual(
                rows
                  .map((candidate) => (matching.includes(candidate) ? { ...candidate, ...change } : candidate))
                  .toSorted(byId)
              )
            }
            case "delete":
              await adapter.delete({ model, where })
              return expect(await all()).toEqual(without(matching))
            case "deleteMany":
              expect(await adapter.deleteMany({ model, where })).toBe(matching.length)
              return expect(await all()).toEqual(without(matching))
            case "consumeOne": {
              const consumed = await adapter.consumeOne<Gadget>({ model, where })
              one(consumed)
              return expect(await all()).toEqual(without(rows.filter(({ id }) => id === consumed?.id)))
            }
            default: {
              const counted = await adapter.incrementOne<Gadget>({
                model,
                where,
                increment: { itemCount: -2 },
                set: { displayName: "counted" }
              })
              one(counted)
              const before = rows.find(({ id }) => id === counted?.id)
              if (counted !== null)
                expect(counted).toEqual({ ...before, displayName: "counted", itemCount: (before?.itemCount ?? 0) - 2 })
              return expect(await all()).toEqual(instead(counted))
            }
          }
        }
        const agrees = fc.asyncProperty(
          fc.array(row, { maxLength: 6 }),
          fc.array(clause, { minLength: 1, maxLength: 3 }),
          fc.constantFrom(...methods),
          async (given, where, method) => {
            await check(given, where, method)
          }
        )
        yield* Effect.promise(() => fc.assert(agrees, { numRuns: volume(120, 40) }))
      }).pipe(Effect.provide(databaseLayers.memory)),
    120_000
  )

  it.effect("are required by methods for one row: an empty condition matches nothing", () =>
    Effect.gen(function* () {
      yield* createTable
      const adapter = yield* makeAdapter()
      yield* Effect.promise(async () => {
        const rows = await fill(adapter, [{ displayName: "one" }, { displayName: "two" }])
        expect(await adapter.update({ model, where: [], update: { displayName: "changed" } })).toBe(null)
        expect(await adapter.incrementOne({ model, where: [], increment: { itemCount: 1 } })).toBe(null)
        expect(await adapter.consumeOne({ model, where: [] })).toBe(null)
        await adapter.delete({ model, where: [] })
        expect((await adapter.findMany<Gadget>({ model })).toSorted(byId)).toEqual(rows.toSorted(byId))
      })
    }).pipe(Effect.provide(databaseLayers.memory))
  )

  it.effect("match wildcard characters literally, and accept long lists and patterns", () =>
    Effect.gen(function* () {
      yield* createTable
      const adapter = yield* makeAdapter()
      yield* Effect.promise(async () => {
        await fill(adapter, [
          { displayName: "100%" },
          { displayName: "100 percent" },
          { displayName: "a_b" },
          { displayName: "axb" }
        ])
        const names = async (operator: WhereOperator, value: Where["value"]) =>
          (await adapter.findMany<Gadget>({ model, where: [{ field: "displayName", operator, value }] }))
            .map(({ displayName }) => displayName)
            .toSorted()
        expect(await names("contains", "0%")).toEqual(["100%"])
        expect(await names("starts_with", "a_")).toEqual(["a_b"])
        expect(await names("ends_with", "_b")).toEqual(["a_b"])
        expect(await names("contains", "x".repeat(100_000))).toEqual([])
        const many = Array.from({ length: 100_000 }, (_, index) => `name ${index}`)
        expect(await names("in", [...many, "axb"])).toEqual(["axb"])
        expect(await names("not_in", [...many, "axb"])).toEqual(["100 percent", "100%", "a_b"])
        expect(await names("eq", "' OR 1 = 1 --")).toEqual([])
      })
    }).pipe(Effect.provide(databaseLayers.file))
  )

  it.effect("of a running server use the indexes of the tables", () =>
    Effect.gen(function* () {
      const lookUps: ReadonlyArray<(adapter: DBAdapter) => Promise<unknown>> = [
        (adapter) =>
          adapter.findOne({ model: "session", where: [{ field: "token", value: "t" }], join: { user: true } }),
        (adapter) =>
          adapter.findMany({
            model: "session",
            where: [
              { field: "userId", value: "ada" },
              { field: "expiresAt", operator: "gt", value: new Date(0) }
            ]
          }),
        (adapter) =>
          adapter.deleteMany({ model: "session", where: [{ field: "token", operator: "in", value: ["t", "u"] }] }),
        (adapter) =>
          adapter.findOne({
            model: "user",
            where: [{ field: "email", value: "ada@example.com" }],
            join: { account: true }
          }),
        (adapter) =>
          adapter.findOne({
            model: "account",
            where: [
              { field: "accountId", value: "1" },
              { field: "providerId", value: "github" }
            ]
          }),
        (adapter) =>
          adapter.updateMany({
            model: "account",
            where: [{ field: "userId", value: "ada" }],
            update: { password: "hash" }
          }),
        (adapter) => adapter.consumeOne({ model: "verification", where: [{ field: "identifier", value: "ada" }] }),
        (adapter) =>
          adapter.deleteMany({
            model: "verification",
            where: [{ field: "expiresAt", operator: "lt", value: new Date(0) }]
          })
      ]
      for (const joins of [false, true]) {
        for (const lookUp of lookUps) {
          const issues = yield* planIssues(
            Effect.flatMap(makeAdapter({ joins }), (adapter) => Effect.promise(() => lookUp(adapter)))
          )
          expect(issues, String(lookUp)).toEqual([])
        }
      }
    }).pipe(Effect.provide(databaseLayers.file))
  )
})
