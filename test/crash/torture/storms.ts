/**
 * Another process holds the lock, workers are suspended past their leases, and clocks are wrong.
 */
import { Effect, Option } from "effect"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { child } from "../../support/children.js"
import { success } from "../../sandbox/lifecycle/support.js"
import { tomorrow } from "../../support/clock.js"
import type { LockHolderOptions, LockHolderReport } from "./lockHolder.js"
import type { Random } from "./random.js"
import { type Account, begin, check, endOf, newDatabase, progress, sum, worker } from "./run.js"
import { onFile } from "./database.js"

const script = new URL("./lockHolder.ts", import.meta.url)

/** A process that holds the lock of this file. */
export const lockHolder = (options: LockHolderOptions) =>
  Effect.tap(child<LockHolderReport>(script, options), ({ first }) => Effect.promise(() => first("ready")))

const hour = 3600 * 1000

/** Workers run while another process takes the lock this number of times, sometimes for longer than their busy timeout. */
export const storms = (account: Account, random: Random, holds: number) =>
  Effect.gen(function* () {
    const victim = yield* newDatabase
    const busyTimeoutMs = 250
    const workers = yield* Effect.forEach([0, 1], (slot) =>
      worker(victim, { seed: random.below(2 ** 31), slot, busyTimeoutMs, operationCount: 150 + holds })
    )
    const enemy = yield* lockHolder({ filePath: victim.filePath, seed: random.below(2 ** 31), busyTimeoutMs })
    yield* Effect.forEach(workers, begin, { concurrency: "unbounded" })
    enemy.writeLine(`storm ${holds}`)
    yield* Effect.promise(() => enemy.first("done"))
    account.storms += holds
    for (const { errors, reports, signal } of yield* Effect.forEach(workers, endOf)) {
      if (signal !== null || errors !== "" || reports.at(-1)?.type !== "finished")
        account.losses.push(`a worker in a storm ended by ${String(signal)}: ${errors}`)
    }
    yield* check(account, victim, "after a storm", { last: true })
    sum(account, victim)
  }).pipe(Effect.scoped)

/** Suspends a worker at random times, and resumes it after the others have continued without it. */
export const stops = (account: Account, random: Random, count: number) =>
  Effect.gen(function* () {
    const victim = yield* newDatabase
    // It may be suspended in a transaction: then the others are refused until it resumes.
    const options = { busyTimeoutMs: 300, leaseMs: 100, synchronous: "normal" } as const
    const sleeper = yield* worker(victim, { seed: random.below(2 ** 31), ...options })
    const other = yield* worker(victim, { seed: random.below(2 ** 31), slot: 1, ...options })
    yield* Effect.forEach([sleeper, other], begin)
    for (let stop = 0; stop < count; stop++) {
      yield* progress(sleeper, 1 + random.below(30))
      sleeper.signal("SIGSTOP")
      // Its leases have expired by then. This number of answers takes longer, and a refusal takes even longer.
      const told = other.reports.length
      yield* Effect.promise(() =>
        other.when(
          (reports) => reports.length >= told + 60 || reports.slice(told).some(({ type }) => type === "refused")
        )
      )
      sleeper.signal("SIGCONT")
      account.stops += 1
    }
    for (const process of [sleeper, other]) {
      yield* progress(process, 20)
      process.signal("SIGKILL")
      yield* endOf(process)
    }
    yield* check(account, victim, "after workers were stopped", { last: true })
    sum(account, victim)
  }).pipe(Effect.scoped)

/** Suspends a worker with a lease until another worker has done its job: its reports are refused. Returns the errors. */
export const late = Effect.gen(function* () {
  const victim = yield* newDatabase
  const sleeper = yield* child<LateReport>(new URL("./lateWorker.ts", import.meta.url), { filePath: victim.filePath })
  yield* Effect.promise(() => sleeper.first("holding"))
  sleeper.signal("SIGSTOP")
  const done = yield* Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const jobs = yield* WorkspaceBuildJobRepo
    yield* lifecycle.supervise({ limit: 10, runtimeDeadline: "1 hour" })
    const { lease } = yield* Effect.flatMap(
      jobs.claimNext({ workerId: "other", leaseDuration: "1 minute" }),
      Option.match({
        onNone: () => Effect.dieMessage("nothing was given back"),
        onSome: Effect.succeed
      })
    )
    yield* lifecycle.beginBuild(lease)
    return yield* lifecycle.finishBuild(lease, success)
  }).pipe(tomorrow, Effect.provide(onFile({ filePath: victim.filePath, keys: 1 })))
  sleeper.signal("SIGCONT")
  sleeper.writeLine("go on")
  const { reports } = yield* Effect.promise(() => sleeper.ended)
  const after = yield* Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => jobs.getById(done.id)).pipe(
    Effect.provide(onFile({ filePath: victim.filePath, keys: 1 }))
  )
  return { told: reports.flatMap((report) => (report.type === "answer" ? [report.tag] : [])), done, after }
}).pipe(Effect.scoped)

/** A report of the late worker. */
export type LateReport = { readonly type: "holding" } | { readonly type: "answer"; readonly tag: string }

/** Workers whose clocks are hours ahead and behind, on one database. */
export const jumps = (account: Account, random: Random, operationCount: number) =>
  Effect.gen(function* () {
    const victim = yield* newDatabase
    const offsets = [0, 5 * hour, -5 * hour]
    const workers = yield* Effect.forEach(offsets, (clockOffsetMs, slot) =>
      worker(victim, { seed: random.below(2 ** 31), slot, clockOffsetMs, operationCount, synchronous: "normal" })
    )
    yield* Effect.forEach(workers, begin, { concurrency: "unbounded" })
    for (const { errors, signal } of yield* Effect.forEach(workers, endOf)) {
      if (signal !== null || errors !== "")
        account.losses.push(`a worker of another time ended by ${String(signal)}: ${errors}`)
    }
    account.jumps += offsets.length - 1
    yield* check(account, victim, "after clocks were wrong", { last: true })
    sum(account, victim)
  }).pipe(Effect.scoped)
