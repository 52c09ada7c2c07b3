/**
 * The database: its location, the layers that open it, and transactions on it.
 *
 * Each layer provides `SqlClient` and `LibsqlClient`. No layer runs migrations: see `Migrations`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql"
import type { LibsqlClient } from "@effect/sql-libsql"
import { Effect, Layer, Option, Runtime, Schema } from "effect"
import { isReplicaError } from "./libsql/DriverError.js"
import { type OpenLocalOptions, openLocalFile, openMemory } from "./libsql/openLocal.js"
import type { AuthToken } from "./libsql/remote.js"
import { Changes, unobservable, type Version } from "./libsql/Changes.js"
import { clientInternals } from "./libsql/registry.js"
import * as Sql from "./libsql/SqlClient.js"
import type { PersistenceError } from "./Errors.js"
import { isSqlError, persistenceErrorOf } from "./sql/engineError.js"
import {
  authTokenName,
  busyTimeoutName,
  filePathName,
  replicaName,
  secretVariable,
  synchronousName,
  urlName,
  variable
} from "./libsql/settings.js"

/**
 * The database cannot be opened as configured. `setting` is the environment variable (or the option) to change,
 * `problem` its rule or error. The message is both in one line.
 */
export class DatabaseConfigError extends Schema.TaggedError<DatabaseConfigError>("@sealant/db/DatabaseConfigError")(
  "DatabaseConfigError",
  {
    setting: Schema.String,
    problem: Schema.String
  }
) {
  override get message() {
    return `${this.setting}: ${this.problem}`
  }
}

/** The services that every database layer provides. */
export type Services = SqlClient.SqlClient | LibsqlClient.LibsqlClient

/** The default path of the database file, relative to the working directory. */
export const defaultFilePath = ".data/sealant-control-plane.sqlite"

/** The default for the longest wait of a statement for a lock of another process, in milliseconds. */
export const defaultBusyTimeoutMs = 5000

/** The location of a local database, and the settings for opening it. */
export interface FileOptions {
  /** The path of the file. The file and its directory are created when missing, accessible to their owner only. */
  readonly filePath: string
  /** The longest wait of a statement for a lock that another process holds, in milliseconds. Default 5000. */
  readonly busyTimeoutMs?: number | undefined
  /**
   * `full`, the default: an acknowledged write survives a power loss. `normal`: it survives the end of the process,
   * but a power loss may lose the last writes (https://www.sqlite.org/pragma.html#pragma_synchronous).
   */
  readonly synchronous?: "full" | "normal" | undefined
}

interface SettingNames {
  readonly filePath: string
  readonly busyTimeoutMs: string
}

const fileLayer = (options: FileOptions, names: SettingNames) => {
  const { busyTimeoutMs = defaultBusyTimeoutMs, filePath, synchronous = "full" } = options
  const refuse = (setting: string, problem: string) => Effect.fail(new DatabaseConfigError({ setting, problem }))
  const open = (local: OpenLocalOptions) =>
    Effect.acquireRelease(
      Effect.tryPromise({
        try: () => openLocalFile(local),
        catch: (error) =>
          new DatabaseConfigError({
            setting: names.filePath,
            problem: error instanceof Error ? error.message : String(error)
          })
      }),
      (client) => Effect.promise(() => client.shutdown())
    )
  return Sql.layer(
    Effect.suspend(() => {
      if (filePath.trim() === "") return refuse(names.filePath, "is empty; give the path of the database file")
      if (/^:memory:|^file:/.test(filePath))
        return refuse(names.filePath, "takes a plain path; for a database in memory use Database.layerMemory")
      return Effect.zipRight(validTimeout(busyTimeoutMs, names), open({ path: filePath, busyTimeoutMs, synchronous }))
    })
  )
}

/**
 * A database in a local file, opened in WAL mode.
 *
 * Fails with `DatabaseConfigError` if an option is invalid, if the file cannot be opened, read or written, or if it
 * is not a SQLite database.
 */
export const layer = (options: FileOptions): Layer.Layer<Services, DatabaseConfigError> =>
  fileLayer(options, { filePath: "filePath", busyTimeoutMs: "busyTimeoutMs" })

/** An empty database in memory, with the real engine and without a disk. Each build of the layer creates a new one. */
export const layerMemory: Layer.Layer<Services> = Sql.layer(
  Effect.acquireRelease(
    Effect.promise(() => openMemory()),
    (client) => Effect.promise(() => client.shutdown())
  )
)

export type { AuthToken } from "./libsql/remote.js"

/** The location of a libSQL server. */
export interface RemoteOptions {
  /** A `libsql:` or `http(s):` URL. `libsql:` is reached over HTTPS. */
  readonly url: string
  /**
   * The token, or an effect that returns the current one. The effect runs before each request, so it should be cached,
   * for example with `Effect.cachedWithTTL`. While it fails, calls fail with `PersistenceError`, reason `Unauthorized`.
   */
  readonly authToken?: AuthToken | undefined
  /**
   * The path of a file for a copy of the database, which answers reads without a request. It is created when missing,
   * and belongs to one process. The copy is updated after each write of this process, and every quarter of a second.
   *
   * - Reads contain all acknowledged writes of this process. Until the file contains them, the server answers.
   * - Reads of lifecycle operations go to the server.
   * - While the file cannot be updated, the server answers. If it does not, the file does.
   */
  readonly replica?: string | undefined
  /**
   * The longest wait of a statement or a transaction for the lock of the single writer, in milliseconds. Default
   * 5000.
   */
  readonly busyTimeoutMs?: number | undefined
}

/**
 * A database on a libSQL server. The connection is made with the first statement.
 *
 * Fails with `DatabaseConfigError` if the URL or another option is invalid, or if the file of the replica cannot be
 * opened, is in use, or is not a replica.
 */
export const layerRemote = (options: RemoteOptions): Layer.Layer<Services, DatabaseConfigError> =>
  remoteLayer(options, { url: "url", busyTimeoutMs: "busyTimeoutMs", replica: "replica" })

const remoteLayer = (
  { busyTimeoutMs = defaultBusyTimeoutMs, ...options }: RemoteOptions,
  names: Pick<SettingNames, "busyTimeoutMs"> & { readonly url: string; readonly replica: string }
) =>
  Sql.layer(
    Effect.gen(function* () {
      yield* validTimeout(busyTimeoutMs, names)
      const runtime = yield* Effect.runtime()
      const onReplicaHealth = (problem: string | undefined) => {
        Runtime.runFork(runtime)(replicaHealth(problem))
      }
      return yield* Effect.acquireRelease(
        Effect.tryPromise({
          // Imported here, because the client of a server takes 0.2 s of CPU to load.
          try: async () =>
            (await import("./libsql/remote.js")).openRemote({ ...options, busyTimeoutMs, onReplicaHealth }),
          catch: (error) =>
            new DatabaseConfigError({
              setting: isReplicaError(error) ? names.replica : names.url,
              problem: error instanceof Error ? error.message : "cannot be used"
            })
        }),
        ({ client }) => Effect.sync(() => client.close())
      )
    })
  )

const replicaHealth = (problem: string | undefined) =>
  problem === undefined
    ? Effect.logInfo("the replica is updated again")
    : Effect.logWarning(`the replica cannot be updated, so reads go to the server: ${problem}`)

const validTimeout = (busyTimeoutMs: number, names: Pick<SettingNames, "busyTimeoutMs">) =>
  Number.isInteger(busyTimeoutMs) && busyTimeoutMs >= 0
    ? Effect.void
    : new DatabaseConfigError({ setting: names.busyTimeoutMs, problem: timeoutRule })

/**
 * The database that the environment configures:
 * - a file: `DATABASE_FILE_PATH` (default `.data/sealant-control-plane.sqlite`) and `DATABASE_SYNCHRONOUS` (`full` |
 *   `normal`);
 * - or a libSQL server: `DATABASE_URL`, `DATABASE_AUTH_TOKEN` and `DATABASE_REPLICA_PATH` (option `replica`);
 * - for both: `DATABASE_BUSY_TIMEOUT_MS` (default 5000).
 *
 * An empty variable counts as unset. Fails with `DatabaseConfigError`, in one line that names the variable, if:
 * - a value is invalid, in quotes, or has white space around it;
 * - both a file and a URL are set, or a token or a replica without a URL;
 * - the database cannot be opened.
 */
export const layerConfig: Layer.Layer<Services, DatabaseConfigError> = Layer.suspend(() => configured(true))

/**
 * The database of `layerConfig` without its replica: for a program that runs beside the one to which the replica
 * belongs, such as `sealant-db`.
 */
export const layerConfigWithoutReplica: Layer.Layer<Services, DatabaseConfigError> = Layer.suspend(() =>
  configured(false)
)

const configured = (withReplica: boolean) =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const filePath = yield* setting(filePathName, variable)
      const url = yield* setting(urlName, variable)
      const authToken = yield* setting(authTokenName, secretVariable)
      const replica = yield* setting(replicaName, variable)
      const busyTimeoutMs = yield* setting(busyTimeoutName, (name) => Effect.flatMap(variable(name), wholeMilliseconds))
      const synchronous = yield* setting(synchronousName, (name) => Effect.flatMap(variable(name), fullOrNormal))
      if (Option.isSome(url)) {
        if (Option.isSome(filePath)) {
          return yield* new DatabaseConfigError({
            setting: `${filePathName} and ${urlName}`,
            problem: "are both set; unset one of them"
          })
        }
        return remoteLayer(
          {
            url: url.value,
            busyTimeoutMs: Option.getOrElse(busyTimeoutMs, () => defaultBusyTimeoutMs),
            authToken: Option.getOrUndefined(authToken),
            replica: withReplica ? Option.getOrUndefined(replica) : undefined
          },
          { url: urlName, busyTimeoutMs: busyTimeoutName, replica: replicaName }
        )
      }
      if (Option.isSome(authToken) || Option.isSome(replica)) {
        return yield* new DatabaseConfigError({
          setting: Option.isSome(authToken) ? authTokenName : replicaName,
          problem: `is for a libSQL server; set ${urlName}, too, or unset it`
        })
      }
      return fileLayer(
        {
          filePath: Option.getOrElse(filePath, () => defaultFilePath),
          busyTimeoutMs: Option.getOrElse(busyTimeoutMs, () => defaultBusyTimeoutMs),
          synchronous: Option.getOrElse(synchronous, () => "full" as const)
        },
        { filePath: filePathName, busyTimeoutMs: busyTimeoutName }
      )
    })
  )

const setting = <A>(name: string, read: (name: string) => Effect.Effect<A, string>) =>
  Effect.mapError(read(name), (problem) => new DatabaseConfigError({ setting: name, problem }))

const timeoutRule = "must be a whole number of milliseconds, 0 or more"

const wholeMilliseconds = (value: Option.Option<string>): Effect.Effect<Option.Option<number>, string> =>
  Option.exists(value, (text) => !/^\d{1,15}$/.test(text))
    ? Effect.fail(timeoutRule)
    : Effect.succeed(Option.map(value, Number))

const fullOrNormal = (value: Option.Option<string>): Effect.Effect<Option.Option<"full" | "normal">, string> => {
  const known = Option.filter(value, (text) => text === "full" || text === "normal")
  return Option.isSome(value) && Option.isNone(known) ? Effect.fail("must be full or normal") : Effect.succeed(known)
}

/**
 * Runs `body` in one transaction. Commits everything that it writes through any service, or nothing.
 *
 * A transaction inside a transaction is a savepoint: when it fails, only its own writes are rolled back. Concurrent
 * savepoints of one transaction run one after the other. The transaction begins with its first statement, and waits
 * interruptibly for the write lock. It is rolled back when `body` fails or is interrupted. Keep slow work out of it,
 * because every other writer waits.
 *
 * Fails with the errors of `body`, and with `PersistenceError` if the transaction cannot begin or commit.
 */
export const transaction = <A, E, R>(
  body: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError> | PersistenceError, R | SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(body)).pipe(
    Effect.catchIf(isSqlError, (error) => Effect.fail(persistenceErrorOf("Database.transaction", error)))
  )

export type { Version } from "./libsql/Changes.js"

/** Returns the current version of the database, as far as this process has observed it. */
export const version: Effect.Effect<Version, never, SqlClient.SqlClient> = Effect.map(SqlClient.SqlClient, (sql) =>
  changesOf(sql).version()
)

/**
 * Waits until something is committed after `seen`. A commit of this process ends the wait at once; one of another
 * process on the same file ends it within some 10 ms. The effect does not report the change, which may be irrelevant
 * to the caller: read again.
 *
 * A libSQL server does not report commits of other clients, so there the wait ends after a quarter of a second. The
 * wait also ends when a database in a file or in memory closes.
 */
export const changedSince = (seen: Version): Effect.Effect<void, never, SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.async<void>((resume) => {
      const cancel = changesOf(sql).wait(seen, () => resume(Effect.void))
      return Effect.sync(cancel)
    })
  )

// For a client that this package did not make.
const ofOtherClient = new Changes(unobservable)

const changesOf = (sql: SqlClient.SqlClient): Changes => clientInternals(sql)?.changes ?? ofOtherClient
