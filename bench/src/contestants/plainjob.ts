/**
 * plainjob over better-sqlite3, through its own functions in the order in which its worker calls them: take a job, read
 * it, mark it done. Synchronous, so that callers cannot overlap: 32 fibers are one loop.
 *
 * In its favour: no polling, no logging, the functions called without the worker around them, an 8-column table without
 * leases, and no result stored. plainjob sets WAL and `synchronous = NORMAL` itself; FULL is set after it.
 */
import Database from "better-sqlite3"
import { better, defineQueue, JobStatus } from "plainjob"
import type { Contestant, OpenOptions } from "../contestant.js"
import { newRequests } from "../jobs.js"

const type = "build"
const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} }

export const openPlainjob = async ({ durability, file }: OpenOptions): Promise<Contestant> => {
  const name = "plainjob"
  const database = new Database(file)
  const queue = defineQueue({ connection: better(database), logger: silent })
  database.pragma(`synchronous = ${durability}`)

  const claim = () => {
    const claimed = queue.getAndMarkJobAsProcessing(type)
    const job = claimed && queue.getJobById(claimed.id)
    if (job === undefined) throw new Error(`${name}: nothing to claim`)
    JSON.parse(job.data)
    return job.id
  }

  return {
    name,
    synchronous: async () => database.pragma("synchronous", { simple: true }),
    feed: (count) => {
      queue.addMany(type, [...newRequests(count)])
      database.pragma("wal_checkpoint(TRUNCATE)")
    },
    done: () => queue.countJobs({ status: JobStatus.Done }),
    enqueue: async (requests) => {
      for (const request of requests) queue.add(type, request)
    },
    claim: async (count) => {
      for (let i = 0; i < count; i++) claim()
    },
    cycle: async (count) => {
      for (let i = 0; i < count; i++) queue.markJobAsDone(claim())
    },
    close: async () => {
      queue.close()
    }
  }
}
