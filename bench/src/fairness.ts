/**
 * Cases of the fair queue: claims with many jobs and owners, with blocked jobs in front, and in batches.
 */
import { join } from "node:path"
import { compare, type Contender } from "./compare.js"
import { type BatchContestant, checked, type Durability, type OpenOptions } from "./contestant.js"
import { openOurs } from "./contestants/ours.js"
import { openRaw, openRawClaimingOnce } from "./contestants/raw.js"
import { newRequests } from "./jobs.js"
import type { Entry, Plan } from "./measure.js"
import { addOwnedJobs, createFile, pauseOwner } from "./seed.js"

const batchSize = 50
// A batch changes the number of due jobs by a fifth at most.
const claimsPerBatch = 200
const due = 1000

/** Claims on a file of ours with 1,000 due jobs. `prepare` adds further jobs. */
const claiming = (name: string, prepare: (file: string) => void): Contender => ({
  name,
  open: async (directory, index) => {
    const options = { file: join(directory, `${index}.sqlite`), durability: "normal" as const }
    createFile(options.file, "sealant", due)
    prepare(options.file)
    const contestant = await checked(await openOurs(options), options)
    return {
      entry: {
        maxOperations: claimsPerBatch,
        prepare: (operations) => {
          contestant.feed(operations)
          return { run: () => contestant.claim(operations) }
        }
      },
      close: contestant.close
    }
  }
})

/** Few jobs of one owner, many of one, and many of many. */
export const fairClaims = (plan: Plan) =>
  compare(
    [
      claiming("ours", (file) => addOwnedJobs(file, due, 1)),
      claiming("ours, many jobs", (file) => addOwnedJobs(file, plan.manyJobs, 1)),
      claiming("ours, many jobs and owners", (file) => addOwnedJobs(file, plan.manyJobs, plan.manyJobs / 10))
    ],
    plan
  )

export const blockedClaims = (plan: Plan) =>
  compare(
    [
      claiming("ours", () => undefined),
      claiming("ours, blocked jobs in front", (file) => {
        addOwnedJobs(file, plan.manyJobs, 1)
        pauseOwner(file, "owner-0")
      })
    ],
    plan
  )

type OpenBatch = (options: OpenOptions) => Promise<BatchContestant>

/** Builds contenders on a file with 1,000 due jobs, whose operations are batches. */
const batching =
  (durability: Durability, entryOf: (contestant: BatchContestant) => Omit<Entry, "name">) =>
  (name: string, open: OpenBatch): Contender => ({
    name,
    open: async (directory, index) => {
      const options = { file: join(directory, `${index}.sqlite`), durability }
      createFile(options.file, "sealant", due)
      const contestant = await checked(await open(options), options)
      return { entry: entryOf(contestant), close: contestant.close }
    }
  })

/** An operation is a batch: one transaction. */
export const enqueueBatches = (durability: Durability) => (plan: Plan) => {
  const contender = batching(durability, (contestant) => ({
    prepare: (operations) => {
      const requests = newRequests(operations * batchSize)
      return { run: () => contestant.enqueueBatch(requests, batchSize) }
    }
  }))
  return compare([contender("ours", openOurs), contender("raw binding", openRaw)], plan)
}

/** An operation is a batch: a transaction for the claims, and one for the ends. */
export const batches = (durability: Durability) => (plan: Plan) => {
  const contender = batching(durability, (contestant) => ({
    prepare: (operations) => {
      const jobs = operations * batchSize
      contestant.feed(jobs)
      const before = contestant.done()
      return {
        run: () => contestant.batch(jobs, batchSize),
        check: () => {
          const done = contestant.done() - before
          if (done !== jobs) throw new Error(`${done} of ${jobs} jobs are done`)
        }
      }
    }
  }))
  return compare(
    [
      contender("ours", openOurs),
      contender("raw binding", openRaw),
      contender("raw binding, one claim without fairness", openRawClaimingOnce)
    ],
    plan
  )
}
