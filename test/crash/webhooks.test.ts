/**
 * A webhook takes effect once: processes are killed at statements, before and after COMMIT, and in the middle of a
 * transaction while others use the same inbox.
 */
import { SqlClient } from "@effect/sql"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { makeInboxFlows } from "../../src/github/inboxFlows.js"
import { WebhookOutcome } from "../../src/github/WebhookHandler.js"
import { WebhookInbox } from "../../src/github/WebhookInbox.js"
import * as Migrations from "../../src/Migrations.js"
import { type Child, startChild } from "../support/children.js"
import { tomorrow } from "../support/clock.js"
import type { Death } from "./killPoints.js"
import type { ProcessOptions, Report } from "./webhookProtocol.js"
import { makeTemporaryDirectory, removeDirectory } from "../support/directories.js"
import { sampled } from "../support/volume.js"

const script = new URL("./webhookWorker.ts", import.meta.url)

let directory = ""
const children = new Set<Child<Report>>()

beforeAll(() => {
  directory = makeTemporaryDirectory()
})

afterAll(async () => {
  for (const { signal } of children) signal("SIGKILL")
  await Promise.all([...children].map(({ ended }) => ended))
  removeDirectory(directory)
})

const layerOf = (filePath: string) =>
  WebhookInbox.layer.pipe(
    Layer.provideMerge(GitHubWebhookDeliveryRepo.layer),
    Layer.provideMerge(Database.layer({ filePath, synchronous: "normal", busyTimeoutMs: 60_000 }))
  )

/** An inbox with so many deliveries, all due, and the tables that handlers write to. */
const prepare = (name: string, count: number) => {
  const filePath = join(directory, name)
  return Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Migrations.run
    yield* sql`CREATE TABLE counter (n INTEGER NOT NULL)`
    yield* sql`INSERT INTO counter VALUES (0)`
    yield* sql`CREATE TABLE effects (delivery TEXT NOT NULL, worker TEXT NOT NULL)`
    const { receive } = yield* WebhookInbox
    yield* Effect.forEach(
      Array.from({ length: count }, (_, index) => index),
      (index) => receive({ deliveryId: `guid-${index}`, eventType: "push", payload: { index }, maxAttempts: 50 }),
      { concurrency: 50 }
    )
    return filePath
  }).pipe(Effect.provide(layerOf(filePath)))
}

/** Starts a process, which is ended with the tests at the latest. */
const start = (options: ProcessOptions) => {
  const child = startChild<Report>(script, options)
  children.add(child)
  void child.ended.then(() => children.delete(child))
  return child
}

const processedBy = (filePath: string, workerId: string, death: Death) =>
  Effect.promise(() => start({ filePath, workerId, task: { do: "one", death } }).ended)

const checkInvariants = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [counted] = yield* sql<{ readonly n: number }>`SELECT n FROM counter`
  const effects = yield* sql<{
    readonly delivery: string
    readonly worker: string
  }>`SELECT delivery, worker FROM effects ORDER BY delivery`
  const integrity = yield* sql.unsafe("PRAGMA integrity_check")
  return { counted: counted?.n, effects, integrity }
})

/** Processes what is left, as the next worker would tomorrow. */
const finish = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const inbox = yield* WebhookInbox
  return yield* inbox
    .process({ workerId: "next" }, ({ deliveryId }) =>
      Effect.gen(function* () {
        yield* sql`UPDATE counter SET n = n + 1`
        yield* sql`INSERT INTO effects (delivery, worker) VALUES (${deliveryId}, 'next')`
        return WebhookOutcome.processed
      })
    )
    .pipe(tomorrow)
})

describe("a process that processes a webhook and is killed", () => {
  it.live(
    "leaves all of its effects or none, and the next process completes the rest once",
    () =>
      Effect.gen(function* () {
        const source = yield* prepare("source.sqlite", 1)
        const copy = (name: string) => {
          const filePath = join(directory, `${name}.sqlite`)
          copyFileSync(source, filePath)
          return filePath
        }
        const calm = yield* processedBy(copy("never"), "calm", { at: "never" })
        const [told] = calm.reports
        if (told?.type !== "counted") return expect.fail(`it did not count: ${calm.errors}`)
        // The claim; both of the handler; the end. The claim and the transaction commit.
        expect(told).toEqual({ type: "counted", statements: 4, commits: 2 })
        const deaths: ReadonlyArray<Death> = [
          ...Array.from({ length: told.statements }, (_, index) => ({ at: "statement", number: index + 1 }) as const),
          ...Array.from({ length: told.commits }, (_, index) => ({ at: "before COMMIT", number: index + 1 }) as const),
          ...Array.from({ length: told.commits }, (_, index) => ({ at: "after COMMIT", number: index + 1 }) as const)
        ]
        yield* Effect.forEach(
          sampled(deaths, 2),
          (death) =>
            Effect.gen(function* () {
              const name = JSON.stringify(death)
              const filePath = copy(name)
              const end = yield* processedBy(filePath, "victim", death)
              expect(end, name).toEqual({ signal: "SIGKILL", reports: [], errors: "" })
              yield* Effect.gen(function* () {
                const survived = death.at === "after COMMIT" && death.number === 2
                const effects = [{ delivery: "guid-0", worker: "victim" }]
                const integrity = [{ integrity_check: "ok" }]
                expect(yield* checkInvariants, name).toEqual({
                  counted: survived ? 1 : 0,
                  effects: survived ? effects : [],
                  integrity
                })
                const next = yield* finish
                expect(Option.isSome(next), name).toBe(!survived)
                expect(yield* checkInvariants, name).toEqual({
                  counted: 1,
                  effects: survived ? effects : [{ delivery: "guid-0", worker: "next" }],
                  integrity
                })
                expect(yield* finish, name).toEqual(Option.none())
              }).pipe(Effect.provide(layerOf(filePath)))
            }),
          { concurrency: 2, discard: true }
        )
      }),
    120_000
  )

  it.live(
    "in the middle of a transaction, while deliveries arrive, loses none of them",
    () =>
      Effect.gen(function* () {
        const filePath = yield* prepare("shared.sqlite", 200)
        const victim = start({ filePath, workerId: "victim", task: { do: "all", holdAfter: 10 } })
        // It holds the write lock then, with what it wrote for one delivery, and leases on others.
        yield* Effect.promise(() => victim.first("holding"))
        // For them the leases of the victim are over.
        const others = ["one", "two"].map((workerId) =>
          start({ filePath, workerId, tomorrow: true, task: { do: "all" } })
        )
        yield* Effect.promise(() => Promise.all(others.map(({ first }) => first("ready"))))
        victim.signal("SIGKILL")
        const ends = yield* Effect.promise(() => Promise.all(others.map(({ ended }) => ended)))
        for (const end of ends) expect(end).toMatchObject({ signal: null, errors: "" })
        const dead = yield* Effect.promise(() => victim.ended)
        const held = dead.reports.flatMap((report) => (report.type === "holding" ? [report.deliveryId] : []))
        expect(held).toHaveLength(1)

        yield* Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const { counted, effects, integrity } = yield* checkInvariants
          expect(integrity).toEqual([{ integrity_check: "ok" }])
          expect(counted).toBe(200)
          expect(effects.map(({ delivery }) => delivery)).toEqual(
            Array.from({ length: 200 }, (_, index) => `guid-${index}`).toSorted()
          )
          expect(effects.find(({ delivery }) => delivery === held[0])?.worker).not.toBe("victim")
          expect(yield* sql`SELECT status, count(*) AS n FROM github_webhook_deliveries GROUP BY status`).toEqual([
            { status: "processed", n: 200 }
          ])
          expect(yield* makeInboxFlows(sql).drift).toBe(0)
          // Whose lease ended a delivery is who wrote its effect.
          expect(
            yield* sql`
          SELECT delivery FROM effects JOIN github_webhook_deliveries ON delivery_id = delivery WHERE worker <> worker_id`
          ).toEqual([])
        }).pipe(Effect.provide(layerOf(filePath)))
      }),
    120_000
  )
})
