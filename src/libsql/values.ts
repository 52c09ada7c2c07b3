/**
 * The checks of the values that are bound to a statement.
 *
 * The native binding has these defects, and throws no error for them:
 * - A boolean aborts the whole process.
 * - NaN and `undefined` are stored as NULL.
 * - Text is cut at its first NUL when it is read back.
 * - Lone surrogates are replaced.
 * - Every number is bound as a REAL (`7 / ?` is 3.5, `json_array(?)` contains 2.0).
 *
 * So each value is checked before it is bound. Whole numbers are passed as bigints, which the binding binds as
 * INTEGER.
 */
import { DriverError } from "./DriverError.js"

export type NativeValue = string | number | bigint | Buffer | null

/**
 * The limit for a text, in characters, and for a blob, in bytes. A text of SQLite has at most 1,000,000,000 bytes
 * (https://www.sqlite.org/limits.html), and a character takes up to three of them.
 */
export const maxParameterLength = 200_000_000

const refused = (what: string) =>
  new DriverError("SEALANT_UNSUPPORTED_VALUE", `a parameter is ${what}, which SQLite cannot store unchanged`)

/**
 * Converts a value for the binding. Throws `SEALANT_UNSUPPORTED_VALUE` for a value that would be stored as another
 * one.
 */
export const toNative = (value: unknown): NativeValue => {
  switch (typeof value) {
    case "string":
      if (value.length > maxParameterLength) throw refused(`longer than ${maxParameterLength} characters`)
      if (value.includes("\0")) throw refused("text with a NUL character")
      if (!isWellFormed(value)) throw refused("text with a lone surrogate")
      return value
    case "number":
      if (!Number.isFinite(value)) throw refused(Number.isNaN(value) ? "not a number" : "an infinite number")
      return Number.isSafeInteger(value) ? BigInt(value) : value
    case "boolean":
      return value ? 1n : 0n
    case "bigint":
      if (value !== BigInt.asIntN(64, value)) throw refused("an integer of more than 64 bits")
      return value
    case "object":
      if (value === null) return value
      if (value instanceof Date) return toNative(value.getTime())
      if (Buffer.isBuffer(value)) return fitting(value)
      if (value instanceof ArrayBuffer) return fitting(Buffer.from(value))
      if (ArrayBuffer.isView(value)) return fitting(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
  }
  throw refused(`of type ${typeof value}`)
}

const fitting = (blob: Buffer) => {
  if (blob.length > maxParameterLength) throw refused(`longer than ${maxParameterLength} bytes`)
  return blob
}

// ES2024's String.prototype.isWellFormed, which Node 20 has and the compiler's ES2023 library does not declare.
const isWellFormed = (text: string) => !/[\uD800-\uDFFF]/u.test(text)
