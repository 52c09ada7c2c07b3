/**
 * Readers of a whole database. For a file, the statements run in a thread of their own, otherwise on the client.
 */
import * as SqlError from "@effect/sql/SqlError"
import type { SqlClient } from "@effect/sql"
import { Effect, type Scope } from "effect"
import { defaultBusyTimeoutMs } from "../Database.js"
import type { Row } from "../libsql/prepared.js"
import { type Access, EngineThread } from "../libsql/EngineThread.js"
import { clientInternals, type Place } from "../libsql/registry.js"
import { engineErrorOf } from "../sql/engineError.js"
import { MaintenanceRefused } from "./errors.js"

/** A reader of a whole database, for statements without parameters. */
export interface Reader {
  /** Returns the rows of one statement. */
  readonly all: (text: string) => Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>
  /** Runs text that returns no rows. */
  readonly exec: (text: string) => Effect.Effect<void, SqlError.SqlError>
  /**
   * Returns a value for comparison. Equal values mean that nothing was committed in between; different values do not
   * prove a commit.
   */
  readonly version: Effect.Effect<unknown, SqlError.SqlError>
  /** Runs `body` on a consistent snapshot of the database, if the reader supports that. */
  readonly inSnapshot: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError.SqlError, R>
}

/** Opens a reader of an existing file, in a thread, so that the engine itself waits for locks. The scope closes it. */
export const readerOfFile = (
  path: string,
  busyTimeoutMs = defaultBusyTimeoutMs,
  access: Access = "read"
): Effect.Effect<Reader, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new EngineThread(path, busyTimeoutMs, access)),
      (thread) => Effect.promise(() => thread.close())
    ),
    (thread) => {
      const attempt = <A>(run: () => Promise<A>) =>
        Effect.tryPromise({
          try: run,
          catch: (cause) => new SqlError.SqlError({ cause, message: "SQL statement failed" })
        })
      const exec = (text: string) => attempt(() => thread.exec(text))
      const all = (text: string) => attempt(() => thread.all(text))
      return {
        all,
        exec,
        // Changes with commits of all other connections, including those of this process. The thread itself commits
        // nothing.
        version: Effect.map(all("PRAGMA data_version"), ([row]) => row?.["data_version"]),
        inSnapshot: (body) =>
          Effect.zipRight(exec("BEGIN"), body).pipe(
            Effect.tap(() => exec("COMMIT")),
            Effect.tapError(() => Effect.ignore(exec("ROLLBACK")))
          )
      }
    }
  )

/** Opens a reader of the client's database. For a file, it blocks neither the event loop nor other connections. */
export const readerOf = (sql: SqlClient.SqlClient): Effect.Effect<Reader, never, Scope.Scope> => {
  const place = placeOf(sql)
  if (place.kind === "file") return readerOfFile(place.path)
  const all = (text: string) => sql.unsafe<Row>(text)
  return Effect.succeed({
    all,
    exec: (text) => Effect.asVoid(all(text)),
    version: Effect.sync(Symbol),
    inSnapshot: (body) => body
  })
}

/** Returns the location of the client's database. A client that this package did not make counts as one of a server. */
export const placeOf = (sql: SqlClient.SqlClient): Place => clientInternals(sql)?.place ?? { kind: "server" }

/**
 * Fails with `MaintenanceRefused` (`Unsupported`) on a libSQL server, for operations that need an engine in this
 * process.
 */
export const requireEngine = (operation: string, sql: SqlClient.SqlClient) =>
  placeOf(sql).kind === "server"
    ? new MaintenanceRefused({
        operation,
        reason: "Unsupported",
        problem: `a libSQL server does not do ${operation} for its clients: use the tools of the server`
      })
    : Effect.void

/** Describes an error of the engine, without values. */
export const engineProblem = (error: SqlError.SqlError): string => {
  const { code } = engineErrorOf(error)
  const problems: Readonly<Record<string, string>> = {
    SQLITE_NOTADB: "it is not a SQLite database",
    SQLITE_CORRUPT: "it is damaged: the engine reports a corrupted page",
    SQLITE_CANTOPEN: "the engine cannot open it",
    SQLITE_FULL: "the disk is full",
    SQLITE_BUSY: "another connection holds its lock"
  }
  return problems[code] ?? `the engine reports ${code}`
}
