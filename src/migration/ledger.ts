/**
 * The ledger of migrations in the database, and its comparison with the migrations of the program.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Either, ParseResult, Schema } from "effect"
import { PersistenceError } from "../Errors.js"
import { SchemaNotCurrent } from "./errors.js"
import { type Migration, nameOf } from "./record.js"
import type { Table } from "../sql/table.js"

/** A migration that the database has. */
export const AppliedMigration = Schema.Struct({
  id: Schema.Int,
  /** The name in the record: `0001_auth`. */
  name: Schema.String,
  appliedAt: Schema.DateTimeUtc,
  /** SHA-256 of the text that was applied, in hexadecimal. */
  checksum: Schema.String
})
export interface AppliedMigration extends Schema.Schema.Type<typeof AppliedMigration> {}

/** A migration that the database does not have yet. */
export const PendingMigration = Schema.Struct({ id: Schema.Int, name: Schema.String, checksum: Schema.String })
export interface PendingMigration extends Schema.Schema.Type<typeof PendingMigration> {}

/** A migration whose text or name in the database differs from the program's. */
export const MismatchedMigration = Schema.Struct({
  ...AppliedMigration.fields,
  /** The name and the checksum in the program. */
  expected: Schema.Struct({ name: Schema.String, checksum: Schema.String })
})
export interface MismatchedMigration extends Schema.Schema.Type<typeof MismatchedMigration> {}

/**
 * The comparison of a database with the program. Each migration is in one of the four lists, in the order of the ids.
 */
export const Status = Schema.Struct({
  /** Migrations of the database that are equal in the program. */
  applied: Schema.Array(AppliedMigration),
  /** Migrations of the program that the database lacks. */
  pending: Schema.Array(PendingMigration),
  /** Migrations of the database that differ in the program. */
  mismatched: Schema.Array(MismatchedMigration),
  /** Migrations of the database that the program lacks: a newer version applied them. */
  unknown: Schema.Array(AppliedMigration)
})
export interface Status extends Schema.Schema.Type<typeof Status> {}

/** Assigns each migration of the program and of the ledger to one of the four lists. */
export const compare = (migrations: ReadonlyArray<Migration>, rows: ReadonlyArray<LedgerRow>): Status => {
  const known = new Map(migrations.map((migration) => [migration.id, migration]))
  const applied: Array<AppliedMigration> = []
  const mismatched: Array<MismatchedMigration> = []
  const unknown: Array<AppliedMigration> = []
  for (const { appliedAt, checksum, id, label } of rows) {
    const row = { id, name: nameOf(id, label), appliedAt, checksum }
    const expected = known.get(id)
    known.delete(id)
    if (expected === undefined) unknown.push(row)
    else if (expected.name === row.name && expected.checksum === checksum) applied.push(row)
    else mismatched.push({ ...row, expected: { name: expected.name, checksum: expected.checksum } })
  }
  const pending = Array.from(known.values(), ({ checksum, id, name }) => ({ id, name, checksum }))
  return { applied, pending, mismatched, unknown }
}

/**
 * Returns the error for a status that is not current, or `undefined`. Reasons that a migration cannot repair come
 * first. `database` is the path of the database for the message.
 */
export const differenceOf = (
  { applied, mismatched, pending, unknown }: Status,
  database?: string
): SchemaNotCurrent | undefined => {
  const differs = (reason: SchemaNotCurrent["reason"], migrations: ReadonlyArray<{ readonly name: string }>) =>
    new SchemaNotCurrent({
      reason,
      migrations: migrations.map(({ name }) => name),
      ...(database === undefined ? {} : { database })
    })

  const last = Math.max(0, ...[...applied, ...mismatched, ...unknown].map(({ id }) => id))
  const leftOut = pending.filter(({ id }) => id < last)
  if (mismatched.length > 0)
    return differs(
      "altered",
      mismatched.map(({ expected }) => expected)
    )
  if (leftOut.length > 0) return differs("altered", leftOut)
  if (unknown.length > 0) return differs("newer", unknown)
  return pending.length > 0 ? differs("older", pending) : undefined
}

/** The name of the ledger's table. */
export const ledger = "sealant_migrations"

const LedgerRow = Schema.Struct({
  id: Schema.Int,
  label: Schema.String,
  checksum: Schema.String,
  appliedAt: Schema.DateTimeUtcFromNumber
})
export type LedgerRow = typeof LedgerRow.Type

const decodeLedger = ParseResult.decodeUnknownEither(Schema.Array(LedgerRow))

// Effect's migrator reads and writes `migration_id` and `name`, and reads `created_at`. The other columns have their
// defaults until the migration has run.
export const createLedger = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`
  CREATE TABLE IF NOT EXISTS sealant_migrations (
    migration_id INTEGER PRIMARY KEY NOT NULL CONSTRAINT sealant_migrations_migration_id CHECK (migration_id >= 1),
    name TEXT NOT NULL CONSTRAINT sealant_migrations_name CHECK (name <> ''),
    checksum TEXT NOT NULL DEFAULT '' CONSTRAINT sealant_migrations_checksum CHECK (length(checksum) IN (0, 64)),
    created_at INTEGER NOT NULL DEFAULT 0 CONSTRAINT sealant_migrations_timestamps CHECK (created_at >= 0)
  ) STRICT`
)

/** The ledger's entry in the documentation of the schema. The ledger has no row model. */
export const ledgerTable: Table = {
  name: "sealant_migrations",
  service: "Migrations",
  purpose: "Which migrations the database has, with the checksum of the text that was applied."
}

/** Selects one row when the ledger exists, else none. */
export const ledgerPresentText = `SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '${ledger}'`

export const ledgerText = `SELECT migration_id AS id, name AS label, checksum, created_at AS "appliedAt" FROM ${ledger} ORDER BY migration_id`

/** Decodes the rows of `ledgerText`. Fails with `PersistenceError` (`CorruptRow`) when a row is invalid. */
export const decodeLedgerRows = (rows: unknown): Effect.Effect<ReadonlyArray<LedgerRow>, PersistenceError> =>
  Either.mapLeft(
    decodeLedger(rows),
    () => new PersistenceError({ operation: "Migrations.status", reason: "CorruptRow", cause: ledger })
  )

/** Reads the rows of the ledger, in the order of their ids. Returns no rows when the ledger does not exist. */
export const readLedger = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql.unsafe(ledgerPresentText)
  return tables.length === 0 ? [] : yield* Effect.flatMap(sql.unsafe(ledgerText), decodeLedgerRows)
})
