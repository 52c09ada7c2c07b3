import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Either, FastCheck, Schema } from "effect"
import { decoderOf, invalid } from "../../src/sql/decoder.js"
import * as payloads from "../../src/payloads/index.js"

/** The documents whose schemas carry a decoder of one call, by name. */
const decoded = Object.entries(payloads).flatMap(([name, value]) => {
  const decode = Schema.isSchema(value) ? decoderOf(value.ast) : undefined
  return Schema.isSchema(value) && decode !== undefined
    ? [{ name, schema: Schema.make<unknown>(value.ast), decode }]
    : []
})

type Json = { [key: string]: unknown } | Array<unknown>

const isContainer = (value: unknown): value is Json => typeof value === "object" && value !== null

/** Every object and array inside a document, itself first. */
const containers = (document: unknown): ReadonlyArray<Json> =>
  isContainer(document) ? [document, ...Object.values(document).flatMap(containers)] : []

const strangeValues = FastCheck.oneof(
  FastCheck.jsonValue({ maxDepth: 2 }),
  FastCheck.constantFrom(
    "",
    " ",
    " codex ",
    "harness",
    "git",
    0,
    -1,
    1.5,
    65_536,
    true,
    null,
    [],
    {},
    ["a"],
    { kind: "git" },
    { supported: false }
  )
)

interface Change {
  readonly where: number
  readonly which: number
  readonly how: "replace" | "remove" | "add"
  readonly key: string
  readonly value: unknown
}

const change: FastCheck.Arbitrary<Change> = FastCheck.record({
  where: FastCheck.nat(),
  which: FastCheck.nat(),
  how: FastCheck.constantFrom("replace" as const, "remove" as const, "add" as const),
  key: FastCheck.constantFrom("unknown", "__proto__", "kind", "id", "env", "source"),
  value: strangeValues
})

const changed = (document: unknown, { how, key, value, where, which }: Change): unknown => {
  const all = containers(document)
  const target = all[where % Math.max(1, all.length)]
  if (target === undefined) return structuredClone(value)
  const keys = Object.keys(target)
  const name = how === "add" ? key : (keys[which % Math.max(1, keys.length)] ?? key)
  if (how === "remove") Reflect.deleteProperty(target, name)
  else
    Object.defineProperty(target, name, {
      value: structuredClone(value),
      enumerable: true,
      configurable: true,
      writable: true
    })
  return document
}

describe("precompiled decoders", () => {
  it("exist for the documents that are read with every job", () => {
    expect(decoded.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["UserWorkspaceSpec", "PartialUserWorkspaceSpec"])
    )
  })

  for (const { decode, name, schema } of decoded) {
    it(`${name}: has the same results as the schema for valid and invalid input`, () => {
      const bySchema = Schema.decodeUnknownEither(schema)
      const encode = Schema.encodeSync(schema)
      const legal = Arbitrary.make(schema).map((value): unknown => JSON.parse(JSON.stringify(encode(value))))
      const documents = FastCheck.tuple(legal, FastCheck.array(change, { maxLength: 3 })).map(([document, changes]) =>
        JSON.stringify(changes.reduce<unknown>(changed, document))
      )
      FastCheck.assert(
        FastCheck.property(documents, (text) => {
          expect(decode(JSON.parse(text))).toEqual(Either.getOrElse(bySchema(JSON.parse(text)), () => invalid))
        }),
        { numRuns: 200 }
      )
    })
  }
})
