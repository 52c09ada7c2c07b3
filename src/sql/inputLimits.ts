/**
 * Size limits of the input of any method. They are checked before an input is decoded, so that an oversized input costs
 * little. The limits of single fields are in their schemas, except `Limit`, which many methods share; docs/limits.md
 * lists all limits.
 */
import { Schema } from "effect"
import { maxParameterLength } from "../libsql/values.js"

/** The maximum number of rows that one call or one statement handles. More would block other writers for too long. */
export const maxRows = 1000

const limitRule = () => `must be a whole number from 1 to ${maxRows}`

/** A number of rows: 1 to 1,000. */
export const Limit = Schema.Int.annotations({ message: limitRule }).pipe(
  Schema.between(1, maxRows, { message: limitRule })
)

/** A request with a number of rows only. */
export const Limited = Schema.Struct({ limit: Limit })

/** The maximum number of items in a list: the input itself, or one of its fields. */
export const maxListItems = 100_000

/** The maximum number of values in an input: all list items and object fields, at every depth, including documents. */
export const maxInputValues = 5_000_000

/** The maximum total length of all texts and keys of an input, in characters. */
export const maxInputCharacters = maxParameterLength

/** The maximum number of issues in an error. */
export const maxIssues = 100

/** The maximum length of an input text in an error or a span: an id, or a key in the path of an issue. */
export const maxShownCharacters = 255

// Deeper than any schema: values below this depth are ignored, or `JsonObject` refuses them.
const maxDepth = 100

/** Returns the exceeded limit as an issue, or `undefined` for an input within the limits. */
export const excessOf = (input: unknown): string | undefined => {
  if (typeof input !== "object" || input === null) return undefined
  const list = longList(input)
  if (list !== undefined) return list
  let values = 0
  let characters = 0

  const fits = (value: unknown, depth: number): boolean => {
    if (typeof value === "string") characters += value.length
    else if (Array.isArray(value)) {
      // `length` includes the holes of a sparse array, which `every` skips.
      values += value.length
      return isWithin() && (depth === maxDepth || value.every((item) => fits(item, depth + 1)))
    } else if (isPlainObject(value)) {
      const keys = Object.keys(value)
      values += keys.length
      for (const key of keys) characters += key.length
      return isWithin() && (depth === maxDepth || keys.every((key) => fits(value[key], depth + 1)))
    }
    return isWithin()
  }

  const isWithin = () => values <= maxInputValues && characters <= maxInputCharacters

  return fits(input, 0)
    ? undefined
    : `must be up to ${maxInputValues} values and ${maxInputCharacters} characters together`
}

const longList = (input: object): string | undefined => {
  const rule = `must be up to ${maxListItems}`
  if (Array.isArray(input)) return input.length > maxListItems ? rule : undefined
  for (const [field, value] of Object.entries(input)) {
    if (Array.isArray(value) && value.length > maxListItems) return `${shown(field)}: ${rule}`
  }
  return undefined
}

/** Returns whether the value is an object with own fields only: no array, and no instance of a class. */
export const isPlainObject = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Returns whether a text is longer than errors and spans may contain. */
export const isLong = (text: string): boolean => text.length > maxShownCharacters

/** Cuts an input text to the length that errors and spans may contain. */
export const shown = (text: string): string => (isLong(text) ? `${text.slice(0, maxShownCharacters)}…` : text)
