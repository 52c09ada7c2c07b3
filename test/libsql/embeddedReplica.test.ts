/**
 * A replica in a local file, of the real libSQL server.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import type { Redacted } from "effect"
import { Effect, Layer, Logger, Option, type Scope } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import { BuildWorker } from "../../src/index.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import * as Sandboxes from "../../src/sandbox/index.js"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import { ada, claim, launch, success } from "../sandbox/lifecycle/support.js"
import { migrated, seedUser } from "../support/database.js"
import { temporaryDirectory } from "../support/directories.js"
import { eventually } from "../support/eventLoop.js"
import { Proxy } from "../support/sqld/Proxy.js"
import { requestsOf } from "./remoteSupport.js"
import { clientOf, isMissing, ownServer, tokenOf } from "./serverSupport.js"

const select = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, unknown>>(text))

const count = Effect.map(select("SELECT count(*) AS n FROM numbers"), ([row]) => Number(row?.["n"]))

const insert = Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe("INSERT INTO numbers DEFAULT VALUES"))

const proxyOf = (port: { readonly httpPort: number; readonly adminPort: number; readonly directory: string }) =>
  Effect.acquireRelease(
    Effect.promise(() => Proxy.open(port, "default")),
    (proxy) => Effect.promise(() => proxy.close())
  )

/** A server with one table behind a proxy, and a client with a replica that has been updated. */
const replicated = Effect.gen(function* () {
  const server = yield* ownServer()
  const direct = clientOf(server.address)
  yield* Effect.provide(select("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"), direct)
  const proxy = yield* proxyOf(server.address)
  const replica = join(yield* temporaryDirectory, "replicas", "one.sqlite")
  return { database: Database.layerRemote({ url: proxy.url, replica }), direct, proxy, replica, server }
})

type Replicated = Effect.Effect.Success<typeof replicated>

/** Waits until reads take no request. */
const caughtUp = (proxy: Proxy) => eventually(Effect.map(requestsOf(proxy, count), (requests) => requests === 0))

const onReplica = <A, E>(
  use: (parts: Replicated) => Effect.Effect<A, E, Database.Services | Scope.Scope>,
  logger: Layer.Layer<never> = Layer.empty
) =>
  Effect.flatMap(replicated, (parts) =>
    Effect.zipRight(caughtUp(parts.proxy), use(parts)).pipe(
      Effect.provide(Layer.provide(Layer.orDie(parts.database), logger)),
      Effect.provide(logger)
    )
  )

describe.skipIf(isMissing)("a replica in a file", () => {
  it.scopedLive("answers reads without a request, with the changes of other programs", () =>
    onReplica(({ direct, proxy, replica }) =>
      Effect.gen(function* () {
        expect(yield* count).toBe(0)
        yield* Effect.provide(insert, direct)
        yield* eventually(Effect.map(count, (n) => n === 1))
        expect(yield* requestsOf(proxy, count)).toBe(0)
        expect(statSync(replica).mode & 0o077).toBe(0)
      })
    )
  )

  it.scopedLive("contains the own writes: until the file has them, the server answers", () =>
    onReplica(({ proxy }) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        for (let n = 1; n <= 20; n++) {
          yield* n % 2 === 0 ? insert : sql.withTransaction(insert)
          expect(yield* count).toBe(n)
        }
        // No change arrives from here on.
        proxy.changes = "hold"
        yield* insert
        expect(
          yield* requestsOf(
            proxy,
            Effect.map(count, (n) => expect(n).toBe(21))
          )
        ).toBe(1)
      })
    )
  )

  it.scopedLive("lets the server answer while it cannot be updated, and logs the reason once", () => {
    const logged: Array<string> = []
    const logger = Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ logLevel, message }) => logged.push(`${logLevel.label} ${String(message)}`))
    )
    return onReplica(
      ({ direct, proxy }) =>
        Effect.gen(function* () {
          proxy.changes = "refuse"
          yield* eventually(Effect.map(requestsOf(proxy, count), (requests) => requests === 1))
          yield* Effect.provide(insert, direct)
          expect(yield* count).toBe(1)
          proxy.changes = "pass"
          yield* caughtUp(proxy)
          expect(yield* count).toBe(1)
          expect(logged).toEqual([
            "WARN the replica cannot be updated, so reads go to the server: the server cannot be reached, or does not offer changes",
            "INFO the replica is updated again"
          ])
        }),
      logger
    )
  })

  it.scopedLive("answers reads when the server does not, unless an own write may be missing", () =>
    onReplica(({ proxy, server }) =>
      Effect.gen(function* () {
        yield* insert
        yield* caughtUp(proxy)
        expect(yield* count).toBe(1)
        yield* Effect.promise(() => server.kill())
        expect(yield* count).toBe(1)
        expect((yield* Effect.flip(insert))._tag).toBe("SqlError")
        expect((yield* Effect.flip(count))._tag).toBe("SqlError")
        yield* Effect.promise(() => server.restart())
        yield* eventually(
          Effect.orElseSucceed(
            Effect.map(count, (n) => n === 1),
            () => false
          )
        )
      })
    )
  )

  it.scopedLive("contains the own writes after the server has begun to count its changes again", () =>
    onReplica(({ server }) =>
      Effect.gen(function* () {
        for (let n = 0; n < 20; n++) yield* insert
        yield* Effect.promise(() => server.kill())
        yield* Effect.promise(() => server.restart())
        for (let n = 21; n <= 40; n++) {
          yield* insert
          expect(yield* count).toBe(n)
        }
      })
    )
  )

  it.scopedLive("wakes waiters when a change of another program has arrived", () =>
    onReplica(({ direct }) =>
      Effect.gen(function* () {
        const seen = yield* Database.version
        const wait = yield* Effect.fork(Database.changedSince(seen))
        yield* Effect.provide(insert, direct)
        yield* wait
        expect(yield* count).toBe(1)
      })
    )
  )

  it.scopedLive("of another database is replaced", () =>
    Effect.gen(function* () {
      const first = yield* replicated
      yield* caughtUp(first.proxy).pipe(Effect.provide(Layer.orDie(first.database)))
      const other = yield* ownServer()
      yield* Effect.zipRight(select("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"), insert).pipe(
        Effect.provide(clientOf(other.address))
      )
      const proxy = yield* proxyOf(other.address)
      const database = Database.layerRemote({ url: proxy.url, replica: first.replica })
      expect(yield* Effect.zipRight(caughtUp(proxy), count).pipe(Effect.provide(database))).toBe(1)
    })
  )

  it.scopedLive("is updated with a token, which may be read-only for programs that only read", () =>
    Effect.gen(function* () {
      const keys = generateKeyPairSync("ed25519")
      const directory = yield* temporaryDirectory
      const keyFile = join(directory, "key.pem")
      writeFileSync(keyFile, keys.publicKey.export({ type: "spki", format: "pem" }))
      const server = yield* ownServer(["--auth-jwt-key-file", keyFile])
      yield* select("CREATE TABLE numbers (n INTEGER PRIMARY KEY)").pipe(
        Effect.provide(clientOf(server.address, { authToken: tokenOf({ a: "rw" }, keys.privateKey) }))
      )
      const proxy = yield* proxyOf(server.address)
      const open = (authToken: Redacted.Redacted<string>) =>
        Database.layerRemote({ url: proxy.url, authToken, replica: join(directory, "one.sqlite") })
      for (const claims of [{ a: "rw" }, { a: "ro" }])
        yield* caughtUp(proxy).pipe(Effect.provide(open(tokenOf(claims, keys.privateKey))))
    })
  )

  it.scopedLive("is refused if its path is empty, in use, or of a file that is not a replica", () =>
    Effect.gen(function* () {
      const { database, proxy, replica } = yield* replicated
      const directory = yield* temporaryDirectory
      const precious = join(directory, "precious.sqlite")
      writeFileSync(precious, "precious")
      const problem = (path: string) =>
        Effect.map(
          Effect.flip(Effect.scoped(Layer.build(Database.layerRemote({ url: proxy.url, replica: path })))),
          ({ message }) => message
        )
      expect(yield* problem(" ")).toBe("replica: is empty; give the path of the replica file")
      expect(yield* problem(":memory:")).toBe("replica: takes a plain path")
      expect(yield* problem(directory)).toBe("replica: is not a file")
      expect(yield* problem(join(precious, "below"))).toMatch(/^replica: the directory cannot be created: /)
      expect(yield* problem(precious)).toBe(
        "replica: is a file that is not a replica; give the path of a file that does not exist"
      )
      yield* Layer.build(database)
      expect(yield* problem(replica)).toBe("replica: is in use; give each process a replica of its own")
    })
  )
})

describe.skipIf(isMissing)("services on a replica in a file", () => {
  it.scopedLive("read what they have written, and decide by the rows of the server", () =>
    Effect.gen(function* () {
      const { database, direct, proxy } = yield* replicated
      yield* seedUser(ada).pipe(Effect.provide(migrated), Effect.provide(direct))
      const elsewhere = <A, E>(effect: Effect.Effect<A, E, SandboxLifecycle | WorkspaceBuildJobRepo>) =>
        Effect.provide(effect, Layer.provide(Layer.fresh(Sandboxes.layer), direct))
      yield* Effect.gen(function* () {
        yield* caughtUp(proxy)
        const lifecycle = yield* SandboxLifecycle
        const { job, sandbox } = yield* launch()
        expect((yield* lifecycle.getDetail({ id: sandbox.id, ownerUserId: ada })).sandbox.id).toBe(sandbox.id)
        const jobs = yield* WorkspaceBuildJobRepo
        const { lease } = yield* claim({ job })
        yield* jobs.succeed(lease, success)
        expect((yield* jobs.succeed(lease, success)).id).toBe(job.id)
        // No change arrives from here on.
        proxy.changes = "hold"
        const other = yield* elsewhere(launch({ idempotencyKey: "key" }))
        expect((yield* launch({ idempotencyKey: "key" })).sandbox.id).toBe(other.sandbox.id)
        expect(Option.isSome(yield* jobs.findById(other.job.id))).toBe(true)
      }).pipe(Effect.provide(Layer.provideMerge(Sandboxes.layer, Layer.orDie(database))))
    })
  )

  it.scopedLive("include a worker, which finds jobs of other programs", () =>
    Effect.gen(function* () {
      const { database, direct, proxy } = yield* replicated
      yield* seedUser(ada).pipe(Effect.provide(migrated), Effect.provide(direct))
      yield* Effect.gen(function* () {
        yield* caughtUp(proxy)
        yield* Effect.forkScoped(
          BuildWorker.run(() => Effect.succeed(success), { workerId: "worker", pollInterval: "1 day", drainTimeout: 0 })
        )
        const { job } = yield* Effect.provide(launch(), Layer.provide(Layer.fresh(Sandboxes.layer), direct))
        const jobs = yield* WorkspaceBuildJobRepo
        yield* eventually(
          Effect.map(
            jobs.findById(job.id),
            Option.exists(({ status }) => status === "succeeded")
          )
        )
      }).pipe(Effect.provide(Layer.provideMerge(Sandboxes.layer, Layer.orDie(database))))
    })
  )
})
