/**
 * The time from the enqueue of a job in another process to its claim by an idle worker in this one. Each contestant has
 * a worker of its own kind, and an enqueuer in a process of its own.
 */
import { Effect, Layer, ManagedRuntime, Option } from "effect"
import BetterSqlite from "better-sqlite3"
import Libsql from "libsql"
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { better, defineQueue, defineWorker } from "plainjob"
import * as Database from "../../src/Database.js"
import { texts } from "../../src/build-job/claim.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { compare, type Contender } from "./compare.js"
import type { EnqueuerName } from "./enqueuer.js"
import { leaseMs, success, workerId } from "./jobs.js"
import type { Plan } from "./measure.js"
import { createFile } from "./seed.js"

/** Calls `claimed` for each claimed job. Calls `failed` once if the worker cannot continue. */
interface Reports {
  readonly claimed: () => void
  readonly failed: (error: unknown) => void
}

type Work = (file: string, reports: Reports) => Promise<{ readonly close: () => Promise<void> }>

interface Kind {
  readonly name: string
  readonly enqueuer: EnqueuerName
  readonly work: Work
}

// At FULL the case would measure the disk. 10 ms is plainjob's shortest poll; its default is 1 s.
const durability = "normal"
const pollMs = 10

/** A slot of a worker: it claims, and waits for a commit when no job is due. */
const ours: Work = async (file, { claimed, failed }) => {
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
  runtime.runFork(Effect.tapErrorCause(Effect.forever(slot), (cause) => Effect.sync(() => failed(cause))))
  return { close: () => runtime.dispose() }
}

const plainjob: Work = async (file, { claimed, failed }) => {
  const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} }
  const queue = defineQueue({ connection: better(new BetterSqlite(file)), logger: silent })
  const worker = defineWorker("build", async () => claimed(), { queue, pollIntervall: pollMs, logger: silent })
  const running = worker.start().catch(failed)
  return {
    close: async () => {
      await worker.stop()
      await running
      queue.close()
    }
  }
}

/** A program that has only the engine. It polls the version of the data, and polls again after `SQLITE_BUSY`. */
const polling: Work = async (file, { claimed, failed }) => {
  const database = new Libsql(file)
  database.exec(`PRAGMA synchronous = ${durability}`)
  const version = database.prepare("PRAGMA data_version")
  const claimNext = database.prepare(texts.claimNext)
  let seen: unknown
  const poll = () => {
    const current: unknown = version.raw().all([])[0]
    if (String(current) === seen) return
    const now = Date.now()
    for (const _ of claimNext.all([now, workerId, now + leaseMs, 0])) claimed()
    seen = String(current)
  }
  const timer = setInterval(() => {
    try {
      poll()
    } catch (error) {
      if (!isBusy(error)) failed(error)
    }
  }, pollMs)
  return {
    close: async () => {
      clearInterval(timer)
      database.close()
    }
  }
}

const isBusy = (error: unknown) =>
  error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY")

const kinds: ReadonlyArray<Kind> = [
  { name: "ours", enqueuer: "ours", work: ours },
  { name: `plainjob, poll of ${pollMs} ms`, enqueuer: "plainjob", work: plainjob },
  { name: `raw binding, data_version each ${pollMs} ms`, enqueuer: "raw", work: polling }
]

const contender = ({ enqueuer, name, work }: Kind): Contender => ({
  name,
  open: async (directory, index) => {
    const file = join(directory, `${index}.sqlite`)
    if (enqueuer !== "plainjob") createFile(file, "sealant", 0)
    const child = fork(new URL("./enqueuer.js", import.meta.url), [enqueuer, file, durability])
    const exited = once(child, "exit")
    await Promise.race([once(child, "message"), exited])
    let claimed = () => {}
    let failed: Reports["failed"] = () => {}
    const worker = await work(file, { claimed: () => claimed(), failed: (error) => failed(error) })
    child.once("exit", () => failed(new Error("the enqueuer has ended")))
    const nextClaim = () =>
      new Promise<void>((resolve, reject) => {
        claimed = resolve
        failed = reject
        order(child, reject)
      })
    return {
      entry: {
        maxOperations: 50,
        prepare: (operations) => {
          let waited = 0
          return {
            run: async () => {
              for (let i = 0; i < operations; i++) {
                // A random pause, so that orders do not keep step with polls.
                await new Promise((resolve) => setTimeout(resolve, 20 + 20 * Math.random()))
                const start = performance.now()
                await nextClaim()
                waited += performance.now() - start
              }
            },
            ownMillis: () => waited
          }
        }
      },
      close: async () => {
        await worker.close()
        if (child.connected) child.disconnect()
        await exited
      }
    }
  }
})

const order = (child: ChildProcess, reject: (error: Error) => void) => {
  if (!child.connected) return reject(new Error("the enqueuer has ended"))
  child.send("enqueue", (error) => {
    if (error !== null) reject(error)
  })
}

export const measureWakeups = (plan: Plan) => compare(kinds.map(contender), plan)
