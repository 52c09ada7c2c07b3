import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Either, FastCheck, Schema } from "effect"
import { decoderOf, invalid } from "../../src/sql/decoder.js"
import * as payloads from "../../src/payloads/index.js"
import { change, changed } from "../support/changedDocuments.js"

/** The documents whose schemas carry a decoder of one call, by name. */
const decoded = Object.entries(payloads).flatMap(([name, value]) => {
  const decode = Schema.isSchema(value) ? decoderOf(value.ast) : undefined
  return Schema.isSchema(value) && decode !== undefined
    ? [{ name, schema: Schema.make<unknown>(value.ast), decode }]
    : []
})

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
