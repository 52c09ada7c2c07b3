/**
 * The schema of the database: which migrations it has, and bringing it up to date.
 *
 * They run through Effect's own migrator, with what it lacks around it. The table that it keeps its ids in is made here,
 * before it looks for one, as `sealant_migrations`: STRICT, with the checksum of each text and the time by Effect's
 * clock. One ledger, so that there are no two to disagree. It is the only table that is not in the migrations.
 *
 * Everything that is pending is applied in one transaction that holds the write lock from its first statement, before
 * the ledger is read: of several migrators one applies, and the others wait and then find nothing to do.
 */
import { Migrator, SqlClient, SqlError } from "@effect/sql"
import { DateTime, Effect, Layer, Option, Predicate } from "effect"
import { migrations as ownMigrations } from "../migrations/index.js"
import { PersistenceError } from "./Errors.js"
import { abilitiesOf } from "./libsql/registry.js"
import { isBatchFailure } from "./libsql/SqlClient.js"
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
export { type AppliedMigration, differenceOf, type MismatchedMigration, type PendingMigration, type Status } from "./migration/ledger.js"

/** What can be done with one record of migrations. */
export interface Migrations {
  /**
   * Applies what is pending, in one transaction, and returns what it applied, in order: nothing when the database is
   * current. Safe to run in several processes at once. Inside a transaction of the caller it is part of that.
   *
   * Fails with `MigrationFailed` when a statement does, with `SchemaNotCurrent` (`altered` or `newer`, before anything
   * is applied) when the database was migrated with other texts or by a newer program, with `DatabaseNotEmpty` when it
   * is another program's, with `InvalidMigrations` when the record cannot be used, and with `PersistenceError` when
   * the lock cannot be had or the database cannot be written. In each case nothing was applied.
   */
  readonly run: Effect.Effect<
    ReadonlyArray<AppliedMigration>,
    MigrationFailed | DatabaseNotEmpty | SchemaNotCurrent | InvalidMigrations | PersistenceError,
    SqlClient.SqlClient
  >

  /**
   * What `run` would apply now. Writes nothing.
   *
   * Fails with `SchemaNotCurrent` where `run` would refuse, with `InvalidMigrations`, and with `PersistenceError`.
   */
  readonly plan: Effect.Effect<
    ReadonlyArray<PendingMigration>,
    SchemaNotCurrent | InvalidMigrations | PersistenceError,
    SqlClient.SqlClient
  >

  /**
   * How the database stands to the program. Writes nothing, also to a database that was never migrated.
   *
   * Fails with `InvalidMigrations` when the record cannot be used, and with `PersistenceError`.
   */
  readonly status: Effect.Effect<Status, InvalidMigrations | PersistenceError, SqlClient.SqlClient>

  /**
   * Succeeds when the schema of the database is the program's. Writes nothing.
   *
   * Fails with `SchemaNotCurrent` when it is older, altered or newer, with `InvalidMigrations` when the record cannot
   * be used, and with `PersistenceError`.
   */
  readonly verify: Effect.Effect<void, SchemaNotCurrent | InvalidMigrations | PersistenceError, SqlClient.SqlClient>

  /** Runs the migrations when it is built. Fails as `run` does. */
  readonly layer: Layer.Layer<never, Effect.Effect.Error<Migrations["run"]>, SqlClient.SqlClient>

  /** Refuses to be built on a database whose schema is not the program's. Fails as `verify` does. */
  readonly requireCurrent: Layer.Layer<never, Effect.Effect.Error<Migrations["verify"]>, SqlClient.SqlClient>
}

/** The same for another record than the program's own: `{ "0001_first": "CREATE TABLE ...; ..." }`. */
export const make = (record: Readonly<Record<string, string>>): Migrations => {
  // Split and hashed once, at the first use, and not when the module is loaded.
  let read: (CheckedRecord & { readonly migrate: ReturnType<typeof migrator> }) | undefined
  const checked = Effect.suspend(() => {
    if (read === undefined) {
      const known = checkRecord(record)
      read = { ...known, migrate: migrator(known.migrations) }
    }
    return read.issues.length === 0 ? Effect.succeed(read) : Effect.fail(new InvalidMigrations({ issues: read.issues }))
  })

  const compared = Effect.flatMap(checked, ({ migrations }) => Effect.map(readLedger, (rows) => compare(migrations, rows)))

  // In one transaction: its first statement, the look at the ledger, waits for the write lock.
  const apply = Effect.gen(function*() {
    const { migrate } = yield* checked
    const before = yield* Effect.flatMap(compared, refused("altered", "newer"))
    if (before.pending.length === 0) return []
    const present = before.applied.length === 0 ? yield* objects : []
    yield* createLedger
    yield* Effect.mapError(migrate, (error) => isMigrationFailed(error) ? inTheWay(error, present) : error)
    const after = yield* compared
    // The migrator takes a ledger that it cannot write for the work of another migrator, and reports success.
    if (differenceOf(after) !== undefined) {
      return yield* new PersistenceError({ operation: "Migrations.run", reason: "SchemaMismatch", cause: `${ledger} cannot be written` })
    }
    return after.applied.slice(-before.pending.length)
  })

  const run = operation("run", Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(apply)))
  const verify = operation("verify", Effect.asVoid(Effect.flatMap(compared, refused("older", "altered", "newer"))))
  return {
    run,
    plan: operation("plan", Effect.map(Effect.flatMap(compared, refused("altered", "newer")), ({ pending }) => pending)),
    status: operation("status", compared),
    verify,
    layer: Layer.effectDiscard(run),
    requireCurrent: Layer.effectDiscard(verify)
  }
}

const isMigrationFailed = isTaggedAs<MigrationFailed>("MigrationFailed")
const isPersistenceError = isTaggedAs<PersistenceError>("PersistenceError")

/** Lets a status pass that is not different in one of these ways. */
const refused = (...reasons: ReadonlyArray<SchemaNotCurrent["reason"]>) => (status: Status) => {
  const difference = differenceOf(status)
  return difference !== undefined && reasons.includes(difference.reason) ? Effect.fail(difference) : Effect.succeed(status)
}

/** What is in the database, in the words in which the engine says that something exists already. */
const objects = Effect.flatMap(SqlClient.SqlClient, (sql) => sql<{ readonly object: string }>`
  SELECT type || ' ' || name AS object FROM sqlite_master`)

const inTheWay = (error: MigrationFailed, present: ReadonlyArray<{ readonly object: string }>) => {
  const found = present.find(({ object }) => error.reason === `${object} already exists`)
  return found === undefined ? error : new DatabaseNotEmpty(found)
}

/** Effect's migrator over the record. It makes a defect of a failing migration: here it is the failure again. */
const migrator = (migrations: ReadonlyArray<Migration>) => {
  const loader = Migrator.fromRecord(Object.fromEntries(migrations.map((migration) => [migration.name, applyOne(migration)])))
  return Migrator.make({})({ loader, table: ledger }).pipe(
    Effect.catchTag("MigrationError", Effect.die),
    Effect.catchSomeDefect((defect) => {
      const cause = Predicate.isTagged(defect, "MigrationError") && Predicate.hasProperty(defect, "cause") ? defect.cause : undefined
      return isMigrationFailed(cause) || isPersistenceError(cause) ? Option.some(Effect.fail(cause)) : Option.none()
    })
  )
}

const applyOne = ({ checksum, id, name, statements }: Migration) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* applyStatements(sql, name, statements)
    const now = yield* DateTime.now
    yield* sql`
      UPDATE sealant_migrations SET checksum = ${checksum}, created_at = ${DateTime.toEpochMillis(now)}
      WHERE migration_id = ${id}`.pipe(Effect.mapError((error) => persistenceErrorOf("Migrations.run", error)))
  })

/** In one round trip where there is a server, which ends a transaction that lasts too long. */
const applyStatements = (sql: SqlClient.SqlClient, migration: string, statements: ReadonlyArray<string>) => {
  const executeAll = abilitiesOf(sql)?.executeAll
  if (executeAll !== undefined) {
    return executeAll(statements.map((text) => ({ sql: text, values: [] }))).pipe(
      Effect.mapError((error) =>
        isBatchFailure(error.cause)
          ? statementError(migration, error.cause.index + 1, new SqlError.SqlError({ cause: error.cause.cause }))
          : persistenceErrorOf("Migrations.run", error))
    )
  }
  return Effect.forEach(statements, (statement, index) =>
    Effect.mapError(sql.unsafe(statement), (error) => statementError(migration, index + 1, error)), { discard: true })
}

const statementError = (migration: string, statement: number, error: SqlError.SqlError) => {
  const failure = persistenceErrorOf("Migrations.run", error)
  if (failure.reason === "Busy" || failure.reason === "Unavailable") return failure
  const { code, message } = engineErrorOf(error)
  // These messages name what the text of the migration or a constraint names; others may hold values.
  const told = /^(SQLITE_(ERROR|CONSTRAINT)|SEALANT_STATEMENT)/.test(code) ? message.replaceAll(/\s+/g, " ") : code
  return new MigrationFailed({ migration, statement, reason: told })
}

/** One span for the whole, none for its hundreds of statements; errors of the engine become errors of the store. */
const operation = <A, E, R>(
  method: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError> | PersistenceError, R> =>
  effect.pipe(
    Effect.withTracerEnabled(false),
    Effect.mapError((error) => isSqlError(error) ? persistenceErrorOf(`Migrations.${method}`, error) : error as Exclude<E, SqlError.SqlError>),
    Effect.withSpan(`Migrations.${method}`, { captureStackTrace: false })
  )

const own = make(ownMigrations)

/**
 * Brings the database up to date, and returns what it applied, in order: nothing when it is current.
 *
 * All in one transaction under the write lock, and safe to run in several processes at once. Fails with
 * `MigrationFailed`, `SchemaNotCurrent` (`altered` or `newer`), `DatabaseNotEmpty`, `InvalidMigrations` or
 * `PersistenceError`, and then nothing was applied; see {@link Migrations}.
 */
export const run = own.run

/**
 * What `run` would apply now. Writes nothing. Fails with `SchemaNotCurrent` or `InvalidMigrations` where `run` would
 * refuse, and with `PersistenceError`.
 */
export const plan = own.plan

/**
 * Which migrations the database has, lacks, has with another text, or has beyond this program. Writes nothing. Fails
 * with `InvalidMigrations` or `PersistenceError`.
 */
export const status = own.status

/**
 * Succeeds when the schema is this program's. Else fails with `SchemaNotCurrent`, whose message says what to do; or
 * with `InvalidMigrations` or `PersistenceError`.
 */
export const verify = own.verify

/** A layer that brings the database up to date when it is built. Fails as `run` does. */
export const layer = own.layer

/** A layer that refuses to be built on a schema that is older, altered or newer. Fails as `verify` does. */
export const requireCurrent = own.requireCurrent
