import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, FastCheck, type Layer, Runtime, TestClock } from "effect"
import { WorkspaceBuildJobStatus } from "../../../src/build-job/WorkspaceBuildJob.js"
import { SandboxStatus } from "../../../src/sandbox/Sandbox.js"
import { SandboxAttemptStatus } from "../../../src/sandbox/SandboxAttempt.js"
import { SandboxRuntimeStatus } from "../../../src/sandbox/SandboxRuntimeInstance.js"
import * as Database from "../../../src/Database.js"
import { driver, seenOf } from "./driver.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { contradictions, disagreeing, leftOf } from "./invariants.js"
import { type Command, commands, launched, next, reachable } from "./model.js"
import { layers, type Services, shell } from "./support.js"
import { sampled, volume } from "../../support/volume.js"

/** Rolls back the writes of the effect, and sets the clock back. */
const rolledBack = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Database.transaction(Effect.flatMap(effect, (value) => Effect.fail({ value }))).pipe(
      Effect.catchAll((error) =>
        typeof error === "object" && error !== null && "value" in error
          ? Effect.succeed(error.value)
          : Effect.fail(error)
      ),
      Effect.ensuring(TestClock.setTime(now))
    )
  )

/** The number of rows that were changed in a database in memory so far. */
const changedRows = Effect.map(
  shell<{ readonly count: number }>("SELECT total_changes() AS count"),
  ([row]) => row?.count
)

/** Walks a way, and expects each step to be as the model has it. */
const walk = (way: ReadonlyArray<Command>) =>
  Effect.gen(function* () {
    const one = yield* driver
    let model = launched
    expect(yield* one.seen).toEqual(seenOf(model))
    for (const [index, command] of way.entries()) {
      const step = next[command](model)
      const path = `${way.slice(0, index).join(" ")} > ${command}`
      expect([yield* one.run(command), yield* one.seen], path).toEqual([step.outcome, seenOf(step.model)])
      model = step.model
    }
    return { ...one, model }
  })

/** Late reports of a worker: a repeat returns the earlier result, other reports are refused, and nothing starts again. */
const lateReports = [
  "begin",
  "finishRunning",
  "failFinal",
  "leaseRunning",
  "runPending",
  "runRunning"
] as const satisfies ReadonlyArray<Command>

/** Deletes the sandbox, and expects no active dependants, also after late reports. */
const deletion = ({ id, run }: Effect.Effect.Success<ReturnType<typeof walk>>, path: string) =>
  Effect.gen(function* () {
    const attempts = yield* shell<{ readonly id: string }>(
      "SELECT run_id AS id FROM sandbox_run_links WHERE sandbox_id = ?",
      id
    )
    yield* (yield* SandboxLifecycle).delete({ id })
    for (const report of lateReports)
      expect(yield* run(report), `${path} > delete ${report}`).toMatch(/^(ok|LeaseLost|InvalidTransition)/)
    for (const attempt of attempts) expect(yield* leftOf(attempt.id), path).toEqual([])
    yield* (yield* SandboxLifecycle).supervise({ limit: 10, runtimeDeadline: "1 milli" })
    for (const attempt of attempts) expect(yield* leftOf(attempt.id), path).toEqual([])
  })

const ways = FastCheck.array(FastCheck.constantFrom(...commands), { minLength: 5, maxLength: 30 })

const suite = (name: string, layer: Layer.Layer<Services>, numRuns: number) =>
  describe(`SandboxLifecycle states (${name})`, () => {
    it.effect(
      "match the model without contradictions after random commands; a deletion then leaves no active dependants",
      () =>
        Effect.gen(function* () {
          // One database for all sequences: each has a sandbox of its own.
          const runtime = yield* Effect.runtime<Services>()
          const leavesNoContradiction = (way: ReadonlyArray<Command>) =>
            Effect.gen(function* () {
              const walked = yield* walk(way)
              expect(yield* contradictions(walked.id), way.join(" ")).toEqual([])
              yield* walked.run("supervise")
              expect(yield* disagreeing, way.join(" ")).toEqual([])
              yield* deletion(walked, way.join(" "))
            })
          yield* Effect.promise(() =>
            FastCheck.assert(
              FastCheck.asyncProperty(ways, (way) => Runtime.runPromise(runtime)(leavesNoContradiction(way))),
              { numRuns }
            )
          )
        }).pipe(Effect.provide(layer))
    )
  })

suite("memory", layers.memory, volume(100, 12))
suite("file", layers.file, volume(15, 3))

describe("SandboxLifecycle states", () => {
  const states = reachable()

  it("the random commands reach every state of the model", () => {
    // A model that lost its way would test little.
    expect(states.length).toBeGreaterThan(150)
    expect(new Set(states.map(({ model }) => model.sandbox))).toEqual(new Set(SandboxStatus.literals))
    expect(new Set(states.map(({ model }) => model.attempt))).toEqual(new Set(SandboxAttemptStatus.literals))
    expect(new Set(states.map(({ model }) => model.job))).toEqual(new Set(WorkspaceBuildJobStatus.literals))
    expect(new Set(states.map(({ model }) => model.runtime))).toEqual(
      new Set(["none", ...SandboxRuntimeStatus.literals])
    )
  })

  for (const status of SandboxStatus.literals) {
    it.effect(`each command changes a ${status} sandbox as in the model, without contradictions`, () =>
      Effect.gen(function* () {
        const inStatus = states.filter(({ model }) => model.sandbox === status)
        for (const { model, way } of sampled(inStatus, 12)) {
          const one = yield* walk(way)
          expect(one.model).toEqual(model)
          const before = yield* one.seen
          for (const command of commands) {
            const step = next[command](model)
            const [outcome, seen, found] = yield* one.forgetting(
              rolledBack(
                Effect.gen(function* () {
                  const count = yield* changedRows
                  const outcome = yield* one.run(command)
                  // Without a changed row, everything stored is as before.
                  return (yield* changedRows) === count
                    ? ([outcome, before, []] as const)
                    : ([outcome, yield* one.seen, yield* contradictions(one.id)] as const)
                })
              )
            )
            expect([outcome, seen], `${way.join(" ")} > ${command}`).toEqual([step.outcome, seenOf(step.model)])
            expect(found, `${way.join(" ")} > ${command}`).toEqual([])
          }
          // Supervision would take care of all that was left behind, each time.
          yield* shell("DELETE FROM sandbox_attempts")
          yield* shell("DELETE FROM oci_image_build_jobs")
          yield* shell("DELETE FROM sandboxes")
          yield* shell("DELETE FROM control_plane_events")
        }
      }).pipe(Effect.provide(layers.memory))
    )
  }

  it.effect("the consistency rules detect each kind of contradiction", () =>
    Effect.gen(function* () {
      const { id, run } = yield* driver
      expect(yield* contradictions(id)).toEqual([])
      yield* run("claim")
      yield* shell("UPDATE sandboxes SET status = 'running'")
      expect((yield* contradictions(id)).length).toBeGreaterThan(0)
      yield* shell("UPDATE sandbox_attempts SET status = 'running', started_at = 0")
      const untold = [
        "a sandbox of which the journal tells otherwise",
        "an attempt of which the journal tells otherwise"
      ]
      expect(yield* contradictions(id)).toEqual(untold)
      yield* shell("UPDATE sandbox_attempts SET stop_requested_at = 0")
      expect(yield* contradictions(id)).toEqual([
        "a stop that was asked for, and something that goes on",
        ...untold,
        "a status for the owner that differs from that of the row"
      ])
    }).pipe(Effect.provide(layers.memory))
  )
})
