/**
 * The bounded form of `npm run torture`: processes are killed, refused, suspended and run with wrong clocks. Their
 * acknowledged operations are recorded outside the database and compared with it.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { kills } from "./torture/kills.js"
import { randomOf } from "./torture/random.js"
import { replaced } from "./torture/replaced.js"
import { newAccount } from "./torture/run.js"
import { overlaps } from "./torture/overlaps.js"
import { jumps, late, stops, storms } from "./torture/storms.js"

describe("processes that work on one database", () => {
  it.live(
    "lose nothing and leave no partial work when they are killed at any point",
    () =>
      Effect.gen(function* () {
        const account = newAccount()
        yield* kills(account, randomOf(1), 14)
        expect(account.losses).toEqual([])
        expect(account.kills).toBe(14)
        expect(account.acknowledged).toBeGreaterThan(100)
      }),
    180_000
  )

  it.live(
    "fail with Busy or continue while another process holds the lock",
    () =>
      Effect.gen(function* () {
        const account = newAccount()
        yield* storms(account, randomOf(2), 25)
        expect(account.losses).toEqual([])
        expect(account.storms).toBe(25)
      }),
    180_000
  )

  it.live(
    "take over from a suspended process, and repeat nothing when it resumes",
    () =>
      Effect.gen(function* () {
        const account = newAccount()
        yield* stops(account, randomOf(3), 6)
        expect(account.losses).toEqual([])
        expect(account.stops).toBe(6)
      }),
    180_000
  )

  it.live("acknowledge only writes that are in the file at the path when their files are removed or replaced", () =>
    Effect.gen(function* () {
      const account = newAccount()
      yield* replaced(account, randomOf(5), 5)
      expect(account.losses).toEqual([])
      expect(account.kills).toBe(5)
    })
  )

  it.live(
    "never run two handlers of a job that both consider its lease valid, when a worker is cut off or suspended",
    () =>
      Effect.gen(function* () {
        const account = newAccount()
        yield* overlaps(account, randomOf(5), 2)
        expect(account.losses).toEqual([])
        expect(account.takeovers).toBeGreaterThan(0)
      }),
    180_000
  )

  it.live(
    "report LeaseLost to a worker that was late",
    () =>
      Effect.gen(function* () {
        const { after, done, told } = yield* late
        expect(told).toEqual(Array.from({ length: 6 }, () => "LeaseLost"))
        expect(after).toEqual(done)
      }),
    180_000
  )

  it.live(
    "stay consistent, and leave no work unfinished, when their clocks differ by hours",
    () =>
      Effect.gen(function* () {
        const account = newAccount()
        yield* jumps(account, randomOf(4), 60)
        expect(account.losses).toEqual([])
      }),
    180_000
  )
})
