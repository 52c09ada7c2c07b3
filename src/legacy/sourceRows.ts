/**
 * How a row of the source comes over: as the bytes of one JSON array, decoded here. The binding ends the whole process
 * over a text that is not UTF-8, cuts one at its first NUL, and gives integers as floats.
 */

/** A row by the names of its columns. A `Uint8Array` is a blob, or a text that is not UTF-8. */
export type Row = Record<string, unknown>

export interface SourceRow {
  readonly row: Row
  /** The columns with text that is not UTF-8. */
  readonly notText: ReadonlyArray<string>
}

// What stands in JSON for a value that JSON has no word for, by one letter for each column.
const kinds = { plain: "-", blob: "b", integer: "i", real: "r" } as const

const longest = Number.MAX_SAFE_INTEGER

const isLarge = (column: string) => `typeof(${column}) = 'integer' AND ${column} NOT BETWEEN -${longest} AND ${longest}`

/** The columns as one JSON array: first the kinds, then a value each. Takes names in quotation marks. */
export const encodedColumns = (columns: ReadonlyArray<string>): string => {
  const kind = columns.map((column) =>
    `CASE WHEN typeof(${column}) = 'blob' THEN '${kinds.blob}' WHEN typeof(${column}) = 'real' THEN '${kinds.real}' ` +
    `WHEN ${isLarge(column)} THEN '${kinds.integer}' ELSE '${kinds.plain}' END`)
  const value = columns.map((column) =>
    `CASE WHEN typeof(${column}) = 'blob' THEN hex(${column}) WHEN typeof(${column}) = 'real' THEN printf('%!.17g', ${column}) ` +
    `WHEN ${isLarge(column)} THEN CAST(${column} AS TEXT) ELSE ${column} END`)
  return `json_array(${[kind.join(" || "), ...value].join(", ")})`
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The bytes as text; nothing when they are not UTF-8. */
export const strictUtf8 = (bytes: unknown): string | undefined => {
  if (!(bytes instanceof ArrayBuffer) && !(bytes instanceof Uint8Array)) return undefined
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Reads one row. Throws for one that is longer than a string can be. */
export const decodeSourceRow = (columns: ReadonlyArray<string>, line: unknown): SourceRow => {
  const text = strictUtf8(line)
  if (text !== undefined) return assemble(columns, JSON.parse(text), (value) => value)
  // JSON is ASCII but for what stands in its strings: a character for each byte, they are read by themselves.
  return assemble(columns, JSON.parse(Buffer.from(line as ArrayBuffer).toString("latin1")), (value) => {
    const bytes = new Uint8Array(Buffer.from(value, "latin1"))
    return strictUtf8(bytes) ?? bytes
  })
}

const assemble = (
  columns: ReadonlyArray<string>,
  [kindOf = "", ...values]: ReadonlyArray<string>,
  toText: (value: string) => unknown
): SourceRow => {
  const notText: Array<string> = []
  const row = Object.fromEntries(columns.map((column, place) => {
    const value = decoded(kindOf[place], values[place], toText)
    if (value instanceof Uint8Array && kindOf[place] === kinds.plain) notText.push(column)
    return [column, value]
  }))
  return { row, notText }
}

const decoded = (kind: string | undefined, value: unknown, toText: (value: string) => unknown): unknown => {
  if (typeof value !== "string") return value
  if (kind === kinds.blob) return new Uint8Array(Buffer.from(value, "hex"))
  if (kind === kinds.integer) return BigInt(value)
  // An infinity has no number to give back from JSON: its text is kept.
  if (kind === kinds.real) return Number.isNaN(Number(value)) ? value : Number(value)
  return toText(value)
}

/** Everything of the row as a JSON object, also what JSON has no word for. */
export const wholeOf = (row: Row): string =>
  JSON.stringify(row, (_, value: unknown) => {
    if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString("base64") }
    return typeof value === "bigint" ? String(value) : value
  })
