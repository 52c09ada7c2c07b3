import { describe, expect, it } from "@effect/vitest"
import { Chunk, DateTime, Effect, type Layer, Option, Stream, TestClock } from "effect"
import {
  type SandboxAttempt,
  SandboxAttemptId,
  SandboxAttemptStatus,
  sandboxAttemptTransitions,
  SandboxAttemptTriggerType
} from "../../src/sandbox/SandboxAttempt.js"
import { SandboxAttemptRepo, type SandboxAttemptService } from "../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../../src/sandbox/SandboxRepo.js"
import { ada, badNames, eve, layers, pages, type Services, shell, tagOf } from "./support.js"
import { followsTransitions } from "../support/transitions.js"

const gone = SandboxAttemptId.make("gone")

const at = (millis: number) => DateTime.unsafeMake(millis)

const millis = (instant: Option.Option<DateTime.Utc>) => Option.getOrNull(instant)?.epochMillis ?? null

const timesOf = ({ durationMs, finishedAt, startedAt }: SandboxAttempt) => ({
  startedAt: millis(startedAt),
  finishedAt: millis(finishedAt),
  durationMs: Option.getOrNull(durationMs)
})

/** Each way to change a status, and where it leads. */
const moves = {
  markRunning: { to: "running", run: (repo: SandboxAttemptService, id: SandboxAttemptId) => repo.markRunning({ id }) },
  markSucceeded: {
    to: "succeeded",
    run: (repo: SandboxAttemptService, id: SandboxAttemptId) => repo.markSucceeded({ id })
  },
  markFailed: { to: "failed", run: (repo: SandboxAttemptService, id: SandboxAttemptId) => repo.markFailed({ id }) },
  markCancelled: {
    to: "cancelled",
    run: (repo: SandboxAttemptService, id: SandboxAttemptId) => repo.markCancelled({ id, reason: "enough" })
  }
} as const

/** An attempt in a state, put there past the repository. */
const attemptIn = (status: SandboxAttemptStatus) =>
  Effect.gen(function* () {
    const repo = yield* SandboxAttemptRepo
    const { id } = yield* repo.createQueued({ ownerUserId: ada })
    if (status === "queued") return yield* repo.getById(id)
    yield* shell("UPDATE sandbox_attempts SET status = 'running', started_at = 5 WHERE id = ?", id)
    if (status !== "running") {
      yield* shell("UPDATE sandbox_attempts SET status = ?, finished_at = 7, duration_ms = 2 WHERE id = ?", status, id)
    }
    return yield* repo.getById(id)
  })

/** The contract of `SandboxAttemptRepo`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxAttemptRepo (${name})`, () => {
    it.effect("stores every field of the input", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxAttemptRepo
        yield* TestClock.setTime(1000)
        const small = yield* repo.createQueued({ ownerUserId: ada })
        expect(small.id).toMatch(/^run_/)
        expect(small).toMatchObject({
          status: "queued",
          triggerType: "manual",
          stopRequestedAt: Option.none(),
          retryOfAttemptId: Option.none()
        })
        expect([small.queuedAt, small.createdAt, small.updatedAt].map(({ epochMillis }) => epochMillis)).toEqual([
          1000, 1000, 1000
        ])
        expect(timesOf(small)).toEqual({ startedAt: null, finishedAt: null, durationMs: null })
        const references = {
          repositoryId: "rep",
          repositoryProfileRevisionId: "rpr",
          profileRevisionId: "ada-profile",
          issueId: "iss",
          triggerRef: "a comment",
          requestedByUserId: eve,
          retryOfAttemptId: small.id
        }
        for (const triggerType of SandboxAttemptTriggerType.literals) {
          const full = yield* repo.createQueued({ id: triggerType, ownerUserId: ada, triggerType, ...references })
          expect(full).toMatchObject({ id: triggerType, triggerType })
          for (const [field, value] of Object.entries(references))
            expect(full).toHaveProperty(field, Option.some(value))
          expect(yield* repo.findById(full.id)).toEqual(Option.some(full))
          expect(yield* repo.getById(full.id)).toEqual(full)
        }
        expect(yield* repo.findById(gone)).toEqual(Option.none())
        expect(yield* Effect.flip(repo.getById(gone))).toMatchObject({
          _tag: "NotFound",
          entity: "SandboxAttempt",
          id: "gone"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input for a new attempt", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxAttemptRepo
        const own = { ownerUserId: ada }
        yield* repo.createQueued({ ...own, id: "taken" })
        const hers = yield* repo.createQueued({ ownerUserId: eve })
        expect(yield* Effect.flip(repo.createQueued({ ...own, id: "taken" }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "sandbox_attempts.id"
        })
        const fields = [
          "ownerUserId",
          "requestedByUserId",
          "repositoryId",
          "repositoryProfileRevisionId",
          "profileRevisionId",
          "issueId",
          "retryOfAttemptId"
        ] as const
        for (const field of fields) {
          expect(yield* Effect.flip(repo.createQueued({ ...own, [field]: "nobody" }))).toMatchObject({
            _tag: "ReferenceNotFound",
            reference: field
          })
          for (const bad of Object.values(badNames)) {
            expect(yield* tagOf(repo.createQueued({ ...own, [field]: bad })), field).toBe("InvalidInput")
          }
        }
        // Rows of another owner are reported as NotFound.
        for (const [field, id] of [
          ["profileRevisionId", "eve-profile"],
          ["retryOfAttemptId", hers.id]
        ] as const) {
          expect(yield* Effect.flip(repo.createQueued({ ...own, [field]: id }))).toMatchObject({
            _tag: "ReferenceNotFound",
            reference: field
          })
        }
        for (const bad of Object.values(badNames))
          expect(yield* tagOf(repo.createQueued({ ...own, triggerRef: bad }))).toBe("InvalidInput")
        expect(yield* tagOf(repo.createQueued({ ...own, triggerType: "x" as "api" }))).toBe("InvalidInput")
        expect(yield* tagOf(repo.createQueued({ ...own, id: "self", retryOfAttemptId: "self" }))).toBe("InvalidInput")
        expect((yield* repo.list({})).items).toHaveLength(2)
      }).pipe(Effect.provide(layer))
    )

    for (const [method, { run, to }] of Object.entries(moves)) {
      it.effect(`${method} follows the declared transitions only`, () =>
        Effect.gen(function* () {
          const repo = yield* SandboxAttemptRepo
          yield* TestClock.setTime(1000)
          yield* followsTransitions({
            entity: "SandboxAttempt",
            machine: sandboxAttemptTransitions,
            to,
            run: (id: SandboxAttemptId) => run(repo, id),
            rowIn: attemptIn,
            getById: repo.getById
          })
          expect(yield* tagOf(run(repo, gone))).toBe("NotFound")
          for (const bad of Object.values(badNames)) {
            expect(yield* Effect.suspend(() => tagOf(run(repo, bad as SandboxAttemptId)))).toBe("InvalidInput")
          }
        }).pipe(Effect.provide(layer))
      )
    }

    it.effect("the database rejects exactly the undeclared transitions", () =>
      Effect.gen(function* () {
        for (const from of SandboxAttemptStatus.literals) {
          for (const to of SandboxAttemptStatus.literals) {
            const { id } = yield* attemptIn(from)
            const started = to === "queued" ? null : 5
            const finished = to === "queued" || to === "running" ? null : 7
            const taken = yield* Effect.isSuccess(
              shell(
                "UPDATE sandbox_attempts SET status = ?, started_at = ?, finished_at = ?, duration_ms = NULL WHERE id = ?",
                to,
                started,
                finished,
                id
              )
            )
            expect(taken, `${from} → ${to}`).toBe(from === to || sandboxAttemptTransitions.allows(from, to))
          }
        }
        for (const change of [
          "status = 'dead'",
          "owner_user_id = 'eve'",
          "finished_at = started_at - 1",
          "duration_ms = -1",
          "started_at = NULL",
          "cancel_reason = 'x'",
          "queued_at = 'now'"
        ]) {
          expect(
            yield* Effect.isFailure(shell(`UPDATE sandbox_attempts SET ${change} WHERE status = 'running'`)),
            change
          ).toBe(true)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("records a duration from start to finish that is never negative", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxAttemptRepo
        yield* TestClock.setTime(10_000)
        const queued = Effect.map(repo.createQueued({ ownerUserId: ada }), ({ id }) => id)

        const byClock = yield* queued
        yield* repo.markRunning({ id: byClock })
        yield* TestClock.adjust("5 seconds")
        expect(timesOf(yield* repo.markSucceeded({ id: byClock }))).toEqual({
          startedAt: 10_000,
          finishedAt: 15_000,
          durationMs: 5000
        })

        const withInstants = yield* queued
        yield* repo.markRunning({ id: withInstants, startedAt: at(100) })
        expect(timesOf(yield* repo.markFailed({ id: withInstants, finishedAt: at(350) }))).toEqual({
          startedAt: 100,
          finishedAt: 350,
          durationMs: 250
        })

        const backwards = yield* queued
        yield* repo.markRunning({ id: backwards, startedAt: at(500) })
        expect(timesOf(yield* repo.markFailed({ id: backwards, finishedAt: at(400) }))).toEqual({
          startedAt: 500,
          finishedAt: 500,
          durationMs: 0
        })

        const early = yield* queued
        yield* repo.markRunning({ id: early, startedAt: at(99_000) })
        expect(timesOf(yield* repo.markSucceeded({ id: early }))).toEqual({
          startedAt: 99_000,
          finishedAt: 99_000,
          durationMs: 0
        })

        const never = yield* queued
        const cancelled = yield* repo.markCancelled({ id: never, reason: "enough", finishedAt: at(700) })
        expect(timesOf(cancelled)).toEqual({ startedAt: null, finishedAt: 700, durationMs: null })
        expect(cancelled.cancelReason).toEqual(Option.some("enough"))
        expect(yield* repo.markCancelled({ id: never, reason: "another", finishedAt: at(900) })).toEqual(cancelled)

        const bad = yield* queued
        for (const startedAt of [at(-1), 5 as unknown as DateTime.Utc, null as unknown as DateTime.Utc]) {
          expect(yield* tagOf(repo.markRunning({ id: bad, startedAt }))).toBe("InvalidInput")
        }
        for (const cancelReason of [badNames.huge, badNames.nul, badNames.surrogate]) {
          expect(yield* tagOf(repo.markCancelled({ id: bad, reason: cancelReason }))).toBe("InvalidInput")
        }
        expect((yield* repo.getById(bad)).status).toBe("queued")
      }).pipe(Effect.provide(layer))
    )

    it.effect("does not start an attempt with a stop request", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxAttemptRepo
        const queued = yield* repo.createQueued({ ownerUserId: ada })
        const running = yield* attemptIn("running")
        yield* TestClock.setTime(9)
        for (const { id } of [queued, running]) {
          const asked = yield* repo.requestStop(id)
          yield* TestClock.adjust("1 second")
          expect(yield* repo.requestStop(id)).toEqual(asked)
          yield* TestClock.setTime(9)
        }
        expect(yield* tagOf(repo.requestStop(gone))).toBe("NotFound")
        expect(yield* Effect.flip(repo.markRunning({ id: queued.id }))).toMatchObject({
          _tag: "InvalidTransition",
          from: "queued",
          to: "running"
        })
        // A running attempt has already started: a repeat returns it with its stop request.
        expect(millis((yield* repo.markRunning({ id: running.id })).stopRequestedAt)).toBe(9)
        expect((yield* repo.markCancelled({ id: queued.id, reason: "stop" })).status).toBe("cancelled")
        expect((yield* repo.markSucceeded({ id: running.id })).status).toBe("succeeded")
        expect(yield* Effect.isFailure(shell("UPDATE sandbox_attempts SET stop_requested_at = NULL"))).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps the first end when many callers end it concurrently", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxAttemptRepo
        const { id } = yield* attemptIn("running")
        const ends = [moves.markSucceeded, moves.markFailed, moves.markCancelled]
        const outcomes = yield* Effect.forEach(
          [...ends, ...ends, ...ends],
          ({ run, to }) => Effect.map(tagOf(run(repo, id)), (tag) => [to, tag] as const),
          { concurrency: "unbounded" }
        )
        const { status } = yield* repo.getById(id)
        expect(outcomes.map(([to, tag]) => [to, tag])).toEqual(
          outcomes.map(([to]) => [to, to === status ? "ok" : "InvalidTransition"])
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "lists newest first with every filter while rows are inserted and deleted",
      () =>
        Effect.gen(function* () {
          const repo = yield* SandboxAttemptRepo
          const sandboxes = yield* SandboxRepo
          const { id: sandboxId } = yield* sandboxes.create({ name: "one", ownerUserId: ada })
          const linked: Array<string> = []
          for (let index = 0; index < 60; index++) {
            if (index % 4 === 0) yield* TestClock.adjust("1 second")
            const ownerUserId = index % 3 === 0 ? eve : ada
            const { id } = yield* repo.createQueued({
              id: `a${String(index).padStart(2, "0")}`,
              ownerUserId,
              ...(index % 2 === 0 ? { repositoryId: "rep" } : {}),
              ...(index % 5 === 0 ? { issueId: "iss" } : {})
            })
            const finish = [undefined, moves.markSucceeded, moves.markFailed, moves.markCancelled][index % 7]
            if (index % 7 < 5) yield* repo.markRunning({ id })
            if (finish !== undefined) yield* finish.run(repo, id)
            if (ownerUserId === ada && index % 4 === 1) {
              yield* sandboxes.linkAttempt({ sandboxId, attemptId: id })
              linked.unshift(id)
            }
          }
          const all = (yield* repo.list({ limit: 500 })).items
          expect(all.map(({ id }) => id)).toEqual(
            Array.from({ length: 60 }, (_, index) => `a${String(59 - index).padStart(2, "0")}`)
          )

          for (const ownerUserId of [undefined, ada, eve]) {
            for (const repositoryId of [undefined, "rep"]) {
              for (const issueId of [undefined, "iss", "other"]) {
                for (const sandbox of [undefined, sandboxId, "other"]) {
                  for (const statuses of [undefined, [], ["running"], ["failed", "queued", "failed"]] as const) {
                    const filter = {
                      ...(ownerUserId === undefined ? {} : { ownerUserId }),
                      ...(sandbox === undefined ? {} : { sandboxId: sandbox }),
                      ...(statuses === undefined ? {} : { statuses }),
                      repositoryId,
                      issueId
                    }
                    const expected = all.filter(
                      (attempt) =>
                        (ownerUserId === undefined || attempt.ownerUserId === ownerUserId) &&
                        (repositoryId === undefined || Option.contains(attempt.repositoryId, repositoryId)) &&
                        (issueId === undefined || Option.contains(attempt.issueId, issueId)) &&
                        (sandbox === undefined || (sandbox === sandboxId && linked.includes(attempt.id))) &&
                        (statuses === undefined || statuses.some((status) => status === attempt.status))
                    )
                    expect(
                      yield* pages((page) => repo.list({ ...filter, ...page }), 7),
                      JSON.stringify(filter)
                    ).toEqual(expected)
                    expect(Chunk.toReadonlyArray(yield* Stream.runCollect(repo.stream(filter)))).toEqual(expected)
                  }
                }
              }
            }
          }

          let round = 0
          const meanwhile = Effect.suspend(() => {
            round++
            return Effect.all([
              repo.createQueued({ ownerUserId: ada, id: `b${round}` }),
              shell("DELETE FROM sandbox_attempts WHERE id IN (?, ?)", `a${60 - round * 3}`, `a0${round}`).pipe(
                Effect.orDie
              )
            ])
          })
          for (const filter of [{}, { sandboxId }]) {
            const seen = (yield* pages((page) => repo.list({ ...filter, ...page }), 5, meanwhile)).map(({ id }) => id)
            expect(new Set(seen).size).toBe(seen.length)
            const left = (yield* repo.list({ ...filter, limit: 500 })).items.map(({ id }) => id)
            expect(left.filter((id) => id.startsWith("a")).every((id) => seen.includes(id))).toBe(true)
          }
        }).pipe(Effect.provide(layer)),
      120_000
    )

    it.effect("lists the attempts of a sandbox in the order of their links", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxAttemptRepo
        const sandboxes = yield* SandboxRepo
        const { id: sandboxId } = yield* sandboxes.create({ name: "one", ownerUserId: ada })
        for (const id of ["first", "second"]) {
          yield* repo.createQueued({ id, ownerUserId: ada })
          yield* TestClock.adjust("1 second")
        }
        for (const attemptId of ["second", "first"]) {
          yield* sandboxes.linkAttempt({ sandboxId, attemptId })
          yield* TestClock.adjust("1 second")
        }
        expect((yield* pages((page) => repo.list({ sandboxId, ...page }), 1)).map(({ id }) => id)).toEqual([
          "first",
          "second"
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("list rejects invalid filters", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxAttemptRepo
        const lost = undefined as unknown as string
        const bad: ReadonlyArray<Parameters<typeof repo.list>[0]> = [
          ...[0, 501, Number.NaN].map((limit) => ({ limit })),
          ...["", "!", "W10"].map((cursor) => ({ cursor })),
          ...Object.values(badNames).flatMap((id) => [
            { ownerUserId: id },
            { sandboxId: id },
            { issueId: id },
            { repositoryId: id }
          ]),
          { ownerUserId: lost },
          { sandboxId: lost },
          { statuses: ["dead" as "failed"] },
          { statuses: [], cursor: "!" }
        ]
        for (const request of bad)
          expect(yield* tagOf(repo.list(request)), JSON.stringify(request).slice(0, 80)).toBe("InvalidInput")
        const many = Array.from({ length: 100_000 }, () => "failed" as const)
        expect((yield* repo.list({ statuses: many, issueId: "iss" })).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
