/**
 * The text of an encrypted token: `sealant:1:`, the id of the key, the wrapped data key and the ciphertext, separated by
 * colons. Neither ids of keys in a ring nor base64 contain a colon.
 */
import type { Sealed } from "./envelope.js"

/** The columns of `account` that contain tokens. */
export const tokenColumns = ["access_token", "refresh_token", "id_token"] as const
export type TokenColumn = (typeof tokenColumns)[number]

/** The beginning of every encrypted token. Text, so that statements can compare it. */
export const tokenPrefix = "sealant:1:"

/** Returns whether a stored token is encrypted. Others are plain text. */
export const isEncrypted = (stored: string) => stored.startsWith(tokenPrefix)

/** Returns whether a stored token is encrypted with the key. */
export const isUnder = (stored: string, keyId: string) => stored.startsWith(`${tokenPrefix}${keyId}:`)

/** Returns the parts of an encrypted token; `undefined` if it is damaged. */
export const tokenParts = (stored: string): (Sealed & { readonly keyId: string }) | undefined => {
  const [keyId, wrappedDataKey, encryptedValue, ...others] = stored.slice(tokenPrefix.length).split(":")
  return keyId === undefined || wrappedDataKey === undefined || encryptedValue === undefined || others.length > 0
    ? undefined
    : { keyId, wrappedDataKey, encryptedValue }
}

/** Builds the text of an encrypted token. */
export const tokenText = (keyId: string, { encryptedValue, wrappedDataKey }: Sealed) =>
  `${tokenPrefix}${keyId}:${wrappedDataKey}:${encryptedValue}`
