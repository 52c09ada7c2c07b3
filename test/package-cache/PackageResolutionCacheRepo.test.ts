import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, type Layer, Option, Ref, TestClock } from "effect"
import type { PackageResolutionCacheEntry } from "../../src/package-cache/PackageResolutionCacheEntry.js"
import { PackageResolutionCacheRepo } from "../../src/package-cache/PackageResolutionCacheRepo.js"
import { transaction } from "../../src/Database.js"
import { overDatabases } from "../support/database.js"
import { shell } from "../support/lists.js"
import { planIssues } from "../support/plans.js"
import { refusalOf, tagOf } from "../support/refusals.js"

type Services = PackageResolutionCacheRepo | SqlClient.SqlClient

const layers = overDatabases(PackageResolutionCacheRepo.layer)

const support = { supported: true, packageName: "nodejs" } as const

const resolution = {
  requested: "NodeJS",
  normalized: "nodejs",
  status: "resolved",
  source: "repology",
  osSupport: { arch: support, fedora: support, nix: { supported: false } },
  fetchedAt: "1970-01-01T00:00:01.000Z",
  expiresAt: "1970-01-01T00:01:00.000Z"
} as const

const query = "fedora:nodejs"
const project = (selectedProject: string) => ({ ...resolution, selectedProject })
const found = Effect.map(Option.map((entry: PackageResolutionCacheEntry) => entry.resolutionPayload.selectedProject))

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`PackageResolutionCacheRepo (${name})`, () => {
    it.effect("keeps a resolution until it expires, and counts its hits", () =>
      Effect.gen(function* () {
        const cache = yield* PackageResolutionCacheRepo
        expect(yield* cache.get(query)).toEqual(Option.none())
        yield* TestClock.setTime(2000)
        const stored = yield* cache.upsert({ query, resolution })
        expect(stored).toMatchObject({
          query,
          hitCount: 0,
          fetchedAt: { epochMillis: 1000 },
          expiresAt: { epochMillis: 60_000 }
        })
        expect(stored.resolutionPayload.alternatives).toEqual([])
        yield* TestClock.setTime(3000)
        expect(yield* cache.get(" Fedora:NodeJS ")).toMatchObject(
          Option.some({ hitCount: 1, lastUsedAt: { epochMillis: 3000 } })
        )
        expect(yield* cache.peek(query)).toMatchObject(Option.some({ hitCount: 1 }))
        expect(yield* cache.get("arch:nodejs")).toEqual(Option.none())
        yield* TestClock.setTime(60_000)
        expect(yield* cache.get(query)).toEqual(Option.none())
        expect(yield* cache.peek(query)).toMatchObject(Option.some({ hitCount: 1 }))
      }).pipe(Effect.provide(layer))
    )

    it.effect("counts each of many concurrent hits once", () =>
      Effect.gen(function* () {
        const cache = yield* PackageResolutionCacheRepo
        yield* cache.upsert({ query, resolution })
        yield* Effect.all(
          Array.from({ length: 50 }, () => cache.get(query)),
          { concurrency: "unbounded" }
        )
        expect(yield* cache.peek(query)).toMatchObject(Option.some({ hitCount: 50 }))
      }).pipe(Effect.provide(layer))
    )

    it.effect("replaces a resolution, and keeps its count", () =>
      Effect.gen(function* () {
        const cache = yield* PackageResolutionCacheRepo
        yield* cache.upsert({ query, resolution: project("one") })
        yield* cache.get(query)
        yield* TestClock.setTime(5000)
        const second = yield* cache.upsert({ query, resolution: project("two"), ttl: "1 minute" })
        expect(second).toMatchObject({
          hitCount: 1,
          fetchedAt: { epochMillis: 5000 },
          expiresAt: { epochMillis: 65_000 }
        })
        expect(second.resolutionPayload).toMatchObject({
          selectedProject: "two",
          expiresAt: "1970-01-01T00:01:05.000Z"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("treats an unreadable resolution as a miss, and replaces it", () =>
      Effect.gen(function* () {
        const cache = yield* PackageResolutionCacheRepo
        yield* cache.upsert({ query, resolution })
        yield* shell(`UPDATE package_resolution_cache_entries SET resolution_payload = '{"requested": 1}'`)
        expect(yield* cache.get(query)).toEqual(Option.none())
        expect(yield* cache.peek(query)).toEqual(Option.none())
        expect(yield* cache.getOrResolve({ query, resolve: Effect.succeed(project("new")) })).toMatchObject({
          selectedProject: "new"
        })
        expect(yield* found(cache.get(query))).toEqual(Option.some("new"))
      }).pipe(Effect.provide(layer))
    )

    it.effect("resolves once for concurrent callers", () =>
      Effect.gen(function* () {
        const cache = yield* PackageResolutionCacheRepo
        const asked = yield* Ref.make(0)
        const answer = yield* Deferred.make<typeof resolution>()
        const resolve = Effect.zipRight(
          Ref.update(asked, (count) => count + 1),
          Deferred.await(answer)
        )
        const callers = yield* Effect.forkAll(
          Array.from({ length: 20 }, () => cache.getOrResolve({ query, resolve, ttl: "1 hour" }))
        )
        yield* Effect.repeatN(Effect.yieldNow(), 50)
        yield* Deferred.succeed(answer, resolution)
        expect(yield* Fiber.join(callers)).toHaveLength(20)
        expect(yield* Ref.get(asked)).toBe(1)
        expect(yield* cache.peek(query)).toMatchObject(
          Option.some({ hitCount: 19, expiresAt: { epochMillis: 3_600_000 } })
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("resolves for the next caller when one is interrupted or fails", () =>
      Effect.gen(function* () {
        const cache = yield* PackageResolutionCacheRepo
        const begun = yield* Deferred.make<void>()
        const first = yield* Effect.fork(
          cache.getOrResolve({ query, resolve: Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never) })
        )
        yield* Deferred.await(begun)
        const second = yield* Effect.fork(
          refusalOf(cache.getOrResolve({ query, resolve: Effect.fail("down" as const) }))
        )
        const third = yield* Effect.fork(cache.getOrResolve({ query, resolve: Effect.succeed(project("third")) }))
        expect(Exit.isInterrupted(yield* Fiber.interrupt(first))).toBe(true)
        expect(yield* Fiber.join(second)).toBe("down")
        expect(yield* Fiber.join(third)).toMatchObject({ selectedProject: "third" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("does not make a caller in a transaction wait for a resolution outside, which would deadlock", () =>
      Effect.gen(function* () {
        const cache = yield* PackageResolutionCacheRepo
        const [begun, answered] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const resolve = Deferred.succeed(begun, undefined).pipe(
          Effect.zipRight(Deferred.await(answered)),
          Effect.as(project("outside"))
        )
        const outside = yield* Effect.fork(cache.getOrResolve({ query, resolve }))
        yield* Deferred.await(begun)
        const inside = yield* transaction(
          Effect.gen(function* () {
            yield* cache.upsert({ query: "nix:bat", resolution })
            yield* Deferred.succeed(answered, undefined)
            return yield* cache.getOrResolve({ query, resolve: Effect.succeed(project("inside")) })
          })
        )
        expect(inside).toMatchObject({ selectedProject: "inside" })
        expect(yield* Fiber.join(outside)).toMatchObject({ selectedProject: "outside" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns an expired resolution when resolving fails, if the caller allows it", () =>
      Effect.gen(function* () {
        const cache = yield* PackageResolutionCacheRepo
        const resolve = Effect.fail("down" as const)
        expect(yield* refusalOf(cache.getOrResolve({ query, resolve, serveExpired: true }))).toBe("down")
        yield* cache.upsert({ query, resolution: project("old") })
        yield* TestClock.setTime(100_000)
        expect(yield* refusalOf(cache.getOrResolve({ query, resolve }))).toBe("down")
        expect(yield* cache.getOrResolve({ query, resolve, serveExpired: true })).toMatchObject({
          selectedProject: "old"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns an invalid resolution without storing it", () =>
      Effect.gen(function* () {
        const cache = yield* PackageResolutionCacheRepo
        const invalid = { ...resolution, status: "invalid" } as const
        expect(yield* cache.getOrResolve({ query, resolve: Effect.succeed(invalid) })).toMatchObject({
          status: "invalid"
        })
        expect(yield* cache.peek(query)).toEqual(Option.none())
        expect(yield* refusalOf(cache.upsert({ query, resolution: invalid }))).toMatchObject({
          _tag: "InvalidInput",
          issues: ["resolution: an invalid query is not cached"]
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("purges expired resolutions, oldest first, up to a limit", () =>
      Effect.gen(function* () {
        const cache = yield* PackageResolutionCacheRepo
        for (const seconds of [3, 1, 2, 9])
          yield* cache.upsert({ query: `nix:p${seconds}`, resolution, ttl: `${seconds} seconds` })
        yield* TestClock.setTime(3000)
        expect(yield* cache.purgeExpired(2)).toBe(2)
        expect(yield* cache.peek("nix:p3")).toMatchObject(Option.some({}))
        expect(yield* cache.purgeExpired(1000)).toBe(1)
        expect(yield* cache.purgeExpired(1000)).toBe(0)
        expect(yield* cache.peek("nix:p9")).toMatchObject(Option.some({}))
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid queries, resolutions, times to live and limits", () =>
      Effect.gen(function* () {
        const cache = yield* PackageResolutionCacheRepo
        for (const bad of [
          "",
          "nodejs",
          "windows:nodejs",
          "fedora:",
          "fedora:node js",
          "fedora:a\0b",
          "fedora:a\uD800",
          `fedora:${"x".repeat(1_000_000)}`
        ]) {
          for (const call of [
            Effect.asVoid(cache.get(bad)),
            Effect.asVoid(cache.peek(bad)),
            Effect.asVoid(cache.upsert({ query: bad, resolution }))
          ]) {
            expect(yield* tagOf(call), bad.slice(0, 20)).toBe("InvalidInput")
          }
          expect(yield* tagOf(cache.getOrResolve({ query: bad, resolve: Effect.succeed(resolution) }))).toBe(
            "InvalidInput"
          )
        }
        for (const garbage of [undefined, null, 7, { status: "resolved" }, { ...resolution, status: "new" }]) {
          const given = garbage as unknown as typeof resolution
          expect(yield* tagOf(cache.getOrResolve({ query, resolve: Effect.succeed(given) })), String(garbage)).toBe(
            "InvalidInput"
          )
        }
        for (const ttl of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
          expect(yield* tagOf(cache.upsert({ query, resolution, ttl }))).toBe("InvalidInput")
        }
        expect(yield* tagOf(cache.upsert({ query, resolution: { ...resolution, expiresAt: "tomorrow" } }))).toBe(
          "InvalidInput"
        )
        for (const limit of [0, 1001, 1.5, Number.NaN])
          expect(yield* tagOf(cache.purgeExpired(limit))).toBe("InvalidInput")
        expect(yield* cache.peek(query)).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("PackageResolutionCacheRepo", () => {
  it.effect("uses an index in every statement", () =>
    Effect.gen(function* () {
      const cache = yield* PackageResolutionCacheRepo
      const methods = {
        get: Effect.asVoid(cache.get(query)),
        peek: Effect.asVoid(cache.peek(query)),
        upsert: Effect.asVoid(cache.upsert({ query, resolution })),
        getOrResolve: Effect.asVoid(cache.getOrResolve({ query: "nix:other", resolve: Effect.succeed(resolution) })),
        purgeExpired: Effect.asVoid(cache.purgeExpired(10))
      }
      for (const [method, effect] of Object.entries(methods)) expect(yield* planIssues(effect), method).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )
})
