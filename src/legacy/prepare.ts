/**
 * Conversion of a source row to a row of this package, or to the rule that it violates.
 */
import { Either, Option } from "effect"
import { encodeSpec, requestFingerprint } from "../build-job/requestFingerprint.js"
import { WorkspaceBuildJob } from "../build-job/WorkspaceBuildJob.js"
import { maxNameLength } from "../sql/columns.js"
import { columnName, readerOf } from "../sql/rows.js"
import { renameKeys } from "./renames.js"
import { coerced, repairs } from "./repairs.js"
import type { Row, SourceRow } from "./sourceRows.js"
import { columnsOf, columnsThere, type LegacyTable } from "./tables.js"

/** A converted row, ready for an INSERT. */
export interface Ready {
  /** The source row. */
  readonly source: Row
  readonly row: Row
  /** References to rows that are imported later. In `row` they are null. */
  readonly later: Readonly<Record<string, string | null>>
  /** The repairs of the row. */
  readonly repaired: Set<string>
}

/** A rejected row. `reason` contains no values of the row. */
export interface Rejected {
  readonly source: Row
  readonly reason: string
}

export interface Preparer {
  readonly prepare: (row: SourceRow) => Either.Either<Ready, Rejected>
  /** Checks the row and sets its derived columns. Must be called again after a reference was cleared. */
  readonly complete: (ready: Ready) => Either.Either<Ready, Rejected>
}

export const preparerOf = (table: LegacyTable): Preparer => {
  const columns = columnsOf(table)
  const there = columnsThere(table)
  const read = readerOf(table.model)
  const repair = repairs[table.name]

  const complete: Preparer["complete"] = (ready) => {
    const { row, source } = ready
    const reject = (column: string, rule: string) => Either.left({ source, reason: `${column}: ${rule}` })
    for (const { isRequired, name } of there) {
      const value = row[name]
      if (isRequired && value === null) return reject(name, "is missing")
      if (typeof value === "string" && value.includes("\0")) return reject(name, "contains a NUL character")
      if (isTooLong(value) && table.key.includes(name)) return reject(name, `must be up to ${maxNameLength} characters`)
    }
    const decoded = read(Object.fromEntries(columns.map(({ field, name }) => [field, row[name]])))
    if (Either.isLeft(decoded)) return reject(columnName(decoded.left.error.column), "is invalid")
    const unwritable = there.find(({ isWritable, name }) => !isWritable(row[name] ?? null))
    if (unwritable !== undefined) return reject(unwritable.name, "is invalid")
    if (decoded.right instanceof WorkspaceBuildJob) row["request_fingerprint"] = fingerprintOf(decoded.right)
    return Either.right(ready)
  }

  return {
    complete,
    prepare: ({ notText, row: source }) => {
      const [column] = notText
      if (column !== undefined) return Either.left({ source, reason: `${column}: is not UTF-8` })
      const repaired = new Set<string>()
      const note = (what: string) => void repaired.add(what)
      const row: Row = { ...table.added }
      for (const column of there) {
        const value = source[column.name] ?? source[table.formerNames?.[column.name] ?? column.name]
        row[column.name] = coerced(value ?? null, column, note)
      }
      renameKeys(table.name, row, note)
      repair?.(row, note)
      const later = Object.fromEntries((table.later ?? []).map((name) => [name, textOf(row[name])]))
      return complete({
        source,
        row: Object.assign(row, Object.fromEntries((table.later ?? []).map((name) => [name, null]))),
        later,
        repaired
      })
    }
  }
}

// Methods accept keys of up to `maxNameLength` characters, so a row with a longer key could not be read.
const isTooLong = (value: unknown) => typeof value === "string" && value.length > maxNameLength

const textOf = (value: unknown) => (typeof value === "string" ? value : null)

const fingerprintOf = ({ registryId, repository, requestPayload, attemptId, tag }: WorkspaceBuildJob) =>
  requestFingerprint({
    attemptId: Option.getOrNull(attemptId),
    registryId,
    repository,
    tag,
    requestPayload: encodeSpec(requestPayload)
  })
