/**
 * The targets, each against the contestant that it names. The benchmark reports missed targets and never fails for them.
 *
 * Ratios at FULL depend on the disk too: the longer a commit waits, the more the write queue gains by sharing one commit
 * between callers.
 */
import { isFailure, median, type Ratio, ratioOf, type Result } from "./measure.js"

/** The results of the cases that ran, by the id of the case. */
export type Results = ReadonlyMap<string, ReadonlyArray<Result>>

export interface Verdict {
  readonly target: string
  readonly outcome: "reached" | "missed" | "not measured"
  /** The wanted value, such as `>= 4`. */
  readonly wanted: string
  readonly value: number | undefined
  readonly spread: readonly [min: number, max: number] | undefined
}

/** Returns the timing of a contestant, or nothing if it was not measured or has failed. */
const timing = (results: Results, id: string, name: string) => {
  const found = results.get(id)?.find((result) => result.name === name)
  return found === undefined || isFailure(found) ? undefined : found
}

/** How many times as long `slower` takes as `faster`, in one case. */
const ratio =
  (id: string, slower: string, faster: string) =>
  (results: Results): Ratio | undefined => {
    const [a, b] = [timing(results, id, slower), timing(results, id, faster)]
    return a === undefined || b === undefined ? undefined : ratioOf(a, b)
  }

/** The rate of ours, in multiples of the rate of another contestant. */
const rate = (id: string, other: string) => ratio(id, other, "ours")

/** The time of ours, in multiples of the time of another contestant. */
const time = (id: string, other: string) => ratio(id, "ours", other)

/** The time of one contestant, as a share of one second. */
const shareOfSecond =
  (id: string) =>
  (results: Results): Ratio | undefined => {
    const found = timing(results, id, "ours")
    if (found === undefined) return undefined
    const shares = found.rounds.map((microseconds) => microseconds / 1e6)
    return { median: median(shares), min: Math.min(...shares), max: Math.max(...shares) }
  }

interface Target {
  readonly text: string
  readonly value: (results: Results) => Ratio | undefined
  readonly least?: number
  readonly most?: number
}

const raw = "raw binding"

const targets: ReadonlyArray<Target> = [
  { text: "read by id, time against the raw binding", value: time("read", raw), most: 1.25 },
  { text: "read by id, rate against drizzle", value: rate("read", "drizzle"), least: 4 },
  {
    text: "enqueue one at a time, NORMAL, time against the raw binding",
    value: time("enqueue-1-normal", raw),
    most: 2
  },
  { text: "enqueue one at a time, NORMAL, rate against drizzle", value: rate("enqueue-1-normal", "drizzle"), least: 3 },
  { text: "enqueue one at a time, FULL, rate against drizzle", value: rate("enqueue-1-full", "drizzle"), least: 1.5 },
  {
    text: "enqueue, 32 fibers, NORMAL, rate against plainjob",
    value: rate("enqueue-32-normal", "plainjob"),
    least: 0.8
  },
  { text: "claim one, 1,000 deep, time against the raw binding", value: time("claim-1000", raw), most: 2 },
  { text: "claim one, 100,000 deep, rate against drizzle", value: rate("claim-100000", "drizzle"), least: 20 },
  {
    text: "claim one, time 100,000 deep against 1,000 deep",
    value: ratio("claim-depths", "ours, 100,000 deep", "ours"),
    most: 1.5
  },
  {
    text: "claim and succeed one at a time, NORMAL, rate against drizzle",
    value: rate("cycle-1-normal", "drizzle"),
    least: 6
  },
  {
    text: "claim and succeed one at a time, NORMAL, rate against plainjob",
    value: rate("cycle-1-normal", "plainjob"),
    least: 0.5
  },
  {
    text: "claim and succeed, 32 fibers, FULL, rate against plainjob",
    value: rate("cycle-32-full", "plainjob"),
    least: 5
  },
  {
    text: "claim one, time with a million jobs of one owner against 1,000",
    value: ratio("owners", "ours, many jobs", "ours"),
    most: 1.3
  },
  {
    text: "claim one, time with a million jobs of 100,000 owners against 1,000 of one",
    value: ratio("owners", "ours, many jobs and owners", "ours"),
    most: 1.3
  },
  {
    text: "claim one, time behind a million blocked jobs against none",
    value: ratio("blocked", "ours, blocked jobs in front", "ours"),
    most: 1.3
  },
  {
    text: "enqueue in batches of 50, NORMAL, rate against the raw binding",
    value: rate("batch-enqueue-normal", raw),
    least: 0.5
  },
  {
    text: "enqueue in batches of 50, FULL, rate against the raw binding",
    value: rate("batch-enqueue-full", raw),
    least: 0.5
  },
  {
    text: "claim and succeed in batches of 50, NORMAL, rate against the raw binding",
    value: rate("batch-normal", raw),
    least: 0.5
  },
  {
    text: "claim and succeed in batches of 50, FULL, rate against the raw binding",
    value: rate("batch-full", raw),
    least: 0.5
  },
  {
    text: "claim a job of another process, rate against plainjob's poll of 10 ms",
    value: rate("wakeup", "plainjob, poll of 10 ms"),
    least: 1
  },
  {
    text: "launch one at a time, FULL, rate against drizzle's five commits",
    value: rate("launch-1-full", "drizzle"),
    least: 6
  },
  { text: "append 1,000 events, rate against drizzle", value: rate("append", "drizzle"), least: 15 },
  { text: "sync 1,000 repositories, rate against drizzle", value: rate("sync", "drizzle"), least: 20 },
  { text: "page 1,000, time against page 1", value: ratio("pages", "ours, page 1,000", "ours"), most: 1.3 },
  {
    text: "Better Auth getSession, rate against its drizzle adapter",
    value: rate("session", "drizzle adapter"),
    least: 2
  },
  { text: "idle worker with 100 slots, share of a core", value: shareOfSecond("idle"), most: 0.01 }
]

export const verdicts = (results: Results): ReadonlyArray<Verdict> =>
  targets.map(({ least, most, text, value }) => {
    const wanted = least === undefined ? `<= ${most}` : `>= ${least}`
    const found = value(results)
    if (found === undefined) {
      return { target: text, outcome: "not measured", wanted, value: undefined, spread: undefined }
    }
    const isReached = found.median >= (least ?? 0) && found.median <= (most ?? Number.POSITIVE_INFINITY)
    return {
      target: text,
      outcome: isReached ? "reached" : "missed",
      wanted,
      value: found.median,
      spread: [found.min, found.max]
    }
  })
