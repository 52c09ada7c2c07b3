/**
 * Reading of the rows of a page, up to a weight.
 *
 * The engine reads rows synchronously, 6 to 7 ms for each million characters. A page of 500 long rows would block the
 * event loop for as long as it takes to read all of them, so its statement ends early.
 */
import type Database from "libsql"

/** The weight of rows at which a page ends: characters of texts and bytes of blobs. */
export const maxPageWeight = 1_000_000

// A piece is read in one call. The rows of a piece after the one with which the page ends are dropped. Each call costs
// as much as a tenth of a row.
const pieceSize = 16

/** Rows of a statement. `isCut` is true if the statement ended early: the last row is then not part of the page. */
export interface PageRows {
  readonly rows: Array<Array<unknown>>
  readonly isCut: boolean
}

/**
 * Reads the rows of a statement in raw mode until they are heavier than a page. The first row is part of the page
 * whatever its weight. The row after the page is read, too, because it shows that there is a next page.
 *
 * A statement that ends early is interrupted: it would otherwise keep its read transaction open until its next use.
 */
export const readPage = (
  database: Database.Database,
  statement: Database.Statement,
  values: Array<unknown>
): PageRows => {
  const iterator = statement.iterate(values)
  const rows: Array<Array<unknown>> = []
  let weight = 0
  let heaviest = maxPageWeight
  for (;;) {
    // Rows are taken to be as long as the longest of them so far, because a piece cannot end early.
    const size = Math.min(pieceSize, Math.max(1, Math.floor((maxPageWeight - weight) / heaviest)))
    const piece = readPiece(iterator, size)
    heaviest = rows.length === 0 ? 1 : heaviest
    for (const row of piece) {
      rows.push(row)
      const own = weightOf(row)
      weight += own
      heaviest = Math.max(heaviest, own)
      if (weight <= maxPageWeight || rows.length === 1) continue
      if (piece.length === size) end(database, iterator)
      return { rows, isCut: true }
    }
    if (piece.length < size) return { rows, isCut: false }
  }
}

/** Reads the next rows of a statement: fewer than `size` if the statement has ended. */
const readPiece = (iterator: Iterator<unknown>, size: number): Array<Array<unknown>> => {
  setPieceSize(iterator, size)
  const piece: Array<Array<unknown>> = []
  while (piece.length < size) {
    const next = iterator.next()
    if (next.done === true) break
    piece.push(next.value as Array<unknown>)
  }
  return piece
}

/** Returns the weight of a row: the length of its texts and blobs. */
const weightOf = (row: ReadonlyArray<unknown>): number => {
  let weight = 1
  for (const value of row) {
    if (typeof value === "string") weight += value.length
    else if (value instanceof Uint8Array) weight += value.byteLength
  }
  return weight
}

/** The properties by which the iterator of the binding fetches rows: the rows of a call, and the place in them. */
interface Fetching {
  nextRows: Array<unknown>
  nextRowIndex: number
}

/** The number of rows that the iterator of the binding fetches at a time, and the place at which it fetches. */
const fetchSize = 100

/** Lets the iterator fetch `size` rows at its next call. Only after it has returned all rows that it fetched. */
const setPieceSize = (iterator: Iterator<unknown>, size: number): void => {
  const fetching = iterator as Iterator<unknown> & Partial<Fetching>
  if (!Array.isArray(fetching.nextRows) || typeof fetching.nextRowIndex !== "number") return
  fetching.nextRows = Array.from({ length: size })
  fetching.nextRowIndex = fetchSize
}

/** Interrupts the statement of an iterator, which has not ended. An ended one would begin again. */
const end = (database: Database.Database, iterator: Iterator<unknown>): void => {
  ;(database as Database.Database & { readonly interrupt: () => void }).interrupt()
  setPieceSize(iterator, 1)
  try {
    iterator.next()
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== "SQLITE_INTERRUPT") throw error
  }
}
