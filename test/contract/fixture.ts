/**
 * One database with the rows of the fixture for all tests of a file. Each call is rolled back.
 */
import { afterAll } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { layerTest, type TestServices } from "@sealant/db/testing"
import { samplesOf } from "./samples.js"
import type { services } from "./services.js"
import type { Arguments } from "./walk.js"
import { makeFixture } from "./fixtureRows.js"

type Samples = ReadonlyArray<readonly [method: string, args: Arguments]>

/**
 * Call once in a file. Runs tests with a service and a valid call of each of its methods, all on one database.
 */
export const sharedFixture = () => {
  const scope = Effect.runSync(Scope.make())
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const fixture = Effect.runSync(
    Effect.cached(
      Effect.gen(function* () {
        const context = yield* Layer.buildWithScope(layerTest, scope)
        const contractFixture = yield* Effect.provide(makeFixture, context)
        return { context, samples: samplesOf(contractFixture) }
      })
    )
  )
  return ({ name, tag }: (typeof services)[number]) =>
    <A>(test: (service: object, samples: Samples) => Effect.Effect<A, never, TestServices>) =>
      Effect.flatMap(fixture, ({ context, samples }) =>
        Effect.provide(
          Effect.flatMap(tag, (service) => test(service, Object.entries(samples[name] ?? {}))),
          context
        )
      )
}
