import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { planIssues } from "../../support/plans.js"
import { ada, eve, failed, launch, layers, pages, ready, refusalOf, type Services, tagOf } from "./support.js"

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

    it.effect("reports a missing sandbox and one of another owner as NotFound", () =>
      Effect.gen(function* () {
        const { timeline } = yield* SandboxLifecycle
        const { sandbox } = yield* launch()
        for (const request of [
          { ownerUserId: eve, id: sandbox.id },
          { ownerUserId: ada, id: "gone" }
        ]) {
          expect(yield* refusalOf(timeline(request))).toMatchObject({
            _tag: "NotFound",
            entity: "Sandbox",
            id: request.id
          })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects a malformed cursor and a limit out of range", () =>
      Effect.gen(function* () {
        const { timeline } = yield* SandboxLifecycle
        const { sandbox } = yield* launch()
        const of = { ownerUserId: ada, id: sandbox.id }
        expect(yield* tagOf(timeline({ ...of, cursor: "?" }))).toBe("InvalidInput")
        expect(yield* tagOf(timeline({ ...of, limit: 0 }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
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
