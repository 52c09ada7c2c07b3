/**
 * The services on a replica that is behind its primary: the replica receives no changes while a test holds them back.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Database from "../../src/Database.js"
import * as Errors from "../../src/Errors.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import * as GitHub from "../../src/github/index.js"
import { WebhookInbox } from "../../src/github/WebhookInbox.js"
import * as Sandboxes from "../../src/sandbox/index.js"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import { Proxy } from "../support/sqld/Proxy.js"
import { ReplicationLink } from "../support/sqld/ReplicationLink.js"
import { freePort } from "../support/sqld/Server.js"
import { migrated, seedUser } from "../support/database.js"
import { eventually } from "../support/eventLoop.js"
import { ada, claim, claimed, launch, specification, success } from "../sandbox/lifecycle/support.js"
import { delivery } from "../github/webhookSupport.js"
import { during, once, run } from "./remoteSupport.js"
import { clientOf, isMissing, ownServer } from "./serverSupport.js"

/** A primary with the schema and a replica of it, which a link connects. */
const replicated = Effect.gen(function* () {
  const port = yield* Effect.promise(freePort)
  const primary = yield* ownServer(["--grpc-listen-addr", `127.0.0.1:${port}`])
  const onPrimary = clientOf(primary.address)
  yield* seedUser(ada).pipe(Effect.provide(migrated), Effect.provide(onPrimary))
  const link = yield* Effect.acquireRelease(
    Effect.promise(() => ReplicationLink.open(port)),
    (opened) => Effect.promise(() => opened.close())
  )
  const replica = yield* ownServer(["--primary-grpc-url", link.url])
  const proxy = yield* Effect.acquireRelease(
    Effect.promise(() => Proxy.open(replica.address, "default")),
    (opened) => Effect.promise(() => opened.close())
  )
  const onReplica = Layer.fresh(Layer.orDie(Database.layerRemote({ url: proxy.url })))
  let attempts = 0
  const ready = Effect.gen(function* () {
    link.release()
    const schema = yield* select("SELECT id FROM user").pipe(
      Effect.provide(onReplica),
      Effect.orElseSucceed(() => [])
    )
    if (schema.length === 0) return false
    // A replica that has received nothing yet passes its reads on to the primary, too.
    link.hold()
    const id = `user-${attempts++}`
    yield* Effect.provide(seedUser(id), onPrimary)
    const users = yield* Effect.provide(select("SELECT id FROM user"), onReplica)
    return !users.some((user) => user["id"] === id)
  })
  yield* eventually(ready)
  return { link, onPrimary, onReplica, primary, proxy, replica }
})

type Replicated = Effect.Effect.Success<typeof replicated>

const services = Layer.merge(GitHub.layer, Sandboxes.layer)

/** Runs `use` with the services on a replica that receives no changes. */
const behind = <A, E>(
  use: (replicated: Replicated) => Effect.Effect<A, E, Layer.Layer.Success<typeof services> | SqlClient.SqlClient>
) => Effect.flatMap(replicated, (parts) => use(parts).pipe(Effect.provide(services), Effect.provide(parts.onReplica)))

/** Runs an effect with a client of its own, which has written nothing. */
const elsewhere =
  (database: Layer.Layer<Database.Services>) =>
  <A, E>(effect: Effect.Effect<A, E, Layer.Layer.Success<typeof services> | SqlClient.SqlClient>) =>
    effect.pipe(Effect.provide(Layer.fresh(services)), Effect.provide(Layer.fresh(database)))

const select = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, unknown>>(text))

const rows = (table: string) =>
  Effect.map(select(`SELECT count(*) AS n FROM ${table}`), (found) => Number(found[0]?.["n"]))

describe.skipIf(isMissing)("on a replica that is behind", () => {
  it.scopedLive("reads contain the writes of the same program, and those of another program are missing", () =>
    behind(({ link, onReplica }) =>
      Effect.gen(function* () {
        const { getDetail } = yield* SandboxLifecycle
        const { sandbox } = yield* launch()
        expect((yield* getDetail({ id: sandbox.id, ownerUserId: ada })).sandbox.id).toBe(sandbox.id)
        expect(yield* rows("sandboxes")).toBe(1)
        // The replica itself has not received the sandbox.
        expect(yield* elsewhere(onReplica)(rows("sandboxes"))).toBe(0)
        link.release()
        yield* elsewhere(onReplica)(eventually(Effect.map(rows("sandboxes"), (n) => n === 1)))
      })
    )
  )

  it.scopedLive("a repeated call with a key returns the first result", () =>
    behind(() =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const inbox = yield* WebhookInbox
        const job = {
          registryId: "registry",
          repository: "acme/app",
          tag: "latest",
          requestPayload: specification,
          idempotencyKey: "key"
        }
        const first = yield* jobs.enqueue(job)
        const again = yield* jobs.enqueue(job)
        expect([again.created, again.job.id]).toEqual([false, first.job.id])
        expect(yield* Effect.flip(jobs.enqueue({ ...job, tag: "other" }))).toBeInstanceOf(Errors.IdempotencyConflict)

        const launched = yield* launch({ idempotencyKey: "key" })
        const relaunched = yield* launch({ idempotencyKey: "key" })
        expect([relaunched.created, relaunched.sandbox.id]).toEqual([false, launched.sandbox.id])

        const received = yield* inbox.receive(delivery)
        expect(received.created).toBe(true)
        expect((yield* inbox.receive(delivery)).created).toBe(false)
      })
    )
  )

  it.scopedLive("a repeated end of a job succeeds, and the end under a lost lease reports the reason", () =>
    behind(() =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { job, lease } = yield* claimed()
        yield* jobs.heartbeat(lease, "1 minute")
        yield* jobs.succeed(lease, success)
        expect((yield* jobs.succeed(lease, success)).id).toBe(job.id)
        expect(yield* Effect.flip(jobs.fail(lease, { errorMessage: "no" }))).toMatchObject({
          _tag: "LeaseLost",
          reason: "finished"
        })
      })
    )
  )

  it.scopedLive("an operation decides by the rows of the primary, also when it has written nothing", () =>
    behind(({ onPrimary, onReplica }) =>
      Effect.gen(function* () {
        const launched = yield* elsewhere(onPrimary)(launch({ idempotencyKey: "key" }))
        // Each of these programs has written nothing before, and its replica has no sandbox.
        const again = yield* elsewhere(onReplica)(launch({ idempotencyKey: "key" }))
        expect([again.created, again.sandbox.id]).toEqual([false, launched.sandbox.id])
        const { lease } = yield* elsewhere(onReplica)(claim(launched))
        yield* elsewhere(onReplica)(Effect.flatMap(SandboxLifecycle, ({ beginBuild }) => beginBuild(lease)))
        const stopped = yield* elsewhere(onReplica)(
          Effect.flatMap(SandboxLifecycle, ({ cancel }) => cancel({ id: launched.sandbox.id, reason: "enough" }))
        )
        expect(stopped.status).toBe("stopped")
      })
    )
  )

  it.scopedLive("a read after a write without an answer contains the write, if it was stored", () =>
    behind(({ proxy }) =>
      Effect.gen(function* () {
        const insert = "INSERT INTO repositories (id, owner, name, created_at, updated_at) VALUES (?1, 'a', ?1, 0, 0)"
        const inserted = Effect.map(select("SELECT id FROM repositories ORDER BY id"), (found) =>
          found.map(({ id }) => id)
        )
        yield* Effect.flip(run(insert, "one")).pipe(during(proxy, once(/^INSERT/, "lost-answer")))
        expect(yield* inserted).toEqual(["one"])
        const sql = yield* SqlClient.SqlClient
        yield* Effect.flip(sql.withTransaction(run(insert, "two"))).pipe(during(proxy, once(/^COMMIT/, "lost-answer")))
        expect(yield* inserted).toEqual(["one", "two"])
        yield* Effect.flip(run(insert, "three")).pipe(during(proxy, once(/^INSERT/, "lost-request")))
        expect(yield* inserted).toEqual(["one", "two"])
      })
    )
  )

  it.scopedLive("a read takes one request when the replica has caught up, and two when it is behind", () =>
    behind(({ link, proxy }) =>
      Effect.gen(function* () {
        const requests = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.suspend(() => {
            const before = proxy.requests
            return Effect.map(effect, () => proxy.requests - before)
          })
        yield* run("INSERT INTO repositories (id, owner, name, created_at, updated_at) VALUES ('a', 'a', 'a', 0, 0)")
        expect(yield* requests(rows("repositories"))).toBe(2)
        link.release()
        yield* eventually(Effect.map(requests(rows("repositories")), (count) => count === 1))
        expect(yield* rows("repositories")).toBe(1)
      })
    )
  )
})
