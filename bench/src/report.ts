/**
 * The results as a table for the terminal, as JSON, and as the page docs/benchmarks.md.
 */
import { cpus, totalmem } from "node:os"
import type { Case } from "./cases.js"
import { isFailure, median, type Plan, ratioOf, type Result } from "./measure.js"
import type { Verdict } from "./targets.js"

/** A case with its results. */
export type Measured = readonly [Case, ReadonlyArray<Result>]

const dim = (text: string) => (process.stdout.isTTY ? `\u001B[2m${text}\u001B[22m` : text)

const decimals = (value: number) => value.toFixed(value < 0.1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0)

const times = (value: number) => `${decimals(value)}×`

const heading = ["", "time / ours", "spread", "µs", "per second"] as const
const widths = [38, 13, 20, 11, 11] as const

const line = (cells: ReadonlyArray<string>, faint: number) =>
  cells
    .map((cell, place) => {
      const width = widths[place] ?? 0
      const padded = place === 0 ? cell.padEnd(width) : cell.padStart(width)
      return place >= faint ? dim(padded) : padded
    })
    .join("")

/** Returns the cells of a contestant: its name, time against ours, spread, microseconds and rate; or its failure. */
const cellsOf = (result: Result, results: ReadonlyArray<Result>): ReadonlyArray<string> => {
  if (isFailure(result)) return [result.name, `failed: ${result.failure}`]
  const ours = results.find(({ name }) => name === "ours")
  const microseconds = median(result.rounds)
  const absolute = [microseconds.toFixed(1), Math.round(1e6 / microseconds).toLocaleString("en")]
  if (ours === undefined || isFailure(ours)) return [result.name, "", "", ...absolute]
  const { max, median: middle, min } = ratioOf(result, ours)
  return [result.name, times(middle), result === ours ? "" : `${times(min)} – ${times(max)}`, ...absolute]
}

/** One case: the time of each contestant against ours. */
export const tableOf = ([{ title }, results]: Measured): string =>
  [
    line([title, "", "", "", ""], 3).trimEnd(),
    dim(line(heading, heading.length)),
    ...results.map((result) => {
      const [name = "", ...cells] = cellsOf(result, results)
      return isFailure(result) ? `  ${name}: ${cells.join("")}` : line([`  ${name}`, ...cells], 3)
    }),
    ""
  ].join("\n")

export const verdictLine = ({ outcome, spread, target, value, wanted }: Verdict): string => {
  const found =
    value === undefined || spread === undefined
      ? ""
      : `: ${decimals(value)} (${decimals(spread[0])} – ${decimals(spread[1])})`
  return `${outcome.padEnd(14)}${target} ${wanted}${found}`
}

export const json = (measured: ReadonlyArray<Measured>, verdicts: ReadonlyArray<Verdict>): string =>
  JSON.stringify(
    {
      node: process.version,
      cases: measured.map(([{ group, id, title }, results]) => ({
        group,
        id,
        title,
        contestants: results.map((result) =>
          isFailure(result) ? result : { ...result, medianMicroseconds: median(result.rounds) }
        )
      })),
      targets: verdicts
    },
    undefined,
    2
  )

const row = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

const markdownTable = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) =>
  [row(head), row(head.map((_, place) => (place === 0 ? "---" : "---:"))), ...rows.map(row)].join("\n")

/** The page docs/benchmarks.md. `versions` are those of the compared packages, `plan` is that of the run. */
export const page = (
  measured: ReadonlyArray<Measured>,
  verdicts: ReadonlyArray<Verdict>,
  versions: ReadonlyArray<readonly [name: string, version: string]>,
  plan: Plan
): string => {
  const [cpu] = cpus()
  const machine = `${cpu?.model.trim() ?? "unknown CPU"}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`
  const targets = verdicts.map(({ outcome, spread, target, value, wanted }) => [
    target,
    wanted,
    value === undefined ? "" : decimals(value),
    spread === undefined ? "" : `${decimals(spread[0])} – ${decimals(spread[1])}`,
    outcome
  ])
  const cases = measured.map(([{ title }, results]) => {
    const rows = results.map((result) => {
      const cells = cellsOf(result, results)
      return isFailure(result) ? [...cells, "", "", ""] : cells
    })
    return `### ${title}\n\n${markdownTable(["contestant", ...heading.slice(1)], rows)}`
  })
  return `<!-- Written by \`npm run bench -- --write\`. Do not edit. -->

# Benchmarks

One run of \`npm run bench\`. All contestants of a case run in turn in one process, each on a database file of its own.
Ratios are of medians; the spread is that of single rounds. Times depend on the machine, and on its other work.

- Machine: ${machine}
- Rounds: ${plan.rounds} of about ${plan.batchMs} ms for each contestant
- Node ${process.version.slice(1)}, ${versions.map(([name, version]) => `${name} ${version}`).join(", ")}

The contestants: the \`libsql\` binding with our statements ("raw binding"), drizzle-orm over \`@libsql/client\`, plainjob over
better-sqlite3, and our repository over the stock layer of \`@effect/sql-libsql\`. The peers store less: their tables have
no checks, no triggers and no foreign keys, and plainjob has no leases. The head of each file in \`bench/src/contestants\`
lists the differences.

## Targets

${markdownTable(["target", "wanted", "median", "spread", ""], targets)}

## Cases

${cases.join("\n\n")}
`
}
