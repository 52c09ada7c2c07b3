/**
 * What is measured: one way to keep the job table, opened on a database file of its own.
 */
import type { JobRequest } from "./jobs.js"

/** Durability: FULL waits for the disk at each commit, NORMAL at checkpoints. */
export type Durability = "full" | "normal"

export interface OpenOptions {
  readonly file: string
  readonly durability: Durability
}

/** Each method runs a whole batch, so that the loop around its operations is the contestant's own. */
export interface Contestant {
  readonly name: string
  /** `PRAGMA synchronous` as the connection that writes answers it: 1 is NORMAL, 2 is FULL. */
  readonly synchronous: () => Promise<unknown>
  /** Puts due jobs into the queue, past the code under measure. */
  readonly feed: (count: number) => void
  readonly enqueue: (requests: ReadonlyArray<JobRequest>, fibers: number) => Promise<void>
  /** Takes the job that has been due longest and leaves it running, so many times. Throws when there is none. */
  readonly claim: (count: number) => Promise<void>
  /** Takes a job, reads its document, and marks it done, so many times. Throws when there is none. */
  readonly cycle: (count: number, fibers: number) => Promise<void>
  /** How many jobs are done, counted past the code under measure: what it says it did must have happened. */
  readonly done: () => number
  readonly close: () => Promise<void>
}

/** A contestant that keeps the whole row and can read it by its id. */
export interface RowContestant extends Contestant {
  /** Reads one job after the other, payload decoded. Throws when one is missing. */
  readonly read: (ids: ReadonlyArray<string>) => Promise<void>
}

const expected = { normal: 1, full: 2 } as const

/** Refuses a contestant that writes less durably than the others, or more. */
export const checked = async <C extends Contestant>(contestant: C, { durability }: OpenOptions): Promise<C> => {
  const actual = await contestant.synchronous()
  if (actual === expected[durability]) return contestant
  await contestant.close()
  throw new Error(
    `${contestant.name}: PRAGMA synchronous is ${String(actual)}, not ${expected[durability]} (${durability})`
  )
}
