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
import { isEncrypted, isUnder, type TokenColumn, tokenColumns, tokenParts, tokenText } from "./tokenFormat.js"

/** Builds the operations on tokens, with the keys of the `KeyRing` of the context. */
export const makeTokens: Effect.Effect<Tokens, never, SqlClient.SqlClient> = Effect.flatMap(KeyRing.optional, (ring) =>
  Effect.map(makeKeysOf(ring), tokensOf)
)

/** The tokens of an account by column: as text, or as they are stored. Absent columns are not concerned. */
export type TokenValues = { readonly [Column in TokenColumn]?: string | null | undefined }

/** Encrypts those columns that have a token. `before` has the current content of the columns. */
export type SealTokens = (
  accountId: string,
  tokens: TokenValues,
  before: TokenValues
) => { readonly [Column in TokenColumn]?: string }

export interface Tokens {
  /** Whether tokens are stored encrypted: this process holds a key. */
  readonly encrypts: boolean
  /**
   * Decrypts the stored tokens of an account. A token that cannot be decrypted with the keys of this process is null.
   * Returns `stored` itself if none is encrypted.
   */
  readonly open: (accountId: string, stored: TokenValues) => Effect.Effect<TokenValues>
  /**
   * Chooses the key, and returns the encryption of tokens. Keeps the current content of a column if that is the same
   * token under the same key. Run it in the transaction that writes, so that the key cannot be retired before the
   * commit.
   */
  readonly sealer: Effect.Effect<SealTokens, Effect.Effect.Error<Keys["toWriteWith"]>>
}

function tokensOf(keys: Keys): Tokens {
  const openOne = (stored: string, identity: TokenIdentity) => {
    const parts = tokenParts(stored)
    return parts === undefined
      ? Effect.succeedNone
      : Effect.map(Effect.option(keys.toOpenWith(parts.keyId)), (key) =>
          Option.flatMap(key, (key) => open(parts, key, identity))
        )
  }
  const sealOne = (key: WrappingKey, token: string, stored: string | null, identity: TokenIdentity) => {
    const parts = stored !== null && isUnder(stored, key.id) ? tokenParts(stored) : undefined
    const isSame = parts !== undefined && Option.contains(open(parts, key, identity), token)
    return isSame && stored !== null ? stored : tokenText(key.id, seal(token, key, identity))
  }
  return {
    encrypts: !keys.isEmpty,
    open: (accountId, stored) =>
      Effect.gen(function* () {
        const opened: { [Column in TokenColumn]?: string | null } = {}
        for (const column of tokenColumns) {
          const token = stored[column]
          if (typeof token === "string" && isEncrypted(token))
            opened[column] = Option.getOrNull(yield* openOne(token, { accountId, column }))
        }
        return Object.keys(opened).length === 0 ? stored : { ...stored, ...opened }
      }),
    sealer: Effect.map(keys.toWriteWith, (key) => (accountId, tokens, before) => {
      const sealed: { [Column in TokenColumn]?: string } = {}
      for (const column of tokenColumns) {
        const token = tokens[column]
        if (typeof token === "string")
          sealed[column] = sealOne(key, token, before[column] ?? null, { accountId, column })
      }
      return sealed
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
