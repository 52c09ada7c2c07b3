import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option } from "effect"
import * as Database from "../../src/Database.js"
import { claimBatcher } from "../../src/leasing/claimBatcher.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { claimant, enqueue, layers } from "./support.js"

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

describe("claimTogether", () => {
  it.effect("answers callers of the same moment by one claim, each with one of it, in their order", () =>
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

  it.effect("keeps keys apart, and no claim larger than allowed", () =>
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

  it.effect("gives all callers the failure of their claim", () =>
    Effect.gen(function* () {
      const claim = claimBatcher<number, string>(10)
      const failed = Effect.exit(claim("a", () => Effect.fail("no")))
      expect(yield* Effect.all([failed, failed], { concurrency: "unbounded" })).toEqual([
        Exit.fail("no"),
        Exit.fail("no")
      ])
    })
  )

  it.effect("leaves the others theirs when who asked first is interrupted", () =>
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
  it.effect("inside a transaction is part of it, and shared with nobody", () =>
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
