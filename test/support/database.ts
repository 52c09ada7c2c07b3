/**
 * Databases for tests: the real engine, migrated, in memory, in a temporary file or on a server; and rows of other features,
 * by plain SQL.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Layer, type Scope } from "effect"
import Native from "libsql"
import { createHash, randomUUID } from "node:crypto"
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { migrations } from "../../migrations/index.js"
import * as Database from "../../src/Database.js"
import { clientInternals } from "../../src/libsql/registry.js"
import { splitStatements } from "../../src/libsql/sqlText.js"
import { type FaultInjection, type ServerOptions, Peer } from "./hrana/Peer.js"
import { temporaryDirectory } from "./directories.js"
import { directUrl } from "./sqld/direct.js"
import { Proxy } from "./sqld/Proxy.js"
import { createNamespace, deleteNamespace, type ServerAddress } from "./sqld/Server.js"
import { sharedServer } from "./sqld/shared.js"
import { runsAll } from "./volume.js"

const statements = Object.values(migrations).flatMap(splitStatements)

let finalStatements: ReadonlyArray<string> | undefined

/** The statements of the final schema, and the rows that migrations insert: a third of the time of the migrations. */
const schemaStatements = (): ReadonlyArray<string> => {
  if (finalStatements !== undefined) return finalStatements
  const database = new Native(templateFile(), { readonly: true })
  const rows: ReadonlyArray<unknown> = database
    .prepare(
      `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*'
       ORDER BY type <> 'table', type = 'trigger', rowid`
    )
    .raw()
    .all()
  database.close()
  const inserts = statements.filter((statement) => statement.startsWith("INSERT"))
  return (finalStatements = [...rows.flatMap((row) => (Array.isArray(row) ? row.map(String) : [])), ...inserts])
}

/** Creates the schema in the database below it. */
export const migrated = Layer.effectDiscard(
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.withTransaction(
      clientInternals(sql)?.executeAll(schemaStatements().map((text) => ({ sql: text, values: [] }))) ??
        Effect.dieMessage("not a client of this package")
    )
  )
)

/** An empty, migrated database in memory. */
export const memoryLayer = migrated.pipe(Layer.provideMerge(Database.layerMemory), Layer.orDie)

/** An empty, migrated database in a file of its own: a copy of the template. */
export const fileLayer = Layer.orDie(
  Layer.unwrapScoped(
    Effect.map(temporaryDirectory, (directory) => {
      const filePath = join(directory, "test.sqlite")
      copyFileSync(templateFile(), filePath)
      // Tests kill processes, not machines, so a commit need not wait for the disk.
      return Database.layer({ filePath, synchronous: "normal" })
    })
  )
)

/** A migrated file, created once per schema, and renamed to its path when it is complete. */
const templateFile = (): string => {
  const schema = createHash("sha256").update(statements.join("\n")).digest("hex").slice(0, 16)
  const cache = fileURLToPath(new URL("../../node_modules/.cache", import.meta.url))
  const path = join(cache, `template-${schema}.sqlite`)
  if (existsSync(path)) return path
  mkdirSync(cache, { recursive: true })
  const directory = mkdtempSync(join(cache, "template-"))
  const made = join(directory, "template.sqlite")
  const database = new Native(made)
  database.exec("PRAGMA journal_mode = wal; BEGIN")
  for (const statement of statements) database.exec(statement)
  database.exec("COMMIT")
  database.close()
  renameSync(made, path)
  rmSync(directory, { recursive: true })
  return path
}

/** A server with an empty database, which is closed with the scope. */
export const openEmptyPeer = (serverOptions: Partial<ServerOptions> = {}) =>
  peerOn((path) => Peer.open(path, serverOptions))

/** A server with a migrated database. */
export const openPeer = (serverOptions: Partial<ServerOptions> = {}) =>
  peerOn((path) => {
    copyFileSync(templateFile(), path)
    return Peer.open(path, serverOptions)
  })

/** A server with a copy of a database file. */
export const openPeerOf = (file: string) =>
  peerOn((path) => {
    copyFileSync(file, path)
    return Peer.open(path)
  })

/** A server that can lose requests and answers. */
export interface FaultyServer {
  readonly url: string
  faultInjection: FaultInjection | undefined
  /** Ends the streams that a client has abandoned, if the server would keep them for a while. */
  readonly expireStreams: () => void
}

/** The real server with a copy of a database file that no process has open, or the test peer if it is not installed. */
export const openServerOf = (file: string): Effect.Effect<FaultyServer, never, Scope.Scope> =>
  Effect.suspend((): Effect.Effect<FaultyServer, never, Scope.Scope> => {
    const server = sharedServer()
    return server === undefined
      ? Effect.map(openPeerOf(file), (peer) => Object.assign(peer, { expireStreams: () => peer.streams.expireAll() }))
      : Effect.map(namespaceOn(server, file), (proxy) => Object.assign(proxy, { expireStreams: () => undefined }))
  })

/** The URL of a database without tables on the real server, or on the test peer if it is not installed. */
export const openEmptyServer = Effect.suspend((): Effect.Effect<string, never, Scope.Scope> => {
  const server = sharedServer()
  return server === undefined
    ? Effect.map(openEmptyPeer(), ({ url }) => url)
    : Effect.map(openEmptyNamespace(server), ({ url }) => url)
})

const peerOn = (open: (path: string) => Promise<Peer>) =>
  Effect.flatMap(temporaryDirectory, (directory) =>
    Effect.acquireRelease(
      Effect.promise(() => open(join(directory, "test.sqlite"))),
      (peer) => Effect.promise(() => peer.close())
    )
  )

const namespaceOf = (server: ServerAddress, file?: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const namespace = `t${randomUUID().replaceAll("-", "")}`
      await createNamespace(server, namespace, file)
      return namespace
    }),
    (namespace) => Effect.promise(() => deleteNamespace(server, namespace))
  )

const namespaceOn = (server: ServerAddress, file?: string) =>
  Effect.flatMap(namespaceOf(server, file), (namespace) =>
    Effect.acquireRelease(
      Effect.promise(() => Proxy.open(server, namespace)),
      (proxy) => Effect.promise(() => proxy.close())
    )
  )

/** A database without tables on the real server, which is deleted with the scope. */
export const openEmptyNamespace = (server: ServerAddress) => namespaceOn(server)

/** A migrated database on the real server. */
export const openNamespace = (server: ServerAddress) => Effect.suspend(() => namespaceOn(server, templateFile()))

const migratedNamespace = (server: ServerAddress) => Effect.suspend(() => namespaceOf(server, templateFile()))

const remoteUrl = Effect.suspend((): Effect.Effect<string, never, Scope.Scope> => {
  const server = sharedServer()
  return server === undefined
    ? Effect.map(
        // A stream may be idle for a long time on a loaded machine.
        openPeer({ streamExpiryMs: 600_000, transactionLimitMs: 600_000, lockTimeoutMs: 600_000 }),
        ({ url }) => url
      )
    : Effect.map(migratedNamespace(server), (namespace) => directUrl(server, namespace))
})

/** An empty, migrated database on the real server, or on the test peer if the server is not installed. */
export const remoteLayer = Layer.orDie(
  Layer.unwrapScoped(
    // On a loaded machine, many fibers may wait for a long time.
    Effect.map(remoteUrl, (url) => Database.layerRemote({ url, busyTimeoutMs: 30_000 }))
  )
)

/**
 * Leaves the database in memory out of the enumeration in `npm test`: its client is that of a file, and many tests use it by
 * name.
 */
const enumerated = <A extends { readonly memory: unknown }>(all: A): A =>
  Object.defineProperty(all, "memory", { enumerable: runsAll })

/** All databases by name, for suites that are functions of a layer. */
export const databaseLayers = enumerated({ memory: memoryLayer, file: fileLayer, remote: remoteLayer })

/** Services over each database. */
export const overDatabases = <A, E, R extends Database.Services>(services: Layer.Layer<A, E, R>) => {
  const over = (database: Layer.Layer<Database.Services>) => Layer.provideMerge(services, database)
  return enumerated({ memory: over(memoryLayer), file: over(fileLayer), remote: over(remoteLayer) })
}

const run = (text: string, ...params: ReadonlyArray<unknown>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.asVoid(Effect.orDie(sql.unsafe(text, params))))

/** A user. */
export const seedUser = (id: string) =>
  run("INSERT INTO user (id, name, email, created_at, updated_at) VALUES (?1, ?1, ?1 || '@example.com', 0, 0)", id)

/** A repository that every user may use. */
export const seedRepository = (id: string) =>
  run(
    "INSERT INTO repositories (id, owner, name, open_to_all, created_at, updated_at) VALUES (?1, 'acme', ?1, 1, 0, 0)",
    id
  )

/** An issue of an existing repository, with the next number. */
export const seedIssue = (id: string, repositoryId: string) =>
  run(
    `INSERT INTO issues (id, repository_id, number, title, created_at, updated_at)
     VALUES (?1, ?2, (SELECT count(*) + 1 FROM issues), ?1, 0, 0)`,
    id,
    repositoryId
  )

/** A revision of a profile of an existing user. The profile has the id of the revision. */
export const seedProfileRevision = (id: string, ownerUserId: string) =>
  Effect.zipRight(
    run(
      "INSERT INTO profiles (id, owner_user_id, slug, name, created_at, updated_at) VALUES (?1, ?2, ?1, ?1, 0, 0)",
      id,
      ownerUserId
    ),
    run(
      `INSERT INTO profile_revisions (id, profile_id, version, fingerprint, config_patch, created_at)
       VALUES (?1, ?1, 1, ?1, '{}', 0)`,
      id
    )
  )

/** A revision of a repository profile of an existing repository. The profile has the id of the revision. */
export const seedRepositoryProfileRevision = (id: string, repositoryId: string) =>
  Effect.zipRight(
    run(
      "INSERT INTO repository_profiles (id, repository_id, name, created_at, updated_at) VALUES (?1, ?2, ?1, 0, 0)",
      id,
      repositoryId
    ),
    run(
      `INSERT INTO repository_profile_revisions (id, repository_profile_id, version, fingerprint, run_template, created_at)
       VALUES (?1, ?1, 1, ?1, '{}', 0)`,
      id
    )
  )
