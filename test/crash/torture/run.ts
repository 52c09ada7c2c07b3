/**
 * Helpers of the scenarios: workers on a file, and the account of operations and losses.
 */
import { Effect, type Scope } from "effect"
import { join } from "node:path"
import { type Child, child } from "../../support/children.js"
import { findLosses, repeat, reconcile } from "./invariants.js"
import type { Ledger, ProcessOptions, Report } from "./protocol.js"
import { onFile, prepare } from "./database.js"
import { temporaryDirectory } from "../../support/directories.js"

/** The counts of operations, and the losses. */
export interface Account {
  kills: number
  storms: number
  stops: number
  jumps: number
  /** How often a handler began on a job that another process had worked on. */
  takeovers: number
  /** How often the invariants were checked. */
  checks: number
  acknowledged: number
  /** Refusals because another process held the lock. */
  busy: number
  longestTurnMs: number
  readonly losses: Array<string>
}

export const newAccount = (): Account => ({
  kills: 0,
  storms: 0,
  stops: 0,
  jumps: 0,
  takeovers: 0,
  checks: 0,
  acknowledged: 0,
  busy: 0,
  longestTurnMs: 0,
  losses: []
})

const script = new URL("./worker.ts", import.meta.url)

export type Worker = Child<Report>

/** A database under test: its file, its ledger, and the number of keys of new processes. */
export interface TestDatabase {
  readonly filePath: string
  readonly ledger: Ledger
  keys: number
}

export const newDatabase: Effect.Effect<TestDatabase, unknown, Scope.Scope> = Effect.gen(function* () {
  const filePath = join(yield* temporaryDirectory, "torture.sqlite")
  yield* prepare(filePath)
  return { filePath, ledger: [], keys: 1 }
})

let workers = 0

/** Starts a worker, which waits for a line before it opens the database. */
export const worker = (
  { filePath, keys, ledger }: TestDatabase,
  options: Partial<ProcessOptions> & Pick<ProcessOptions, "seed">
) =>
  child<Report>(
    script,
    {
      filePath,
      workerId: `w${++workers}`,
      slot: 0,
      keys,
      death: { at: "never" },
      operationCount: 1_000_000,
      fibers: 3,
      clockOffsetMs: 0,
      busyTimeoutMs: 5000,
      leaseMs: 400,
      synchronous: "full",
      ...options
    } satisfies ProcessOptions,
    (report) => ledger.push(report)
  )

/** Lets the worker start. */
export const begin = (worker: Worker) =>
  Effect.promise(async () => {
    await worker.first("ready")
    worker.writeLine("go")
  })

/** Waits until a worker has acknowledged this number of further operations. */
export const progress = (worker: Worker, operationCount: number) =>
  Effect.promise(() => {
    const acknowledged = () => worker.reports.filter(({ type }) => type === "done").length
    const before = acknowledged()
    return worker.when(() => acknowledged() >= before + operationCount)
  })

export const endOf = (worker: Worker) => Effect.promise(() => worker.ended)

/** Checks the invariants in a process that opens and closes the database. `last`: no other process works on it. */
export const check = (
  account: Account,
  victim: TestDatabase,
  when: string,
  { last = false, reasons = /^Busy/ }: { readonly last?: boolean; readonly reasons?: RegExp } = {}
) =>
  Effect.gen(function* () {
    if (last) yield* repeat(victim.ledger)
    const found = yield* findLosses([...victim.ledger], reasons)
    const left = last ? [...(yield* reconcile), ...(yield* findLosses(victim.ledger, reasons))] : []
    account.checks += last ? 2 : 1
    account.losses.push(...[...found, ...left].map((loss) => `${when}: ${loss}`))
  }).pipe(Effect.provide(onFile({ filePath: victim.filePath, keys: victim.keys, busyTimeoutMs: 20_000 })))

/** Closes the ledger of a victim. */
export const sum = (account: Account, { ledger }: TestDatabase) => {
  account.acknowledged += ledger.filter(({ type }) => type === "done").length
  account.busy += ledger.filter((report) => report.type === "refused" && report.reason.startsWith("Busy")).length
  for (const report of ledger)
    if (report.type === "finished") account.longestTurnMs = Math.max(account.longestTurnMs, report.longestTurnMs)
}
