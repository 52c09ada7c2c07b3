/**
 * Measures contestants side by side.
 *
 * They run in rounds (A B C, B C A, ...), each a batch that is long enough to time, so that whatever else the machine
 * does falls on all of them. What counts is the ratio of two contestants: of their medians, with the spread of the
 * ratios of the single rounds beside it. Times themselves are of this machine in this minute.
 */

export interface Batch {
  readonly run: () => Promise<void>
  /** Throws when the batch did not do what it was to do. Outside the clock. */
  readonly check?: () => void
  /** How much of the time was the contestant's, where the batch waits for other things, too. */
  readonly ownMillis?: () => number
}

/** One contestant in one case. */
export interface Entry {
  readonly name: string
  /** Makes ready for a batch of so many operations, outside the clock. */
  readonly prepare: (operations: number) => Batch
  /** A batch is never longer, however fast it is. */
  readonly mostOperations?: number
}

export interface Plan {
  readonly rounds: number
  /** How long a batch is meant to take. */
  readonly batchMs: number
  /** How long each contestant runs before it is measured. */
  readonly warmMs: number
}

/** Microseconds per operation of one contestant, round by round. */
export interface Timing {
  readonly name: string
  readonly rounds: ReadonlyArray<number>
}

export interface Ratio {
  readonly median: number
  readonly min: number
  readonly max: number
}

export const measure = async (entries: ReadonlyArray<Entry>, plan: Plan): Promise<ReadonlyArray<Timing>> => {
  const contestants: Array<{ readonly entry: Entry; readonly operations: number; readonly rounds: Array<number> }> = []
  for (const entry of entries) contestants.push({ entry, operations: await warmUp(entry, plan), rounds: [] })
  for (let round = 0; round < plan.rounds; round++) {
    for (let place = 0; place < contestants.length; place++) {
      const contestant = contestants[(place + round) % contestants.length]
      if (contestant === undefined) continue
      contestant.rounds.push((1000 * (await time(contestant.entry, contestant.operations))) / contestant.operations)
    }
  }
  return contestants.map(({ entry: { name }, rounds }) => ({ name, rounds }))
}

/** How much slower the first is than the second; in the same round, where it is about single rounds. */
export const ratioOf = (slower: Timing, faster: Timing): Ratio => {
  const each = slower.rounds.map((time, round) => time / (faster.rounds[round] ?? Number.NaN))
  return { median: median(slower.rounds) / median(faster.rounds), min: Math.min(...each), max: Math.max(...each) }
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

const fewestOperations = 4

/** Runs until the code is warm; returns how many operations a batch is to have. */
const warmUp = async (entry: Entry, { batchMs, warmMs }: Plan): Promise<number> => {
  const most = entry.mostOperations ?? Number.POSITIVE_INFINITY
  let operations = fewestOperations
  for (let spent = 0; spent < warmMs; ) {
    const elapsed = await time(entry, operations)
    spent += elapsed
    // Cold code is slow: the size of a batch is found on the way, not by its first.
    operations = within(Math.min(4 * operations, Math.round((operations * batchMs) / elapsed)), most)
  }
  return operations
}

const within = (operations: number, most: number) => Math.min(most, Math.max(fewestOperations, operations))

const time = async (entry: Entry, operations: number): Promise<number> => {
  const { check, ownMillis, run } = entry.prepare(operations)
  // What the last batch left behind is not this one's to clear away. Not a full collection: that throws away optimized
  // code whose hidden classes have no instance left at the moment, and the batch would measure the compiler.
  globalThis.gc?.({ type: "minor" })
  const start = performance.now()
  await run()
  const elapsed = performance.now() - start
  check?.()
  return ownMillis?.() ?? elapsed
}
