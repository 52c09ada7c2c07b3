/**
 * Envelope encryption: each value is encrypted with its own data key, which a key of the key ring wraps.
 * docs/encryption.md describes the format and its reasons.
 *
 * Decryption does not report why it failed.
 */
import { Option } from "effect"
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto"

/** The version that a value belongs to. It is authenticated: the value decrypts only with the same identity. */
export interface Identity {
  readonly ownerUserId: string
  readonly secretId: string
  readonly versionId: string
  readonly version: number
}

/** The column of `account` that a token belongs to. Authenticated like `Identity`. */
export interface TokenIdentity {
  /** The id of the row. */
  readonly accountId: string
  readonly column: string
}

/** A key of the key ring, with its bytes. */
export interface WrappingKey {
  readonly id: string
  readonly bytes: Uint8Array
}

/** An encrypted value as it is stored. Both fields are base64. */
export interface Sealed {
  readonly encryptedValue: string
  readonly wrappedDataKey: string
}

/** A source of random bytes. */
export type RandomBytes = (length: number) => Uint8Array

const algorithm = "aes-256-gcm"
const formatVersion = 1
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

const valueLabel = "sealant/secret-value"
const dataKeyLabel = "sealant/data-key"
const tokenLabel = "sealant/account-token"
const tokenKeyLabel = "sealant/account-token-key"
const keyCheckLabel = "sealant/key-check"

/** Encodes fields with their lengths, so that different lists of fields have different bytes. */
const fieldsOf = (...fields: ReadonlyArray<string>): Buffer =>
  Buffer.concat(
    fields.flatMap((field) => {
      const bytes = Buffer.from(field, "utf8")
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return [length, bytes]
    })
  )

type AnyIdentity = Identity | TokenIdentity

/** Returns the labels of the value and of its data key, and the fields of the identity. */
const partsOf = (identity: AnyIdentity) =>
  "column" in identity
    ? { value: tokenLabel, dataKey: tokenKeyLabel, fields: [identity.accountId, identity.column] }
    : {
        value: valueLabel,
        dataKey: dataKeyLabel,
        fields: [identity.ownerUserId, identity.secretId, identity.versionId, String(identity.version)]
      }

const valueContext = (identity: AnyIdentity) => {
  const { fields, value } = partsOf(identity)
  return fieldsOf(value, String(formatVersion), ...fields)
}

const dataKeyContext = (keyId: string, identity: AnyIdentity) => {
  const { dataKey, fields } = partsOf(identity)
  return fieldsOf(dataKey, String(formatVersion), keyId, ...fields)
}

/** Encrypts to the base64 of: format version, nonce, ciphertext, tag. */
const encrypt = (key: Uint8Array, plain: Uint8Array, context: Buffer, random: RandomBytes): string => {
  const nonce = random(nonceBytes)
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(context)
  const encrypted = [cipher.update(plain), cipher.final()]
  return Buffer.concat([Uint8Array.of(formatVersion), nonce, ...encrypted, cipher.getAuthTag()]).toString("base64")
}

const decrypt = (key: Uint8Array, stored: string, context: Buffer): Option.Option<Buffer> => {
  const bytes = Buffer.from(stored, "base64")
  // `Buffer.from` accepts several texts for the same bytes. Only the canonical one is valid.
  if (bytes.toString("base64") !== stored) return Option.none()
  if (bytes.length < 1 + nonceBytes + tagBytes || bytes[0] !== formatVersion) return Option.none()
  const nonce = bytes.subarray(1, 1 + nonceBytes)
  const encrypted = bytes.subarray(1 + nonceBytes, -tagBytes)
  try {
    const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes })
    decipher.setAAD(context).setAuthTag(bytes.subarray(-tagBytes))
    return Option.some(Buffer.concat([decipher.update(encrypted), decipher.final()]))
  } catch {
    return Option.none()
  }
}

/** Encrypts a value with a new data key and new nonces. */
export const seal = (
  value: string,
  key: WrappingKey,
  identity: AnyIdentity,
  random: RandomBytes = randomBytes
): Sealed => {
  const dataKey = random(keyBytes)
  const plain = Buffer.from(value, "utf8")
  const sealed = {
    encryptedValue: encrypt(dataKey, plain, valueContext(identity), random),
    wrappedDataKey: encrypt(key.bytes, dataKey, dataKeyContext(key.id, identity), random)
  }
  dataKey.fill(0)
  plain.fill(0)
  return sealed
}

const unwrap = (wrappedDataKey: string, key: WrappingKey, identity: AnyIdentity) =>
  Option.filter(
    decrypt(key.bytes, wrappedDataKey, dataKeyContext(key.id, identity)),
    ({ length }) => length === keyBytes
  )

/** Decrypts a value. Returns none if the stored data, the key or the identity differs from encryption. */
export const open = (
  { encryptedValue, wrappedDataKey }: Sealed,
  key: WrappingKey,
  identity: AnyIdentity
): Option.Option<string> =>
  Option.flatMap(unwrap(wrappedDataKey, key, identity), (dataKey) => {
    const plain = decrypt(dataKey, encryptedValue, valueContext(identity))
    dataKey.fill(0)
    return Option.map(plain, (bytes) => {
      const value = bytes.toString("utf8")
      bytes.fill(0)
      return value
    })
  })

/** Wraps the data key with another key and a new nonce. Returns none if unwrapping fails. The value is not touched. */
export const rewrap = (
  wrappedDataKey: string,
  from: WrappingKey,
  to: WrappingKey,
  identity: AnyIdentity,
  random: RandomBytes = randomBytes
): Option.Option<string> =>
  Option.map(unwrap(wrappedDataKey, from, identity), (dataKey) => {
    const wrapped = encrypt(to.bytes, dataKey, dataKeyContext(to.id, identity), random)
    dataKey.fill(0)
    return wrapped
  })

/** Computes the check value of a key, half of an HMAC with it. Detects a different key without revealing either. */
export const keyCheckOf = ({ bytes, id }: WrappingKey): string =>
  createHmac("sha256", bytes).update(fieldsOf(keyCheckLabel, id)).digest("hex").slice(0, 32)
