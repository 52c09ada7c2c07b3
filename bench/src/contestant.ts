/**
 * A contestant of the queue cases: a job table on a database file of its own.
 */
import type { JobRequest } from "./jobs.js"

/** Durability: FULL waits for the disk at each commit, NORMAL at checkpoints. */
export type Durability = "full" | "normal"

export interface OpenOptions {
  readonly file: string
  readonly durability: Durability
}

/** A method runs a whole batch, so the loop over its operations belongs to the contestant. */
export interface Contestant {
  /** Returns `PRAGMA synchronous` of the writing connection: 1 is NORMAL, 2 is FULL. */
  readonly synchronous: () => Promise<unknown>
  /** Adds due jobs to the queue by plain SQL. Not measured. */
  readonly feed: (count: number) => void
  readonly enqueue: (requests: ReadonlyArray<JobRequest>, fibers: number) => Promise<void>
  /** Claims the job that has been due longest and leaves it running, `count` times. Throws when no job is due. */
  readonly claim: (count: number) => Promise<void>
  /** Claims a job, reads its document and marks it done, `count` times. Throws when no job is due. */
  readonly cycle: (count: number, fibers: number) => Promise<void>
  /** Counts the jobs that are done, by plain SQL: the check that the measured work has happened. */
  readonly done: () => number
  readonly close: () => Promise<void>
}

/** A contestant that stores the whole row and reads it by id. */
export interface RowContestant extends Contestant {
  /** Reads the jobs one by one, and decodes their documents. Throws when a job is missing. */
  readonly read: (ids: ReadonlyArray<string>) => Promise<void>
}

/** A contestant that enqueues, claims and completes jobs in batches. */
export interface BatchContestant extends Contestant {
  /** Enqueues the jobs, `size` at a time. */
  readonly enqueueBatch: (requests: ReadonlyArray<JobRequest>, size: number) => Promise<void>
  /** Claims `count` jobs, reads their documents and marks them done, `size` at a time. Throws when no job is due. */
  readonly batch: (count: number, size: number) => Promise<void>
}

const expected = { normal: 1, full: 2 } as const

/** Refuses a contestant whose durability differs from that of the case. */
export const checked = async <C extends Contestant>(contestant: C, { durability }: OpenOptions): Promise<C> => {
  const actual = await contestant.synchronous()
  if (actual === expected[durability]) return contestant
  await contestant.close()
  throw new Error(`PRAGMA synchronous is ${String(actual)}, not ${expected[durability]} (${durability})`)
}
