/**
 * How much a caller may give to one method, whatever its schema allows. It is looked at before anything is decoded, so that
 * no input costs much more than reading it. What a field may hold stands with its schema; docs/limits.md has all of it.
 */
import { maxParameterLength } from "../libsql/values.js"

/** How many items a list may have: the input itself, or one of its fields. */
export const maxListItems = 100_000

/** How many values an input may have, each list, object and field counted, also inside documents. */
export const maxInputValues = 5_000_000

/** How many characters the texts and keys of an input may have together. */
export const maxInputCharacters = maxParameterLength

/** How many issues an error tells. */
export const maxIssues = 100

/** How much of a text that a caller gave stands in an error or in a span: an id, or a key in the path of an issue. */
export const maxShownCharacters = 255

// Deeper than any schema reaches: below, nothing is read, or `JsonObject` refuses it.
const deepest = 100

/** What there is too much of, as an issue; nothing in an input within the limits. */
export const excessOf = (input: unknown): string | undefined => {
  if (typeof input !== "object" || input === null) return undefined
  const list = longList(input)
  if (list !== undefined) return list
  let values = 0
  let characters = 0

  const fits = (value: unknown, depth: number): boolean => {
    if (typeof value === "string") characters += value.length
    else if (Array.isArray(value)) {
      // Also of one that has holes, which a walk would pass over.
      values += value.length
      return isWithin() && (depth === deepest || value.every((item) => fits(item, depth + 1)))
    } else if (isPlain(value)) {
      const keys = Object.keys(value)
      values += keys.length
      for (const key of keys) characters += key.length
      return isWithin() && (depth === deepest || keys.every((key) => fits(value[key], depth + 1)))
    }
    return isWithin()
  }

  const isWithin = () => values <= maxInputValues && characters <= maxInputCharacters

  return fits(input, 0) ? undefined : `must be up to ${maxInputValues} values and ${maxInputCharacters} characters together`
}

const longList = (input: object): string | undefined => {
  const rule = `must be up to ${maxListItems}`
  if (Array.isArray(input)) return input.length > maxListItems ? rule : undefined
  for (const [field, value] of Object.entries(input)) {
    if (Array.isArray(value) && value.length > maxListItems) return `${shown(field)}: ${rule}`
  }
  return undefined
}

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

export const isLong = (text: string): boolean => text.length > maxShownCharacters

/** A text of a caller as errors and spans have it: cut when it is longer than an id can be. */
export const shown = (text: string): string => isLong(text) ? `${text.slice(0, maxShownCharacters)}…` : text
