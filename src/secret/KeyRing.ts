/**
 * The keys that this process holds. They come from the environment or from the program, and go nowhere: no row, no
 * error, no log, no span has them.
 */
import { Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import { timingSafeEqual } from "node:crypto"
import { secretVariable } from "../libsql/settings.js"
import { EncryptionKeyId } from "./EncryptionKey.js"

/** The keys are not as they must be. `setting` names the variable (or the option), `problem` what is wrong, without a key. */
export class KeyRingConfigError extends Schema.TaggedError<KeyRingConfigError>()(
  "KeyRingConfigError",
  { setting: Schema.String, problem: Schema.String }
) {
  override get message() {
    return `${this.setting}: ${this.problem}`
  }
}

/** A key as a program gives it: 32 bytes, or their base64. */
export interface GivenKey {
  /** 1 to 64 letters, digits, `.`, `_` or `-`, the first of them a letter or a digit. */
  readonly id: string
  readonly key: Redacted.Redacted<string | Uint8Array>
}

/** A key of the ring. */
export interface RingKey {
  readonly id: EncryptionKeyId
  readonly key: Redacted.Redacted<Uint8Array>
}

/** What `KeyRing` holds. */
export interface KeyRingService {
  /** The keys, the one that is to be active first. None when there are none. */
  readonly keys: ReadonlyArray<RingKey>
}

const settingName = "SEALANT_ENCRYPTION_KEYS"
const keyBytes = 32

export class KeyRing extends Context.Tag("@sealant/db/KeyRing")<KeyRing, KeyRingService>() {
  /**
   * These keys, the first of them the one that is to be active. Fails with `KeyRingConfigError` for an id or a key out of
   * shape, and for an id or a key that is there twice.
   */
  static readonly layer = (keys: ReadonlyArray<GivenKey>): Layer.Layer<KeyRing, KeyRingConfigError> =>
    Layer.effect(this, ringOf("keys", keys))

  /**
   * The keys of `SEALANT_ENCRYPTION_KEYS`: `id:base64,...`, 32 bytes each, the first of them the one that is to be
   * active. None when it is not set or empty: secrets can then be neither written nor revealed.
   *
   * Fails with `KeyRingConfigError`, in one line that names the variable and the place in it.
   */
  static readonly layerConfig: Layer.Layer<KeyRing, KeyRingConfigError> = Layer.effect(
    this,
    Effect.suspend(() => fromEnvironment)
  )
}

const fromEnvironment = Effect.gen(function*() {
  const text = yield* Effect.mapError(secretVariable(settingName), (problem) => new KeyRingConfigError({ setting: settingName, problem }))
  if (Option.isNone(text)) return { keys: [] }
  const entries = Redacted.value(text.value).split(",").map((entry) => entry.trim())
  const shapeless = entries.findIndex((entry) => !entry.includes(":"))
  if (shapeless >= 0) {
    return yield* new KeyRingConfigError({ setting: settingName, problem: `key ${shapeless + 1} must be id:base64` })
  }
  return yield* ringOf(
    settingName,
    entries.map((entry) => {
      const colon = entry.indexOf(":")
      return { id: entry.slice(0, colon).trim(), key: Redacted.make(entry.slice(colon + 1).trim()) }
    })
  )
})

/** Keys are named by their place: what stands where an id should may be a key. */
const ringOf = (setting: string, given: ReadonlyArray<GivenKey>): Effect.Effect<KeyRingService, KeyRingConfigError> =>
  Effect.suspend(() => {
    const refuse = (problem: string) => Effect.fail(new KeyRingConfigError({ setting, problem }))
    const keys: Array<RingKey> = []
    for (const [index, { id, key }] of given.entries()) {
      const name = `key ${index + 1}`
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id)) {
        return refuse(`the id of ${name} must be 1 to 64 letters, digits, dots, underscores or dashes`)
      }
      const bytes = bytesOf(Redacted.value(key))
      if (bytes === undefined) return refuse(`${name} must be ${keyBytes} bytes in base64`)
      for (const [before, other] of keys.entries()) {
        if (other.id === id) return refuse(`${name} has the id of key ${before + 1}`)
        if (timingSafeEqual(Redacted.value(other.key), bytes)) return refuse(`${name} is the same as key ${before + 1}`)
      }
      keys.push({ id: EncryptionKeyId.make(id), key: Redacted.make(bytes) })
    }
    return Effect.succeed({ keys })
  })

/** The bytes of a key, in memory of their own. Base64 in either alphabet, padded or not; nothing that only looks like it. */
const bytesOf = (key: string | Uint8Array): Uint8Array | undefined => {
  if (typeof key !== "string") return key.length === keyBytes ? Uint8Array.from(key) : undefined
  const bytes = Buffer.from(key, "base64")
  const canonical = key.replaceAll("-", "+").replaceAll("_", "/").replace(/=$/, "")
  return bytes.length === keyBytes && bytes.toString("base64").replace(/=+$/, "") === canonical ? Uint8Array.from(bytes) : undefined
}
