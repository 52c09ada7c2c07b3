/**
 * The cases of the job queue, and the list of all cases. Each contestant has a database file of its own.
 */
import { copyFileSync, existsSync } from "node:fs"
import { join } from "node:path"
import { compare, type Contender } from "./compare.js"
import { checked, type Contestant, type Durability, type OpenOptions, type RowContestant } from "./contestant.js"
import { openDrizzle, openDrizzleQueuedOnly } from "./contestants/drizzle.js"
import { openOurs } from "./contestants/ours.js"
import { openPlainjob } from "./contestants/plainjob.js"
import { openRaw } from "./contestants/raw.js"
import { openStock } from "./contestants/stock.js"
import { batches, blockedClaims, enqueueBatches, fairClaims } from "./fairness.js"
import { appends, launches, pages, syncs } from "./features.js"
import { measureIdle } from "./idle.js"
import { newRequests, seededId } from "./jobs.js"
import type { Entry, Plan, Result } from "./measure.js"
import { createFile, type Tables } from "./seed.js"
import { sessions } from "./sessions.js"
import { measureWakeups } from "./wakeups.js"

export const groups = ["reads", "enqueue", "claims", "cycles", "fairness", "wakeups", "features", "idle"] as const
export type Group = (typeof groups)[number]

export interface Case {
  readonly group: Group
  /** The name of the case in `targets.ts`. */
  readonly id: string
  readonly title: string
  readonly run: (plan: Plan) => Promise<ReadonlyArray<Result>>
}

interface Opener<C extends Contestant> {
  readonly name: string
  readonly open: (options: OpenOptions) => Promise<C>
  /** `undefined` for a contestant that creates its own table. */
  readonly tables: Tables | undefined
  /** The number of jobs in its file, if it differs from that of the other contestants. */
  readonly jobs?: number
}

const ours: Opener<RowContestant> = { name: "ours", open: openOurs, tables: "sealant" }
const stock: Opener<RowContestant> = { name: "stock layer, our repository", open: openStock, tables: "sealant" }
const raw: Opener<RowContestant> = { name: "raw binding", open: openRaw, tables: "sealant" }
const drizzle: Opener<RowContestant> = { name: "drizzle", open: openDrizzle, tables: "predecessor" }
const drizzleQueuedOnly: Opener<RowContestant> = {
  name: "drizzle, queued only",
  open: openDrizzleQueuedOnly,
  tables: "predecessor"
}
const plainjob: Opener<Contestant> = { name: "plainjob", open: openPlainjob, tables: undefined }

const storedJobs = 10_000

// A batch changes the depth of the queue by a fifth at most.
const claimsPerBatch = 200

type EntryOf<C> = (contestant: C) => Omit<Entry, "name">

/** Returns a contender on a file with this number of jobs. */
const onJobs =
  (depth: number, durability: Durability) =>
  <C extends Contestant>({ jobs = depth, name, open, tables }: Opener<C>, entryOf: EntryOf<C>): Contender => ({
    name,
    open: async (directory, index) => {
      const options = { file: join(directory, `${index}.sqlite`), durability }
      if (tables !== undefined) provideFile(options.file, join(directory, `${tables}-${jobs}.template`), tables, jobs)
      const contestant = await checked(await open(options), options)
      if (tables === undefined) contestant.feed(jobs)
      return { entry: entryOf(contestant), close: contestant.close }
    }
  })

const provideFile = (file: string, template: string, tables: Tables, jobs: number) => {
  if (!existsSync(template)) createFile(template, tables, jobs)
  copyFileSync(template, file)
}

const reads: Case = {
  group: "reads",
  id: "read",
  title: `read a job by id, at random among ${storedJobs.toLocaleString("en")}`,
  run: (plan) => {
    const reading: EntryOf<RowContestant> = (contestant) => ({
      prepare: (operations) => {
        const ids = Array.from({ length: operations }, () => seededId(Math.floor(Math.random() * storedJobs)))
        return { run: () => contestant.read(ids) }
      }
    })
    const on = onJobs(storedJobs, "full")
    return compare(
      [ours, drizzle, stock, raw].map((opener) => on(opener, reading)),
      plan
    )
  }
}

const enqueuing =
  (fibers: number): EntryOf<Contestant> =>
  (contestant) => ({
    prepare: (operations) => {
      const requests = newRequests(operations)
      return { run: () => contestant.enqueue(requests, fibers) }
    }
  })

const enqueue = (fibers: number, durability: Durability): Case => ({
  group: "enqueue",
  id: `enqueue-${fibers}-${durability}`,
  title: `enqueue, ${atATime(fibers)}, ${durability.toUpperCase()}`,
  run: (plan) => {
    const on = onJobs(1000, durability)
    const openers: ReadonlyArray<Opener<Contestant>> = [ours, drizzle, plainjob, raw]
    return compare(
      openers.map((opener) => on(opener, enqueuing(fibers))),
      plan
    )
  }
})

const claiming: EntryOf<Contestant> = (contestant) => ({
  maxOperations: claimsPerBatch,
  prepare: (operations) => {
    contestant.feed(operations)
    return { run: () => contestant.claim(operations) }
  }
})

const claims = (depth: number): Case => ({
  group: "claims",
  id: `claim-${depth}`,
  title: `claim one, queue ${depth.toLocaleString("en")} deep, NORMAL`,
  run: (plan) => {
    const on = onJobs(depth, "normal")
    const openers: ReadonlyArray<Opener<Contestant>> = [ours, drizzle, drizzleQueuedOnly, plainjob, raw]
    return compare(
      openers.map((opener) => on(opener, claiming)),
      plan
    )
  }
})

/** Both depths in the same rounds: on a busy machine, two cases measured one after the other are not comparable. */
const depths: Case = {
  group: "claims",
  id: "claim-depths",
  title: "claim one, ours by depth, NORMAL",
  run: (plan) => {
    const on = onJobs(1000, "normal")
    const deep = { ...ours, name: "ours, 100,000 deep", jobs: 100_000 }
    return compare([on(ours, claiming), on(deep, claiming)], plan)
  }
}

const cycling =
  (fibers: number): EntryOf<Contestant> =>
  (contestant) => ({
    prepare: (operations) => {
      contestant.feed(operations)
      const before = contestant.done()
      return {
        run: () => contestant.cycle(operations, fibers),
        check: () => {
          const done = contestant.done() - before
          if (done !== operations) throw new Error(`${done} of ${operations} jobs are done`)
        }
      }
    }
  })

const cycles = (fibers: number, durability: Durability): Case => ({
  group: "cycles",
  id: `cycle-${fibers}-${durability}`,
  title: `claim and succeed, ${atATime(fibers)}, ${durability.toUpperCase()}`,
  run: (plan) => {
    const on = onJobs(1000, durability)
    const openers: ReadonlyArray<Opener<Contestant>> = [ours, drizzle, plainjob, stock, raw]
    return compare(
      openers.map((opener) => on(opener, cycling(fibers))),
      plan
    )
  }
})

const atATime = (fibers: number) => (fibers === 1 ? "one at a time" : `${fibers} fibers`)

const levels = ["full", "normal"] as const

const feature = (id: string, title: string, run: Case["run"]): Case => ({ group: "features", id, title, run })

export const cases: ReadonlyArray<Case> = [
  reads,
  ...levels.flatMap((durability) => [enqueue(1, durability), enqueue(32, durability)]),
  claims(1000),
  claims(100_000),
  depths,
  ...levels.flatMap((durability) => [cycles(1, durability), cycles(32, durability)]),
  { group: "fairness", id: "owners", title: "claim one, by jobs and owners, NORMAL", run: fairClaims },
  { group: "fairness", id: "blocked", title: "claim one, behind blocked jobs, NORMAL", run: blockedClaims },
  ...levels.map(
    (durability): Case => ({
      group: "fairness",
      id: `batch-enqueue-${durability}`,
      title: `enqueue a batch of 50, ${durability.toUpperCase()}`,
      run: enqueueBatches(durability)
    })
  ),
  ...levels.map(
    (durability): Case => ({
      group: "fairness",
      id: `batch-${durability}`,
      title: `claim and succeed a batch of 50, ${durability.toUpperCase()}`,
      run: batches(durability)
    })
  ),
  { group: "wakeups", id: "wakeup", title: "claim a job of another process, NORMAL", run: measureWakeups },
  ...levels.flatMap((durability) => [
    feature(`launch-1-${durability}`, `launch, one at a time, ${durability.toUpperCase()}`, launches(1, durability)),
    feature(`launch-32-${durability}`, `launch, 32 fibers, ${durability.toUpperCase()}`, launches(32, durability))
  ]),
  feature("append", "append 1,000 events to an execution, FULL", appends),
  feature("sync", "sync 1,000 repositories of an installation, FULL", syncs),
  feature("pages", "read a page of 50 sandboxes, by page number", pages),
  feature("session", "Better Auth getSession", sessions),
  { group: "idle", id: "idle", title: "CPU of an idle worker with 100 slots, per second", run: measureIdle }
]
