import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, DateTime, Either, FastCheck, Option, Redacted, Schema } from "effect"
import * as auth from "@sealant/db/auth"
import * as buildJob from "@sealant/db/build-job"
import * as events from "@sealant/db/events"
import * as github from "@sealant/db/github"
import * as issueWorkflow from "@sealant/db/issue-workflow"
import * as packageCache from "@sealant/db/package-cache"
import * as payloads from "@sealant/db/payloads"
import * as profile from "@sealant/db/profile"
import * as sandbox from "@sealant/db/sandbox"
import * as secret from "@sealant/db/secret"
import * as source from "@sealant/db/source"
import { workerSettings } from "../../src/leasing/workerLoop.js"
import { ReportedProse } from "../../src/sql/columns.js"
import { invalid } from "../../src/sql/decoder.js"
import { inputDecoderOf, inputOptions } from "../../src/sql/inputDecoder.js"
import { Limit } from "../../src/sql/inputLimits.js"
import { change, changed } from "../support/changedDocuments.js"

const features = {
  auth,
  buildJob,
  events,
  github,
  issueWorkflow,
  packageCache,
  payloads,
  profile,
  sandbox,
  secret,
  source,
  internal: { Limit, ReportedProse, WorkerSettings: Schema.Struct(workerSettings) }
}

/** All schemas that the features export, except row models: inputs, filters and results. */
const schemas = Object.entries(features).flatMap(([feature, exported]) =>
  Object.entries(exported).flatMap(([name, value]: [string, unknown]) =>
    Schema.isSchema(value) && !("insert" in value)
      ? [{ name: `${feature}.${name}`, schema: Schema.make<unknown>(value.ast) }]
      : []
  )
)

const strangeValues = FastCheck.oneof(
  FastCheck.anything({ maxDepth: 2, withBigInt: true, withDate: true, withNullPrototype: true, withSparseArray: true }),
  FastCheck.constantFrom<Array<unknown>>(
    undefined,
    Number.NaN,
    2 ** 53,
    "x".repeat(256),
    "x".repeat(1001),
    "a\0b",
    "\uD800",
    "2 seconds",
    "-1 second",
    Option.none(),
    Redacted.make("secret"),
    DateTime.unsafeMake(0),
    new Date(Number.NaN)
  )
)

/** Copies objects and arrays down to values of classes, which inputs may contain. */
const copyOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(copyOf)
  const isPlain = typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  return isPlain ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyOf(inner)])) : value
}

/** The keys of a value in their order, which JSON texts and fingerprints depend on. */
const keysOf = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(keysOf)
    : typeof value === "object" && value !== null && !DateTime.isDateTime(value)
      ? Object.entries(value).map(([key, inner]) => [key, keysOf(inner)])
      : typeof value

describe("inputDecoderOf", () => {
  it("is compared over the inputs of all features", () => {
    expect(schemas.length).toBeGreaterThan(100)
  })

  for (const { name, schema } of schemas) {
    it(`${name}: accepts and refuses the same inputs as the schema, with the same values`, () => {
      const bySchema = Schema.decodeUnknownEither(schema, inputOptions)
      const decode = inputDecoderOf(schema)
      const compare = (input: unknown) => {
        const expected = Either.getOrElse(bySchema(input), () => invalid)
        const actual = decode(input)
        expect(actual).toEqual(expected)
        expect(keysOf(actual)).toEqual(keysOf(expected))
      }
      const encode = Schema.encodeSync(schema)
      const legal = Arbitrary.make(schema).map((value) => copyOf(encode(value)))
      const strange = FastCheck.tuple(change, strangeValues).map(([place, value]) => ({ ...place, value }))
      FastCheck.assert(
        FastCheck.property(
          legal,
          FastCheck.array(FastCheck.oneof(change, strange), { maxLength: 3 }),
          (input, changes) => compare(changes.reduce<unknown>(changed, input))
        ),
        { numRuns: 30 }
      )
      FastCheck.assert(FastCheck.property(strangeValues, compare), { numRuns: 20 })
    })
  }
})
