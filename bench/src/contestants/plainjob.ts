/**
 * plainjob over better-sqlite3: its functions in the order in which its worker calls them. They are synchronous, so
 * callers cannot overlap, and 32 fibers are one loop.
 *
 * In its favour: no polling, no logging, no worker around the functions, a table of 8 columns without leases, and no
 * stored result. plainjob sets WAL and `synchronous = NORMAL`; FULL is set afterwards.
 */
import Database from "better-sqlite3"
import { better, defineQueue, JobStatus } from "plainjob"
import type { Contestant, OpenOptions } from "../contestant.js"
import { newRequests } from "../jobs.js"

const type = "build"
const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} }

export const openPlainjob = async ({ durability, file }: OpenOptions): Promise<Contestant> => {
  const database = new Database(file)
  const queue = defineQueue({ connection: better(database), logger: silent })
  database.pragma(`synchronous = ${durability}`)

  const claim = () => {
    const claimed = queue.getAndMarkJobAsProcessing(type)
    const job = claimed && queue.getJobById(claimed.id)
    if (job === undefined) throw new Error("no job is due")
    JSON.parse(job.data)
    return job.id
  }

  return {
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
