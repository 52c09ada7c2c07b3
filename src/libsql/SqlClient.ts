/**
 * `SqlClient` over a libSQL client, local or remote.
 *
 * It differs from the client that `@effect/sql-libsql` builds:
 * - Reads outside a transaction do not wait for it, and a transaction that cannot begin leaves no lock behind.
 * - Concurrent nested transactions, and the statements beside them, run one after the other. With one savepoint name
 *   for all, a nested transaction that fails would roll back the rows of its sibling.
 * - A COMMIT that fails is an error, not a defect.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlError from "@effect/sql/SqlError"
import * as SqlStatement from "@effect/sql/Statement"
import type { SqlConnection } from "@effect/sql"
import type { LibsqlClient } from "@effect/sql-libsql"
import { Context, Effect, Exit, identity, Layer, Option, Stream } from "effect"
import { globalValue } from "effect/GlobalValue"
import { type Client, toResultSet } from "./Client.js"
import type { Changes } from "./Changes.js"
import type { Reads, Result } from "./prepared.js"
import { type ClientInternals, type FoundRows, type Place, register, type Statement } from "./registry.js"

/** One level of a transaction: the outermost, or a savepoint in the level above. */
interface Level {
  readonly transaction: TransactionTarget
  readonly depth: number
  /** Runs one operation of this level at a time: a statement, or a whole nested level. */
  readonly turn: Effect.Semaphore
  readonly connection: Connection
}

/**
 * The tag of the current level of a database in the context. Each database has its own tag, so that a transaction of
 * one database does not include statements on another.
 */
type LevelTag = Context.Tag<Level, Level>

/** The tag of the connection for reads in the context of `onPrimary`. Each database has its own. */
type PrimaryReadsTag = Context.Tag<Connection, Connection>

// One counter for all copies of this package in the process.
const databases = globalValue(Symbol.for("@sealant/db/libsql/databases"), () => ({ count: 0 }))

/**
 * An operation that begins when it is called, and calls back once. A promise would cost as much as running the
 * statement.
 */
export type Later<A> = (succeed: (value: A) => void, fail: (error: unknown) => void) => void

export type Answer<A> = A | Promise<A> | Later<A>

/** A database, or a transaction in it, that runs statements. Answers synchronously when it can. */
export interface Target {
  readonly run: (sql: string, values: ReadonlyArray<unknown>, reads?: Reads) => Answer<Result>
}

/** A connection that can also run a statement for its first row, or for a page. */
interface Connection extends SqlConnection.Connection {
  readonly executeFirst: ClientInternals["executeFirst"]
  readonly executePage: ClientInternals["executePage"]
}

/** A transaction. It begins with its first statement, which fails when the transaction cannot begin. */
export interface TransactionTarget extends Target {
  /** Whether the transaction has run a statement, or waits to run its first one. */
  readonly hasBegun: boolean
  /** Runs statements in order, on a server in one round trip. Rejects with `BatchFailure`. */
  readonly runAll: (statements: ReadonlyArray<Statement>) => Promise<void>
  /** Runs all statements, or none, and returns their results; on a server in one round trip. Rejects with `BatchFailure`. */
  readonly writeAll: (statements: ReadonlyArray<Statement>) => Promise<ReadonlyArray<Result>>
  readonly commit: () => Promise<void>
  readonly rollback: () => Promise<void>
}

/** A database, and its client in the form that `@effect/sql-libsql` accepts. */
export interface Driver extends Target {
  /** The primary, if other reads may be answered by a replica that is behind it. */
  readonly primary?: Target
  /**
   * Runs statements in one transaction, and returns their results: all of them are committed, or none. On a server in
   * one round trip. Fails with `BatchFailure` if a statement fails.
   */
  readonly writeAll: (statements: ReadonlyArray<Statement>) => Answer<ReadonlyArray<Result>>
  readonly begin: () => TransactionTarget
  readonly client: Client
  readonly changes: Changes
  readonly place: Place
}

/**
 * The tag and the type id of `LibsqlClient`. Only types are imported from `@effect/sql-libsql`, because its module loads
 * another version of the native engine into the process.
 */
const libsqlClient = Context.GenericTag<LibsqlClient.LibsqlClient>("@effect/sql-libsql/LibsqlClient")
const libsqlTypeId: LibsqlClient.TypeId = Symbol.for("@effect/sql-libsql/LibsqlClient") as LibsqlClient.TypeId

/** Provides `SqlClient` and `LibsqlClient` on an open client. The opener of that client closes it. */
export const layer = <E, R>(open: Effect.Effect<Driver, E, R>) =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const driver = yield* open
      const level: LevelTag = Context.GenericTag<Level>(`@sealant/db/libsql/Level/${databases.count++}`)
      const own = connection(driver)
      const primary = driver.primary === undefined ? undefined : connection(driver.primary)
      const primaryReads: PrimaryReadsTag = Context.GenericTag<Connection>(`${level.key}/primary`)
      const inContext = <A, E>(use: (connection: Connection) => Effect.Effect<A, E>) =>
        Effect.contextWithEffect((context: Context.Context<never>) => {
          const current = Context.getOption(context, level)
          if (Option.isSome(current)) return use(current.value.connection)
          return use(
            primary === undefined ? own : Option.getOrElse(Context.getOption(context, primaryReads), () => own)
          )
        })
      const sql = yield* SqlClient.make({
        acquirer: inContext(Effect.succeed),
        compiler: SqlStatement.makeCompilerSqlite(),
        spanAttributes: [["db.system.name", "sqlite"]]
      })
      register(sql, {
        place: driver.place,
        changes: driver.changes,
        isInTransaction: Effect.map(Effect.serviceOption(level), Option.isSome),
        hasBegun: Effect.map(
          Effect.serviceOption(level),
          Option.exists(({ transaction }) => transaction.hasBegun)
        ),
        onPrimary: (effect) =>
          primary === undefined
            ? effect
            : Effect.mapInputContext(effect, (context) => Context.add(context, primaryReads, primary)),
        execute: (text, values) => inContext((connection) => connection.execute(text, values, undefined)),
        executeFirst: (text, values) => inContext((connection) => connection.executeFirst(text, values)),
        executePage: (text, values) => inContext((connection) => connection.executePage(text, values)),
        executeAll: (statements) =>
          Effect.flatMap(Effect.serviceOption(level), (current) =>
            Option.isSome(current)
              ? runAllIn(current.value, statements)
              : Effect.dieMessage("executeAll must run inside a transaction")
          ),
        writeAll: (statements) =>
          Effect.flatMap(Effect.serviceOption(level), (current) =>
            Option.isSome(current)
              ? writeAllIn(current.value, statements)
              : attempt(() => driver.writeAll(statements), rowsOfEach)
          )
      })
      const libsql: LibsqlClient.LibsqlClient = Object.assign(sql, {
        ...({ [libsqlTypeId]: libsqlTypeId } as Pick<LibsqlClient.LibsqlClient, LibsqlClient.TypeId>),
        config: { liveClient: driver.client },
        withTransaction: withTransaction(driver, level)
      })
      return Context.make(libsqlClient, libsql).pipe(Context.add(SqlClient.SqlClient, libsql))
    })
  ).pipe(Layer.provide(Reactivity.layer))

const runAllIn = ({ transaction, turn }: Level, statements: ReadonlyArray<Statement>) =>
  turn.withPermits(1)(attempt(() => transaction.runAll(statements), identity))

const writeAllIn = ({ transaction, turn }: Level, statements: ReadonlyArray<Statement>) =>
  turn.withPermits(1)(attempt(() => transaction.writeAll(statements), rowsOfEach))

const withTransaction =
  (driver: Driver, tag: LevelTag) =>
  <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
    Effect.contextWithEffect((context: Context.Context<R>): Effect.Effect<A, E | SqlError.SqlError, R> => {
      const current = Context.getOption(context, tag)
      return Option.isNone(current) ? outermost(driver, tag, body) : nested(current.value, tag, body)
    })

const outermost = <A, E, R>(driver: Driver, tag: LevelTag, body: Effect.Effect<A, E, R>) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const transaction = driver.begin()
      const exit = yield* Effect.exit(restore(runIn(transaction, 0, tag, body)))
      if (Exit.isSuccess(exit)) yield* attempt(() => transaction.commit(), identity)
      else yield* Effect.ignore(attempt(() => transaction.rollback(), identity))
      return yield* exit
    })
  )

const nested = <A, E, R>({ depth, transaction, turn }: Level, tag: LevelTag, body: Effect.Effect<A, E, R>) => {
  const name = `level_${depth + 1}`
  const savepoint = (statement: string) => attempt(() => transaction.run(`${statement} ${name}`, []), identity)
  return turn.withPermits(1)(
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        yield* restore(savepoint("SAVEPOINT"))
        const exit = yield* Effect.exit(restore(runIn(transaction, depth + 1, tag, body)))
        // If the engine rolled the whole transaction back, the savepoint is gone, and the commit fails.
        if (Exit.isFailure(exit)) yield* Effect.ignore(savepoint("ROLLBACK TO"))
        yield* Exit.isFailure(exit) ? Effect.ignore(savepoint("RELEASE")) : savepoint("RELEASE")
        return yield* exit
      })
    )
  )
}

const runIn = <A, E, R>(transaction: TransactionTarget, depth: number, tag: LevelTag, body: Effect.Effect<A, E, R>) =>
  Effect.mapInputContext(body, (context: Context.Context<R>) => {
    const turn = Effect.unsafeMakeSemaphore(1)
    return Context.add(context, tag, { transaction, depth, turn, connection: connection(transaction, turn) })
  })

const connection = (target: Target, turn?: Effect.Semaphore): Connection => {
  const run = <B>(sql: string, params: ReadonlyArray<unknown>, use: (result: Result) => B, reads: Reads = "all") => {
    const answer = attempt(() => target.run(sql, params, reads), use)
    return turn === undefined ? answer : turn.withPermits(1)(answer)
  }
  const rows: SqlConnection.Connection["execute"] = (sql, params, transformRows) =>
    run(sql, params, transformRows === undefined ? rowsOf : (result) => transformRows(result.rows))
  return {
    execute: rows,
    executeFirst: (sql, params) => run(sql, params, rowsOf, "first"),
    executePage: (sql, params) => run(sql, params, pageOf, "page"),
    executeUnprepared: rows,
    executeRaw: (sql, params) => run(sql, params, toResultSet),
    executeValues: (sql, params) => run(sql, params, (result) => result.values()),
    executeStream: (sql, params, transformRows) =>
      Stream.unwrap(Effect.map(rows(sql, params, transformRows), Stream.fromIterable))
  }
}

const rowsOf = ({ rows }: Result) => rows

const pageOf = ({ isCut = false, rows }: Result): FoundRows => ({ rows, isCut })

const rowsOfEach = (results: ReadonlyArray<Result>) => results.map(rowsOf)

/** Runs `run` and maps its answer with `use`. The fiber suspends only for an answer that is not synchronous. */
const attempt = <A extends object | void, B>(
  run: () => Answer<A>,
  use: (answer: A) => B
): Effect.Effect<B, SqlError.SqlError> =>
  Effect.suspend(() => {
    try {
      const answer = run()
      if (typeof answer !== "function" && !(answer instanceof Promise)) return Effect.sync(() => use(answer))
      return Effect.async((resume) => {
        const succeed = (value: A) => resume(Effect.sync(() => use(value)))
        const fail = (cause: unknown) => resume(Effect.fail(sqlError(cause)))
        if (typeof answer === "function") answer(succeed, fail)
        else answer.then(succeed, fail)
      })
    } catch (cause) {
      return Effect.fail(sqlError(cause))
    }
  })

const sqlError = (cause: unknown) => new SqlError.SqlError({ cause, message: "SQL statement failed" })
