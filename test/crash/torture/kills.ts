/**
 * Processes are killed at a statement, before or after a COMMIT, or at a random time: alone on the file, so that the next one
 * recovers it, and among others, which continue.
 */
import { Effect } from "effect"
import type { Death } from "../killPoints.js"
import type { Random } from "./random.js"
import {
  type Account,
  begin,
  check,
  endOf,
  newDatabase,
  progress,
  sum,
  type TestDatabase,
  worker,
  type Worker
} from "./run.js"
import { slots } from "./database.js"

const deathOf = (random: Random): Death => {
  const at = random.pick(["statement", "before COMMIT", "after COMMIT", "never"] as const) ?? "never"
  return at === "never" ? { at } : { at, number: 1 + random.below(at === "statement" ? 200 : 50) }
}

/** Waits until the process is killed: by itself, or at a random time after this number of operations. */
const waitForKill = (account: Account, victim: Worker, random: Random, death: Death) =>
  Effect.gen(function* () {
    if (death.at === "never") {
      yield* progress(victim, 1 + random.below(40))
      const turns = random.below(50)
      for (let turn = 0; turn < turns; turn++)
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      victim.signal("SIGKILL")
    }
    const { errors, signal } = yield* endOf(victim)
    if (signal === "SIGKILL") account.kills += 1
    else account.losses.push(`a worker ended by ${String(signal)}: ${errors}`)
  })

/** One process after the other, each alone on the file. The next one is loaded while this one works. */
const alone = (account: Account, victim: TestDatabase, random: Random, kills: number) =>
  Effect.gen(function* () {
    const start = () => {
      const death = deathOf(random)
      return Effect.map(worker(victim, { seed: random.below(2 ** 31), death }), (process) => ({ death, process }))
    }
    let next = yield* start()
    for (let kill = 1; kill <= kills; kill++) {
      const { death, process } = next
      if (kill % 5 === 0) victim.keys += 1
      next = yield* start()
      yield* begin(process)
      yield* waitForKill(account, process, random, death)
      yield* check(account, victim, `kill ${kill}, ${JSON.stringify(death)}`, { last: kill % 5 === 0 })
    }
    next.process.signal("SIGKILL")
  })

/** Replaces each killed process while the others work. */
const together = (account: Account, victim: TestDatabase, random: Random, kills: number) =>
  Effect.gen(function* () {
    const places = Array.from({ length: Math.min(slots, 3) }, (_, slot) => slot)
    const seeds = places.map(() => random.below(2 ** 31))
    let left = kills
    yield* Effect.forEach(
      places,
      (slot) =>
        Effect.gen(function* () {
          while (left-- > 0) {
            const death = deathOf(random)
            const process = yield* worker(victim, {
              seed: (seeds[slot] ?? 0) + left,
              slot,
              death,
              synchronous: "normal"
            })
            yield* begin(process)
            yield* waitForKill(account, process, random, death)
            yield* check(account, victim, `${JSON.stringify(death)} among others`)
          }
        }),
      { concurrency: "unbounded", discard: true }
    )
    yield* check(account, victim, "after all of them", { last: true })
  })

/** Kills this number of processes on a database of its own. */
export const kills = (account: Account, random: Random, count: number) =>
  Effect.gen(function* () {
    const victim = yield* newDatabase
    const first = Math.ceil(count / 2)
    yield* alone(account, victim, random, first)
    yield* together(account, victim, random, count - first)
    sum(account, victim)
  }).pipe(Effect.scoped)
