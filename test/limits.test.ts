/**
 * The limits that docs/limits.md promises: they are those of the code, and each holds to the last character.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Schema } from "effect"
import { readFileSync } from "node:fs"
import { longestPath } from "../src/issue-workflow/ExecutionReport.js"
import { maxItems, maxKeyLength, maxValueLength } from "../src/profile/limits.js"
import { maxSecretBytes } from "../src/secret/Secret.js"
import { maxPayloadBytes } from "../src/github/GitHubWebhookDelivery.js"
import { Credential, idOf, Label, maxIdLength, maxNameLength, maxProseLength, Name, Prose } from "../src/sql/columns.js"
import { documentOf, JsonObject, maxDocumentLength, maxJsonDepth } from "../src/sql/json.js"
import {
  excessOf,
  maxInputCharacters,
  maxInputValues,
  maxIssues,
  maxListItems,
  maxRows,
  maxShownCharacters,
  shown
} from "../src/sql/inputLimits.js"
import { maxLimit } from "../src/sql/page.js"
import { operations } from "../src/sql/operations.js"
import { maxServerBytes } from "../src/libsql/remoteStatement.js"
import { maxParameterLength, toNative } from "../src/libsql/values.js"
import { mostPullRequests } from "../src/issue-workflow/IssueWorkflowViews.js"

it("docs/limits.md lists the limits of the code", () => {
  const text = readFileSync(new URL("../docs/limits.md", import.meta.url), "utf8")
  const told = [...text.matchAll(/^\| .+ \| ([\d,]+)( \w+)?.* \|$/gm)].map(([, number]) =>
    Number(number?.replaceAll(",", ""))
  )
  expect(told).toEqual([
    maxIdLength,
    maxNameLength,
    maxNameLength,
    longestPath,
    maxProseLength,
    maxSecretBytes,
    maxKeyLength,
    maxValueLength,
    maxDocumentLength,
    maxPayloadBytes,
    maxJsonDepth,
    maxLimit,
    maxRows,
    maxItems,
    mostPullRequests,
    maxListItems,
    maxInputValues,
    maxInputCharacters,
    maxIssues,
    maxShownCharacters,
    // The limits of a server for a value, a row and a response in MB.
    maxServerBytes,
    maxServerBytes,
    10
  ])
  expect(maxInputCharacters).toBe(maxParameterLength)
})

const takes = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema)
  return (value: unknown) => Either.isRight(decode(value))
}

const levels = (count: number): object => (count === 1 ? {} : { in: levels(count - 1) })

describe("the largest accepted and the smallest rejected", () => {
  it.each([
    ["an id", takes(idOf("Id")), maxIdLength],
    ["a name", takes(Name), maxNameLength],
    ["a label", takes(Label), maxNameLength],
    ["prose", takes(Prose), maxProseLength],
    ["a credential", takes(Credential), maxProseLength],
    ["a parameter", (text: string) => Either.isRight(Either.try(() => toNative(text))), maxParameterLength],
    ["the texts of an input", (text: string) => excessOf([text.slice(1), "x"]) === undefined, maxInputCharacters]
  ])("%s", (_, fits, longest) => {
    expect([fits("x".repeat(longest)), fits("x".repeat(longest + 1))]).toEqual([true, false])
  })

  it("size of a document", () => {
    const fits = takes(documentOf(JsonObject))
    const around = JSON.stringify({ text: "" }).length
    expect(fits({ text: "x".repeat(maxDocumentLength - around) })).toBe(true)
    expect(fits({ text: "x".repeat(maxDocumentLength - around + 1) })).toBe(false)
    // Each of them takes six characters as JSON.
    expect(fits({ text: "\u0001".repeat(maxDocumentLength / 6) })).toBe(false)
  })

  it("depth of a document", () => {
    const fits = takes(JsonObject)
    expect([fits(levels(maxJsonDepth)), fits(levels(maxJsonDepth + 1)), fits(levels(2000))]).toEqual([
      true,
      false,
      false
    ])
  })

  it("length of a list", () => {
    const list = (length: number) => Array.from({ length }).fill(1)
    expect(excessOf(list(maxListItems))).toBeUndefined()
    expect(excessOf({ events: list(maxListItems) })).toBeUndefined()
    expect(excessOf(list(maxListItems + 1))).toBe(`must be up to ${maxListItems}`)
    expect(excessOf({ events: list(maxListItems + 1) })).toBe(`events: must be up to ${maxListItems}`)
  })

  it("number of values in an input, at any place and with any repeats", () => {
    const many = Array.from({ length: 1000 }, () => Array.from({ length: maxInputValues / 1000 - 1 }).fill(1))
    expect(excessOf({ in: { deep: many } })).toContain(`${maxInputValues} values`)
    expect(excessOf(many)).toBeUndefined()
    const shared = Array.from({ length: 100 }).fill(many)
    expect(excessOf(shared)).toContain(`${maxInputValues} values`)
  })

  it.effect("number of issues in an error, and length of a key in it", () =>
    Effect.gen(function* () {
      const decode = operations("Test", "Test").decodeInput(
        "all",
        Schema.Record({ key: Schema.String, value: Schema.Finite })
      )
      const wrong = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, index) => [`${index}${"k".repeat(1000)}`, Number.NaN]))
      const { issues } = yield* Effect.flip(decode(wrong(maxIssues)))
      expect(issues.length).toBe(maxIssues)
      expect(Math.max(...issues.map((issue) => issue.length))).toBeLessThan(2 * maxShownCharacters)
      const more = yield* Effect.flip(decode(wrong(maxIssues + 2)))
      expect(more.issues.slice(maxIssues)).toEqual(["and 2 more"])
    })
  )

  it.effect("a document that is not JSON is rejected with the key of the invalid value", () =>
    Effect.gen(function* () {
      const decode = operations("Test", "Test").decodeInput("all", Schema.Struct({ payload: documentOf(JsonObject) }))
      const issuesOf = (payload: Readonly<Record<string, unknown>>) =>
        Effect.map(Effect.flip(decode({ payload })), ({ issues }) => issues)
      const cycle: Record<string, unknown> = {}
      cycle["a"] = [{ self: cycle }]
      const shared = { deep: {} }
      expect(yield* decode({ payload: { one: shared, other: [shared, shared] } })).toBeDefined()
      const json = "must be a plain object, an array, a string, a number, a boolean or null"
      expect(
        yield* Effect.forEach(
          [
            { source: { ref: undefined } },
            { items: [1, Number.NaN] },
            { items: [{ far: Number.NEGATIVE_INFINITY }] },
            { big: 2n },
            { call: () => undefined },
            { tag: Symbol("s3cr3t") },
            { at: new Date(0) },
            { map: new Map() },
            { holes: Object.assign([1], { length: 2 }) },
            cycle,
            { levels: levels(maxJsonDepth) }
          ],
          issuesOf
        )
      ).toEqual([
        ["payload.source.ref: must not be undefined: leave the key out, or pass null"],
        ["payload.items.1: must be a finite number"],
        ["payload.items.0.far: must be a finite number"],
        ["payload.big: must not be a bigint, which JSON does not have"],
        ["payload.call: must not be a function, which JSON does not have"],
        ["payload.tag: must not be a symbol, which JSON does not have"],
        [`payload.at: ${json}`],
        [`payload.map: ${json}`],
        ["payload.holes.1: must not be undefined: leave the key out, or pass null"],
        ["payload.a.0.self: must not contain itself"],
        [`payload: must be a JSON object of at most ${maxJsonDepth} levels`]
      ])
    })
  )

  it("length of a text in an error", () => {
    expect(shown("x".repeat(maxShownCharacters))).toBe("x".repeat(maxShownCharacters))
    expect(shown("x".repeat(maxShownCharacters + 1))).toBe(`${"x".repeat(maxShownCharacters)}…`)
  })
})
