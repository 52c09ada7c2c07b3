/**
 * The key ring: the encryption keys of this process, from the environment or from the program. Rows, errors, logs and
 * spans do not contain keys.
 */
import { Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import { timingSafeEqual } from "node:crypto"
import { secretVariable } from "../libsql/settings.js"
import { EncryptionKeyId } from "./EncryptionKey.js"

/** Invalid keys. `setting` is the environment variable or the option, `problem` the broken rule. Contains no key. */
export class KeyRingConfigError extends Schema.TaggedError<KeyRingConfigError>("@sealant/db/KeyRingConfigError")(
  "KeyRingConfigError",
  {
    setting: Schema.String,
    problem: Schema.String
  }
) {
  override get message() {
    return `${this.setting}: ${this.problem}`
  }
}

/** A key that a program passes to `KeyRing.layer`. */
export interface GivenKey {
  /** 1 to 64 letters, digits, `.`, `_` or `-`, the first of them a letter or a digit. */
  readonly id: string
  /** 32 bytes, or their base64. */
  readonly key: Redacted.Redacted<string | Uint8Array>
}

/** A key in the key ring. */
export interface RingKey {
  readonly id: EncryptionKeyId
  readonly key: Redacted.Redacted<Uint8Array>
}

/** The content of `KeyRing`. */
export interface KeyRingService {
  /** The keys. `rotateKeys` and the very first write activate the first one. Empty if no key is configured. */
  readonly keys: ReadonlyArray<RingKey>
}

const settingName = "SEALANT_ENCRYPTION_KEYS"
const keyBytes = 32

const noKeys: KeyRingService = { keys: [] }

/** The encryption keys of this process. */
export class KeyRing extends Context.Tag("@sealant/db/KeyRing")<KeyRing, KeyRingService>() {
  /**
   * Provides these keys; the first one is the key to activate. Fails with `KeyRingConfigError` if an id or a key is
   * invalid or a duplicate.
   */
  static readonly layer = (keys: ReadonlyArray<GivenKey>): Layer.Layer<KeyRing, KeyRingConfigError> =>
    Layer.effect(this, ringOf("keys", keys))

  /**
   * Provides the keys of `SEALANT_ENCRYPTION_KEYS`: `ID:KEY,ID:KEY`, where `KEY` is 32 bytes in base64; the first
   * one is the key to activate. Without the variable, or if it is empty, there are no keys, and secrets can be neither
   * written nor revealed.
   *
   * Fails with `KeyRingConfigError` if the variable is invalid. The message has one line, with the variable and the
   * position of the key.
   */
  static readonly layerConfig: Layer.Layer<KeyRing, KeyRingConfigError> = Layer.effect(
    this,
    Effect.suspend(() => fromEnvironment)
  )

  /** Returns the key ring of the context; one without keys if the context has none. */
  static readonly optional: Effect.Effect<KeyRingService> = Effect.map(
    Effect.serviceOption(this),
    Option.getOrElse(() => noKeys)
  )
}

const fromEnvironment = Effect.gen(function* () {
  const text = yield* Effect.mapError(
    secretVariable(settingName),
    (problem) => new KeyRingConfigError({ setting: settingName, problem })
  )
  if (Option.isNone(text)) return { keys: [] }
  const entries = Redacted.value(text.value)
    .split(",")
    .map((entry) => entry.trim())
  const invalid = entries.findIndex((entry) => !entry.includes(":"))
  if (invalid >= 0) {
    return yield* new KeyRingConfigError({
      setting: settingName,
      problem: `key ${invalid + 1} must be ID:KEY, where KEY is 32 bytes in base64`
    })
  }
  return yield* ringOf(
    settingName,
    entries.map((entry) => {
      const colon = entry.indexOf(":")
      return { id: entry.slice(0, colon).trim(), key: Redacted.make(entry.slice(colon + 1).trim()) }
    })
  )
})

/**
 * Validates the keys. Errors contain the position of a key, not its id, because a key may be in the place of the id.
 */
const ringOf = (setting: string, entries: ReadonlyArray<GivenKey>): Effect.Effect<KeyRingService, KeyRingConfigError> =>
  Effect.suspend(() => {
    const refuse = (problem: string) => Effect.fail(new KeyRingConfigError({ setting, problem }))
    const keys: Array<RingKey> = []
    for (const [index, { id, key }] of entries.entries()) {
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

/**
 * Copies the bytes of a key. Accepts base64 in both alphabets, with or without padding. `Buffer.from` skips invalid
 * characters, so the result must encode to the same text.
 */
const bytesOf = (key: string | Uint8Array): Uint8Array | undefined => {
  if (typeof key !== "string") return key.length === keyBytes ? Uint8Array.from(key) : undefined
  const bytes = Buffer.from(key, "base64")
  const canonical = key.replaceAll("-", "+").replaceAll("_", "/").replace(/=$/, "")
  return bytes.length === keyBytes && bytes.toString("base64").replace(/=+$/, "") === canonical
    ? Uint8Array.from(bytes)
    : undefined
}
