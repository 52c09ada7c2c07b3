import { describe, expect, it } from "@effect/vitest"
import { type ById, targetOf } from "../../src/sql/ownerScope.js"

/** The argument of a caller without types. */
const untyped = (value: unknown) => value as ById

describe("targetOf", () => {
  it("returns the id alone for any owner, and the owner of an object", () => {
    expect(targetOf("sbx_1")).toEqual({ id: "sbx_1" })
    expect(targetOf({ id: "sbx_1", ownerUserId: "ada" })).toEqual({ id: "sbx_1", ownerUserId: "ada" })
  })

  it("returns no owner for an object without one, so that it matches no row", () => {
    expect(targetOf(untyped({ id: "sbx_1" }))).toEqual({ id: "sbx_1", ownerUserId: null })
    expect(targetOf(untyped({ id: "sbx_1", ownerUserId: undefined }))).toEqual({ id: "sbx_1", ownerUserId: null })
  })

  it("converts an id that is not a string to text", () => {
    expect(targetOf(untyped(42))).toEqual({ id: "42" })
    expect(targetOf(untyped(null))).toEqual({ id: "null" })
    expect(targetOf(untyped({ id: 42, ownerUserId: "ada" }))).toEqual({ id: "42", ownerUserId: "ada" })
  })
})
