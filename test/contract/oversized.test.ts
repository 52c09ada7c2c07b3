/**
 * Oversized inputs of every method of every service: the method rejects them with a short error or succeeds. No input
 * overflows the stack, and no error, span or log contains a long text.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Option } from "effect"
import * as db from "@sealant/db"
import { maxInputCharacters, maxListItems } from "../../src/sql/inputLimits.js"
import { sharedFixture } from "./fixture.js"
import { services } from "./services.js"
import { isRecord, type Outcome, outcomeOf, placesOf, shown } from "./walk.js"

const nested = (levels: number): unknown => {
  let value: unknown = {}
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { in: value }
  return { in: value }
}

/** An object that contains itself twice: its JSON would be infinite. */
const cyclic = () => {
  const value: Record<string, unknown> = {}
  value["one"] = value
  value["other"] = value
  return value
}

/** Few objects with shared references: its JSON would contain 2^60 objects. */
const doubling = () => {
  let value: object = { text: "x" }
  for (let level = 0; level < 60; level++) value = { one: value, other: value }
  return value
}

const longText = "x".repeat(maxInputCharacters + 1)

const oversizedFields = {
  "a field 100,000 levels deep": nested(100_000),
  "a field of 200 MB": longText,
  "a field with ten million items": Array.from({ length: 10_000_000 }).fill(1),
  "a field with thousands of keys": Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, 1]))
}

/** Rejected after counting five million values, which takes 100 ms: once per service. */
const slowFields = { "a cyclic field": cyclic() }

/** Counted by the same code as a cyclic field, and takes longer: once. */
const slowestFields = { "a field that doubles": doubling() }

/**
 * The lists that were tested, by the name of their field. Several methods accept the same lists. The longest accepted one
 * takes up to a second.
 */
const testedLists = new Set<string>()

type Oversized = readonly [what: string, value: unknown]

let hadFirstRecord = false

/** The fields that are added to a record. */
const fieldsOf = (isFirstOfService: boolean) => {
  if (!isFirstOfService) return oversizedFields
  const fields = hadFirstRecord ? slowFields : { ...slowFields, ...slowestFields }
  hadFirstRecord = true
  return { ...oversizedFields, ...fields }
}

const listOf = (length: number, item: unknown): Oversized => [`${length} items`, Array.from({ length }).fill(item)]

const oversized = (path: string, value: unknown, isFirstRecord: boolean): ReadonlyArray<Oversized> => {
  if (typeof value === "string") return [["a text of 200 MB", longText]]
  const isNested = path.split(".").length > 2
  if (Array.isArray(value)) {
    const name = path.slice(path.lastIndexOf(".") + 1)
    const wasTested = testedLists.has(name)
    testedLists.add(name)
    const tooLong = listOf(maxListItems + 1, value[0])
    if (wasTested) return isNested ? [] : [tooLong]
    return [listOf(maxListItems, value[0]), tooLong]
  }
  if (isNested || !isRecord(value)) return []
  return Object.entries(fieldsOf(isFirstRecord)).map(([what, field]) => [what, { ...value, oversized: field }])
}

const problemOf = (outcome: Outcome): string | undefined => {
  if (Exit.isSuccess(outcome)) return undefined
  if (Option.isSome(Cause.dieOption(outcome.cause))) return `died: ${Cause.pretty(outcome.cause).slice(0, 300)}`
  const error = Option.getOrUndefined(Cause.failureOption(outcome.cause))
  if ((JSON.stringify(error) ?? "").length > 100_000) return "an error of more than 100,000 characters"
  // The database rejects unsupported text that no schema checks.
  return error instanceof db.PersistenceError && error.cause !== "SEALANT_UNSUPPORTED_VALUE" ? error.message : undefined
}

const withFixture = sharedFixture()

describe.each(services)("$name", (service) => {
  const withService = withFixture(service)

  it.effect(
    "rejects or ignores oversized values",
    () =>
      withService((instance, samples) =>
        Effect.gen(function* () {
          const wrong: Array<string> = []
          let hadRecord = false
          for (const [method, args] of samples) {
            for (const { path, replacedBy, value } of placesOf(args)) {
              const isFirstRecord: boolean = isRecord(value) && !hadRecord
              hadRecord ||= isFirstRecord
              for (const [what, other] of oversized(path, value, isFirstRecord)) {
                const problem = problemOf(yield* outcomeOf(instance, method, replacedBy(other)))
                if (problem !== undefined) wrong.push(`${method} ${path}, ${what}: ${problem}`)
              }
            }
          }
          expect(wrong).toEqual([])
        })
      ),
    600_000
  )

  it.effect(
    "cuts ids in errors, spans and logs to the maximum length of an id",
    () =>
      withService((instance, samples) =>
        Effect.gen(function* () {
          for (const [method, args] of samples) {
            for (const { path, replacedBy, value } of placesOf(args)) {
              if (typeof value !== "string") continue
              const text = yield* shown(instance, method, replacedBy("y".repeat(2000)))
              expect(text.includes("y".repeat(1001)), `${method} ${path}`).toBe(false)
            }
          }
        })
      ),
    600_000
  )
})
