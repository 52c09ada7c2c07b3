/**
 * Measures contestants side by side.
 *
 * Contestants run in rounds (A B C, B C A, ...). A batch is long enough to time, so other work on the machine affects
 * all of them. The result is the ratio of two medians, with the spread of the ratios of single rounds. Absolute times
 * are valid for this machine and this run only.
 *
 * A contestant that fails is left out of the remaining rounds. Its failure is a result like a time.
 */

export interface Batch {
  readonly run: () => Promise<void>
  /** Throws when the batch did not do its work. Not timed. */
  readonly check?: () => void
  /** Returns the time of the contestant in milliseconds, if the batch also waits for other work. */
  readonly ownMillis?: () => number
}

/** One contestant in one case. */
export interface Entry {
  readonly name: string
  /** Prepares a batch of this number of operations. Not timed. */
  readonly prepare: (operations: number) => Batch
  /** The maximum number of operations of a batch. */
  readonly maxOperations?: number
}

export interface Plan {
  readonly rounds: number
  /** The intended time of a batch. */
  readonly batchMs: number
  /** The time for which each contestant runs before it is measured. */
  readonly warmMs: number
  /** The number of jobs of the cases with many jobs. */
  readonly manyJobs: number
}

/** Microseconds per operation of one contestant, one value for each round. */
export interface Timing {
  readonly name: string
  readonly rounds: ReadonlyArray<number>
}

/** A contestant that could not be measured, and why. */
export interface Failure {
  readonly name: string
  readonly failure: string
}

export type Result = Timing | Failure

export interface Ratio {
  readonly median: number
  readonly min: number
  readonly max: number
}

export const isFailure = (result: Result): result is Failure => "failure" in result

/** Converts an exception to a result: its message, in one line. */
export const failureOf = (name: string, error: unknown): Failure => ({
  name,
  failure: (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? ""
})

interface Runner {
  readonly entry: Entry
  readonly rounds: Array<number>
  operations: number
  failure?: Failure
}

export const measure = async (entries: ReadonlyArray<Entry>, plan: Plan): Promise<ReadonlyArray<Result>> => {
  const runners: ReadonlyArray<Runner> = entries.map((entry) => ({ entry, rounds: [], operations: 0 }))
  for (const runner of runners) {
    await unlessFailed(runner, async ({ entry }) => {
      runner.operations = await warmUp(entry, plan)
    })
  }
  for (let round = 0; round < plan.rounds; round++) {
    for (let place = 0; place < runners.length; place++) {
      const runner = runners[(place + round) % runners.length]
      if (runner === undefined) continue
      await unlessFailed(runner, async ({ entry, operations, rounds }) => {
        rounds.push((1000 * (await time(entry, operations))) / operations)
      })
    }
  }
  return runners.map(({ entry: { name }, failure, rounds }) => failure ?? { name, rounds })
}

const unlessFailed = async (runner: Runner, body: (runner: Runner) => Promise<void>): Promise<void> => {
  if (runner.failure !== undefined) return
  try {
    await body(runner)
  } catch (error) {
    runner.failure = failureOf(runner.entry.name, error)
  }
}

/** Returns how many times as long the first takes as the second. Minimum and maximum are of single rounds. */
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

const minOperations = 4

/** Runs until the code is warm. Returns the number of operations of a batch. */
const warmUp = async (entry: Entry, { batchMs, warmMs }: Plan): Promise<number> => {
  const max = entry.maxOperations ?? Number.POSITIVE_INFINITY
  let operations = Math.min(minOperations, max)
  for (let spent = 0; spent < warmMs; ) {
    const elapsed = await time(entry, operations)
    spent += elapsed
    // Cold code is slow, so the size grows with each batch.
    const next = Math.min(4 * operations, Math.round((operations * batchMs) / elapsed))
    operations = Math.min(max, Math.max(minOperations, next))
  }
  return operations
}

const time = async (entry: Entry, operations: number): Promise<number> => {
  const { check, ownMillis, run } = entry.prepare(operations)
  // Collects the garbage of the previous batch. A full collection would also discard optimized code whose hidden classes
  // have no instance at the moment, and the batch would measure the compiler.
  globalThis.gc?.({ type: "minor" })
  const start = performance.now()
  await run()
  const elapsed = performance.now() - start
  check?.()
  return ownMillis?.() ?? elapsed
}
