/**
 * Walks over every method of every service with more than anybody has to say: each is refused with an error of its own, which
 * is short, or works; nothing overflows the stack, and nothing is shown at length.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Option } from "effect"
import * as db from "@sealant/db"
import { maxInputCharacters, maxListItems } from "../../src/sql/inputLimits.js"
import { fixtureOf } from "./fixture.js"
import { services } from "./services.js"
import { attempt, isRecord, placesOf, shown, type Trial } from "./walk.js"

const nested = (levels: number): unknown => {
  let value: unknown = {}
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { in: value }
  return { in: value }
}

/** Itself, in itself, twice: written out, it would have no end. */
const endless = () => {
  const value: Record<string, unknown> = {}
  value["one"] = value
  value["other"] = value
  return value
}

/** Few objects, which are 2^60 when they are written out. */
const doubling = () => {
  let value: object = { text: "x" }
  for (let level = 0; level < 60; level++) value = { one: value, other: value }
  return value
}

const longText = "x".repeat(maxInputCharacters + 1)

const more = {
  "a value 100,000 deep": nested(100_000),
  "a text of 200 MB in it": longText,
  "a list of ten million": Array.from({ length: 10_000_000 }).fill(1),
  "thousands of keys": Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, 1]))
}

/** Values of which five million parts are counted before they are refused: passed once to each service. */
const costly = { "a value that has no end": endless(), "a value that doubles": doubling() }

const immense = (
  path: string,
  value: unknown,
  isFirst: boolean
): ReadonlyArray<readonly [what: string, value: unknown]> => {
  if (typeof value === "string") return [["a text of 200 MB", longText]]
  if (Array.isArray(value)) return [["a list of one too many", Array.from({ length: maxListItems + 1 }).fill(value[0])]]
  // The input, and its documents: what is deeper is a part of those.
  if (!isRecord(value) || path.split(".").length > 2) return []
  return Object.entries(isFirst ? { ...more, ...costly } : more).map(([what, immense]) => [
    what,
    { ...value, more: immense }
  ])
}

const problemOf = ({ outcome }: Trial): string | undefined => {
  if (Exit.isSuccess(outcome)) return undefined
  if (Option.isSome(Cause.dieOption(outcome.cause))) return `died: ${Cause.pretty(outcome.cause).slice(0, 300)}`
  const error = Option.getOrUndefined(Cause.failureOption(outcome.cause))
  if ((JSON.stringify(error) ?? "").length > 100_000) return "an error that is as long"
  // Text that a schema has not seen is the store's to refuse.
  return error instanceof db.PersistenceError && error.cause !== "SEALANT_UNSUPPORTED_VALUE" ? error.message : undefined
}

describe.each(services)("$name", (service) => {
  const withService = fixtureOf(service)

  it.effect(
    "rejects or ignores oversized values",
    () =>
      withService((instance, samples) =>
        Effect.gen(function* () {
          const wrong: Array<string> = []
          let isCostlyDone = false
          for (const [method, args] of samples) {
            for (const { path, replacedBy, value } of placesOf(args)) {
              const isFirst: boolean = isRecord(value) && !isCostlyDone
              isCostlyDone ||= isFirst
              for (const [what, other] of immense(path, value, isFirst)) {
                const problem = problemOf(yield* attempt(instance, method, replacedBy(other)))
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
