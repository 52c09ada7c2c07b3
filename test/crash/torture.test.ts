/**
 * The bounded form of `npm run torture`: real processes are killed, refused, stopped and lied to about the time; what they
 * were told is kept outside the database, and then the books are balanced.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { kills } from "./torture/kills.js"
import { randomOf } from "./torture/random.js"
import { replaced } from "./torture/replaced.js"
import { newAccount } from "./torture/run.js"
import { overlaps } from "./torture/overlaps.js"
import { jumps, late, stops, storms } from "./torture/storms.js"

describe("processes at work on one database", () => {
  it.live(
    "lose nothing and leave nothing half done when they are killed, wherever they are",
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
    "are refused as busy or go on while somebody else holds the lock",
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
    "take over from one that stands still, and do nothing twice when it goes on",
    () =>
      Effect.gen(function* () {
        const account = newAccount()
        yield* stops(account, randomOf(3), 6)
        expect(account.losses).toEqual([])
        expect(account.stops).toBe(6)
      }),
    180_000
  )

  it.live("acknowledge nothing that is not in the file at the path, when their files are removed or replaced", () =>
    Effect.gen(function* () {
      const account = newAccount()
      yield* replaced(account, randomOf(5), 5)
      expect(account.losses).toEqual([])
      expect(account.kills).toBe(5)
    })
  )

  it.live(
    "run no two handlers of a job that both believe to hold its lease, when one worker is cut off or stands still",
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
    "tell one that was late that its lease is lost",
    () =>
      Effect.gen(function* () {
        const { after, done, told } = yield* late
        expect(told).toEqual(Array.from({ length: 6 }, () => "LeaseLost"))
        expect(after).toEqual(done)
      }),
    180_000
  )

  it.live(
    "stay apart, and leave nothing for ever, when their clocks are hours wrong",
    () =>
      Effect.gen(function* () {
        const account = newAccount()
        yield* jumps(account, randomOf(4), 60)
        expect(account.losses).toEqual([])
      }),
    180_000
  )
})
