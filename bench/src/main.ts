/**
 * Runs the cases and prints ratios. The file `run` beside this folder describes the arguments.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { type Case, cases, groups } from "./cases.js"
import { failureOf, type Plan, type Result } from "./measure.js"
import { json, type Measured, page, tableOf, verdictLine } from "./report.js"
import { verdicts } from "./targets.js"

const usage = `npm run bench [-- [--quick] [--json | --write] [${groups.join("] [")}]]`

const full: Plan = { rounds: 9, batchMs: 150, warmMs: 1000, manyJobs: 1_000_000 }
const quick: Plan = { rounds: 5, batchMs: 50, warmMs: 300, manyJobs: 20_000 }

const flags = ["--quick", "--json", "--write"]

const compared = ["libsql", "drizzle-orm", "better-sqlite3", "plainjob", "better-auth", "effect"]

/** Reads the versions of the compared packages from the lock files of the benchmark and of the package. */
const versionsOf = (names: ReadonlyArray<string>) => {
  const locks = ["package-lock.json", "../package-lock.json"].map((path) => readFileSync(path, "utf8"))
  return names.map((name) => {
    const found = locks.flatMap((lock) => {
      const entry: unknown = JSON.parse(lock).packages?.[`node_modules/${name}`]?.version
      return typeof entry === "string" ? [entry] : []
    })
    return [name, found[0] ?? "unknown"] as const
  })
}

/** A case that fails as a whole has no contestant; the other cases run regardless. */
const runCase = (each: Case, plan: Plan): Promise<ReadonlyArray<Result>> =>
  each.run(plan).catch((error: unknown) => [failureOf("all contestants", error)])

const main = async (args: ReadonlyArray<string>): Promise<void> => {
  const options = args.filter((arg) => arg.startsWith("--"))
  const wanted = args.filter((arg) => !arg.startsWith("--"))
  const known: ReadonlyArray<string> = groups
  if (options.some((option) => !flags.includes(option)) || wanted.some((name) => !known.includes(name))) {
    throw new Error(`usage: ${usage}`)
  }
  const plan = options.includes("--quick") ? quick : full
  const asJson = options.includes("--json")
  const measured: Array<Measured> = []
  for (const each of cases.filter(({ group }) => wanted.length === 0 || wanted.includes(group))) {
    if (process.stderr.isTTY) process.stderr.write(`… ${each.title}\r`)
    const entry: Measured = [each, await runCase(each, plan)]
    if (process.stderr.isTTY) process.stderr.write("\u001B[2K")
    measured.push(entry)
    if (!asJson) console.log(tableOf(entry))
  }
  const reached = verdicts(new Map(measured.map(([{ id }, results]) => [id, results])))
  if (asJson) console.log(json(measured, reached))
  else console.log(["Targets", ...reached.map(verdictLine)].join("\n"))
  if (options.includes("--write"))
    writeFileSync("../docs/benchmarks.md", page(measured, reached, versionsOf(compared), plan))
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
