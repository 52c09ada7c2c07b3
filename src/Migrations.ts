/**
 * The migrations of the database: their state, and their application.
 *
 * They run through Effect's own migrator. This module adds the table `sealant_migrations`, which it creates before
 * the migrator looks for its table of ids. The table is STRICT, and contains the checksum of each text and the time
 * by Effect's clock. So there is one ledger. It is the only table that no migration creates.
 *
 * All pending migrations are applied in one transaction. It takes the write lock with its first statement, before the
 * ledger is read. Of several concurrent migrators one applies the migrations; the others wait, and then find none
 * pending.
 */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlError from "@effect/sql/SqlError"
import { Clock, Effect, Layer, Option, Predicate } from "effect"
import { migrations as ownMigrations } from "../migrations/index.js"
import { PersistenceError } from "./Errors.js"
import { clientInternals } from "./libsql/registry.js"
import { isBatchFailure } from "./libsql/BatchFailure.js"
import { engineErrorOf, isSqlError, persistenceErrorOf } from "./sql/engineError.js"
import { DatabaseNotEmpty, InvalidMigrations, MigrationFailed, type SchemaNotCurrent } from "./migration/errors.js"
import {
  type AppliedMigration,
  compare,
  createLedger,
  differenceOf,
  ledger,
  type PendingMigration,
  readLedger,
  type Status
} from "./migration/ledger.js"
import { type CheckedRecord, checkRecord, type Migration } from "./migration/record.js"
import { isTaggedAs } from "./sql/tagged.js"

export { DatabaseNotEmpty, InvalidMigrations, MigrationFailed, SchemaNotCurrent } from "./migration/errors.js"
export {
  AppliedMigration,
  differenceOf,
  MismatchedMigration,
  PendingMigration,
  Status
} from "./migration/ledger.js"

/** The operations on one record of migrations. */
export interface Migrations {
  /**
   * Applies the pending migrations in one transaction, and returns them in order. Returns no migrations when the
   * database is current. Safe to run in several processes at once. Inside a transaction of the caller it is a part of
   * that.
   *
   * Fails with:
   * - `MigrationFailed` if a statement of a migration fails;
   * - `SchemaNotCurrent` (`altered` or `newer`, before anything is applied) if the database was migrated with other
   *   texts or by a newer program;
   * - `DatabaseNotEmpty` if the database belongs to another program;
   * - `InvalidMigrations` if the record cannot be used;
   * - `PersistenceError` if the write lock cannot be taken or the database cannot be written.
   *
   * In each case nothing was applied.
   */
  readonly run: Effect.Effect<
    ReadonlyArray<AppliedMigration>,
    MigrationFailed | DatabaseNotEmpty | SchemaNotCurrent | InvalidMigrations | PersistenceError,
    SqlClient.SqlClient
  >

  /**
   * Returns the migrations that `run` would apply now. Writes nothing.
   *
   * Fails with `SchemaNotCurrent` (`altered` or `newer`) if `run` would, with `InvalidMigrations` if the record
   * cannot be used, and with `PersistenceError` if the database cannot be read.
   */
  readonly plan: Effect.Effect<
    ReadonlyArray<PendingMigration>,
    SchemaNotCurrent | InvalidMigrations | PersistenceError,
    SqlClient.SqlClient
  >

  /**
   * Compares the database with the program. Writes nothing, also to a database that was never migrated.
   *
   * Fails with `InvalidMigrations` if the record cannot be used, and with `PersistenceError` if the database cannot
   * be read.
   */
  readonly status: Effect.Effect<Status, InvalidMigrations | PersistenceError, SqlClient.SqlClient>

  /**
   * Checks that the schema of the database is the program's. Writes nothing.
   *
   * Fails with `SchemaNotCurrent` if it is older, altered or newer, with `InvalidMigrations` if the record cannot be
   * used, and with `PersistenceError` if the database cannot be read.
   */
  readonly verify: Effect.Effect<void, SchemaNotCurrent | InvalidMigrations | PersistenceError, SqlClient.SqlClient>

  /** Applies the pending migrations when the layer is built. Fails as `run` does. */
  readonly layer: Layer.Layer<never, Effect.Effect.Error<Migrations["run"]>, SqlClient.SqlClient>

  /** Checks the schema when the layer is built. Fails as `verify` does. */
  readonly requireCurrent: Layer.Layer<never, Effect.Effect.Error<Migrations["verify"]>, SqlClient.SqlClient>
}

/** Makes the operations for a record other than the program's own: `{ "0001_first": "CREATE TABLE ...; ..." }`. */
export const make = (record: Readonly<Record<string, string>>): Migrations => {
  // The record is split and hashed once, at the first use and not when the module is loaded.
  let read: CheckedRecord | undefined
  const checked = Effect.suspend(() => {
    read ??= checkRecord(record)
    return read.issues.length === 0 ? Effect.succeed(read) : Effect.fail(new InvalidMigrations({ issues: read.issues }))
  })

  const compared = Effect.flatMap(checked, ({ migrations }) =>
    Effect.map(readLedger, (rows) => compare(migrations, rows))
  )

  // Runs in one transaction. Its first statement, the read of the ledger, waits for the write lock.
  const apply = Effect.gen(function* () {
    const { migrations } = yield* checked
    const before = yield* Effect.flatMap(compared, refused("altered", "newer"))
    if (before.pending.length === 0) return []
    const present = before.applied.length === 0 ? yield* objects : []
    yield* createLedger
    yield* Effect.mapError(migrator(migrations, before.pending), (error) =>
      isMigrationFailed(error) ? asDatabaseNotEmpty(error, present) : error
    )
    const after = yield* compared
    // When the ledger cannot be written, the migrator assumes that another migrator is at work, and reports success.
    if (differenceOf(after) !== undefined) {
      return yield* new PersistenceError({
        operation: "Migrations.run",
        reason: "SchemaMismatch",
        cause: `${ledger} cannot be written`
      })
    }
    return after.applied.slice(-before.pending.length)
  })

  const run = operation(
    "run",
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(apply))
  )
  const verify = operation("verify", Effect.asVoid(Effect.flatMap(compared, refused("older", "altered", "newer"))))
  return {
    run,
    plan: operation(
      "plan",
      Effect.map(Effect.flatMap(compared, refused("altered", "newer")), ({ pending }) => pending)
    ),
    status: operation("status", compared),
    verify,
    layer: Layer.effectDiscard(run),
    requireCurrent: Layer.effectDiscard(verify)
  }
}

const isMigrationFailed = isTaggedAs<MigrationFailed>("MigrationFailed")
const isPersistenceError = isTaggedAs<PersistenceError>("PersistenceError")

/** Fails with `SchemaNotCurrent` if the status differs for one of the reasons; otherwise returns the status. */
const refused =
  (...reasons: ReadonlyArray<SchemaNotCurrent["reason"]>) =>
  (status: Status) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => {
      const place = clientInternals(sql)?.place
      const difference = differenceOf(status, place?.kind === "file" ? place.path : undefined)
      return difference !== undefined && reasons.includes(difference.reason)
        ? Effect.fail(difference)
        : Effect.succeed(status)
    })

/** Lists the objects of the database, in the engine's words for an object that already exists. */
const objects = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly object: string }>`
  SELECT type || ' ' || name AS object FROM sqlite_master`
)

const asDatabaseNotEmpty = (error: MigrationFailed, present: ReadonlyArray<{ readonly object: string }>) => {
  const found = present.find(({ object }) => error.reason === `${object} already exists`)
  return found === undefined ? error : new DatabaseNotEmpty(found)
}

/**
 * Applies the pending migrations with Effect's migrator. It has stored all of them in the ledger when it runs the first
 * one, so the first one applies the statements of all: on a server this is one request.
 *
 * The migrator turns a failing migration into a defect; this turns it back into a failure.
 */
const migrator = (migrations: ReadonlyArray<Migration>, pending: ReadonlyArray<PendingMigration>) => {
  const ids = new Set(pending.map(({ id }) => id))
  const applied = applyAll(migrations.filter(({ id }) => ids.has(id)))
  const loader = Migrator.fromRecord(
    Object.fromEntries(migrations.map(({ id, name }) => [name, id === pending[0]?.id ? applied : Effect.void]))
  )
  return Migrator.make({})({ loader, table: ledger }).pipe(
    Effect.catchTag("MigrationError", Effect.die),
    Effect.catchSomeDefect((defect) => {
      const cause =
        Predicate.isTagged(defect, "MigrationError") && Predicate.hasProperty(defect, "cause")
          ? defect.cause
          : undefined
      return isMigrationFailed(cause) || isPersistenceError(cause) ? Option.some(Effect.fail(cause)) : Option.none()
    })
  )
}

/** A statement of a migration, or the one that completes the row of the migration in the ledger. */
interface Step {
  readonly sql: string
  readonly values: ReadonlyArray<unknown>
  /** Builds the error for the failure of the statement. */
  readonly failed: (error: SqlError.SqlError) => MigrationFailed | PersistenceError
}

const stepsOf = ({ checksum, id, name, statements }: Migration, now: number): ReadonlyArray<Step> => [
  ...statements.map((sql, index) => ({
    sql,
    values: [],
    failed: (error: SqlError.SqlError) => statementError(name, index + 1, error)
  })),
  {
    sql: "UPDATE sealant_migrations SET checksum = ?1, created_at = ?2 WHERE migration_id = ?3",
    values: [checksum, now, id],
    failed: (error) => persistenceErrorOf("Migrations.run", error)
  }
]

const applyAll = (migrations: ReadonlyArray<Migration>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Clock.currentTimeMillis
    const steps = migrations.flatMap((migration) => stepsOf(migration, now))
    const executeAll = clientInternals(sql)?.executeAll
    if (executeAll === undefined) {
      return yield* Effect.forEach(
        steps,
        ({ failed, sql: text, values }) => Effect.mapError(sql.unsafe(text, values), failed),
        { discard: true }
      )
    }
    yield* Effect.mapError(executeAll(steps), (error) => {
      const step = isBatchFailure(error.cause) ? steps[error.cause.index] : undefined
      return step === undefined || !isBatchFailure(error.cause)
        ? persistenceErrorOf("Migrations.run", error)
        : step.failed(new SqlError.SqlError({ cause: error.cause.cause }))
    })
  })

const statementError = (migration: string, statement: number, error: SqlError.SqlError) => {
  const failure = persistenceErrorOf("Migrations.run", error)
  if (failure.reason === "Busy" || failure.reason === "Unavailable") return failure
  const { code, message } = engineErrorOf(error)
  // These messages contain names from the migration or of a constraint. Other messages may contain values.
  const reason = /^(SQLITE_(ERROR|CONSTRAINT)|SEALANT_STATEMENT)/.test(code) ? message.replaceAll(/\s+/g, " ") : code
  return new MigrationFailed({ migration, statement, reason })
}

/** Wraps a method: one span for all of its statements, and `PersistenceError` for errors of the engine. */
const operation = <A, E, R>(
  method: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError> | PersistenceError, R> =>
  effect.pipe(
    Effect.withTracerEnabled(false),
    Effect.mapError((error) =>
      isSqlError(error) ? persistenceErrorOf(`Migrations.${method}`, error) : (error as Exclude<E, SqlError.SqlError>)
    ),
    Effect.withSpan(`Migrations.${method}`, { captureStackTrace: false })
  )

const own = make(ownMigrations)

/**
 * Applies the pending migrations, and returns them in order. Returns no migrations when the database is current.
 *
 * Runs in one transaction under the write lock, and is safe to run in several processes at once. Fails with
 * `MigrationFailed`, `SchemaNotCurrent` (`altered` or `newer`), `DatabaseNotEmpty`, `InvalidMigrations` or
 * `PersistenceError`, and then nothing was applied; see {@link Migrations}.
 */
export const run = own.run

/**
 * Returns the migrations that `run` would apply now. Writes nothing. Fails with `SchemaNotCurrent` or
 * `InvalidMigrations` if `run` would, and with `PersistenceError`; see {@link Migrations}.
 */
export const plan = own.plan

/**
 * Compares the migrations of the database with those of the program. Writes nothing. Fails with `InvalidMigrations`
 * or `PersistenceError`.
 */
export const status = own.status

/**
 * Checks that the schema is this program's. Fails with `SchemaNotCurrent`, whose message contains the remedy, and
 * with `InvalidMigrations` or `PersistenceError`.
 */
export const verify = own.verify

/** A layer that applies the pending migrations when it is built. Fails as `run` does. */
export const layer = own.layer

/** A layer that fails to build on a schema that is older, altered or newer. Fails as `verify` does. */
export const requireCurrent = own.requireCurrent
