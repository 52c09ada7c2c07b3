/**
 * drizzle-orm over `@libsql/client`, as the predecessor used it: a table schema, a claim that selects the oldest due job
 * and updates it in `db.transaction`, PRAGMAs set once after the opening.
 *
 * In its favour: a table without checks and triggers (`tables.ts`), no validation, and one connection (`concurrency: 1`),
 * without which its PRAGMAs would apply to one connection of many. Concurrent transactions of one client fail, so callers
 * wait for a lock.
 */
import { createClient } from "@libsql/client"
import { and, asc, eq, lte, or, type SQL } from "drizzle-orm"
import { drizzle } from "drizzle-orm/libsql"
import type { OpenOptions, RowContestant } from "../contestant.js"
import { eachOf, leaseMs, success, workerId } from "../jobs.js"
import { buildJobs } from "../tables.js"
import { openFeeder } from "../seed.js"

const queued = (now: Date) => and(eq(buildJobs.status, "queued"), lte(buildJobs.availableAt, now))

/** Selects due jobs: queued ones, and those whose lease has expired. The predecessor claims the same jobs. */
const due = (now: Date) => or(queued(now), and(eq(buildJobs.status, "running"), lte(buildJobs.leaseExpiresAt, now)))

const open = async (
  claimable: (now: Date) => SQL | undefined,
  { durability, file }: OpenOptions
): Promise<RowContestant> => {
  const client = createClient({ url: `file:${file}`, concurrency: 1 })
  await client.execute(`PRAGMA synchronous = ${durability}`)
  const db = drizzle(client)
  const feeder = openFeeder(file)
  const locked = lock()

  const claimNext = () =>
    db.transaction(async (tx) => {
      const now = new Date()
      const [job] = await tx.select().from(buildJobs).where(claimable(now)).orderBy(asc(buildJobs.availableAt)).limit(1)
      if (job === undefined) throw new Error("no job is due")
      const [claimed] = await tx
        .update(buildJobs)
        .set({
          status: "running",
          attemptCount: job.attemptCount + 1,
          leaseToken: job.leaseToken + 1,
          workerId,
          claimedAt: now,
          leaseExpiresAt: new Date(now.getTime() + leaseMs),
          startedAt: job.startedAt ?? now,
          updatedAt: now
        })
        .where(eq(buildJobs.id, job.id))
        .returning()
      if (claimed === undefined) throw new Error("the job was lost while it was claimed")
      return claimed
    })

  const succeed = async (id: string) => {
    const now = new Date()
    const [job] = await db
      .update(buildJobs)
      .set({ status: "succeeded", leaseExpiresAt: null, finishedAt: now, updatedAt: now, ...success })
      .where(and(eq(buildJobs.id, id), eq(buildJobs.status, "running"), eq(buildJobs.workerId, workerId)))
      .returning()
    if (job === undefined) throw new Error("the job belongs to another worker")
  }

  return {
    synchronous: async () => (await client.execute("PRAGMA synchronous")).rows[0]?.["synchronous"],
    feed: feeder.feed,
    done: feeder.done,
    read: async (ids) => {
      for (const id of ids) {
        const [job] = await db.select().from(buildJobs).where(eq(buildJobs.id, id))
        if (job === undefined) throw new Error(`${id} is missing`)
      }
    },
    enqueue: (requests, fibers) =>
      eachOf(requests, fibers, async (request) => {
        const now = new Date()
        const values = { ...request, availableAt: now, createdAt: now, updatedAt: now }
        const [job] = await db.insert(buildJobs).values(values).returning()
        if (job === undefined) throw new Error("no row was stored")
      }),
    claim: async (count) => {
      for (let i = 0; i < count; i++) await claimNext()
    },
    cycle: (count, fibers) =>
      eachOf(Array.from({ length: count }), fibers, async () => {
        const job = await locked(claimNext)
        await locked(() => succeed(job.id))
      }),
    close: async () => {
      feeder.close()
      client.close()
    }
  }
}

/** Runs bodies one at a time, in the order of the calls. */
const lock = () => {
  let last: Promise<unknown> = Promise.resolve()
  return <A>(body: () => Promise<A>): Promise<A> => {
    const result = last.then(body)
    last = result.catch(() => undefined)
    return result
  }
}

export const openDrizzle = (options: OpenOptions) => open(due, options)

/** A claim that ignores expired leases, so that one index serves it. The predecessor and ours do more. */
export const openDrizzleQueuedOnly = (options: OpenOptions) => open(queued, options)
