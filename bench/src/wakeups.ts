/**
 * How long an idle worker takes to have a job that another process enqueues: from the order to enqueue it, given to that
 * process, to the claim here. Each contestant is a worker of its own kind, and an enqueuer in a process of its own.
 */
import { Effect, Layer, ManagedRuntime, Option } from "effect"
import BetterSqlite from "better-sqlite3"
import Libsql from "libsql"
import { fork } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { once } from "node:events"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { better, defineQueue, defineWorker } from "plainjob"
import * as Database from "../../src/Database.js"
import { texts } from "../../src/build-job/claim.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import type { EnqueuerName } from "./enqueuer.js"
import { leaseMs, success, workerId } from "./jobs.js"
import { type Entry, measure, type Plan, type Timing } from "./measure.js"
import { createFile } from "./seed.js"

/** A worker that runs. `claimed` is called for each job that it has. */
type Work = (file: string, claimed: () => void) => Promise<{ readonly close: () => Promise<void> }>

interface Contestant {
  readonly name: string
  readonly enqueuer: EnqueuerName
  readonly work: Work
}

// NORMAL: at FULL the disk would be measured. Ten milliseconds is what plainjob's users can set; it looks once a second else.
const durability = "normal"
const pollMs = 10

/** The slot of a worker: claims, and waits for a commit when there is nothing. */
const ours: Work = async (file, claimed) => {
  const runtime = ManagedRuntime.make(
    Layer.provideMerge(WorkspaceBuildJobRepo.layer, Database.layer({ filePath: file, synchronous: durability }))
  )
  const jobs = await runtime.runPromise(WorkspaceBuildJobRepo)
  const slot = Effect.gen(function* () {
    const seen = yield* Database.version
    const job = yield* jobs.claimNext({ workerId, leaseDuration: leaseMs })
    if (Option.isNone(job)) return yield* Database.changedSince(seen)
    claimed()
    yield* jobs.succeed(job.value.lease, success)
  })
  runtime.runFork(Effect.forever(slot))
  return { close: () => runtime.dispose() }
}

const plainjob: Work = async (file, claimed) => {
  const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} }
  const queue = defineQueue({ connection: better(new BetterSqlite(file)), logger: silent })
  const worker = defineWorker("build", async () => claimed(), { queue, pollIntervall: pollMs, logger: silent })
  const running = worker.start()
  return {
    close: async () => {
      await worker.stop()
      await running
      queue.close()
    }
  }
}

/** The way of a program that has only the engine: it asks for the version of the data again and again. */
const polling: Work = async (file, claimed) => {
  const database = new Libsql(file)
  database.exec(`PRAGMA synchronous = ${durability}`)
  const version = database.prepare("PRAGMA data_version")
  const claimDue = database.prepare(texts.claimDue)
  let seen: unknown
  const timer = setInterval(() => {
    const [row] = version.all([]) as Array<{ readonly data_version: unknown }>
    if (row?.data_version === seen) return
    seen = row?.data_version
    const now = Date.now()
    for (const _ of claimDue.all([now, workerId, now + leaseMs, 1])) claimed()
  }, pollMs)
  return {
    close: async () => {
      clearInterval(timer)
      database.close()
    }
  }
}

const contestants: ReadonlyArray<Contestant> = [
  { name: "ours", enqueuer: "ours", work: ours },
  { name: `plainjob, poll of ${pollMs} ms`, enqueuer: "plainjob", work: plainjob },
  { name: `raw binding, data_version each ${pollMs} ms`, enqueuer: "raw", work: polling }
]

export const measureWakeups = async (plan: Plan): Promise<ReadonlyArray<Timing>> => {
  const directory = mkdtempSync(join(tmpdir(), "sealant-bench-"))
  const closing: Array<() => Promise<void>> = []
  try {
    const entries: Array<Entry> = []
    for (const [index, contestant] of contestants.entries()) {
      const file = join(directory, `${index}.sqlite`)
      if (contestant.enqueuer !== "plainjob") createFile(file, "sealant", 0)
      entries.push(await entryOf(contestant, file, closing))
    }
    return await measure(entries, plan)
  } finally {
    for (const close of closing.toReversed()) await close()
    rmSync(directory, { recursive: true })
  }
}

const entryOf = async (
  { enqueuer, name, work }: Contestant,
  file: string,
  closing: Array<() => Promise<void>>
): Promise<Entry> => {
  const child = fork(new URL("./enqueuer.js", import.meta.url), [enqueuer, file, durability])
  const exited = once(child, "exit")
  closing.push(async () => {
    child.disconnect()
    await exited
  })
  await once(child, "message")
  let claimed = () => {}
  const worker = await work(file, () => claimed())
  closing.push(worker.close)
  return {
    name,
    prepare: (operations) => {
      let waited = 0
      return {
        run: async () => {
          for (let i = 0; i < operations; i++) {
            // At no particular moment of anybody's pauses.
            await new Promise((resolve) => setTimeout(resolve, 20 + 20 * Math.random()))
            const start = performance.now()
            await new Promise<void>((resolve) => {
              claimed = resolve
              child.send("enqueue")
            })
            waited += performance.now() - start
          }
        },
        ownMillis: () => waited
      }
    },
    mostOperations: 50
  }
}
