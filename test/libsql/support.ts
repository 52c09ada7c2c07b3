/**
 * What the tests of the local client share: databases in files of their own, rivals that hold the write lock, and the
 * stock clients in the versions that are installed.
 */
import { SqlClient, SqlError } from "@effect/sql"
import { LibsqlClient } from "@effect/sql-libsql"
import { createClient } from "@libsql/client"
import { Effect, Fiber, Layer, Option, type Scope } from "effect"
import Database from "libsql"
import { readdirSync, readlinkSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { temporaryDirectory } from "../support/directories.js"
import type { LocalClient, LocalOptions } from "../../src/libsql/LocalClient.js"
import { openLocalFile } from "../../src/libsql/openLocal.js"
import * as Sql from "../../src/libsql/SqlClient.js"

export type Binding = typeof Database

/** The path of a database that does not exist yet. */
export const newPath: Effect.Effect<string, never, Scope.Scope> = Effect.map(temporaryDirectory, (path) =>
  join(path, "a.sqlite")
)

/** A connection through the native binding alone, for looking at a file from outside and for holding its lock. */
export const rival = (path: string, Native: Binding = Database) =>
  Effect.acquireRelease(
    Effect.sync(() => new Rival(Native, path)),
    (connection) => Effect.sync(() => connection.close())
  )

/** Another connection to a file, in this process, with nothing of our client about it. */
export class Rival {
  private readonly database: Database.Database
  constructor(Native: Binding, path: string) {
    this.database = new Native(path, { timeout: 0 })
  }
  exec(sql: string): void {
    this.database.exec(sql)
  }
  /** The one value of the one row. */
  value(sql: string): unknown {
    return Object.values(this.database.prepare(sql).all([])[0] as object)[0]
  }
  canWrite(): boolean {
    try {
      this.exec("BEGIN IMMEDIATE")
      this.exec("ROLLBACK")
      return true
    } catch {
      return false
    }
  }
  /** Takes the write lock for the length of `body`. */
  locking<A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.exec("BEGIN IMMEDIATE")),
      () => body,
      () => Effect.sync(() => this.exec("ROLLBACK"))
    )
  }
  close(): void {
    this.database.close()
  }
}

/** A local client on a file, closed with the scope. */
export const openClient = (path: string, options: Partial<Omit<LocalOptions, "path">> = {}) =>
  Effect.acquireRelease(
    Effect.promise(() => openLocalFile({ path, busyTimeoutMs: 5000, synchronous: "normal", ...options })),
    (client) => Effect.promise(() => client.shutdown())
  )

/** `SqlClient` on an open client. */
export const sqlOf = (client: LocalClient) =>
  Effect.map(Layer.build(Sql.layer(Effect.succeed(client))), (context) => Layer.succeedContext(context)).pipe(
    Effect.flatMap((layer) => Effect.provide(SqlClient.SqlClient, layer))
  )

/** Runs a statement through the interface of `@libsql/client`. */
export const execute = (client: Pick<LocalClient, "execute">, sql: string, args?: ReadonlyArray<unknown>) =>
  Effect.tryPromise({ try: () => client.execute(sql, args), catch: (error) => error })

// @effect/sql-libsql brings a version of @libsql/client, and that one of the native binding. A lock that one copy of
// the binding holds is none to another copy in the same process, so a rival must come from the right one.
const fromTest = createRequire(import.meta.url)
const fromEffect = createRequire(fromTest.resolve("@effect/sql-libsql"))
const bundledClient = fromEffect("@libsql/client") as { readonly createClient: typeof createClient }
const bundledBinding = createRequire(fromEffect.resolve("@libsql/client"))("libsql") as Binding

/** One of the clients that a lesson is tried on. */
export interface Subject {
  readonly name: string
  readonly Native: Binding
  readonly layer: (path: string) => Layer.Layer<SqlClient.SqlClient>
}

export const ourLayer: Subject = {
  name: "ours",
  Native: Database,
  layer: (path) => Sql.layer(openClient(path, { busyTimeoutMs: 100 }))
}

/** The layer as `@effect/sql-libsql` 0.42 gives it, over its own `@libsql/client` 0.12 and `libsql` 0.4.7. */
export const stockLayer: Subject = {
  name: "stock",
  Native: bundledBinding,
  layer: (path) => LibsqlClient.layer({ url: `file:${path}` })
}

/** A plain client and the binding below it. */
export interface StockClient {
  readonly name: string
  readonly Native: Binding
  readonly open: (path: string) => Effect.Effect<ReturnType<typeof createClient>, never, Scope.Scope>
}

const opening =
  (create: typeof createClient): StockClient["open"] =>
  (path) =>
    Effect.acquireRelease(
      Effect.sync(() => create({ url: path === ":memory:" ? path : `file:${path}` })),
      (client) => Effect.sync(() => client.close())
    )

export const stockClients = {
  /** `@libsql/client` 0.12 over `libsql` 0.4.7. */
  bundled: { name: "@libsql/client 0.12", Native: bundledBinding, open: opening(bundledClient.createClient) },
  /** `@libsql/client` 0.18 over `libsql` 0.5.29. */
  newest: { name: "@libsql/client 0.18", Native: Database, open: opening(createClient) }
} as const satisfies Record<string, StockClient>

/** Whether an effect ends within a time. One that does not is left behind where it hangs: it cannot be interrupted. */
export const endsWithin = <A, E, R>(millis: number, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.forkDaemon(effect), (fiber) =>
    Effect.raceFirst(Effect.as(Fiber.await(fiber), true), Effect.as(Effect.sleep(millis), false))
  )

/** The engine's code inside whatever failed. */
export const codeOf = (error: unknown): unknown => {
  const cause = error instanceof SqlError.SqlError ? error.cause : error
  return typeof cause === "object" && cause !== null && "code" in cause ? cause.code : cause
}

export const codeOfFailure = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.map(Effect.flip(effect), codeOf)

/** How many descriptors of this process lead to files below a path. */
export const descriptorsBelow = (path: string): number =>
  readdirSync("/proc/self/fd").filter((name) =>
    Option.match(Option.liftThrowable(() => readlinkSync(`/proc/self/fd/${name}`))(), {
      onNone: () => false,
      onSome: (target) => target.startsWith(path)
    })
  ).length
