import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option, TestClock } from "effect"
import { Factories } from "@sealant/db/testing"
import { WorkspaceBuildJobStatus } from "../../../src/build-job/WorkspaceBuildJob.js"
import { SandboxAttemptStatus } from "../../../src/sandbox/SandboxAttempt.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { SandboxRepo } from "../../../src/sandbox/SandboxRepo.js"
import { SandboxRuntimeStatus } from "../../../src/sandbox/SandboxRuntimeInstance.js"
import { SandboxStatusView } from "../../../src/sandbox/SandboxViews.js"
import { planIssues, planOf, recordStatements } from "../../support/plans.js"
import {
  ada,
  answer,
  building,
  claim,
  eve,
  launch,
  layers,
  pages,
  ready,
  type Services,
  shell,
  success,
  tagOf
} from "./support.js"
import { expectOwnedList } from "./ownedLists.js"
import { sampled } from "../../support/volume.js"

const { make } = Factories

type Filter = Parameters<(typeof SandboxLifecycle.Service)["list"]>[0]

const namesOf = (filter: Omit<Filter, "ownerUserId">) =>
  Effect.flatMap(SandboxLifecycle, ({ list }) =>
    Effect.map(
      pages((page) => list({ ...page, ownerUserId: ada, ...filter }), 2),
      (items) => items.map(({ sandbox }) => sandbox.name)
    )
  )

/** The contract of `list` and `listAttempts`, as tables of sandboxes and attempts use them. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxLifecycle lists (${name})`, () => {
    it.effect("a list contains attempt, image and runtime of a ready sandbox, and the reason of its end", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        yield* TestClock.setTime(1000)
        const { attempt, lease, sandbox } = yield* building({ triggerType: "api", triggerRef: "call" })
        yield* lifecycle.finishBuild(lease, { ...success, runtime: answer("running") })
        const before = (yield* lifecycle.list({ ownerUserId: ada })).items
        const instant = Option.some(DateTime.unsafeMake(1000))
        expect(before).toMatchObject([
          {
            sandbox: { id: sandbox.id, name: "one" },
            status: "ready",
            attempt: Option.some({
              id: attempt.id,
              status: "succeeded",
              triggerType: "api",
              triggerRef: Option.some("call"),
              startedAt: instant,
              finishedAt: instant
            }),
            image: Option.some(success.publishedReference),
            runtime: Option.some({
              status: "running",
              adapter: Option.some("docker"),
              endpoint: Option.none(),
              stopReason: Option.none(),
              launchedAt: instant
            }),
            error: Option.none()
          }
        ])
        const end = { status: "failed", reason: "crashed", errorCode: "137", errorMessage: "killed" } as const
        yield* lifecycle.endRuntime(attempt.id, end)
        expect((yield* lifecycle.list({ ownerUserId: ada })).items).toMatchObject([
          {
            status: "failed",
            image: Option.some(success.publishedReference),
            runtime: Option.some({ status: "failed", stopReason: Option.some("crashed"), finishedAt: instant }),
            error: Option.some({ code: Option.some("137"), message: Option.some("killed") })
          }
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a list contains the error of a failed job, and detail the same image and error as the list", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { lease, sandbox } = yield* building()
        yield* lifecycle.failBuild(lease, { errorMessage: "no space left", errorCode: "disk", retryable: false })
        yield* ready
        yield* launch()
        const { items } = yield* lifecycle.list({ ownerUserId: ada })
        expect(items.find((view) => view.sandbox.id === sandbox.id)).toMatchObject({
          status: "failed",
          image: Option.none(),
          runtime: Option.none(),
          error: Option.some({ code: Option.some("disk"), message: Option.some("no space left") })
        })
        for (const view of items) {
          const { error, image, status } = yield* lifecycle.getDetail({ ownerUserId: ada, id: view.sandbox.id })
          expect({ error, image, status }).toEqual({ error: view.error, image: view.image, status: view.status })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "filters by repository, status and text in the name, each alone and together, without archived ones",
      () =>
        Effect.gen(function* () {
          const { cancel } = yield* SandboxLifecycle
          const repo = yield* SandboxRepo
          const rows = [
            ["Web-1", "rep"],
            ["web-2", undefined],
            ["api_1", "rep"],
            ["web-3", "rep"],
            ["apix1", undefined],
            ["web-4", "rep"]
          ] as const
          for (const [name, repositoryId] of rows) {
            yield* TestClock.adjust("1 second")
            const { sandbox } = yield* launch({ name, repositoryId })
            if (name === "web-3") yield* cancel({ id: sandbox.id, reason: "enough" })
            if (name === "web-4") yield* repo.archive(sandbox.id)
          }
          yield* launch({ name: "web-5", repositoryId: "rep", ownerUserId: eve })
          expect(yield* namesOf({ repositoryId: "rep" })).toEqual(["web-3", "api_1", "Web-1"])
          expect(yield* namesOf({ repositoryId: "rep", includeArchived: true })).toEqual([
            "web-4",
            "web-3",
            "api_1",
            "Web-1"
          ])
          expect(yield* namesOf({ repositoryId: "rep", statuses: ["queued", "failed"] })).toEqual(["api_1", "Web-1"])
          expect(yield* namesOf({ repositoryId: "other" })).toEqual([])
          expect(yield* namesOf({ search: "WEB" })).toEqual(["web-3", "web-2", "Web-1"])
          expect(yield* namesOf({ search: "web", includeArchived: true })).toHaveLength(4)
          expect(yield* namesOf({ search: "web", statuses: ["cancelled"] })).toEqual(["web-3"])
          expect(yield* namesOf({ search: "web", statuses: ["queued", "ready"], repositoryId: "rep" })).toEqual([
            "Web-1"
          ])
          // Literal, also for the wildcards of LIKE.
          expect(yield* namesOf({ search: "i_1" })).toEqual(["api_1"])
          expect(yield* namesOf({ search: "%" })).toEqual([])
          expect(yield* namesOf({ search: "" })).toHaveLength(5)
          expect(yield* namesOf({ search: "web", statuses: [] })).toEqual([])
          expect(yield* tagOf(namesOf({ search: "x".repeat(1001) }))).toBe("InvalidInput")
        }).pipe(Effect.provide(layer))
    )

    it.effect("a list by repository contains the sandboxes of every derived status", () =>
      Effect.gen(function* () {
        for (const status of SandboxStatusView.literals) {
          const attempt = yield* make.attempt({ ownerUserId: ada })
          const { id } = yield* make.sandbox({
            ownerUserId: ada,
            repositoryId: "rep",
            name: status,
            latestAttemptId: attempt.id
          })
          // The rule of the status is tested elsewhere.
          yield* shell("DROP TRIGGER IF EXISTS sandboxes_view_status_update")
          yield* shell("UPDATE sandboxes SET view_status = ? WHERE id = ?", status, id)
        }
        const stored = yield* shell<{ readonly name: string }>("SELECT view_status AS name FROM sandboxes")
        expect(new Set(stored.map(({ name }) => name))).toEqual(new Set(SandboxStatusView.literals))
        expect(new Set(yield* namesOf({ repositoryId: "rep" }))).toEqual(new Set(SandboxStatusView.literals))
      }).pipe(Effect.provide(layer))
    )

    it.effect("listAttempts returns the attempts of a sandbox with relation, status, image, runtime and error", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const first = yield* ready
        yield* launch()
        yield* TestClock.adjust("1 second")
        yield* lifecycle.stop(first.sandbox.id)
        const second = yield* lifecycle.retry(first.sandbox.id)
        const { lease } = yield* claim(second)
        yield* lifecycle.beginBuild(lease)
        yield* lifecycle.failBuild(lease, { errorMessage: "no", errorCode: "disk", retryable: false })
        yield* TestClock.adjust("1 second")
        const third = yield* lifecycle.rebuild(first.sandbox.id)

        const of = { ownerUserId: ada, id: first.sandbox.id }
        const { items, nextCursor } = yield* lifecycle.listAttempts(of)
        expect(nextCursor).toEqual(Option.none())
        expect(items).toMatchObject([
          { attempt: { id: third.attempt.id }, relation: "rebuild", status: "queued", image: Option.none() },
          {
            attempt: { id: second.attempt.id },
            relation: "retry",
            status: "failed",
            runtime: Option.none(),
            error: Option.some({ code: Option.some("disk"), message: Option.some("no") })
          },
          {
            attempt: { id: first.attempt.id },
            relation: "launch",
            linkedAt: DateTime.unsafeMake(0),
            status: "stopping",
            image: Option.some(success.publishedReference),
            runtime: Option.some({ status: "running", stopReason: Option.none() }),
            error: Option.none()
          }
        ])
        expect(yield* pages((page) => lifecycle.listAttempts({ ...page, ...of }), 1)).toEqual(items)
      }).pipe(Effect.provide(layer))
    )

    it.effect("listAttempts derives the status as the sandbox does, for every combination of its rows", () =>
      Effect.gen(function* () {
        const { getDetail, listAttempts } = yield* SandboxLifecycle
        // On a server each combination is many round trips, and the statement is the same.
        const some = <A>(all: ReadonlyArray<A>) => (name === "remote" ? all.slice(0, 2) : all)
        const combinations = SandboxAttemptStatus.literals.flatMap((attempt) =>
          some([undefined, ...WorkspaceBuildJobStatus.literals]).flatMap((job) =>
            some([undefined, ...SandboxRuntimeStatus.literals]).flatMap((runtime) =>
              [false, true].map((stop) => ({ attempt, job, runtime, stop }))
            )
          )
        )
        for (const { attempt, job, runtime, stop } of name === "file" ? combinations : sampled(combinations, 5)) {
          const run = yield* make.attempt({ ownerUserId: ada, status: attempt })
          const sandbox = yield* make.sandbox({ ownerUserId: ada, latestAttemptId: run.id })
          if (job !== undefined) yield* make.buildJob({ attemptId: run.id, status: job })
          if (runtime !== undefined) yield* make.runtimeInstance({ attemptId: run.id, status: runtime })
          if (stop) yield* shell("UPDATE sandbox_attempts SET stop_requested_at = 0 WHERE id = ?", run.id)
          const of = { ownerUserId: ada, id: sandbox.id }
          expect(
            (yield* listAttempts(of)).items.map(({ status }) => status),
            [attempt, job, runtime, stop].join(" ")
          ).toEqual([(yield* getDetail(of)).status])
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("listAttempts reports a missing sandbox and one of another owner as NotFound", () =>
      Effect.gen(function* () {
        const { listAttempts } = yield* SandboxLifecycle
        yield* expectOwnedList(listAttempts)
        const bare = yield* make.sandbox({ ownerUserId: ada })
        expect((yield* listAttempts({ ownerUserId: ada, id: bare.id })).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("plans of sandbox lists", () => {
  const byRepository = "sandboxes_owner_user_id_repository_id_view_status_created_at_idx"

  it.effect("a list reads the ranges of one index of its owner, and the rows of each sandbox by their keys", () =>
    Effect.gen(function* () {
      const { list, listAttempts } = yield* SandboxLifecycle
      const { sandbox } = yield* ready
      yield* shell("ANALYZE")
      const statuses = ["ready", "failed"] as const
      const cases: ReadonlyArray<readonly [Omit<Filter, "ownerUserId">, string, number]> = [
        [{}, "sandboxes_owner_user_id_created_at_idx", 1],
        [{ statuses }, "sandboxes_owner_user_id_view_status_created_at_idx", 2],
        [{ repositoryId: "rep" }, byRepository, SandboxStatusView.literals.length],
        [{ repositoryId: "rep", statuses }, byRepository, 2],
        [{ search: "x" }, "sandboxes_owner_user_id_created_at_idx", 1],
        [{ search: "x", repositoryId: "rep", statuses }, "sandboxes_owner_user_id_created_at_idx", 1]
      ]
      for (const [filter, index, ranges] of cases) {
        const request = list({ ownerUserId: ada, ...filter })
        const context = JSON.stringify(filter)
        expect(yield* planIssues(request), context).toEqual([])
        const statements = yield* recordStatements(request)
        expect(statements, context).toHaveLength(1)
        const plan = (yield* Effect.forEach(statements, planOf)).flat()
        const ofSandboxes = plan.filter((line) => line.startsWith("SEARCH s "))
        expect(ofSandboxes, context).toHaveLength(ranges)
        for (const line of ofSandboxes) expect(line, context).toContain(`INDEX ${index} (owner_user_id=?`)
      }
      expect(yield* planIssues(listAttempts({ ownerUserId: ada, id: sandbox.id }))).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("a search reads the table only for the sandboxes that it returns", () =>
    Effect.gen(function* () {
      const { list } = yield* SandboxLifecycle
      yield* launch({ repositoryId: "rep" })
      const statements = yield* recordStatements(
        list({ ownerUserId: ada, search: "x", repositoryId: "rep", statuses: ["ready"] })
      )
      const opcodes = yield* Effect.forEach(statements, ({ params, text }) =>
        shell<{ readonly opcode: string; readonly p1: number; readonly p3: number }>(`EXPLAIN ${text}`, ...params)
      )
      const program = opcodes.flat()
      // The table's cursor moves after the last filter: https://www.sqlite.org/opcode.html#DeferredSeek.
      const seek = program.findIndex(({ opcode }) => opcode === "DeferredSeek")
      const table = program[seek]?.p3
      const like = program.findIndex(({ opcode }) => opcode === "Function")
      const firstRead = program.findIndex(
        ({ opcode, p1 }, at) => at > seek && (opcode === "Column" || opcode === "FinishSeek") && p1 === table
      )
      expect([seek > 0, like > seek, firstRead > like]).toEqual([true, true, true])
    }).pipe(Effect.provide(layers.file))
  )
})
