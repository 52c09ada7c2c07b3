/**
 * What is measured, and on which contestants. Each contestant has a database file of its own, made for the case.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { checked, type Contestant, type Durability, type OpenOptions, type RowContestant } from "./contestant.js"
import { openDrizzle, openDrizzleQueuedOnly } from "./contestants/drizzle.js"
import { openOurs } from "./contestants/ours.js"
import { openPlainjob } from "./contestants/plainjob.js"
import { openRaw } from "./contestants/raw.js"
import { openStock } from "./contestants/stock.js"
import { newRequests, seededId } from "./jobs.js"
import { type Entry, measure, type Plan, type Timing } from "./measure.js"
import { createFile, type Tables } from "./seed.js"
import { measureWakeups } from "./wakeups.js"

export const groups = ["reads", "enqueue", "claims", "cycles", "wakeups"] as const
export type Group = (typeof groups)[number]

export interface Case {
  readonly group: Group
  /** By this the targets find it. */
  readonly id: string
  readonly title: string
  readonly run: (plan: Plan) => Promise<ReadonlyArray<Timing>>
}

interface Opener<C extends Contestant> {
  readonly open: (options: OpenOptions) => Promise<C>
  /** plainjob makes its own table. */
  readonly tables: Tables | undefined
  /** How many jobs its file has, where that is not as many as the others have. */
  readonly jobs?: number
}

const ours: Opener<RowContestant> = { open: openOurs, tables: "sealant" }
const stock: Opener<RowContestant> = { open: openStock, tables: "sealant" }
const raw: Opener<RowContestant> = { open: openRaw, tables: "sealant" }
const drizzle: Opener<RowContestant> = { open: openDrizzle, tables: "predecessor" }
const drizzleQueuedOnly: Opener<RowContestant> = { open: openDrizzleQueuedOnly, tables: "predecessor" }
const plainjob: Opener<Contestant> = { open: openPlainjob, tables: undefined }

const storedJobs = 10_000

// The queue stays within a fifth of its depth.
const claimsPerBatch = 200

/** Opens contestants on files with so many jobs, measures, and removes the files. */
const compare = async <C extends Contestant>(
  openers: ReadonlyArray<Opener<C>>,
  depth: number,
  durability: Durability,
  plan: Plan,
  entryOf: (contestant: C) => Entry
): Promise<ReadonlyArray<Timing>> => {
  const directory = mkdtempSync(join(tmpdir(), "sealant-bench-"))
  const contestants: Array<C> = []
  try {
    for (const { jobs = depth, open, tables } of openers) {
      const options = { file: join(directory, `${contestants.length}.sqlite`), durability }
      if (tables !== undefined) provideFile(options.file, join(directory, `${tables}-${jobs}.template`), tables, jobs)
      const contestant = await checked(await open(options), options)
      contestants.push(contestant)
      if (tables === undefined) contestant.feed(jobs)
    }
    return await measure(contestants.map(entryOf), plan)
  } finally {
    for (const contestant of contestants) await contestant.close()
    rmSync(directory, { recursive: true })
  }
}

const provideFile = (file: string, template: string, tables: Tables, jobs: number) => {
  if (!existsSync(template)) createFile(template, tables, jobs)
  copyFileSync(template, file)
}

const reads: Case = {
  group: "reads",
  id: "read",
  title: `read a job by id, at random among ${storedJobs.toLocaleString("en")}`,
  run: (plan) =>
    compare([ours, drizzle, stock, raw], storedJobs, "full", plan, (contestant) => ({
      name: contestant.name,
      prepare: (operations) => {
        const ids = Array.from({ length: operations }, () => seededId(Math.floor(Math.random() * storedJobs)))
        return { run: () => contestant.read(ids) }
      }
    }))
}

const enqueue = (fibers: number, durability: Durability): Case => ({
  group: "enqueue",
  id: `enqueue-${fibers}-${durability}`,
  title: `enqueue, ${atATime(fibers)}, ${durability.toUpperCase()}`,
  run: (plan) =>
    compare<Contestant>([ours, drizzle, plainjob, raw], 1000, durability, plan, (contestant) => ({
      name: contestant.name,
      prepare: (operations) => {
        const requests = newRequests(operations)
        return { run: () => contestant.enqueue(requests, fibers) }
      }
    }))
})

const claims = (depth: number): Case => ({
  group: "claims",
  id: `claim-${depth}`,
  title: `claim one, queue ${depth.toLocaleString("en")} deep, NORMAL`,
  run: (plan) => compare<Contestant>([ours, drizzle, drizzleQueuedOnly, plainjob, raw], depth, "normal", plan, claiming)
})

const claiming = (contestant: Contestant): Entry => ({
  name: contestant.name,
  mostOperations: claimsPerBatch,
  prepare: (operations) => {
    contestant.feed(operations)
    return { run: () => contestant.claim(operations) }
  }
})

/** Ours twice, in the same rounds: two depths that are measured one after the other say little on a busy machine. */
const depths: Case = {
  group: "claims",
  id: "claim-depths",
  title: "claim one, ours by depth, NORMAL",
  run: (plan) => compare<Contestant>([ours, deep], 1000, "normal", plan, claiming)
}

const deepName = "ours, 100,000 deep"
const deep: Opener<RowContestant> = {
  ...ours,
  jobs: 100_000,
  open: async (options) => ({ ...(await openOurs(options)), name: deepName })
}

const cycles = (fibers: number, durability: Durability): Case => ({
  group: "cycles",
  id: `cycle-${fibers}-${durability}`,
  title: `claim and succeed, ${atATime(fibers)}, ${durability.toUpperCase()}`,
  run: (plan) =>
    compare<Contestant>([ours, drizzle, plainjob, stock, raw], 1000, durability, plan, (contestant) => ({
      name: contestant.name,
      prepare: (operations) => {
        contestant.feed(operations)
        const before = contestant.done()
        return {
          run: () => contestant.cycle(operations, fibers),
          check: () => {
            const done = contestant.done() - before
            if (done !== operations) throw new Error(`${contestant.name}: ${done} of ${operations} jobs are done`)
          }
        }
      }
    }))
})

const wakeups: Case = {
  group: "wakeups",
  id: "wakeup",
  title: "claim what another process enqueues, NORMAL",
  run: measureWakeups
}

const atATime = (fibers: number) => (fibers === 1 ? "one at a time" : `${fibers} fibers`)

const levels = ["full", "normal"] as const

export const cases: ReadonlyArray<Case> = [
  reads,
  ...levels.flatMap((durability) => [enqueue(1, durability), enqueue(32, durability)]),
  claims(1000),
  claims(100_000),
  depths,
  ...levels.flatMap((durability) => [cycles(1, durability), cycles(32, durability)]),
  wakeups
]
