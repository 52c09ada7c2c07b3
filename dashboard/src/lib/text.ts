/**
 * Texts of the database, as the page shows them. Control characters and characters that change the direction of a text
 * are replaced by their code points, so that a stored text can neither hide nor reorder what the page shows.
 */

// Control characters, except tabs and line feeds; direction marks, embeddings and isolates; characters without width.
const hidden = new RegExp(
  String.raw`[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]`,
  "g"
)

const symbolOf = (character: string) => `<U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}>`

/** Replaces control and direction characters by their code points: ESC by `<U+001B>`. */
export const visible = (text: string): string => text.replaceAll("\r\n", "\n").replace(hidden, symbolOf)

/** Formats bytes: `1.5 MB`. */
export const bytes = (count: number): string => {
  const units = ["B", "KB", "MB", "GB", "TB"]
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3))
  const value = count / 1000 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power] ?? "B"}`
}

const grouped = new Intl.NumberFormat("en")

/** Formats a count with separators: `100,000`. */
export const count = (value: number): string => grouped.format(value)

/** Formats a count and its noun: `1 job`, `3 jobs`. */
export const counted = (value: number, noun: string, plural = `${noun}s`): string =>
  `${count(value)} ${value === 1 ? noun : plural}`

/** Writes an identifier of the code in words: `oldestDueAge` and `oldest_due_age` become `oldest due age`. */
export const words = (name: string): string =>
  name
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .replaceAll(/[_-]/g, " ")
    .toLowerCase()
