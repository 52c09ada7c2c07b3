import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option } from "effect"
import * as Database from "../../src/Database.js"
import { claimBatcher } from "../../src/leasing/claimBatcher.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { claimant, enqueue, layers } from "../build-job/support.js"

/** Claims numbers from 1 up to `last`, and remembers how many were asked for each time. */
const numbers = (last: number) => {
  const limits: Array<number> = []
  let next = 1
  const several = (limit: number) =>
    Effect.sync(() => {
      limits.push(limit)
      return Array.from({ length: Math.min(limit, last - next + 1) }, () => next++)
    })
  return { limits, several }
}

const found = (options: ReadonlyArray<Option.Option<number>>) => options.map(Option.getOrNull)

describe("claimBatcher", () => {
  it.effect("answers concurrent callers with one claim, one job each, in their order", () =>
    Effect.gen(function* () {
      const { limits, several } = numbers(3)
      const claim = claimBatcher<number, never>(10)
      const answers = yield* Effect.all(
        Array.from({ length: 5 }, () => claim("a", several)),
        { concurrency: "unbounded" }
      )
      expect(found(answers)).toEqual([1, 2, 3, null, null])
      expect(limits).toEqual([5])
      yield* claim("a", several)
      expect(limits).toEqual([5, 1])
    })
  )

  it.effect("separates keys, and limits the size of a claim", () =>
    Effect.gen(function* () {
      const { limits, several } = numbers(100)
      const claim = claimBatcher<number, never>(2)
      const answers = yield* Effect.all(
        [claim("a", several), claim("b", several), claim("a", several), claim("a", several)],
        { concurrency: "unbounded" }
      )
      expect(new Set(found(answers)).size).toBe(4)
      expect(limits.toSorted()).toEqual([1, 1, 2])
    })
  )

  it.effect("fails all callers when their claim fails", () =>
    Effect.gen(function* () {
      const claim = claimBatcher<number, string>(10)
      const failed = Effect.exit(claim("a", () => Effect.fail("no")))
      expect(yield* Effect.all([failed, failed], { concurrency: "unbounded" })).toEqual([
        Exit.fail("no"),
        Exit.fail("no")
      ])
    })
  )

  it.effect("serves the other callers when the first one is interrupted", () =>
    Effect.gen(function* () {
      const { several } = numbers(10)
      const claim = claimBatcher<number, never>(10)
      const first = yield* Effect.fork(claim("a", several))
      const second = yield* Effect.fork(claim("a", several))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      expect(Option.isSome(yield* Fiber.join(second))).toBe(true)
    })
  )
})

describe("claimNext", () => {
  it.effect("in a transaction claims alone, as part of the transaction", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      for (const id of ["a", "b"]) yield* enqueue(id)
      const undone = Database.transaction(Effect.zipRight(jobs.claimNext(claimant), Effect.fail("undone")))
      const [, kept] = yield* Effect.all([Effect.ignore(undone), jobs.claimNext(claimant)], {
        concurrency: "unbounded"
      })
      expect(Option.isSome(kept)).toBe(true)
      expect((yield* jobs.stats).byStatus).toMatchObject({ queued: 1, running: 1 })
    }).pipe(Effect.provide(layers.file))
  )
})
