import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { SandboxAttemptId } from "../../src/sandbox/SandboxAttempt.js"
import { SandboxAttemptRepo } from "../../src/sandbox/SandboxAttemptRepo.js"
import { ada, badNames, blueprint, layers, type Services, shell, specification, tagOf } from "./support.js"

const gone = SandboxAttemptId.make("gone")

/** The contract of `SandboxAttemptRepo` for snapshots. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`snapshots of attempts (${name})`, () => {
    it.effect("stores a snapshot once", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxAttemptRepo
        const { id: attemptId } = yield* repo.createQueued({ ownerUserId: ada })
        expect(yield* repo.findSnapshot(attemptId)).toEqual(Option.none())
        const given = {
          attemptId,
          userSpecPayload: specification,
          resolvedSpecPayload: { ...specification, packages: ["ripgrep"] },
          blueprintPayload: blueprint,
          profileConfigSnapshot: { a: 1, b: [null, { c: "é\0" }] }
        }
        yield* TestClock.adjust("1 second")
        const kept = yield* repo.setSnapshot(given)
        expect(kept).toMatchObject({
          attemptId,
          userSpecPayload: specification,
          blueprintPayload: { version: "1", harness: { id: "codex" } },
          profileConfigSnapshot: Option.some(given.profileConfigSnapshot),
          repositoryProfileConfigSnapshot: Option.none()
        })
        expect(kept.createdAt.epochMillis).toBe(1000)
        expect(yield* repo.findSnapshot(attemptId)).toEqual(Option.some(kept))

        yield* TestClock.adjust("1 second")
        const reordered = {
          ...given,
          userSpecPayload: { env: { B: "2", A: "1" }, harness: specification.harness, source: specification.source },
          blueprintPayload: { version: "1" as const, ...blueprint },
          profileConfigSnapshot: { b: given.profileConfigSnapshot.b, a: 1 }
        }
        expect(yield* repo.setSnapshot(given)).toEqual(kept)
        expect(yield* repo.setSnapshot(reordered)).toEqual(kept)

        const others = [
          { ...given, userSpecPayload: { ...specification, env: {} } },
          { ...given, resolvedSpecPayload: specification },
          { ...given, blueprintPayload: { ...blueprint, harness: { id: "opencode" as const } } },
          { ...given, profileConfigSnapshot: {} },
          { ...given, repositoryProfileConfigSnapshot: {} }
        ]
        for (const other of others) {
          expect(yield* Effect.flip(repo.setSnapshot(other))).toMatchObject({
            _tag: "AlreadyExists",
            entity: "SandboxAttemptSnapshot",
            constraint: "sandbox_attempt_snapshots.run_id"
          })
        }
        expect(yield* repo.findSnapshot(attemptId)).toEqual(Option.some(kept))
        expect(yield* Effect.isFailure(shell("UPDATE sandbox_attempt_snapshots SET created_at = 5"))).toBe(true)

        expect(yield* Effect.flip(repo.setSnapshot({ ...given, attemptId: gone }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "attemptId"
        })
        const bad: ReadonlyArray<Parameters<typeof repo.setSnapshot>[0]> = [
          ...Object.values(badNames).map((id) => ({ ...given, attemptId: id })),
          { ...given, userSpecPayload: { harness: "codex" } },
          { ...given, blueprintPayload: { ...blueprint, harness: { id: "x" as "codex" } } },
          { ...given, profileConfigSnapshot: { a: undefined } },
          { ...given, profileConfigSnapshot: { a: 1n } },
          { ...given, profileConfigSnapshot: [] as unknown as Record<string, unknown> }
        ]
        for (const request of bad) expect(yield* tagOf(repo.setSnapshot(request))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores one of several concurrent snapshots", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxAttemptRepo
        const { id: attemptId } = yield* repo.createQueued({ ownerUserId: ada })
        const snapshot = (a: number) => ({
          attemptId,
          userSpecPayload: specification,
          resolvedSpecPayload: specification,
          blueprintPayload: blueprint,
          profileConfigSnapshot: { a }
        })
        const outcomes = yield* Effect.forEach([1, 2, 1, 2, 3], (a) => Effect.either(repo.setSnapshot(snapshot(a))), {
          concurrency: "unbounded"
        })
        const kept = Option.getOrThrow(yield* repo.findSnapshot(attemptId))
        for (const [index, outcome] of outcomes.entries()) {
          const same = Option.exists(kept.profileConfigSnapshot, (config) => config["a"] === [1, 2, 1, 2, 3][index])
          expect(outcome._tag).toBe(same ? "Right" : "Left")
        }
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
