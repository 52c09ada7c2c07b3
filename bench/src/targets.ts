/**
 * What the numbers are to be. A benchmark reports; it never fails for a target that is missed.
 *
 * Ratios at FULL are of the machine's disk, too: the longer a commit waits for it, the more the write queue gains by
 * sharing one among many. The same code is 2 times as fast as plainjob on a quick disk, and 10 times on a busy one.
 */
import { ratioOf, type Ratio, type Timing } from "./measure.js"

/** The timings of the cases that ran, by the id of the case. */
export type Results = ReadonlyMap<string, ReadonlyArray<Timing>>

export interface Verdict {
  readonly target: string
  readonly outcome: "ok" | "missed" | "not measured"
  readonly value: number | undefined
  readonly spread: readonly [min: number, max: number] | undefined
}

/** How many times as long `slower` takes as `faster`, in one case. */
const ratio =
  (id: string, slower: string, faster: string) =>
  (results: Results): Ratio | undefined => {
    const [a, b] = [timing(results, id, slower), timing(results, id, faster)]
    return a === undefined || b === undefined ? undefined : ratioOf(a, b)
  }

const timing = (results: Results, id: string, name: string) => results.get(id)?.find((timing) => timing.name === name)

interface Target {
  readonly text: string
  readonly value: (results: Results) => Ratio | undefined
  readonly least?: number
  readonly most?: number
}

const targets: ReadonlyArray<Target> = [
  { text: "a read is at least 4 times as fast as drizzle's", value: ratio("read", "drizzle", "ours"), least: 4 },
  {
    text: "a read takes at most 3 times the raw binding's time",
    value: ratio("read", "ours", "raw libsql binding"),
    most: 3
  },
  {
    text: "a claim 100,000 deep is at least 20 times as fast as drizzle's",
    value: ratio("claim-100000", "drizzle", "ours"),
    least: 20
  },
  {
    text: "a claim 100,000 deep takes at most 1.5 times one 1,000 deep",
    value: ratio("claim-depths", "ours, 100,000 deep", "ours"),
    most: 1.5
  },
  {
    text: "the 32-fiber cycle at FULL is at least 3 times as fast as plainjob's at FULL",
    value: ratio("cycle-32-full", "plainjob", "ours"),
    least: 3
  },
  {
    text: "what another process enqueues is claimed no later than with plainjob's poll of 10 ms",
    value: ratio("wakeup", "plainjob, poll of 10 ms", "ours"),
    least: 1
  }
]

export const verdicts = (results: Results): ReadonlyArray<Verdict> =>
  targets.map(({ least = 0, most = Number.POSITIVE_INFINITY, text, value }) => {
    const found = value(results)
    if (found === undefined) return { target: text, outcome: "not measured", value: undefined, spread: undefined }
    const { max, median, min } = found
    return {
      target: text,
      outcome: median >= least && median <= most ? "ok" : "missed",
      value: median,
      spread: [min, max]
    }
  })
