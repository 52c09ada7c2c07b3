/**
 * Runs the cases and prints ratios: see `run` beside this folder for how to call it.
 */
import { type Case, cases, groups } from "./cases.js"
import type { Plan, Timing } from "./measure.js"
import { json, tableOf, verdictLine } from "./report.js"
import { verdicts } from "./targets.js"

const usage = `npm run bench [-- [--quick] [--json] [${groups.join("] [")}]]`

const full: Plan = { rounds: 9, batchMs: 150, warmMs: 1000 }
const quick: Plan = { rounds: 5, batchMs: 50, warmMs: 300 }

const main = async (args: ReadonlyArray<string>): Promise<void> => {
  const flags = args.filter((arg) => arg.startsWith("--"))
  const wanted = args.filter((arg) => !arg.startsWith("--"))
  const known: ReadonlyArray<string> = groups
  if (flags.some((flag) => flag !== "--quick" && flag !== "--json") || wanted.some((name) => !known.includes(name))) {
    throw new Error(`usage: ${usage}`)
  }
  const plan = flags.includes("--quick") ? quick : full
  const asJson = flags.includes("--json")
  const ran: Array<readonly [Case, ReadonlyArray<Timing>]> = []
  for (const each of cases.filter(({ group }) => wanted.length === 0 || wanted.includes(group))) {
    if (process.stderr.isTTY) process.stderr.write(`… ${each.title}\r`)
    const timings = await each.run(plan)
    if (process.stderr.isTTY) process.stderr.write("\u001B[2K")
    ran.push([each, timings])
    if (!asJson) console.log(tableOf(each, timings))
  }
  const reached = verdicts(new Map(ran.map(([{ id }, timings]) => [id, timings])))
  if (asJson) console.log(json(ran, reached))
  else console.log(["Targets", ...reached.map(verdictLine)].join("\n"))
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
