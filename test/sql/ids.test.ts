import { describe, expect, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { idOrNew, newUuid } from "../../src/sql/ids.js"

/** Returns the time of a UUIDv7: its first 48 bits. */
const timeOf = (uuid: string) => Number.parseInt(uuid.replaceAll("-", "").slice(0, 12), 16)

// The ids of a process never go back in time, so these tests use times after those of other tests.
const future = Date.UTC(2100, 0, 1)

describe("newUuid", () => {
  it("returns distinct UUIDs of version 7 that sort by their creation", () => {
    const ids = Array.from({ length: 5000 }, () => newUuid(future))
    expect(ids.toSorted()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it("draws new random bytes for each id", () => {
    const tails = Array.from({ length: 1000 }, () => newUuid(future).slice(-10))
    expect(new Set(tails).size).toBe(tails.length)
  })

  it("contains the given time", () => {
    expect(timeOf(newUuid(future + 5))).toBe(future + 5)
  })

  it("sorts after earlier ids when the clock was set back", () => {
    const before = newUuid(future + 10)
    const after = newUuid(future)
    expect(after > before).toBe(true)
    expect(timeOf(after)).toBe(future + 10)
  })
})

describe("idOrNew", () => {
  it.effect("generates an id with the time of Effect's clock", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(future + 1000)
      const id = yield* idOrNew(undefined, "sbx", String)
      expect(timeOf(id.slice("sbx_".length))).toBe(future + 1000)
    })
  )

  it.effect("returns an id of the caller", () =>
    Effect.gen(function* () {
      expect(yield* idOrNew("sbx_mine", "sbx", String)).toBe("sbx_mine")
    })
  )
})
