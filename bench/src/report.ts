/**
 * The results as a table for people and as JSON for programs.
 */
import type { Case } from "./cases.js"
import { median, ratioOf, type Timing } from "./measure.js"
import type { Verdict } from "./targets.js"

const dim = (text: string) => (process.stdout.isTTY ? `\u001B[2m${text}\u001B[22m` : text)

const times = (value: number) => `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)}×`

const heading = ["", "time / ours", "lowest – highest", "µs", "a second"] as const
const widths = [38, 13, 20, 11, 11] as const

const line = (cells: ReadonlyArray<string>, faint: number) =>
  cells
    .map((cell, place) => {
      const width = widths[place] ?? 0
      const padded = place === 0 ? cell.padEnd(width) : cell.padStart(width)
      return place >= faint ? dim(padded) : padded
    })
    .join("")

/** One case: how long each takes, in terms of ours; the times themselves are for information only. */
export const tableOf = ({ title }: Case, timings: ReadonlyArray<Timing>): string => {
  const ours = timings.find(({ name }) => name === "ours")
  const rows = timings.map((timing) => {
    const {
      max,
      median: middle,
      min
    } = ours === undefined ? { max: Number.NaN, median: Number.NaN, min: Number.NaN } : ratioOf(timing, ours)
    const microseconds = median(timing.rounds)
    return [
      `  ${timing.name}`,
      times(middle),
      timing === ours ? "" : `${times(min)} – ${times(max)}`,
      microseconds.toFixed(1),
      Math.round(1e6 / microseconds).toLocaleString("en")
    ]
  })
  return [
    line([title, "", "", "", ""], 3).trimEnd(),
    dim(line(heading, heading.length)),
    ...rows.map((row) => line(row, 3)),
    ""
  ].join("\n")
}

export const verdictLine = ({ outcome, spread, target, value }: Verdict): string => {
  const found =
    value === undefined || spread === undefined ? "" : `: ${times(value)} (${times(spread[0])} – ${times(spread[1])})`
  return `${outcome.padEnd(13)}${target}${found}`
}

export const json = (
  ran: ReadonlyArray<readonly [Case, ReadonlyArray<Timing>]>,
  verdicts: ReadonlyArray<Verdict>
): string =>
  JSON.stringify(
    {
      node: process.version,
      cases: ran.map(([{ group, id, title }, timings]) => ({
        group,
        id,
        title,
        contestants: timings.map(({ name, rounds }) => ({ name, medianMicroseconds: median(rounds), rounds }))
      })),
      targets: verdicts
    },
    undefined,
    2
  )
