/**
 * Purging compared with a model: rows of any age and state, some of which are renewed during the purge.
 */
import type { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Effect, FastCheck, TestClock } from "effect"
import * as Retention from "../../src/Retention.js"
import { databaseLayers, seedUser } from "../support/database.js"
import { shell } from "../support/lists.js"
import { day, delivery, job, names, now, session } from "./retentionRows.js"
import { volume } from "../support/volume.js"

const keepDays = 10
const policy: Retention.Policy = {
  session: `${keepDays} days`,
  oci_image_build_jobs: `${keepDays} days`,
  github_webhook_deliveries: `${keepDays} days`
}

interface Row {
  readonly status: string
  /** How many days ago it began, and how many days ago it ended if it has. */
  readonly ages: readonly [began: number, ended: number]
  /** Whether the row is renewed during the purge. */
  readonly revived: boolean
}

const rowsOf = (...statuses: readonly [string, ...ReadonlyArray<string>]) =>
  FastCheck.array(
    FastCheck.record({
      status: FastCheck.constantFrom(...statuses),
      ages: FastCheck.tuple(FastCheck.integer({ min: 0, max: 30 }), FastCheck.integer({ min: -5, max: 30 })).map(
        ([one, other]): Row["ages"] => [Math.max(one, other), other]
      ),
      revived: FastCheck.boolean()
    }),
    { maxLength: 25 }
  )

const cases = FastCheck.record({
  batchSize: FastCheck.integer({ min: 1, max: 7 }),
  purges: FastCheck.integer({ min: 1, max: 3 }),
  sessions: rowsOf("session"),
  jobs: rowsOf("queued", "running", "succeeded", "failed", "cancelled"),
  deliveries: rowsOf("received", "processing", "processed", "ignored", "failed")
})

type Case = typeof cases extends FastCheck.Arbitrary<infer A> ? A : never

const ago = (days: number) => now - days * day

const hasEnded = ({ status }: Row) => !/^(queued|running|received|processing)$/.test(status)
const mayGo = (row: Row) => hasEnded(row) && row.ages[1] >= keepDays

const nameOf = (index: number) => `row-${String(index).padStart(2, "0")}`

/** Renews a row. Returns whether it still existed. */
const renew = (table: string, change: string, index: number) =>
  Effect.map(
    shell(`UPDATE ${table} SET ${change} WHERE id = ?1 RETURNING id`, nameOf(index)),
    (rows) => rows.length > 0
  )

const sessionLives = `expires_at = ${now + day}`
const jobLives = `status = 'queued', finished_at = NULL, cancel_reason = NULL, attempt_count = 0`
const deliveryLives = `status = 'received', processed_at = NULL, attempt_count = 0, worker_id = NULL, claimed_at = NULL`

for (const [name, database] of Object.entries(databaseLayers)) {
  it.effect(`purge deletes expired rows, and keeps active and renewed ones, on ${name}`, () =>
    Effect.gen(function* () {
      const runtime = yield* Effect.runtime<SqlClient.SqlClient>()
      yield* TestClock.setTime(now)
      yield* seedUser("user")
      const holds = (given: Case) =>
        Effect.gen(function* () {
          for (const table of Object.keys(policy)) yield* shell(`DELETE FROM ${table}`)
          yield* Effect.forEach(given.sessions, ({ ages }, index) => session(nameOf(index), ago(ages[1])))
          yield* Effect.forEach(given.jobs, (row, index) =>
            job(nameOf(index), {
              status: row.status,
              createdAt: ago(row.ages[0]),
              finishedAt: hasEnded(row) ? ago(row.ages[1]) : null
            })
          )
          yield* Effect.forEach(given.deliveries, (row, index) =>
            delivery(nameOf(index), row.status, ago(row.ages[0]), hasEnded(row) ? ago(row.ages[1]) : null)
          )

          const parts = [
            { table: "session", rows: given.sessions, change: sessionLives, canRevive: () => true },
            {
              table: "oci_image_build_jobs",
              rows: given.jobs,
              change: jobLives,
              canRevive: ({ status }: Row) => /failed|cancelled/.test(status)
            },
            { table: "github_webhook_deliveries", rows: given.deliveries, change: deliveryLives, canRevive: hasEnded }
          ]
          const purge = Retention.purge({ policy, batchSize: given.batchSize, pause: 0 })
          const revivals = parts.flatMap(({ canRevive, change, rows, table }) =>
            rows.flatMap((row, index) =>
              row.revived && canRevive(row)
                ? [Effect.map(renew(table, change, index), (alive) => ({ table, index, alive }))]
                : []
            )
          )
          const [revived] = yield* Effect.all(
            [
              Effect.forEach(revivals, (revival) => Effect.zipRight(Effect.yieldNow(), revival)),
              Effect.all(
                Array.from({ length: given.purges }, () => purge),
                { concurrency: "unbounded" }
              )
            ],
            { concurrency: "unbounded" }
          )

          for (const { rows, table } of parts) {
            const told = new Map(
              revived.filter((revival) => revival.table === table).map(({ alive, index }) => [index, alive])
            )
            const expected = rows.flatMap((row, index) => ((told.get(index) ?? !mayGo(row)) ? [nameOf(index)] : []))
            expect(yield* names(table)).toEqual(expected)
          }
        })
      const runPromise = (given: Case) => Effect.runPromise(Effect.provide(holds(given), runtime))
      yield* Effect.promise(() =>
        FastCheck.assert(FastCheck.asyncProperty(cases, runPromise), {
          numRuns: name === "remote" ? volume(40, 10) : 40
        })
      )
    }).pipe(Effect.provide(database))
  )
}
