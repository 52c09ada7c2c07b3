/**
 * Migrations on a server: all that is pending in one transaction, which must be over before the server ends it.
 */
import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Database from "../../src/Database.js"
import * as Migrations from "../../src/Migrations.js"
import { onEmptyPeer, requestsOf, run } from "../libsql/remoteSupport.js"
import { isMissing, onEmptyServer } from "../libsql/serverSupport.js"
import type { Fault } from "../support/hrana/Peer.js"

const schema = run(
  "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"
)

const record = {
  "0001_plants":
    "CREATE TABLE plant (id TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES plant (id) DEFERRABLE INITIALLY DEFERRED) STRICT",
  "0002_ferns": "INSERT INTO plant VALUES ('fern', NULL); CREATE INDEX plant_parent_idx ON plant (parent);"
}

const fewRequests = (peer: { readonly requests: number }) =>
  Effect.gen(function* () {
    // Ten of the ledger and its migrator, one for the statements of all migrations, two to check and to commit.
    expect(yield* requestsOf(peer, Migrations.run)).toBe(13)
    expect(yield* schema).toEqual(yield* Effect.provide(Effect.zipRight(Migrations.run, schema), Database.layerMemory))
    expect(
      yield* requestsOf(
        peer,
        Effect.map(Migrations.run, (applied) => expect(applied).toEqual([]))
      )
    ).toBe(3)
    yield* Migrations.verify
  })

it.effect("take few requests, and create the schema of a local database", () => onEmptyPeer(fewRequests))

it.effect.skipIf(isMissing)("take few requests on the real server, too", () => onEmptyServer(fewRequests))

it.effect("name a failing statement, and apply nothing", () =>
  onEmptyPeer(() =>
    Effect.gen(function* () {
      const broken = [
        "CREATE TABLE leaf (id TEXT); INSERT INTO plant VALUES ('fern', NULL); CREATE TABLE never (id TEXT)",
        "CREATE TABLE leaf (id TEXT); CREATE TABLE plant (id TEXT)",
        "SELECT 1; SELECT json('{sentinel')",
        "SELECT 1; NONSENSE"
      ]
      for (const text of broken) {
        const migrate = Effect.flip(Migrations.make({ ...record, "0003_broken": text }).run)
        const local = yield* Effect.provide(migrate, Database.layerMemory)
        expect(local).toMatchObject({ _tag: "MigrationFailed", migration: "0003_broken", statement: 2 })
        const remote = yield* migrate
        expect({ ...remote, reason: Reflect.get(remote, "reason").replace("_UNIQUE", "_PRIMARYKEY") }).toMatchObject({
          ...local
        })
        expect(yield* schema).toEqual([])
      }
      const orphan = "INSERT INTO plant VALUES ('moss', 'nobody')"
      expect(yield* Effect.flip(Migrations.make({ ...record, "0003_orphan": orphan }).run)).toMatchObject({
        _tag: "PersistenceError"
      })
      expect(yield* schema).toEqual([])
      yield* run("CREATE TABLE plant (n)")
      expect(yield* Effect.flip(Migrations.make(record).run)).toMatchObject({
        _tag: "DatabaseNotEmpty",
        object: "table plant"
      })
    })
  )
)

it.effect("are applied by one of several concurrent migrators", () =>
  onEmptyPeer(({ url }) =>
    Effect.gen(function* () {
      const migrator = Effect.provide(Migrations.make(record).run, Layer.fresh(Database.layerRemote({ url })))
      const applied = yield* Effect.all([migrator, migrator, migrator], { concurrency: 3 })
      expect(applied.map(({ length }) => length).sort()).toEqual([0, 0, 2])
      expect(yield* run("SELECT id FROM plant")).toEqual([{ id: "fern" }])
    })
  )
)

it.effect("apply all or nothing when any request fails, and can be repeated", () =>
  Effect.gen(function* () {
    const { run: migrate, status } = Migrations.make(record)
    const requests = yield* onEmptyPeer((peer) => requestsOf(peer, migrate))
    const troubles: ReadonlyArray<Fault | "expired" | "stolen"> = [
      "lost-request",
      "lost-answer",
      503,
      "expired",
      "stolen"
    ]
    for (const trouble of troubles) {
      // Begins and ends, and a sample of what is between.
      for (const at of [
        1,
        2,
        3,
        ...Array.from({ length: requests }, (_, index) => index + 1).filter(
          (n) => n > 3 && (n % 4 === 0 || n === requests)
        )
      ]) {
        yield* onEmptyPeer((peer) =>
          Effect.gen(function* () {
            let left = at
            peer.faultInjection = () => {
              if (--left !== 0) return undefined
              if (trouble === "stolen") peer.streams.lock.steal()
              else if (trouble === "expired") peer.streams.expireAll()
              else return trouble
              return undefined
            }
            const outcome = yield* Effect.either(migrate)
            peer.faultInjection = undefined
            peer.streams.expireAll()
            const { applied } = yield* status
            // Nobody has a transaction at the first request, so there is none to end.
            if (outcome._tag === "Right") expect([trouble, at, outcome.right.length]).toEqual([trouble, 1, 2])
            else
              expect(outcome.left).toMatchObject({
                _tag: "PersistenceError",
                reason: trouble === "expired" || trouble === "stolen" ? "Busy" : "Unavailable"
              })
            const stored = outcome._tag === "Right" || (trouble === "lost-answer" && at === requests)
            expect([trouble, at, applied.length]).toEqual([trouble, at, stored ? 2 : 0])
            yield* migrate
            const sql = yield* SqlClient.SqlClient
            expect(yield* sql`SELECT id FROM plant`).toEqual([{ id: "fern" }])
          })
        )
      }
    }
  })
)
