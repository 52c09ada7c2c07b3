/**
 * Cases of operations on several rows: launch, append, sync and list. Ours against the statements that a program with
 * drizzle runs for the same rows.
 */
import { join } from "node:path"
import { compare, type Contender } from "./compare.js"
import type { Durability } from "./contestant.js"
import { openDrizzleFeatures } from "./contestants/drizzleFeatures.js"
import { openOurFeatures } from "./contestants/ourFeatures.js"
import type { Plan } from "./measure.js"
import { createFile, type Tables } from "./seed.js"

/** The operations of a contestant, each on new rows. */
export interface Features {
  /** Launches this number of sandboxes. */
  readonly launch: (count: number, fibers: number) => Promise<void>
  /** Appends a number of batches of events to one execution. */
  readonly append: (batches: number, eventsPerBatch: number) => Promise<void>
  /** Replaces the repositories of one installation, a number of times. Each time, one tenth of the names change. */
  readonly sync: (times: number, repositories: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** Ours also lists, from a page on. */
export interface Listing {
  /** Reads one page, a number of times. The first page is number 1. */
  readonly readPage: (page: number, times: number) => Promise<void>
  /** Stores this number of sandboxes, and the cursors of their pages. */
  readonly fill: (sandboxes: number) => Promise<void>
}

const eventsPerBatch = 1000
const repositories = 1000
const storedSandboxes = 50_000
const lastPage = 1000

type Run = (features: Features, operations: number) => Promise<void>

const contender = <F extends Features>(
  name: string,
  tables: Tables,
  durability: Durability,
  open: (options: { readonly file: string; readonly durability: Durability }) => Promise<F>,
  run: (features: F, operations: number) => Promise<void>,
  prepare: (features: F) => Promise<void> = async () => {}
): Contender => ({
  name,
  open: async (directory, index) => {
    const file = join(directory, `${index}.sqlite`)
    createFile(file, tables, 0)
    const features = await open({ file, durability })
    await prepare(features)
    return {
      entry: { prepare: (operations) => ({ run: () => run(features, operations) }) },
      close: features.close
    }
  }
})

const both = (durability: Durability, run: Run) => (plan: Plan) =>
  compare(
    [
      contender("ours", "sealant", durability, openOurFeatures, run),
      contender("drizzle", "predecessor", durability, openDrizzleFeatures, run)
    ],
    plan
  )

export const launches = (fibers: number, durability: Durability) =>
  both(durability, (features, operations) => features.launch(operations, fibers))

export const appends = both("full", (features, operations) => features.append(operations, eventsPerBatch))

export const syncs = both("full", (features, operations) => features.sync(operations, repositories))

/** The first page and the page 1,000 of one owner's sandboxes. */
export const pages = (plan: Plan) => {
  const onPage = (name: string, page: number) =>
    contender(
      name,
      "sealant",
      "normal",
      openOurFeatures,
      (features, operations) => features.readPage(page, operations),
      (features) => features.fill(storedSandboxes)
    )
  return compare([onPage("ours", 1), onPage("ours, page 1,000", lastPage)], plan)
}
