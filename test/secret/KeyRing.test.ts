import { describe, expect, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Exit, Layer, Redacted } from "effect"
import { inspect } from "node:util"
import { type GivenKey, KeyRing } from "../../src/secret/KeyRing.js"

const base64 = (byte: number, length = 32) => Buffer.alloc(length, byte).toString("base64")
const first = base64(1)
const second = base64(2)

const configured = (value: string | undefined) =>
  KeyRing.pipe(
    Effect.provide(KeyRing.layerConfig),
    Effect.withConfigProvider(
      ConfigProvider.fromMap(new Map(value === undefined ? [] : [["SEALANT_ENCRYPTION_KEYS", value]]))
    )
  )

const given = (...keys: ReadonlyArray<GivenKey>) => Effect.provide(KeyRing, KeyRing.layer(keys))

const bytesOf = ({ keys }: KeyRing["Type"]) =>
  keys.map(({ id, key }) => [id, Buffer.from(Redacted.value(key)).toString("base64")])

describe("KeyRing", () => {
  it.effect("reads the keys from the environment", () =>
    Effect.gen(function* () {
      expect(bytesOf(yield* configured(`k1:${first}`))).toEqual([["k1", first]])
      expect(bytesOf(yield* configured(`2026-05:${second} , k.1_a-b:${first}`))).toEqual([
        ["2026-05", second],
        ["k.1_a-b", first]
      ])
      const slashes = Buffer.alloc(32, 0xff)
      for (const text of [
        slashes.toString("base64"),
        slashes.toString("base64url"),
        slashes.toString("base64").replace("=", "")
      ]) {
        expect(bytesOf(yield* configured(`k1:${text}`))).toEqual([["k1", slashes.toString("base64")]])
      }
      for (const nothing of [undefined, ""]) expect((yield* configured(nothing)).keys).toEqual([])
    })
  )

  it.effect("reports an invalid setting in one line without its value", () =>
    Effect.gen(function* () {
      const rule = (name: string) => `${name} must be 32 bytes in base64`
      const idRule = "the id of key 1 must be 1 to 64 letters, digits, dots, underscores or dashes"
      const cases: Readonly<Record<string, string>> = {
        [first]: "key 1 must be ID:KEY, where KEY is 32 bytes in base64",
        [`k1:${first}\n`]: "begins or ends with white space; remove it",
        [`k1:${first}\r\n`]: "contains a carriage return; save the file that sets it with LF line ends",
        [`"k1:${first}"`]: "is in quotes; remove them",
        [`k1:${first},`]: "key 2 must be ID:KEY, where KEY is 32 bytes in base64",
        [`k1:${first},,k2:${second}`]: "key 2 must be ID:KEY, where KEY is 32 bytes in base64",
        [`:${first}`]: idRule,
        [`-k:${first}`]: idRule,
        [`k 1:${first}`]: idRule,
        [`k1\u00e4:${first}`]: idRule,
        [`${"k".repeat(65)}:${first}`]: idRule,
        [`${first}:k1`]: idRule,
        "k1:": rule("key 1"),
        [`k1:${base64(1, 31)}`]: rule("key 1"),
        [`k1:${base64(1, 33)}`]: rule("key 1"),
        [`k1:${first.slice(1)}`]: rule("key 1"),
        [`k1:!${first}`]: rule("key 1"),
        [`k1:${first}=`]: rule("key 1"),
        // The same bytes, with bits that base64 does not use.
        [`k1:${first.slice(0, 42)}F=`]: rule("key 1"),
        [`k1:${"ab".repeat(32)}`]: rule("key 1"),
        [`k1:${first},k2:zz`]: rule("key 2"),
        [`k1:${first},k1:${second}`]: "key 2 has the id of key 1",
        [`k0:${second},k1:${first},k2:${first}`]: "key 3 is the same as key 2"
      }
      for (const [value, problem] of Object.entries(cases)) {
        const exit = yield* Effect.exit(configured(value))
        const error = yield* Effect.flip(configured(value))
        expect(error).toMatchObject({ _tag: "KeyRingConfigError", setting: "SEALANT_ENCRYPTION_KEYS", problem })
        expect(error.message).toBe(`SEALANT_ENCRYPTION_KEYS: ${problem}`)
        const told =
          inspect(error, { showHidden: true, depth: 9 }) +
          JSON.stringify(error) +
          (Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "")
        for (const part of value.split(/[:,]/).filter(({ length }) => length > 10)) expect(told).not.toContain(part)
      }
    })
  )

  it.effect("accepts keys from the program", () =>
    Effect.gen(function* () {
      const bytes = new Uint8Array(32).fill(7)
      const keyRing = yield* given({ id: "k1", key: Redacted.make(bytes) }, { id: "k2", key: Redacted.make(first) })
      bytes.fill(0)
      expect(bytesOf(keyRing)).toEqual([
        ["k1", base64(7)],
        ["k2", first]
      ])
      expect(inspect(keyRing, { showHidden: true, depth: 9 }) + JSON.stringify(keyRing)).not.toMatch(/BwcH|7, 7|AQEB/)
      expect((yield* given()).keys).toEqual([])
      const wrong = Redacted.make(new Uint8Array(16))
      expect((yield* Effect.flip(given({ id: "k1", key: wrong }))).message).toBe(
        "keys: key 1 must be 32 bytes in base64"
      )
      expect(yield* Effect.isFailure(Layer.launch(KeyRing.layer([{ id: "", key: Redacted.make(first) }])))).toBe(true)
    })
  )
})
