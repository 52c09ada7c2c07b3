import { describe, expect, it } from "@effect/vitest"
import { newUuid } from "../../src/sql/ids.js"

describe("newUuid", () => {
  it("returns distinct UUIDs of version 7 that sort by their creation", () => {
    const ids = Array.from({ length: 5000 }, newUuid)
    expect(ids.toSorted()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it("draws new random bytes for each id", () => {
    const tails = Array.from({ length: 1000 }, () => newUuid().slice(-10))
    expect(new Set(tails).size).toBe(tails.length)
  })
})
