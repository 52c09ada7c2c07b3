import { SqlClient } from "@effect/sql"
import { LibsqlClient } from "@effect/sql-libsql"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Exit, Fiber, Layer, Redacted } from "effect"
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as ControlPlane from "../src/ControlPlane.js"
import * as Database from "../src/Database.js"
import { openLocalFile } from "../src/libsql/openLocal.js"
import { newPath, rival } from "./libsql/support.js"
import { temporaryDirectory } from "./support/directories.js"
import { refusedTimes } from "./support/eventLoop.js"

type Variables = Readonly<Record<string, string>>

const withEnvironment = (variables: Variables) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

const fromEnvironment = (variables: Variables) => Layer.provide(Database.layerConfig, withEnvironment(variables))

/** The one-line error of a program that cannot open its database. */
const refusal = (variables: Variables) =>
  Effect.map(Effect.flip(Effect.scoped(Layer.build(fromEnvironment(variables)))), (error) => {
    expect(error).toBeInstanceOf(Database.DatabaseConfigError)
    expect(error.message).not.toContain("\n")
    return error.message
  })

/**
 * Opens a file as an unprivileged user, because permission bits do not restrict root, who may run the tests. The test awaits
 * it, so that nothing else runs as that user.
 */
const refusedToNobody = (path: string) =>
  Effect.promise(async () => {
    const isRoot = process.getuid?.() === 0
    if (isRoot) process.seteuid?.(65534)
    try {
      await openLocalFile({ path, busyTimeoutMs: 0, synchronous: "full" })
      return "opened"
    } catch (error) {
      return error instanceof Error ? error.message : ""
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
  })

describe("Database.layerConfig fails with one line that names the variable", () => {
  const remote = "libsql://db.example"
  const cases: ReadonlyArray<readonly [problem: string, variables: Variables, message: string]> = [
    [
      "a path of white space",
      { DATABASE_FILE_PATH: " " },
      "DATABASE_FILE_PATH: begins or ends with white space; remove it"
    ],
    ["a path in quotes", { DATABASE_FILE_PATH: '"a.sqlite"' }, "DATABASE_FILE_PATH: is in quotes; remove them"],
    [
      "a path with a blank behind it",
      { DATABASE_FILE_PATH: "a.sqlite " },
      "DATABASE_FILE_PATH: begins or ends with white space; remove it"
    ],
    [
      "a path from a file with CRLF line ends",
      { DATABASE_FILE_PATH: "a.sqlite\r" },
      "DATABASE_FILE_PATH: contains a carriage return; save the file that sets it with LF line ends"
    ],
    [
      "a timeout in quotes",
      { DATABASE_BUSY_TIMEOUT_MS: "'5000'" },
      "DATABASE_BUSY_TIMEOUT_MS: is in quotes; remove them"
    ],
    [
      "a durability with a blank before it",
      { DATABASE_SYNCHRONOUS: " full" },
      "DATABASE_SYNCHRONOUS: begins or ends with white space; remove it"
    ],
    ["a URL in quotes", { DATABASE_URL: '"libsql://sentinel"' }, "DATABASE_URL: is in quotes; remove them"],
    [
      "a token with a line end",
      { DATABASE_URL: remote, DATABASE_AUTH_TOKEN: "sentinel\n" },
      "DATABASE_AUTH_TOKEN: begins or ends with white space; remove it"
    ],
    [
      "memory as a path",
      { DATABASE_FILE_PATH: ":memory:" },
      "DATABASE_FILE_PATH: takes a plain path; for a database in memory use Database.layerMemory"
    ],
    [
      "a file URL as a path",
      { DATABASE_FILE_PATH: "file:a.sqlite" },
      "DATABASE_FILE_PATH: takes a plain path; for a database in memory use Database.layerMemory"
    ],
    ["a path that is a directory", { DATABASE_FILE_PATH: "/tmp" }, "DATABASE_FILE_PATH: /tmp is not a file"],
    ["a path that is a device", { DATABASE_FILE_PATH: "/dev/null" }, "DATABASE_FILE_PATH: /dev/null is not a file"],
    [
      "a directory that cannot be created",
      { DATABASE_FILE_PATH: "/proc/nowhere/a.sqlite" },
      "DATABASE_FILE_PATH: the directory /proc/nowhere cannot be created: no such directory"
    ],
    [
      "a file that cannot be created",
      { DATABASE_FILE_PATH: "/proc/a.sqlite" },
      "DATABASE_FILE_PATH: /proc/a.sqlite cannot be opened for writing: no such directory"
    ],
    [
      "a negative timeout",
      { DATABASE_BUSY_TIMEOUT_MS: "-1" },
      "DATABASE_BUSY_TIMEOUT_MS: must be a whole number of milliseconds, 0 or more"
    ],
    [
      "a timeout that is no number",
      { DATABASE_BUSY_TIMEOUT_MS: "NaN" },
      "DATABASE_BUSY_TIMEOUT_MS: must be a whole number of milliseconds, 0 or more"
    ],
    [
      "a timeout that is no whole number",
      { DATABASE_BUSY_TIMEOUT_MS: "1.5" },
      "DATABASE_BUSY_TIMEOUT_MS: must be a whole number of milliseconds, 0 or more"
    ],
    ["another durability", { DATABASE_SYNCHRONOUS: "off" }, "DATABASE_SYNCHRONOUS: must be full or normal"],
    [
      "both kinds of address",
      { DATABASE_FILE_PATH: "a.sqlite", DATABASE_URL: remote },
      "DATABASE_FILE_PATH and DATABASE_URL: are both set; unset one of them"
    ],
    [
      "a token without a server",
      { DATABASE_AUTH_TOKEN: "sentinel" },
      "DATABASE_AUTH_TOKEN: is for a libSQL server; set DATABASE_URL, too, or unset it"
    ],
    [
      "a replica without a server",
      { DATABASE_REPLICA_PATH: "replica.sqlite" },
      "DATABASE_REPLICA_PATH: is for a libSQL server; set DATABASE_URL, too, or unset it"
    ],
    [
      "a replica in memory",
      { DATABASE_REPLICA_PATH: ":memory:", DATABASE_URL: remote },
      "DATABASE_REPLICA_PATH: takes a plain path"
    ],
    [
      "a URL of another kind",
      { DATABASE_URL: "postgres://sentinel@db" },
      "DATABASE_URL: must be a libsql: or http(s): URL of a libSQL server"
    ],
    [
      "a WebSocket URL",
      { DATABASE_URL: "wss://db.example.com" },
      "DATABASE_URL: must be a libsql: or http(s): URL: over ws:, a request to a server that hangs has no timeout"
    ],
    [
      "a URL of a file",
      { DATABASE_URL: "file:/tmp/a" },
      "DATABASE_URL: must be a libsql: or http(s): URL of a libSQL server"
    ],
    [
      "a URL without a host",
      { DATABASE_URL: "libsql:///a" },
      "DATABASE_URL: must be a libsql: or http(s): URL of a libSQL server"
    ]
  ]

  it.effect.each(cases)("%s", ([, variables, message]) =>
    Effect.gen(function* () {
      expect(yield* refusal(variables)).toBe(message)
    })
  )

  it.effect.each(["libsql://[sentinel", "https://db.example?sentinel=1", "http://user:sentinel@db.example:sentinel"])(
    "%s, without showing its value",
    (url) =>
      Effect.gen(function* () {
        const message = yield* refusal({ DATABASE_URL: url, DATABASE_AUTH_TOKEN: "sentinel" })
        expect(message).toMatch(/^DATABASE_URL: /)
        expect(message).not.toContain("sentinel")
      })
  )

  it.scoped("a path below a file", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      writeFileSync(path, "")
      expect(yield* refusal({ DATABASE_FILE_PATH: join(path, "below", "a.sqlite") })).toBe(
        `DATABASE_FILE_PATH: the directory ${path}/below cannot be created: part of the path is a file`
      )
      expect(yield* refusal({ DATABASE_FILE_PATH: join(path, "a.sqlite") })).toBe(
        `DATABASE_FILE_PATH: the directory ${path} cannot be created: part of the path is a file`
      )
    })
  )

  it.scoped("a file that is not a database, which stays unchanged", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const content = "a text that somebody needs.\n".repeat(100)
      writeFileSync(path, content)
      expect(yield* refusal({ DATABASE_FILE_PATH: path })).toBe(`DATABASE_FILE_PATH: ${path} is not a SQLite database`)
      expect(readFileSync(path, "utf8")).toBe(content)
    })
  )

  it.scopedLive("a file that another process keeps locked for the whole timeout", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const other = yield* rival(path)
      other.exec("PRAGMA journal_mode = delete; CREATE TABLE t (n); BEGIN EXCLUSIVE")
      expect(yield* refusal({ DATABASE_FILE_PATH: path, DATABASE_BUSY_TIMEOUT_MS: "20" })).toBe(
        `DATABASE_FILE_PATH: ${path} is locked by another process`
      )
    })
  )

  it.scoped("a file or directory without permission to read or write", () =>
    Effect.gen(function* () {
      const open = yield* temporaryDirectory
      chmodSync(open, 0o755)
      const readOnly = join(open, "read-only.sqlite")
      writeFileSync(readOnly, "")
      chmodSync(readOnly, 0o444)
      // access(2) checks the real user, so root gets the error from the engine only.
      expect(yield* refusedToNobody(readOnly)).toMatch(
        /read-only.sqlite cannot be (opened for writing: no permission|written: the file or its directory is read-only)$/
      )
      const closed = join(open, "closed")
      mkdirSync(closed, { mode: 0o000 })
      expect(yield* refusedToNobody(join(closed, "a.sqlite"))).toBe(
        `${closed}/a.sqlite cannot be opened for writing: no permission`
      )
      expect(yield* refusedToNobody(join(closed, "new", "a.sqlite"))).toBe(
        `the directory ${closed}/new cannot be created: no permission`
      )
    })
  )
})

describe("Database.layer", () => {
  it.scoped("names the option when no variable is involved", () =>
    Effect.gen(function* () {
      const filePath = yield* newPath
      const refused = (layer: Layer.Layer<Database.Services, Database.DatabaseConfigError>) =>
        Effect.map(Effect.flip(Effect.scoped(Layer.build(layer))), ({ setting }) => setting)
      for (const busyTimeoutMs of [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY]) {
        expect(yield* refused(Database.layer({ filePath, busyTimeoutMs }))).toBe("busyTimeoutMs")
        expect(yield* refused(Database.layerRemote({ url: "libsql://db.example", busyTimeoutMs }))).toBe(
          "busyTimeoutMs"
        )
      }
      expect(yield* refused(Database.layer({ filePath: "" }))).toBe("filePath")
      expect(yield* refused(Database.layerRemote({ url: "ftp://x" }))).toBe("url")
    })
  )

  it.scoped("creates the file and its directory with access for their owner only", () =>
    Effect.gen(function* () {
      const filePath = join(yield* temporaryDirectory, "new", "a.sqlite")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const sql = yield* Effect.provide(SqlClient.SqlClient, yield* Layer.build(Database.layer({ filePath })))
          yield* sql`CREATE TABLE t (n)`
          const mode = (path: string) => statSync(path).mode & 0o777
          expect([filePath, `${filePath}-wal`, `${filePath}-shm`].map(mode)).toEqual([0o600, 0o600, 0o600])
          expect(mode(join(filePath, ".."))).toBe(0o700)
        })
      )
    })
  )

  it.scoped("leaves the mode of an existing file unchanged", () =>
    Effect.gen(function* () {
      const filePath = yield* newPath
      writeFileSync(filePath, "")
      chmodSync(filePath, 0o640)
      yield* Effect.scoped(Layer.build(Database.layer({ filePath })))
      expect(statSync(filePath).mode & 0o777).toBe(0o640)
    })
  )

  it.scoped.each([
    ["full", 2],
    ["normal", 1]
  ] as const)("sets DATABASE_SYNCHRONOUS=%s", ([synchronous, value]) =>
    Effect.gen(function* () {
      const path = yield* newPath
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        expect(yield* sql`PRAGMA synchronous`).toEqual([{ synchronous: value }])
      }).pipe(Effect.provide(fromEnvironment({ DATABASE_FILE_PATH: path, DATABASE_SYNCHRONOUS: synchronous })))
    })
  )

  it.scopedLive("treats an empty variable as unset", () =>
    Effect.gen(function* () {
      const empty = {
        DATABASE_BUSY_TIMEOUT_MS: "",
        DATABASE_SYNCHRONOUS: "",
        DATABASE_URL: "",
        DATABASE_AUTH_TOKEN: ""
      }
      const path = yield* newPath
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        expect(yield* sql`PRAGMA synchronous`).toEqual([{ synchronous: 2 }])
        const other = yield* rival(path)
        // The timeout is not 0: the statement waits until the lock is released.
        other.exec("BEGIN IMMEDIATE")
        const waiting = yield* Effect.fork(sql`CREATE TABLE t (n)`)
        yield* refusedTimes(2)
        other.exec("ROLLBACK")
        yield* Fiber.join(waiting)
      }).pipe(Effect.provide(fromEnvironment({ ...empty, DATABASE_FILE_PATH: path })))
      const onServer = fromEnvironment({ ...empty, DATABASE_FILE_PATH: "", DATABASE_URL: "http://127.0.0.1:1" })
      expect(
        yield* Effect.flip(
          Effect.provide(
            Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`),
            onServer
          )
        )
      ).toMatchObject({ _tag: "SqlError" })
    })
  )

  it.scoped("stores writes durably: the next program reads them", () =>
    Effect.gen(function* () {
      const layer = fromEnvironment({ DATABASE_FILE_PATH: yield* newPath })
      yield* Effect.provide(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE t AS SELECT 1 AS n`),
        layer
      )
      expect(
        yield* Effect.provide(
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT n FROM t`),
          layer
        )
      ).toEqual([{ n: 1 }])
    })
  )

  it.scoped("layerMemory creates a separate database for each build", () =>
    Effect.gen(function* () {
      const create = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE t (n)`)
      yield* Effect.provide(create, Database.layerMemory)
      yield* Effect.provide(create, Database.layerMemory)
    })
  )

  it.scoped("layerRemote opens without a server, and fails with Unavailable on first use", () =>
    Effect.gen(function* () {
      const layer = Database.layerRemote({ url: "http://127.0.0.1:1", authToken: Redacted.make("sentinel") })
      const error = yield* Database.transaction(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`)).pipe(
        Effect.flip,
        Effect.provide(layer)
      )
      expect(error).toMatchObject({ _tag: "PersistenceError", reason: "Unavailable" })
      expect(JSON.stringify(error)).not.toContain("sentinel")
    })
  )
})

describe("Database.transaction", () => {
  const insert = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO t VALUES (1)`)
  const create = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT`)

  it.scoped("keeps the errors of its body, and reports why the database did not answer", () =>
    Effect.gen(function* () {
      yield* create
      const transaction = Database.transaction
      expect(yield* Effect.exit(transaction(Effect.zipRight(insert, Effect.fail("mine" as const))))).toEqual(
        Exit.fail("mine")
      )
      yield* transaction(insert)
      expect(yield* Effect.flip(transaction(insert))).toMatchObject({
        _tag: "PersistenceError",
        operation: "Database.transaction",
        cause: "SQLITE_CONSTRAINT_PRIMARYKEY"
      })
      const missing = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT * FROM missing`)
      expect(yield* Effect.flip(transaction(missing))).toMatchObject({
        _tag: "PersistenceError",
        reason: "SchemaMismatch",
        cause: "SQLITE_ERROR: no table missing"
      })
    }).pipe(Effect.provide(Database.layerMemory))
  )

  it.scopedLive("fails with Busy if another connection holds the lock for the whole timeout", () =>
    Effect.gen(function* () {
      const filePath = yield* newPath
      const other = yield* rival(filePath)
      yield* Effect.gen(function* () {
        yield* create
        expect(yield* other.locking(Effect.flip(Database.transaction(insert)))).toMatchObject({
          _tag: "PersistenceError",
          reason: "Busy"
        })
        yield* Database.transaction(insert)
      }).pipe(Effect.provide(Database.layer({ filePath, busyTimeoutMs: 20 })))
    })
  )

  it.scopedLive("can be interrupted while it waits", () =>
    Effect.gen(function* () {
      const filePath = yield* newPath
      const other = yield* rival(filePath)
      yield* Effect.gen(function* () {
        yield* create
        const waiting = yield* Deferred.make<void>()
        yield* other.locking(
          Effect.gen(function* () {
            const fiber = yield* Effect.fork(
              Database.transaction(Effect.zipRight(Deferred.succeed(waiting, undefined), insert))
            )
            yield* Deferred.await(waiting)
            expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
          })
        )
        expect(yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT * FROM t`)).toEqual([])
      }).pipe(Effect.provide(Database.layer({ filePath })))
    })
  )
})

it.live("provides LibsqlClient of @effect/sql-libsql, which the package does not install", () =>
  Effect.gen(function* () {
    const sql = yield* LibsqlClient.LibsqlClient
    expect(sql[LibsqlClient.TypeId]).toBe(LibsqlClient.TypeId)
    expect(sql.config).toHaveProperty("liveClient")
    expect(yield* sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
    // The type shows that no requirement is left.
  }).pipe(Effect.provide(Database.layerMemory))
)

it.scopedLive("ControlPlane.layerConfig refuses a missing database, names it, and creates no file", () =>
  Effect.gen(function* () {
    const path = join(yield* temporaryDirectory, "data", "control-plane.sqlite")
    const layer = Layer.provide(ControlPlane.layerConfig, withEnvironment({ DATABASE_FILE_PATH: path }))
    const error = yield* Effect.flip(Layer.build(layer))
    expect(error).toMatchObject({ _tag: "SchemaNotCurrent", reason: "older", database: path })
    expect(error.message).toMatch(new RegExp(`^the database ${path} is older .*: run \`sealant-db migrate\`$`))
    expect(existsSync(join(path, ".."))).toBe(false)
  })
)
