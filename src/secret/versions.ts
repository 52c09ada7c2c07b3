/**
 * Decryption of versions of secrets.
 */
import { Effect, Option, Redacted } from "effect"
import { open } from "./envelope.js"
import { SecretUnreadable } from "./errors.js"
import type { Keys } from "./keys.js"
import type { SecretVersion } from "./Secret.js"

/** Decrypts a version of a secret of this owner. */
export const decryptVersion = (
  keys: Keys,
  { encryptedValue, encryptionKeyId, id: versionId, secretId, version, wrappedDataKey }: SecretVersion,
  ownerUserId: string
) =>
  Effect.gen(function* () {
    const unreadable = new SecretUnreadable({ secretId, version })
    // An imported version has no data key. Its format is undocumented.
    if (Option.isNone(wrappedDataKey) || Option.isNone(encryptionKeyId)) return yield* unreadable
    const key = yield* keys.toOpenWith(encryptionKeyId.value)
    const identity = { ownerUserId, secretId, versionId, version }
    const value = open({ encryptedValue, wrappedDataKey: wrappedDataKey.value }, key, identity)
    return Option.isSome(value) ? Redacted.make(value.value) : yield* unreadable
  })
