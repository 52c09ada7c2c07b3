/**
 * The gauges of the build queue by priority and by owner. The number of their series is bounded, because a metric of
 * Effect stays in the memory of its process.
 */
import { Effect, Metric, Option } from "effect"
import { BlockedBy, type QueueSummary } from "./BuildQueue.js"

/** Queued jobs, by `priority` and `blocked_by`: the reason for which none of an owner's jobs is claimed, or `none`. */
export const queuedJobs = Metric.gauge("sealant_db_queue_queued_jobs", {
  description: "Queued jobs by priority and the reason for which they wait"
})

/** The time for which the oldest job of a priority has been due, by `priority`. 0 if no job is due. */
export const priorityOldestDueAge = Metric.gauge("sealant_db_queue_priority_oldest_due_milliseconds", {
  description: "Milliseconds since the oldest due job of a priority became due"
})

/** The jobs of the owners with the most queued jobs, by `owner` and `state`: `queued`, `running`, `blocked`. */
export const ownerJobs = Metric.gauge("sealant_db_queue_owner_jobs", {
  description: "Jobs of the owners with the most queued jobs"
})

/** The time for which the oldest job of an owner has been due, by `owner`. 0 if no job is due. */
export const ownerOldestDueAge = Metric.gauge("sealant_db_queue_owner_oldest_due_milliseconds", {
  description: "Milliseconds since the oldest due job of an owner became due"
})

/** The most owners for which a process has gauges. Further ones are `(other)` until it is restarted. */
const mostOwners = 200

const priorities = Array.from({ length: 10 }, (_, priority) => priority)
const reasons = ["none", ...BlockedBy.literals]

const ageOf = (now: number) => (at: Option.Option<{ readonly epochMillis: number }>) =>
  Option.match(at, { onNone: () => 0, onSome: ({ epochMillis }) => Math.max(0, now - epochMillis) })

const sumOf = <A>(items: ReadonlyArray<A>, of: (item: A) => number) => items.reduce((sum, item) => sum + of(item), 0)

/** Builds the function that sets the gauges. Series of owners that are no longer in the summary are set to 0. */
export const makeQueueGauges = () => {
  const known = new Set<string>()

  return ({ owners, priorities: loads }: QueueSummary, now: number): Effect.Effect<void> =>
    Effect.gen(function* () {
      const age = ageOf(now)
      for (const priority of priorities) {
        const ofPriority = loads.filter((load) => load.priority === priority)
        const gauge = Metric.tagged(queuedJobs, "priority", String(priority))
        for (const reason of reasons) {
          const ofReason = ofPriority.filter(({ blockedBy }) => Option.getOrElse(blockedBy, () => "none") === reason)
          yield* Metric.set(
            Metric.tagged(gauge, "blocked_by", reason),
            sumOf(ofReason, ({ queued }) => queued)
          )
        }
        yield* Metric.set(
          Metric.tagged(priorityOldestDueAge, "priority", String(priority)),
          Math.max(0, ...ofPriority.map(({ oldestDueAt }) => age(oldestDueAt)))
        )
      }

      const named = owners
        .map((load) => ({ ...load, owner: Option.getOrElse(load.ownerUserId, () => "(none)") }))
        .filter(({ owner }) => known.has(owner) || (known.size < mostOwners && known.add(owner)))
      const byOwner = new Map(named.map((load) => [load.owner, load]))
      for (const owner of known) {
        const load = byOwner.get(owner)
        yield* setOwner(owner, load ?? none, age(load?.oldestDueAt ?? Option.none()))
      }
      const rest = (of: (load: { readonly queued: number; readonly running: number }) => number) =>
        sumOf(loads, of) - sumOf(named, of)
      const blocked = sumOf(
        loads.filter(({ blockedBy }) => Option.isSome(blockedBy)),
        ({ queued }) => queued
      )
      yield* setOwner(
        "(other)",
        {
          queued: rest(({ queued }) => queued),
          running: rest(({ running }) => running),
          blocked: blocked - sumOf(named, (load) => load.blocked)
        },
        undefined
      )
    })
}

const none = { queued: 0, running: 0, blocked: 0 }

const setOwner = (
  owner: string,
  { blocked, queued, running }: typeof none,
  age: number | undefined
): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (const [state, count] of Object.entries({ queued, running, blocked }))
      yield* Metric.set(Metric.tagged(Metric.tagged(ownerJobs, "owner", owner), "state", state), count)
    if (age !== undefined) yield* Metric.set(Metric.tagged(ownerOldestDueAge, "owner", owner), age)
  })
