import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import { Connection } from "../../src/libsql/Connection.js"
import { codeOf } from "../../src/libsql/DriverError.js"
import { toNative } from "../../src/libsql/values.js"

const memory = Effect.acquireRelease(
  Effect.sync(() => new Connection({ path: ":memory:", role: "writer", synchronous: "full" })),
  (connection) => Effect.sync(() => connection.close())
)

const codeThrownBy = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return codeOf(error)
  }
  return "nothing"
}

describe("toNative", () => {
  const symbol = Symbol("x")
  it.each([
    ["NaN", Number.NaN],
    ["Infinity", Number.POSITIVE_INFINITY],
    ["undefined", undefined],
    ["text with a NUL", "a\0b"],
    ["a lone high surrogate", "a\uD800b"],
    ["a lone low surrogate", "\uDC00"],
    ["an integer of more than 64 bits", 2n ** 63n],
    ["an invalid date", new Date(Number.NaN)],
    ["an object", {}],
    ["an array", [1]],
    ["a function", () => 1],
    ["a symbol", symbol]
  ])("rejects %s", (_, value) => {
    expect(codeThrownBy(() => toNative(value))).toBe("SEALANT_UNSUPPORTED_VALUE")
  })

  it("never shows the rejected value", () => {
    expect(() => toNative("sentinel\0")).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("sentinel") })
    )
  })

  it.scoped("keeps the type that SQLite reports", () =>
    Effect.gen(function* () {
      const connection = yield* memory
      const typeOf = (value: unknown) => connection.run("SELECT typeof(?) AS type", [value]).rows[0]?.["type"]
      expect([1, -0, 2 ** 53 - 1, 5n, true, new Date(0)].map(typeOf)).toEqual(
        Array.from({ length: 6 }, () => "integer")
      )
      expect([1.5, 2 ** 53, 1e300].map(typeOf)).toEqual(["real", "real", "real"])
      expect(["", "é😀"].map(typeOf)).toEqual(["text", "text"])
      expect(
        [new Uint8Array([1]), new ArrayBuffer(1), Buffer.from("a"), new DataView(new ArrayBuffer(2))].map(typeOf)
      ).toEqual(["blob", "blob", "blob", "blob"])
      expect(typeOf(null)).toBe("null")
    })
  )

  it.scoped("converts integral numbers to integers, also in expressions", () =>
    Effect.gen(function* () {
      const connection = yield* memory
      expect(
        connection.run("SELECT 7 / ? AS quotient, json_array(?) AS json, CAST(? AS TEXT) AS text", [2, 2, 2]).rows
      ).toEqual([{ quotient: 3, json: "[2]", text: "2" }])
    })
  )

  it.scoped("sends only the viewed part of a buffer", () =>
    Effect.gen(function* () {
      const connection = yield* memory
      const view = new Uint8Array([1, 2, 3, 4]).subarray(1, 3)
      expect(connection.run("SELECT hex(?) AS hex", [view]).rows).toEqual([{ hex: "0203" }])
      expect(connection.run("SELECT hex(?) AS hex", [new Uint16Array([0x0201])]).rows).toEqual([{ hex: "0102" }])
    })
  )

  it.scoped("returns any value unchanged, or rejects it", () =>
    Effect.gen(function* () {
      const connection = yield* memory
      const back = (value: unknown) => connection.run("SELECT ? AS value", [value]).rows[0]?.["value"]
      const text = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"))
      fc.assert(fc.property(text, (value) => back(value) === value))
      fc.assert(fc.property(fc.maxSafeInteger(), (value) => back(value) === value))
      fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => back(value) === value))
      fc.assert(fc.property(fc.uint8Array(), (value) => Buffer.from(back(value) as ArrayBuffer).equals(value)))
      fc.assert(
        fc.property(
          fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
          (value) => connection.run("SELECT CAST(? AS TEXT) AS value", [value]).rows[0]?.["value"] === String(value)
        )
      )
    })
  )
})
