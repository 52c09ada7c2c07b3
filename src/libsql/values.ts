/**
 * What may be bound to a statement.
 *
 * The native binding aborts the whole process for a boolean, stores NaN and `undefined` as NULL, cuts text at its
 * first NUL when it is read back, and replaces lone surrogates: all of it without an error. So each value is looked
 * at before it gets there. It also binds every number as a REAL (`7 / ?` is 3.5, `json_array(?)` holds 2.0), so whole
 * numbers go to it as bigints, which it binds as INTEGER.
 */
import { DriverError } from "./DriverError.js"

export type NativeValue = string | number | bigint | Buffer | null

/**
 * How long a text may be, in characters, and a blob, in bytes. A text of SQLite has at most 1,000,000,000 bytes
 * (https://www.sqlite.org/limits.html), a character up to three of them.
 */
export const maxParameterLength = 200_000_000

const refused = (what: string) => new DriverError("SEALANT_UNSUPPORTED_VALUE", `a parameter is ${what}, which SQLite cannot keep as it is`)

/** The value as the binding takes it. Throws `SEALANT_UNSUPPORTED_VALUE` for what would be stored as something else. */
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

// ES2024's String.prototype.isWellFormed, which Node 20 has and the compiler's ES2023 library does not know.
const isWellFormed = (text: string) => !/[\uD800-\uDFFF]/u.test(text)
