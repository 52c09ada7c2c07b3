/**
 * The record of migrations, and its checks. They run before any migration, because Effect's migrator silently skips
 * malformed keys and ids lower than the last applied one.
 */
import { createHash } from "node:crypto"
import { splitStatements } from "../libsql/sqlText.js"

/** One migration of a record, ready to be applied. */
export interface Migration {
  readonly id: number
  /** The key of the record, `0001_auth`. */
  readonly name: string
  /** SHA-256 of the text, in hexadecimal. */
  readonly checksum: string
  readonly statements: ReadonlyArray<string>
}

/** The migrations of a record in the order of their ids, and the problems that keep it from being used. */
export interface CheckedRecord {
  readonly migrations: ReadonlyArray<Migration>
  readonly issues: ReadonlyArray<string>
}

/** The form of a migration's name: its id in four digits, and a label in snake_case. */
export const migrationName = /^(\d{4})_([a-z][a-z0-9]*(?:_[a-z0-9]+)*)$/

/** Returns the name of a migration in a record. */
export const nameOf = (id: number, label: string): string => `${String(id).padStart(4, "0")}_${label}`

/**
 * Checks a record and hashes its texts. Names must have the form `NNNN_name`, ids must start at 1 without a gap or a
 * repetition, and each text must contain a statement.
 */
export const checkRecord = (record: Readonly<Record<string, string>>): CheckedRecord => {
  const issues: Array<string> = []
  const migrations: Array<Migration> = []
  for (const [name, text] of Object.entries(record)) {
    const id = Number(migrationName.exec(name)?.[1] ?? Number.NaN)
    if (Number.isNaN(id)) {
      issues.push(`${JSON.stringify(name)} is not of the form NNNN_name`)
      continue
    }
    const statements = splitStatements(text)
    if (statements.length === 0) issues.push(`${name} contains no statement`)
    migrations.push({ id, name, statements, checksum: createHash("sha256").update(text).digest("hex") })
  }
  migrations.sort((a, b) => a.id - b.id)
  let previous = 0
  for (const { id, name } of migrations) {
    if (id === previous) issues.push(`${name} has the number of another migration`)
    else if (id !== previous + 1)
      issues.push(`${name} is out of sequence: number ${nameOf(previous + 1, "").slice(0, 4)} is missing before it`)
    previous = id
  }
  return { migrations, issues }
}
