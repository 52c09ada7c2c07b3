/**
 * Encoding of Better Auth's values in SQLite: dates as epoch milliseconds, booleans as 0 and 1, JSON and lists as JSON
 * text.
 */
import type { AdapterFactoryCustomizeAdapterCreator } from "better-auth/adapters"
import { Either } from "effect"
import { furthestMs, isStorable } from "../sql/columns.js"
import { maxDocumentLength } from "../sql/json.js"
import { type Decoder, invalid } from "../sql/decoder.js"

/** The configured server, as Better Auth's adapter factory passes it: its models and their names. */
export type Server = Parameters<AdapterFactoryCustomizeAdapterCreator>[0]

/** The type of a field, such as `date` or `string[]`. */
export type FieldType = Server["schema"][string]["fields"][string]["type"]

export type Stored = string | number | null

/** Encodes a value. Fails with the violated rule, which does not contain the value. */
export const encode = (type: FieldType, value: unknown): Either.Either<Stored, string> => {
  if (value === null) return Either.right(null)
  switch (type) {
    case "date":
      return encodeDate(value)
    case "boolean":
      return encodeFlag(value)
    case "number":
      return encodeNumber(value)
    case "json":
      return encodeJson(value)
    case "string[]":
    case "number[]":
      return Array.isArray(value) ? encodeJson(value) : Either.left("must be a list")
    default:
      return encodeText(value)
  }
}

const encodeDate = (value: unknown) => {
  const at = value instanceof Date || typeof value === "string" ? new Date(value).getTime() : value
  return typeof at === "number" && Number.isInteger(at) && Math.abs(at) <= furthestMs
    ? Either.right(at)
    : Either.left("must be a date")
}

const encodeFlag = (value: unknown) =>
  value === true || value === 1
    ? Either.right(1)
    : value === false || value === 0
      ? Either.right(0)
      : Either.left("must be true or false")

const encodeNumber = (value: unknown) => {
  const number = typeof value === "bigint" ? Number(value) : value
  return typeof number === "number" &&
    Number.isFinite(number) &&
    (typeof value !== "bigint" || Number.isSafeInteger(number))
    ? Either.right(number)
    : Either.left("must be a finite number")
}

const tooLong = `must be up to ${maxDocumentLength} characters`

const encodeJson = (value: unknown) => {
  try {
    const text: unknown = JSON.stringify(value)
    if (typeof text !== "string") return Either.left("must be JSON")
    return text.length <= maxDocumentLength ? Either.right(text) : Either.left(tooLong)
  } catch {
    return Either.left("must be JSON")
  }
}

/** Encodes text. Accepts numbers, because some providers have numeric user ids. */
export const encodeText = (value: unknown): Either.Either<string, string> => {
  const text = typeof value === "number" || typeof value === "bigint" ? String(value) : value
  if (typeof text !== "string") return Either.left("must be text")
  if (text.length > maxDocumentLength) return Either.left(tooLong)
  return isStorable(text) ? Either.right(text) : Either.left("must not contain NUL characters or lone surrogates")
}

/** Returns the decoder of a type. It returns `invalid` for a stored value that the type does not have. */
export const decoderOf = (type: FieldType): Decoder => {
  switch (type) {
    case "date":
      return orNull((stored) =>
        typeof stored === "number" ? new Date(Math.max(-furthestMs, Math.min(furthestMs, stored))) : invalid
      )
    case "boolean":
      return orNull((stored) => (stored === 1 ? true : stored === 0 ? false : invalid))
    case "json":
    case "string[]":
    case "number[]":
      return orNull(parsed)
    default:
      return (stored) => stored
  }
}

const orNull =
  (decode: Decoder): Decoder =>
  (stored) =>
    stored === null ? null : decode(stored)

const parsed: Decoder = (stored) => {
  if (typeof stored !== "string") return invalid
  try {
    return JSON.parse(stored)
  } catch {
    return invalid
  }
}
