/**
 * Workers are cut off from the database or suspended past their leases while their handlers work: two handlers of one job
 * never run at the same time while both consider their lease valid. A handler that hangs is interrupted at the
 * `maxDuration` of its job.
 */
import { Effect, Option } from "effect"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { type Child, child } from "../../support/children.js"
import type { BuilderOptions, BuilderReport } from "./builder.js"
import type { Random } from "./random.js"
import { type Account, newDatabase } from "./run.js"
import { onFile } from "./database.js"

const leaseMs = 1500
// The margin of `heldLeases` between the interruption and the end of the lease.
const marginMs = leaseMs / 10

const script = new URL("./builder.ts", import.meta.url)

type Event = Extract<BuilderReport, { readonly jobId: string }>

/** One handler: its start, its interruption and its end. */
interface Work {
  readonly worker: string
  readonly jobId: string
  readonly token: number
  readonly begun: Event
  interrupted?: Event
  ended?: Event
}

const worksOf = (worker: string, reports: ReadonlyArray<BuilderReport>): ReadonlyArray<Work> => {
  const works = new Map<string, Work>()
  for (const report of reports) {
    if (!("jobId" in report)) continue
    const key = `${report.jobId} ${report.token}`
    if (report.type === "begun") works.set(key, { worker, jobId: report.jobId, token: report.token, begun: report })
    else {
      const work = works.get(key)
      if (work !== undefined) work[report.type] = report
    }
  }
  return [...works.values()]
}

/** Describes an overlap of two handlers of one job, unless it is allowed. */
const overlapOf = (earlier: Work, later: Work): ReadonlyArray<string> => {
  const { at } = later.begun
  const names = `${earlier.jobId}: ${earlier.worker}/${earlier.token} beside ${later.worker}/${later.token}`
  if (earlier.worker === later.worker) return (earlier.ended?.at ?? Infinity) > at ? [`${names}, in one process`] : []
  const end = earlier.interrupted ?? earlier.ended
  // Allowed: a handler that cannot be interrupted, and a suspended process.
  const isExcused = earlier.begun.kind === "uninterruptible" || (end?.stalledMs ?? 0) >= marginMs / 2
  return (end?.at ?? Infinity) > at && !isExcused ? [names] : []
}

/** The overlaps of all handlers, and the number of handlers on a job that another process had before. */
export const compare = (works: ReadonlyArray<Work>) => {
  const overlaps: Array<string> = []
  let takeovers = 0
  for (const jobId of new Set(works.map((work) => work.jobId))) {
    const sorted = works.filter((work) => work.jobId === jobId).sort((a, b) => a.token - b.token)
    for (const [index, later] of sorted.entries()) {
      for (const earlier of sorted.slice(0, index)) overlaps.push(...overlapOf(earlier, later))
      if (index > 0 && sorted[index - 1]?.worker !== later.worker) takeovers += 1
    }
  }
  return { overlaps, takeovers }
}

/** The time after which every lease of an idle process has expired. The leases use the real clock. */
const expiry = Effect.sleep(1.5 * leaseMs)

const isHungStart = (report: BuilderReport) => report.type === "begun" && report.jobId === "hung"

/** Waits until a handler of the job "hung" has been followed by another one of the same worker. Nobody is cut off. */
const hungEnds = (builders: ReadonlyArray<{ readonly process: Child<BuilderReport> }>) =>
  Effect.raceAll(
    builders.map(({ process }) => {
      const before = process.reports.filter(isHungStart).length
      return Effect.promise(() => process.when((reports) => reports.filter(isHungStart).length >= before + 2))
    })
  )

/** Two workers on seven jobs. Each in turn is cut off for longer than a lease, then suspended. */
export const overlaps = (account: Account, random: Random, rounds: number) =>
  Effect.gen(function* () {
    const { filePath } = yield* newDatabase
    yield* Effect.flatMap(WorkspaceBuildJobRepo, (jobs) =>
      Effect.forEach(["a", "b", "c", "d", "e", "f", "hung"], (id) =>
        jobs.enqueue({
          id,
          registryId: "r",
          repository: "r",
          tag: "t",
          maxAttempts: 1000,
          ...(id === "hung" ? { maxDuration: 2 * leaseMs } : {}),
          requestPayload: { source: "https://github.com/acme/app", harness: "codex" }
        })
      )
    ).pipe(Effect.provide(onFile({ filePath, keys: 1 })))
    const builders = yield* Effect.forEach(["one", "two"], (workerId) =>
      Effect.map(
        child<BuilderReport>(script, {
          filePath,
          workerId,
          seed: random.below(2 ** 31),
          leaseMs
        } satisfies BuilderOptions),
        (process) => ({ workerId, process })
      )
    )
    yield* Effect.forEach(builders, ({ process }) => Effect.promise(() => process.first("ready")), {
      concurrency: "unbounded"
    })
    for (let round = 0; round < rounds; round++) {
      const victim = builders[Math.floor(round / 2) % 2]?.process
      const other = builders[(Math.floor(round / 2) + 1) % 2]?.process
      if (victim === undefined || other === undefined) continue
      const begunBy = (reports: ReadonlyArray<BuilderReport>) => reports.filter(({ type }) => type === "begun").length
      const before = begunBy(victim.reports)
      yield* Effect.promise(() => victim.when((reports) => begunBy(reports) > before))
      const taken = begunBy(other.reports)
      if (round % 2 === 0) {
        victim.writeLine("cut")
        yield* expiry
        yield* Effect.promise(() => other.when((reports) => begunBy(reports) > taken))
        victim.writeLine("reconnect")
      } else {
        victim.signal("SIGSTOP")
        yield* expiry
        yield* Effect.promise(() => other.when((reports) => begunBy(reports) > taken))
        victim.signal("SIGCONT")
        account.stops += 1
      }
      const resumedAt = begunBy(victim.reports)
      yield* Effect.promise(() => victim.when((reports) => begunBy(reports) > resumedAt))
    }
    const isEnded = yield* Effect.timeoutOption(hungEnds(builders), "1 minute")
    if (Option.isNone(isEnded)) account.losses.push("a handler that hangs is not interrupted at its maxDuration")
    const { overlaps: found, takeovers } = compare(
      builders.flatMap(({ process, workerId }) => worksOf(workerId, process.reports))
    )
    account.losses.push(...found.map((overlap) => `two handlers at once: ${overlap}`))
    account.takeovers += takeovers
  }).pipe(Effect.scoped)
