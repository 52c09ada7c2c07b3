import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option, Redacted, Schema, TestClock } from "effect"
import { Verification } from "../../src/auth/Verification.js"
import { VerificationRepo } from "../../src/auth/VerificationRepo.js"
import { overDatabases } from "../support/database.js"
import { shell } from "../support/lists.js"
import { planIssues } from "../support/plans.js"
import { badNames, refusalOf, tagOf } from "../support/refusals.js"

const layers = overDatabases(VerificationRepo.layer)

const at = (millis: number) => DateTime.unsafeMake(millis)
const presented = (value: string, identifier = "ada@example.com") => ({ identifier, value: Redacted.make(value) })
const given = (value: string) => ({ ...presented(value), expiresAt: at(10_000) })

const suite = (name: string, layer: Layer.Layer<VerificationRepo | SqlClient.SqlClient>) =>
  describe(`VerificationRepo (${name})`, () => {
    it.effect("is consumed once by one of many concurrent callers", () =>
      Effect.gen(function* () {
        const verifications = yield* VerificationRepo
        const created = yield* verifications.create(given("code"))
        expect(created.id).toMatch(/^verification_/)
        expect(yield* verifications.consume(presented("other"))).toEqual(Option.none())
        expect(yield* verifications.consume(presented("code", "eve@example.com"))).toEqual(Option.none())
        const taken = yield* Effect.all(
          Array.from({ length: 20 }, () => verifications.consume(presented("code"))),
          { concurrency: "unbounded" }
        )
        const [one, ...others] = taken.flatMap(Option.toArray)
        expect(others).toEqual([])
        expect(
          Option.map(Option.fromNullable(one), ({ identifier, value }) => [
            Redacted.value(identifier),
            Redacted.value(value)
          ])
        ).toEqual(Option.some(["ada@example.com", "code"]))
        expect(yield* shell("SELECT 1 FROM verification")).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("is not accepted after it has expired", () =>
      Effect.gen(function* () {
        const verifications = yield* VerificationRepo
        yield* verifications.create(given("code"))
        yield* TestClock.setTime(10_000)
        expect(yield* verifications.consume(presented("code"))).toEqual(Option.none())
        expect(yield* verifications.purgeExpired(10)).toBe(1)
        expect(yield* verifications.purgeExpired(10)).toBe(0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects duplicates and invalid input without showing a value", () =>
      Effect.gen(function* () {
        const verifications = yield* VerificationRepo
        const secret = "s3cr3t"
        // Better Auth stores the token of a password reset in the identifier.
        const reset = yield* verifications.create({ ...given("of ada"), identifier: `reset-password:${secret}` })
        expect(
          String(reset) + JSON.stringify(reset) + JSON.stringify(Schema.encodeSync(Verification.json)(reset))
        ).not.toContain(secret)
        yield* verifications.create(given(secret))
        const refusal = yield* refusalOf(verifications.create(given(secret)))
        expect(refusal).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "verification.identifier, verification.value"
        })
        expect(JSON.stringify(refusal)).not.toContain(secret)
        for (const [rule, bad] of Object.entries(badNames)) {
          for (const call of [
            Effect.asVoid(verifications.create(given(bad))),
            Effect.asVoid(verifications.consume(presented(bad))),
            Effect.asVoid(verifications.consume(presented("code", bad)))
          ]) {
            expect(yield* tagOf(call), rule).toBe("InvalidInput")
          }
        }
        expect(yield* tagOf(verifications.create({ ...given("x"), expiresAt: at(-1) }))).toBe("InvalidInput")
        for (const limit of [0, 1001, 1.5, Number.NaN])
          expect(yield* tagOf(verifications.purgeExpired(limit))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("VerificationRepo", () => {
  it.effect("uses an index in every statement", () =>
    Effect.gen(function* () {
      const verifications = yield* VerificationRepo
      const methods = {
        create: Effect.asVoid(verifications.create(given("one"))),
        consume: Effect.asVoid(verifications.consume(presented("one"))),
        purgeExpired: Effect.asVoid(verifications.purgeExpired(10))
      }
      for (const [method, effect] of Object.entries(methods)) expect(yield* planIssues(effect), method).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )
})
