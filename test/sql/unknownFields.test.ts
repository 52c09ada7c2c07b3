import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { unknownFieldFinder } from "../../src/sql/unknownFields.js"

const Filter = Schema.Struct({
  ownerUserId: Schema.optional(Schema.String),
  includeArchived: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  payload: Schema.optional(Schema.Struct({ a: Schema.Number }))
})

const find = unknownFieldFinder(Filter, ["limit"])

describe("unknownFieldFinder", () => {
  it("accepts the fields of the schema and the other fields", () => {
    expect(find({ ownerUserId: "ada", includeArchived: true, limit: 1 })).toBeUndefined()
  })

  it("names a misspelled field and the fields of the request", () => {
    expect(find({ ownerId: "ada" })).toBe(
      "ownerId: is not a field of this request; its fields are ownerUserId, includeArchived, payload, limit"
    )
  })

  it("treats a field with the value undefined as absent", () => {
    expect(find({ ownerId: undefined })).toBeUndefined()
  })

  it("accepts unknown fields of nested objects", () => {
    expect(find({ payload: { a: 1, b: 2 } })).toBeUndefined()
  })

  it("accepts any field of a record, and any value that is not a plain object", () => {
    expect(
      unknownFieldFinder(Schema.Record({ key: Schema.String, value: Schema.Number }), [])({ a: 1 })
    ).toBeUndefined()
    for (const value of [null, undefined, "text", [1], new Date(0)]) expect(find(value)).toBeUndefined()
  })

  it("finds unknown fields behind refinements, transformations and unions of structs", () => {
    const filtered = Filter.pipe(Schema.filter(() => true))
    const either = Schema.Union(filtered, Schema.Struct({ id: Schema.String }))
    expect(unknownFieldFinder(filtered, [])({ id: "1" })).toContain("id: is not a field")
    expect(unknownFieldFinder(either, [])({ id: "1" })).toBeUndefined()
    expect(unknownFieldFinder(either, [])({ ids: "1" })).toContain("ids: is not a field")
  })

  it("shortens a long name", () => {
    expect(find({ ["x".repeat(1000)]: 1 })?.length).toBeLessThan(400)
  })
})
