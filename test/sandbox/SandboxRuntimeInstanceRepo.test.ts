import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option, TestClock } from "effect"
import { SandboxAttemptId } from "../../src/sandbox/SandboxAttempt.js"
import { SandboxAttemptRepo } from "../../src/sandbox/SandboxAttemptRepo.js"
import {
  isEnded,
  SandboxRuntimeAdapter,
  type SandboxRuntimeInstance,
  SandboxRuntimeStatus,
  sandboxRuntimeTransitions
} from "../../src/sandbox/SandboxRuntimeInstance.js"
import { SandboxRuntimeInstanceRepo } from "../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import { ada, badNames, layers, pages, type Services, shell, tagOf } from "./support.js"
import { volume } from "../support/volume.js"

const gone = SandboxAttemptId.make("gone")

const at = (millis: number) => DateTime.unsafeMake(millis)

const newAttempt = Effect.flatMap(SandboxAttemptRepo, (repo) =>
  Effect.map(repo.createQueued({ ownerUserId: ada }), ({ id }) => id)
)

const details = {
  adapter: "docker",
  resourceId: "c1",
  reference: "r1",
  endpoint: "http://1",
  errorCode: "e1",
  errorMessage: "it broke"
} as const

const detailsOf = ({
  adapter,
  endpoint,
  errorCode,
  errorMessage,
  finishedAt,
  launchedAt,
  reference,
  resourceId
}: SandboxRuntimeInstance) =>
  Object.fromEntries(
    Object.entries<Option.Option<string | number>>({
      adapter,
      resourceId,
      reference,
      endpoint,
      errorCode,
      errorMessage,
      launchedAt: Option.map(launchedAt, ({ epochMillis }) => epochMillis),
      finishedAt: Option.map(finishedAt, ({ epochMillis }) => epochMillis)
    }).flatMap(([key, value]) => (Option.isSome(value) ? [[key, value.value]] : []))
  )

/** An instance in a state, put there past the repository. */
const instanceIn = (status: SandboxRuntimeStatus) =>
  Effect.gen(function* () {
    const attemptId = yield* newAttempt
    yield* shell(
      `INSERT INTO sandbox_runtime_instances (run_id, status, adapter, resource_id, reference, endpoint, error_code,
         error_message, launched_at, finished_at, created_at, updated_at)
       VALUES (?, ?, 'docker', 'c1', 'r1', 'http://1', 'e1', 'it broke', 3, ?, 0, 0)`,
      attemptId,
      status,
      isEnded(status) ? 5 : null
    )
    return attemptId
  })

/** The contract of `SandboxRuntimeInstanceRepo`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxRuntimeInstanceRepo (${name})`, () => {
    it.effect("stores the first report unchanged, in each state", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRuntimeInstanceRepo
        yield* TestClock.setTime(1000)
        const times = {
          pending: {},
          running: { launchedAt: 1000 },
          failed: { finishedAt: 1000 },
          stopped: { finishedAt: 1000 }
        }
        for (const status of SandboxRuntimeStatus.literals) {
          const bare = yield* repo.upsert({ attemptId: yield* newAttempt, status })
          expect(bare.status).toBe(status)
          expect(detailsOf(bare)).toEqual(times[status])
          expect([bare.createdAt.epochMillis, bare.updatedAt.epochMillis]).toEqual([1000, 1000])
          expect(yield* repo.findByAttemptId(bare.attemptId)).toEqual(Option.some(bare))

          const end = isEnded(status) ? { finishedAt: 900 } : {}
          const full = yield* repo.upsert({
            attemptId: yield* newAttempt,
            status,
            ...details,
            launchedAt: at(800),
            ...(isEnded(status) ? { finishedAt: at(900) } : {})
          })
          expect(detailsOf(full)).toEqual({ ...details, launchedAt: 800, ...end })
          expect(yield* repo.findByAttemptId(full.attemptId)).toEqual(Option.some(full))
        }
        for (const adapter of SandboxRuntimeAdapter.literals) {
          expect((yield* repo.upsert({ attemptId: yield* newAttempt, status: "pending", adapter })).adapter).toEqual(
            Option.some(adapter)
          )
        }
        expect(yield* repo.findByAttemptId(gone)).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("follows the declared transitions from each state, and keeps other fields", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRuntimeInstanceRepo
        yield* TestClock.setTime(1000)
        for (const from of SandboxRuntimeStatus.literals) {
          for (const to of SandboxRuntimeStatus.literals) {
            const attemptId = yield* instanceIn(from)
            const before = Option.getOrThrow(yield* repo.findByAttemptId(attemptId))
            const outcome = yield* Effect.either(repo.upsert({ attemptId, status: to }))
            const after = Option.getOrThrow(yield* repo.findByAttemptId(attemptId))
            const where = `${from} → ${to}`
            if (isEnded(to) && (from === to || from === "stopped")) {
              expect(outcome, where).toMatchObject({ _tag: "Right", right: before })
              expect(after, where).toEqual(before)
            } else if (from === to || sandboxRuntimeTransitions.allows(from, to)) {
              expect(outcome, where).toMatchObject({ _tag: "Right", right: after })
              expect(after.status, where).toBe(to)
              const kept = isEnded(from) && !isEnded(to) ? {} : { ...details, launchedAt: 3 }
              const launch = to === "running" && isEnded(from) ? { launchedAt: 1000 } : {}
              const end = isEnded(to) ? { finishedAt: isEnded(from) ? 5 : 1000 } : {}
              expect(detailsOf(after), where).toEqual({ ...kept, ...launch, ...end })
            } else {
              expect(outcome, where).toMatchObject({
                _tag: "Left",
                left: { _tag: "InvalidTransition", entity: "SandboxRuntimeInstance", id: attemptId, from, to }
              })
              expect(after, where).toEqual(before)
            }
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("the database rejects exactly the undeclared transitions", () =>
      Effect.gen(function* () {
        for (const from of SandboxRuntimeStatus.literals) {
          for (const to of SandboxRuntimeStatus.literals) {
            const attemptId = yield* instanceIn(from)
            const taken = yield* Effect.isSuccess(
              shell(
                "UPDATE sandbox_runtime_instances SET status = ?, finished_at = ? WHERE run_id = ?",
                to,
                isEnded(to) ? 5 : null,
                attemptId
              )
            )
            expect(taken, `${from} → ${to}`).toBe(from === to || sandboxRuntimeTransitions.allows(from, to))
          }
        }
        for (const change of ["status = 'dead'", "finished_at = 9", "launched_at = -1", "adapter = 'vm'"]) {
          expect(
            yield* Effect.isFailure(shell(`UPDATE sandbox_runtime_instances SET ${change} WHERE status = 'running'`)),
            change
          ).toBe(true)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("merges each report into the stored row", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRuntimeInstanceRepo
        const attemptId = yield* newAttempt
        const report = (later: Omit<Parameters<typeof repo.upsert>[0], "attemptId">) =>
          Effect.zipLeft(Effect.map(repo.upsert({ attemptId, ...later }), detailsOf), TestClock.adjust("1 second"))

        expect(yield* report({ status: "pending", adapter: "docker", resourceId: "c1" })).toEqual({
          adapter: "docker",
          resourceId: "c1"
        })
        const up = { adapter: "docker", resourceId: "c1", endpoint: "http://1", launchedAt: 1000 }
        expect(yield* report({ status: "running", endpoint: "http://1" })).toEqual(up)
        expect(yield* report({ status: "running" })).toEqual(up)
        expect(yield* report({ status: "running", endpoint: "http://2" })).toEqual({ ...up, endpoint: "http://2" })
        const failed = {
          ...up,
          endpoint: "http://2",
          errorCode: "oom",
          errorMessage: "out of memory",
          finishedAt: 4000
        }
        expect(yield* report({ status: "failed", errorCode: "oom", errorMessage: "out of memory" })).toEqual(failed)
        expect(yield* report({ status: "failed", errorCode: "other" })).toEqual(failed)

        // A relaunch replaces all fields.
        expect(yield* report({ status: "pending", adapter: "k8s", resourceId: "c2" })).toEqual({
          adapter: "k8s",
          resourceId: "c2"
        })
        expect(yield* report({ status: "running" })).toEqual({ adapter: "k8s", resourceId: "c2", launchedAt: 7000 })
        const stopped = { adapter: "k8s", resourceId: "c2", launchedAt: 7000, finishedAt: 8000 }
        expect(yield* report({ status: "stopped" })).toEqual(stopped)
        expect(yield* report({ status: "failed", errorCode: "late" })).toEqual(stopped)
        expect(yield* report({ status: "running", endpoint: "http://3" })).toEqual({
          endpoint: "http://3",
          launchedAt: 10_000
        })
        // Never before its launch.
        expect(yield* report({ status: "stopped", finishedAt: at(1) })).toEqual({
          endpoint: "http://3",
          launchedAt: 10_000,
          finishedAt: 10_000
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("a stop request wins over reports", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRuntimeInstanceRepo
        for (const to of SandboxRuntimeStatus.literals) {
          const none = yield* newAttempt
          const instances = yield* Effect.forEach(SandboxRuntimeStatus.literals, (from) =>
            Effect.map(instanceIn(from), (id) => [from, id] as const)
          )
          yield* shell("UPDATE sandbox_attempts SET stop_requested_at = 9")
          for (const [from, attemptId] of [["none", none], ...instances] as const) {
            const before = yield* repo.findByAttemptId(attemptId)
            const outcome = yield* Effect.either(repo.upsert({ attemptId, status: to, endpoint: "http://late" }))
            if (isEnded(to)) {
              expect(outcome._tag, `${from} → ${to}`).toBe("Right")
            } else {
              expect(outcome).toMatchObject({
                _tag: "Left",
                left: { _tag: "InvalidTransition", id: attemptId, from: from === "none" ? "stopped" : from, to }
              })
              expect(yield* repo.findByAttemptId(attemptId)).toEqual(before)
            }
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid reports", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRuntimeInstanceRepo
        expect(yield* Effect.flip(repo.upsert({ attemptId: gone, status: "running" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          entity: "SandboxRuntimeInstance",
          reference: "attemptId"
        })
        const attemptId = yield* newAttempt
        const bad: ReadonlyArray<Partial<Parameters<typeof repo.upsert>[0]>> = [
          { status: "dead" as "failed" },
          { adapter: "vm" as "docker" },
          { finishedAt: at(5) },
          { launchedAt: at(-1) },
          { launchedAt: 5 as unknown as DateTime.Utc },
          { status: "failed", finishedAt: at(-5) },
          ...Object.values(badNames).flatMap((text) => [
            { attemptId: text },
            { resourceId: text },
            { reference: text },
            { endpoint: text },
            { errorCode: text }
          ]),
          { errorMessage: badNames.huge }
        ]
        for (const [index, wrong] of bad.entries()) {
          // The end of what ended before 1970 is moved to the launch, which is not known: to 1970.
          const expected = wrong.status === "failed" ? "ok" : "InvalidInput"
          expect(yield* tagOf(repo.upsert({ attemptId, status: "running", ...wrong })), String(index)).toBe(expected)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("finds the runtime of an imported attempt, whose id is longer than a new one may be", () =>
      Effect.gen(function* () {
        const attemptId = SandboxAttemptId.make("x".repeat(300), { disableValidation: true })
        yield* shell(
          "INSERT INTO sandbox_attempts (id, owner_user_id, status, queued_at, created_at, updated_at) VALUES (?, ?, 'queued', 0, 0, 0)",
          attemptId,
          ada
        )
        const repo = yield* SandboxRuntimeInstanceRepo
        yield* repo.upsert({ attemptId, status: "pending" })
        expect([...(yield* repo.listByAttemptIds([attemptId])).keys()]).toEqual([attemptId])
      }).pipe(Effect.provide(layer))
    )

    it.effect("finds any number of runtimes at once, and pages through a state", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRuntimeInstanceRepo
        const attemptIds: Array<SandboxAttemptId> = []
        for (let index = 0; index < 25; index++) {
          if (index % 4 === 0) yield* TestClock.adjust("1 second")
          const attemptId = yield* newAttempt
          yield* repo.upsert({ attemptId, status: index % 5 === 0 ? "failed" : "running" })
          attemptIds.push(attemptId)
        }
        const length = name === "file" ? 100_000 : volume(100_000, 5000)
        const unknown = Array.from({ length }, (_, index) => SandboxAttemptId.make(`gone${index}`))
        const found = yield* repo.listByAttemptIds([...unknown, ...attemptIds, ...attemptIds])
        expect(new Set(found.keys())).toEqual(new Set(attemptIds))
        for (const [attemptId, instance] of found) expect(instance.attemptId).toBe(attemptId)
        expect((yield* repo.listByAttemptIds([])).size).toBe(0)
        expect(
          (yield* repo.listByAttemptIds(Object.values(badNames) as unknown as ReadonlyArray<SandboxAttemptId>)).size
        ).toBe(0)

        let extra = 0
        const meanwhile = Effect.suspend(() => {
          extra++
          return Effect.all([
            Effect.flatMap(newAttempt, (attemptId) => repo.upsert({ attemptId, status: "running" })),
            shell(
              "DELETE FROM sandbox_runtime_instances WHERE run_id IN (?, ?)",
              attemptIds[24 - extra * 3],
              attemptIds[extra]
            ).pipe(Effect.orDie)
          ])
        })
        const running = (yield* repo.listByStatus({ status: "running", limit: 500 })).items.map(
          ({ attemptId }) => attemptId
        )
        expect(running).toEqual(attemptIds.filter((_, index) => index % 5 !== 0).toReversed())
        const seen = (yield* pages((page) => repo.listByStatus({ status: "running", ...page }), 4, meanwhile)).map(
          ({ attemptId }) => attemptId
        )
        expect(new Set(seen).size).toBe(seen.length)
        const left = (yield* repo.listByStatus({ status: "running", limit: 500 })).items.map(
          ({ attemptId }) => attemptId
        )
        expect(left.filter((id) => attemptIds.includes(id)).every((id) => seen.includes(id))).toBe(true)
        expect(yield* tagOf(repo.listByStatus({ status: "dead" as "failed" }))).toBe("InvalidInput")
        for (const page of [{ limit: 0 }, { cursor: "!" }])
          expect(yield* tagOf(repo.listByStatus({ status: "failed", ...page }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
