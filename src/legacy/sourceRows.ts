/**
 * Encoding of source rows. A row is read as the bytes of one JSON array, because the binding ends the process when a
 * text is not UTF-8, truncates texts at a NUL, and returns integers as floats.
 */

/** A row, by column name. A `Uint8Array` is a blob or a text that is not UTF-8. */
export type Row = Record<string, unknown>

export interface SourceRow {
  readonly row: Row
  /** The columns with text that is not UTF-8. */
  readonly notText: ReadonlyArray<string>
  /** The length of the encoded row. */
  readonly bytes: number
}

// A piece of an import has up to 100 ordinary rows, which together block the event loop for a few milliseconds.
const ordinaryBytes = 2_000

/** The weight of a row in a piece of an import: its length, in ordinary rows. */
export const weightOf = (bytes: number): number => Math.max(1, bytes / ordinaryBytes)

// One letter for each column: the kind of a value that JSON cannot represent.
const kinds = { plain: "-", blob: "b", integer: "i", real: "r" } as const

const maxInteger = Number.MAX_SAFE_INTEGER

const isLarge = (column: string) =>
  `typeof(${column}) = 'integer' AND ${column} NOT BETWEEN -${maxInteger} AND ${maxInteger}`

/** Returns the SQL of a JSON array of the columns: the kinds, then the values. `columns` are quoted names. */
export const encodedColumns = (columns: ReadonlyArray<string>): string => {
  const kind = columns.map(
    (column) =>
      `CASE WHEN typeof(${column}) = 'blob' THEN '${kinds.blob}' WHEN typeof(${column}) = 'real' THEN '${kinds.real}' ` +
      `WHEN ${isLarge(column)} THEN '${kinds.integer}' ELSE '${kinds.plain}' END`
  )
  const value = columns.map(
    (column) =>
      `CASE WHEN typeof(${column}) = 'blob' THEN hex(${column}) WHEN typeof(${column}) = 'real' THEN printf('%!.17g', ${column}) ` +
      `WHEN ${isLarge(column)} THEN CAST(${column} AS TEXT) ELSE ${column} END`
  )
  return `json_array(${[kind.join(" || "), ...value].join(", ")})`
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Decodes UTF-8. Returns `undefined` if the bytes are not UTF-8. */
export const strictUtf8 = (bytes: unknown): string | undefined => {
  if (!(bytes instanceof ArrayBuffer) && !(bytes instanceof Uint8Array)) return undefined
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Returns the length of an encoded row. */
export const lengthOf = (line: unknown): number =>
  line instanceof ArrayBuffer || line instanceof Uint8Array ? line.byteLength : 0

/** Decodes one row. Throws if it is longer than the longest JavaScript string. */
export const decodeSourceRow = (columns: ReadonlyArray<string>, line: unknown): SourceRow => {
  const text = strictUtf8(line)
  const bytes = lengthOf(line)
  if (text !== undefined) return { ...assemble(columns, JSON.parse(text), (value) => value), bytes }
  // Outside its strings, JSON is ASCII. Latin-1 decodes each byte to one character, so each string is decoded
  // separately.
  const assembled = assemble(columns, JSON.parse(Buffer.from(line as ArrayBuffer).toString("latin1")), (value) => {
    const own = new Uint8Array(Buffer.from(value, "latin1"))
    return strictUtf8(own) ?? own
  })
  return { ...assembled, bytes }
}

const assemble = (
  columns: ReadonlyArray<string>,
  [kindOf = "", ...values]: ReadonlyArray<string>,
  toText: (value: string) => unknown
): Omit<SourceRow, "bytes"> => {
  const notText: Array<string> = []
  const row = Object.fromEntries(
    columns.map((column, place) => {
      const value = decoded(kindOf[place], values[place], toText)
      if (value instanceof Uint8Array && kindOf[place] === kinds.plain) notText.push(column)
      return [column, value]
    })
  )
  return { row, notText }
}

const decoded = (kind: string | undefined, value: unknown, toText: (value: string) => unknown): unknown => {
  if (typeof value !== "string") return value
  if (kind === kinds.blob) return new Uint8Array(Buffer.from(value, "hex"))
  if (kind === kinds.integer) return BigInt(value)
  // `Number` cannot parse an infinity of SQLite, `Inf`: its text is kept.
  if (kind === kinds.real) return Number.isNaN(Number(value)) ? value : Number(value)
  return toText(value)
}

/** Encodes a complete row as a JSON object: bytes as `{ base64 }`, large integers as text. */
export const wholeOf = (row: Row): string =>
  JSON.stringify(row, (_, value: unknown) => {
    if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString("base64") }
    return typeof value === "bigint" ? String(value) : value
  })
