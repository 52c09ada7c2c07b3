/**
 * Encryption of the OAuth tokens of accounts. docs/encryption.md describes the format.
 *
 * A token is stored in its own column: encrypted, or as plain text if it was written without keys. Both can be read.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import { open, rewrap, seal, type TokenIdentity, type WrappingKey } from "./envelope.js"
import { KeyRing } from "./KeyRing.js"
import { type Keys, makeKeysOf } from "./keys.js"
import { isEncrypted, isUnder, tokenParts, tokenText } from "./tokenFormat.js"

/** Builds the operations on tokens, with the keys of the `KeyRing` of the context. */
export const makeTokens: Effect.Effect<Tokens, never, SqlClient.SqlClient> = Effect.flatMap(KeyRing.optional, (ring) =>
  Effect.map(makeKeysOf(ring), tokensOf)
)

export interface Tokens {
  /** Whether tokens are stored encrypted: this process holds a key. */
  readonly encrypts: boolean
  /** Decrypts a stored token. Returns `None` if it cannot be decrypted with the keys of this process. */
  readonly open: (stored: string, identity: TokenIdentity) => Effect.Effect<Option.Option<string>>
  /**
   * Encrypts a token for its column. Returns `stored`, the current content of the column, if that is the same token
   * under the same key. Call it in the transaction that writes, so that the key cannot be retired before the commit.
   */
  readonly sealer: Effect.Effect<
    (token: string, stored: string | null, identity: TokenIdentity) => string,
    Effect.Effect.Error<Keys["toWriteWith"]>
  >
}

function tokensOf(keys: Keys): Tokens {
  return {
    encrypts: !keys.isEmpty,
    open: (stored, identity) => {
      if (!isEncrypted(stored)) return Effect.succeedSome(stored)
      const parts = tokenParts(stored)
      return parts === undefined
        ? Effect.succeedNone
        : Effect.map(Effect.option(keys.toOpenWith(parts.keyId)), (key) =>
            Option.flatMap(key, (key) => open(parts, key, identity))
          )
    },
    sealer: Effect.map(keys.toWriteWith, (key) => (token, stored, identity) => {
      const parts = stored !== null && isUnder(stored, key.id) ? tokenParts(stored) : undefined
      const isSame = parts !== undefined && Option.contains(open(parts, key, identity), token)
      return isSame && stored !== null ? stored : tokenText(key.id, seal(token, key, identity))
    })
  }
}

/**
 * Moves a stored token to the key `to`: encrypts plain text, and rewraps the data key of an encrypted token. Returns
 * `None` if the key of the token is not held, or the token is damaged.
 */
export const moveToken = (keys: Keys, stored: string, to: WrappingKey, identity: TokenIdentity) =>
  Effect.gen(function* () {
    if (!isEncrypted(stored)) return Option.some(tokenText(to.id, seal(stored, to, identity)))
    const parts = tokenParts(stored)
    if (parts === undefined) return Option.none<string>()
    const from = yield* Effect.option(keys.toOpenWith(parts.keyId))
    return Option.flatMap(from, (from) =>
      Option.map(rewrap(parts.wrappedDataKey, from, to, identity), (wrappedDataKey) =>
        tokenText(to.id, { wrappedDataKey, encryptedValue: parts.encryptedValue })
      )
    )
  })
