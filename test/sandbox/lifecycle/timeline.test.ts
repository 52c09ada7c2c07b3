import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { planIssues } from "../../support/plans.js"
import { ada, building, claim, failed, launch, layers, pages, ready, type Services, success } from "./support.js"
import { expectOwnedList } from "./ownedLists.js"

/** The contract of `timeline`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxLifecycle.timeline (${name})`, () => {
    it.effect("returns the events of the sandbox, its attempts and their jobs, newest first", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { attempt, job, sandbox } = yield* ready
        yield* launch()
        yield* lifecycle.stop(sandbox.id)
        const again = yield* lifecycle.retry(sandbox.id)
        const { items } = yield* lifecycle.timeline({ ownerUserId: ada, id: sandbox.id })
        const facts = items
          .toReversed()
          .map(({ eventType, subjectId, toState }) => [
            eventType,
            subjectId,
            toState._tag === "Some" ? toState.value : ""
          ])
        expect(facts.slice(0, 3)).toEqual([
          ["launch", attempt.id, "queued"],
          ["launch", sandbox.id, "queued"],
          ["launch", job.id, "queued"]
        ])
        expect(facts).toContainEqual(["finishBuild", sandbox.id, "ready"])
        expect(facts).toContainEqual(["stop", sandbox.id, "stopped"])
        expect(facts).toContainEqual(["retry", again.attempt.id, "queued"])
        expect(facts).toContainEqual(["retry", again.job.id, "queued"])
        expect(new Set(facts.map(([, id]) => id))).toEqual(
          new Set([sandbox.id, attempt.id, job.id, again.attempt.id, again.job.id])
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns each event once in pages", () =>
      Effect.gen(function* () {
        const { timeline } = yield* SandboxLifecycle
        const { sandbox } = yield* failed
        const whole = (yield* timeline({ ownerUserId: ada, id: sandbox.id, limit: 500 })).items
        const paged = yield* pages((page) => timeline({ ...page, ownerUserId: ada, id: sandbox.id }), 2)
        expect(paged).toEqual(whole)
        expect(whole.length).toBeGreaterThan(5)
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "events contain the image of a build, the error of a failure, and the facts of the end of a runtime",
      () =>
        Effect.gen(function* () {
          const lifecycle = yield* SandboxLifecycle
          const factsOf = (id: string) =>
            Effect.map(lifecycle.timeline({ ownerUserId: ada, id, limit: 500 }), ({ items }) =>
              items
                .filter(({ subjectType }) => subjectType !== "sandbox")
                .toReversed()
                .map(({ payload, subjectType, toState }) => [
                  subjectType,
                  Option.getOrNull(toState),
                  Option.getOrElse(payload, () => ({}))
                ])
            )
          const { attempt, sandbox } = yield* ready
          yield* lifecycle.endRuntime(attempt.id, { status: "failed", reason: "out-of-memory", errorCode: "137" })
          const facts = yield* factsOf(sandbox.id)
          expect(facts).toContainEqual([
            "job",
            "succeeded",
            { attemptCount: 1, leaseToken: 1, imageDigest: success.publishedDigest }
          ])
          expect(facts.at(-1)).toMatchObject([
            "attempt",
            "succeeded",
            { runtimeStatus: "failed", stopReason: "out-of-memory", errorCode: "137", resourceId: "container" }
          ])

          const broken = yield* building()
          yield* lifecycle.failBuild(broken.lease, { errorMessage: "no", errorCode: "disk" })
          yield* TestClock.adjust("1 hour")
          const { lease } = yield* claim(broken)
          yield* lifecycle.beginBuild(lease)
          yield* lifecycle.failBuild(lease, { errorMessage: "no", errorCode: "network", retryable: false })
          const ofJob = (yield* factsOf(broken.sandbox.id)).filter(([subject]) => subject === "job")
          expect(ofJob).toEqual([
            ["job", "queued", { attemptCount: 0, leaseToken: 0 }],
            ["job", "running", { attemptCount: 1, leaseToken: 1 }],
            ["job", "queued", { attemptCount: 1, leaseToken: 1, errorCode: "disk" }],
            ["job", "running", { attemptCount: 2, leaseToken: 2 }],
            ["job", "failed", { attemptCount: 2, leaseToken: 2, errorCode: "network" }]
          ])
        }).pipe(Effect.provide(layer))
    )

    it.effect("the event of a job whose last lease expired has its error, or its image if that was published", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const lastOf = (id: string) =>
          Effect.map(lifecycle.timeline({ ownerUserId: ada, id }), ({ items }) =>
            items
              .filter(({ subjectType }) => subjectType === "job")
              .map(({ payload, toState }) => [Option.getOrNull(toState), Option.getOrNull(payload)])
              .slice(0, 2)
          )
        const lost = yield* building({ maxAttempts: 1 })
        const published = yield* building({ maxAttempts: 1 })
        yield* lifecycle.publishBuild(published.lease, success)
        yield* TestClock.adjust("1 hour")
        yield* lifecycle.supervise({ limit: 10, runtimeDeadline: "10 minutes" })
        const counts = { attemptCount: 1, leaseToken: 1 }
        expect(yield* lastOf(lost.sandbox.id)).toEqual([
          ["failed", { ...counts, errorCode: "attempts-exhausted" }],
          ["running", counts]
        ])
        expect(yield* lastOf(published.sandbox.id)).toEqual([
          ["succeeded", { ...counts, imageDigest: success.publishedDigest }],
          ["running", counts]
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports a missing sandbox and one of another owner as NotFound", () =>
      Effect.flatMap(SandboxLifecycle, ({ timeline }) => expectOwnedList(timeline)).pipe(Effect.provide(layer))
    )
  })

it.effect("timeline searches the events by an index, and sorts those of one sandbox", () =>
  Effect.gen(function* () {
    const { timeline } = yield* SandboxLifecycle
    const { sandbox } = yield* launch()
    const issues = yield* planIssues(timeline({ ownerUserId: ada, id: sandbox.id }))
    expect(issues.map((issue) => issue.split(" in: ", 1)[0])).toEqual(["USE TEMP B-TREE FOR ORDER BY"])
  }).pipe(Effect.provide(layers.file))
)

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
