/**
 * Statements that are about the whole database: on a file they run in a thread of their own, elsewhere on the client.
 */
import { type SqlClient, SqlError } from "@effect/sql"
import { Effect, type Scope } from "effect"
import { defaultBusyTimeoutMs } from "../Database.js"
import type { Row } from "../libsql/Connection.js"
import { type Access, EngineThread } from "../libsql/EngineThread.js"
import { abilitiesOf, type Place } from "../libsql/registry.js"
import { engineErrorOf } from "../sql/engineError.js"
import { MaintenanceRefused } from "./errors.js"

/** Runs statements without parameters. */
export interface Reader {
  /** The rows of one statement. */
  readonly all: (text: string) => Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>
  /** Text that gives no rows. */
  readonly exec: (text: string) => Effect.Effect<void, SqlError.SqlError>
  /** The same twice when nothing was committed in between; it may differ when nothing was. */
  readonly version: Effect.Effect<unknown, SqlError.SqlError>
  /** Runs `body` on one state of the database, where the reader can. */
  readonly atOnce: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError.SqlError, R>
}

/** A reader of an existing file, in a thread, so that the engine itself waits for locks. Closed with the scope. */
export const readerOfFile = (path: string, busyTimeoutMs = defaultBusyTimeoutMs, access: Access = "read"): Effect.Effect<Reader, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new EngineThread(path, busyTimeoutMs, access)),
      (thread) => Effect.promise(() => thread.close())
    ),
    (thread) => {
      const attempt = <A>(run: () => Promise<A>) =>
        Effect.tryPromise({ try: run, catch: (cause) => new SqlError.SqlError({ cause, message: "SQL statement failed" }) })
      const exec = (text: string) => attempt(() => thread.exec(text))
      const all = (text: string) => attempt(() => thread.all(text))
      return {
        all,
        exec,
        // Commits of all other connections, also of this process: the thread itself commits nothing.
        version: Effect.map(all("PRAGMA data_version"), ([row]) => row?.["data_version"]),
        atOnce: (body) =>
          Effect.zipRight(exec("BEGIN"), body).pipe(
            Effect.tap(() => exec("COMMIT")),
            Effect.tapError(() => Effect.ignore(exec("ROLLBACK")))
          )
      }
    }
  )

/** The database of the client, as a reader that is in nobody's way where there is a file. */
export const readerOf = (sql: SqlClient.SqlClient): Effect.Effect<Reader, never, Scope.Scope> => {
  const place = placeOf(sql)
  if (place.kind === "file") return readerOfFile(place.path)
  const all = (text: string) => sql.unsafe<Row>(text)
  return Effect.succeed({ all, exec: (text) => Effect.asVoid(all(text)), version: Effect.sync(Symbol), atOnce: (body) => body })
}

/** Of a client that is none of ours nothing is known: it is taken for that of a server. */
export const placeOf = (sql: SqlClient.SqlClient): Place => abilitiesOf(sql)?.place ?? { kind: "server" }

/** Refuses what only an engine of our own can do. */
export const requireEngine = (operation: string, sql: SqlClient.SqlClient) =>
  placeOf(sql).kind === "server"
    ? new MaintenanceRefused({
      operation,
      reason: "Unsupported",
      problem: `a libSQL server does not do ${operation} for its clients: use the tools of the server`
    })
    : Effect.void

/** What the engine says, in words that hold no values. */
export const engineProblem = (error: SqlError.SqlError): string => {
  const { code } = engineErrorOf(error)
  const problems: Readonly<Record<string, string>> = {
    SQLITE_NOTADB: "it is no SQLite database",
    SQLITE_CORRUPT: "it is damaged: the engine reports a corrupted page",
    SQLITE_CANTOPEN: "the engine cannot open it",
    SQLITE_FULL: "the disk is full",
    SQLITE_BUSY: "another connection holds its lock"
  }
  return problems[code] ?? `the engine reports ${code}`
}

/** A text as SQL. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
