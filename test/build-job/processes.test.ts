/**
 * Several processes on one file: each job is done once, also when a process is killed.
 */
import { SqlClient } from "@effect/sql"
import { afterEach, beforeEach, describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import * as Migrations from "../../src/Migrations.js"
import { type Child, startChild } from "../support/children.js"
import type { Report, WorkerOptions } from "./protocol.js"
import { makeTemporaryDirectory, removeDirectory } from "../support/directories.js"
import { volume } from "../support/volume.js"

const script = new URL("./worker.ts", import.meta.url)

type Worker = Child<Report> & { readonly id: string }

let directory = ""
let filePath = ""
let workers: Array<Worker> = []

beforeEach(() => {
  directory = makeTemporaryDirectory()
  filePath = join(directory, "queue.sqlite")
})

afterEach(async () => {
  for (const worker of workers) worker.signal("SIGKILL")
  await Promise.all(workers.map(({ ended }) => ended))
  workers = []
  removeDirectory(directory)
})

const onFile = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.provide(Database.layer({ filePath, synchronous: "normal" }))))

/** An empty queue with this number of due jobs. */
const seed = (count: number) =>
  onFile(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Migrations.run
      yield* sql`
      INSERT INTO oci_image_build_jobs (id, registry_id, repository, tag, request_payload, max_attempts, available_at, created_at, updated_at)
      WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${count})
      SELECT 'job-' || n, 'r', 'r', 't', '{"source":"https://github.com/acme/app","harness":"codex"}', 9, n, n, n FROM numbers`
    })
  )

interface StoredJob {
  readonly id: string
  readonly status: string
  readonly token: number
  readonly attempts: number
  readonly outcome: string
  readonly worker: string
}

const storedJobs = () =>
  onFile(
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql<StoredJob>`
    SELECT id, status, lease_token AS token, attempt_count AS attempts, lease_outcome AS outcome, worker_id AS worker
    FROM oci_image_build_jobs`
    )
  )

const start = (options: Omit<WorkerOptions, "filePath">): Worker => {
  const worker = { id: options.workerId, ...startChild<Report>(script, { ...options, filePath }) }
  workers.push(worker)
  return worker
}

/** Starts the workers together when all are ready. */
const begin = async (all: ReadonlyArray<Worker>) => {
  await Promise.all(all.map(({ first }) => first("ready")))
  for (const worker of all) worker.writeLine("go")
}

/** The reports of one type of all workers, as `job token`. */
const told = (all: ReadonlyArray<Worker>, type: "claimed" | "succeeded") =>
  all.flatMap(({ reports }) =>
    reports.flatMap((report) => (report.type === type ? [`${report.jobId} ${report.token}`] : []))
  )

describe("processes on one queue", () => {
  it("process each of many jobs once without blocking an event loop", async () => {
    const count = volume(10_000, 2000)
    await seed(count)
    const all = Array.from({ length: 8 }, (_, index) =>
      start({ workerId: `worker-${index}`, leaseMs: 120_000, fibers: 4, batch: 20, synchronous: "normal" })
    )
    await begin(all)
    const begun = performance.now()
    const ends = await Promise.all(all.map(({ first }) => first("done")))
    const seconds = (performance.now() - begun) / 1000
    expect((await Promise.all(all.map(({ ended }) => ended))).map(({ errors }) => errors).join("")).toBe("")

    const delays = ends.map(({ loopDelayMs }) => loopDelayMs)
    const measured = `8 processes, ${count} jobs: ${seconds.toFixed(1)} s; delay of the event loop in ms: ${delays
      .map(({ max, mean, p99 }) => `mean ${mean.toFixed(0)}, p99 ${p99.toFixed(0)}, max ${max.toFixed(0)}`)
      .join("; ")}`

    // The invariants: no lease is given twice, each job is claimed once and ended by the worker that claimed it, also in the
    // file.
    const claimed = told(all, "claimed")
    const expected = new Set(Array.from({ length: count }, (_, index) => `job-${index + 1} 1`))
    expect(claimed.length, measured).toBe(count)
    expect(new Set(claimed)).toEqual(expected)
    expect(told(all, "succeeded").length).toBe(count)
    for (const worker of all) expect(new Set(told([worker], "succeeded"))).toEqual(new Set(told([worker], "claimed")))
    const owners = new Map(
      all.flatMap((worker) => told([worker], "claimed").map((lease) => [lease, worker.id] as const))
    )
    const wrong = (await storedJobs()).filter(
      ({ attempts, id, outcome, status, token, worker }) =>
        status !== "succeeded" || attempts !== 1 || outcome !== "succeeded" || owners.get(`${id} ${token}`) !== worker
    )
    expect(wrong).toEqual([])
    expect(all.flatMap(({ reports }) => reports.filter(({ type }) => type === "failed" || type === "lost"))).toEqual([])
    // The engine's own wait for a lock would block the event loop for up to the busy timeout. Shorter delays come from other
    // load.
    for (const { max } of delays) expect(max, measured).toBeLessThan(0.8 * Database.defaultBusyTimeoutMs)
  }, 120_000)

  it("take over the jobs of a killed process without loss", async () => {
    await seed(600)
    const options = { leaseMs: 1500, fibers: 3, batch: 5, synchronous: "normal" } as const
    const victim = start({ ...options, workerId: "victim", holdAfter: 2 })
    const others = ["one", "two"].map((workerId) => start({ ...options, workerId }))
    const all = [victim, ...others]
    await begin([victim])
    // Its other fibers claim and end jobs at this time.
    const { jobIds: held } = await victim.first("holding")
    await begin(others)
    victim.signal("SIGKILL")
    await Promise.all(others.map(({ first }) => first("done")))
    await Promise.all(all.map(({ ended }) => ended))
    expect(others.flatMap(({ reports }) => reports.filter(({ type }) => type === "failed"))).toEqual([])

    const jobs = await storedJobs()
    expect(jobs.filter(({ outcome, status }) => status !== "succeeded" || outcome !== "succeeded")).toEqual([])
    expect(jobs).toHaveLength(600)

    // Its jobs were claimed again, with a new token. On a slow machine a lease expires before the signal, and another fiber
    // of the victim may claim the job.
    const byId = new Map(jobs.map((job) => [job.id, job]))
    expect(held.length).toBeGreaterThan(0)
    const takenOver = held.map((id) => byId.get(id))
    expect(takenOver.filter((job) => job === undefined || job.token < 2 || job.attempts !== job.token)).toEqual([])

    // The invariants: no token is given twice, and each job is ended once, under its last token, by its holder. The victim may be
    // killed between a commit and its report.
    const claimed = told(all, "claimed")
    expect(new Set(claimed).size).toBe(claimed.length)
    const succeeded = told(all, "succeeded")
    expect(new Set(succeeded).size).toBe(succeeded.length)
    const lastTokens = new Set(jobs.map(({ id, token }) => `${id} ${token}`))
    expect(succeeded.filter((end) => !lastTokens.has(end))).toEqual([])
    const ended = new Set(succeeded)
    expect(jobs.filter(({ id, token, worker }) => !ended.has(`${id} ${token}`) && worker !== "victim")).toEqual([])
    const known = new Set(claimed)
    const untold = jobs
      .flatMap(({ id, token }) => Array.from({ length: token }, (_, index) => `${id} ${index + 1}`))
      .filter((lease) => !known.has(lease))
    expect(untold.length).toBeLessThanOrEqual(options.fibers * options.batch)
  }, 120_000)
})
