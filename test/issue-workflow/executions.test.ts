import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, type Layer, Option, Stream, TestClock } from "effect"
import {
  type IssueWorkflowExecution,
  type IssueWorkflowExecutionId,
  IssueWorkflowExecutionStatus,
  issueWorkflowExecutionTransitions,
  IssueWorkflowExecutionTriggerType
} from "../../src/issue-workflow/IssueWorkflowExecution.js"
import {
  IssueWorkflowExecutionRepo,
  type IssueWorkflowExecutionService
} from "../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import {
  badNames,
  eve,
  gone,
  layers,
  pages,
  queued,
  refusalOf,
  running,
  type Services,
  shell,
  tagOf
} from "./executionSupport.js"
import { SandboxAttemptId } from "../../src/sandbox/SandboxAttempt.js"
import { followsTransitions } from "../support/transitions.js"

const millis = Option.map((instant: { readonly epochMillis: number }) => instant.epochMillis)

const timesOf = ({ durationMs, finishedAt, startedAt }: IssueWorkflowExecution) => [
  Option.getOrNull(millis(startedAt)),
  Option.getOrNull(millis(finishedAt)),
  Option.getOrNull(durationMs)
]

/** Each way to change a status, and where it leads. */
const moves = {
  start: { to: "running", run: (repo: IssueWorkflowExecutionService, id: IssueWorkflowExecutionId) => repo.start(id) },
  succeed: {
    to: "succeeded",
    run: (repo: IssueWorkflowExecutionService, id: IssueWorkflowExecutionId) => repo.succeed(id)
  },
  fail: { to: "failed", run: (repo: IssueWorkflowExecutionService, id: IssueWorkflowExecutionId) => repo.fail(id) },
  cancel: {
    to: "cancelled",
    run: (repo: IssueWorkflowExecutionService, id: IssueWorkflowExecutionId) => repo.cancel({ id, reason: "enough" })
  }
} as const

/** An execution in a state, put there past the repository. */
const executionIn = (status: IssueWorkflowExecutionStatus) =>
  Effect.gen(function* () {
    const repo = yield* IssueWorkflowExecutionRepo
    const { id } = yield* queued
    if (status !== "queued")
      yield* shell("UPDATE issue_workflow_executions SET status = 'running', started_at = 5 WHERE id = ?", id)
    if (status !== "queued" && status !== "running") {
      yield* shell(
        "UPDATE issue_workflow_executions SET status = ?, finished_at = 7, duration_ms = 2 WHERE id = ?",
        status,
        id
      )
    }
    return yield* repo.getById(id)
  })

/** The contract of `IssueWorkflowExecutionRepo` for executions. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`IssueWorkflowExecutionRepo (${name})`, () => {
    it.effect("stores every field of the input", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        yield* TestClock.setTime(1000)
        const small = yield* repo.create({ issueWorkflowId: "ada-workflow" })
        expect(small.id).toMatch(/^wfx_/)
        expect(small).toMatchObject({
          issueWorkflowId: "ada-workflow",
          status: "queued",
          triggerType: "manual",
          sandboxId: Option.none(),
          sandboxAttemptId: Option.none(),
          requestedByUserId: Option.none(),
          cancelReason: Option.none()
        })
        expect([small.queuedAt, small.createdAt, small.updatedAt].map(({ epochMillis }) => epochMillis)).toEqual([
          1000, 1000, 1000
        ])
        expect(timesOf(small)).toEqual([null, null, null])
        const references = { sandboxId: "ada-sandbox", sandboxAttemptId: "ada-attempt", requestedByUserId: eve }
        const full = yield* repo.create({
          id: "full",
          issueWorkflowId: "ada-workflow",
          triggerType: "retry",
          ...references
        })
        expect(full).toMatchObject({ id: "full", triggerType: "retry" })
        for (const [field, value] of Object.entries(references)) expect(full).toHaveProperty(field, Option.some(value))
        for (const triggerType of IssueWorkflowExecutionTriggerType.literals) {
          expect((yield* repo.create({ issueWorkflowId: "ada-workflow", triggerType })).triggerType).toBe(triggerType)
        }
        expect(yield* repo.findById(full.id)).toEqual(Option.some(full))
        expect(yield* repo.getById(full.id)).toEqual(full)
        expect(yield* repo.findById(gone)).toEqual(Option.none())
        expect(yield* refusalOf(repo.getById(gone))).toMatchObject({
          _tag: "NotFound",
          entity: "IssueWorkflowExecution",
          id: "gone"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input for a new execution", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const own = { issueWorkflowId: "ada-workflow" }
        yield* repo.create({ ...own, id: "taken", sandboxAttemptId: "ada-attempt" })
        expect(yield* refusalOf(repo.create({ ...own, id: "taken" }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "issue_workflow_executions.id"
        })
        expect(yield* refusalOf(repo.create({ ...own, sandboxAttemptId: "ada-attempt" }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "issue_workflow_executions.sandbox_attempt_id"
        })
        for (const field of ["issueWorkflowId", "sandboxId", "sandboxAttemptId", "requestedByUserId"] as const) {
          expect(yield* refusalOf(repo.create({ ...own, [field]: "nobody" }))).toMatchObject({
            _tag: "ReferenceNotFound",
            reference: field
          })
          for (const bad of Object.values(badNames))
            expect(yield* tagOf(repo.create({ ...own, [field]: bad })), field).toBe("InvalidInput")
        }
        for (const bad of Object.values(badNames))
          expect(yield* tagOf(repo.create({ ...own, id: bad }))).toBe("InvalidInput")
        expect(yield* tagOf(repo.create({ ...own, triggerType: "x" as "api" }))).toBe("InvalidInput")
        // Rows of another owner are reported as NotFound.
        const mine = { sandboxId: "ada-sandbox", sandboxAttemptId: "ada-attempt-2" }
        for (const [field, given] of [
          ["sandboxId", { sandboxId: "eve-sandbox" }],
          ["sandboxAttemptId", { sandboxAttemptId: "eve-attempt" }],
          ["sandboxId", { ...mine, sandboxId: "eve-sandbox" }],
          ["sandboxAttemptId", { ...mine, sandboxAttemptId: "eve-attempt" }],
          ["sandboxAttemptId", { ...mine, issueWorkflowId: "nobody-workflow", sandboxAttemptId: "eve-attempt" }]
        ] as const) {
          expect(yield* refusalOf(repo.create({ ...own, ...given }))).toMatchObject({
            _tag: "ReferenceNotFound",
            reference: field
          })
        }
        expect((yield* repo.list(own)).items).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )

    for (const [method, { run, to }] of Object.entries(moves)) {
      it.effect(`${method} follows the declared transitions only`, () =>
        Effect.gen(function* () {
          const repo = yield* IssueWorkflowExecutionRepo
          yield* TestClock.setTime(1000)
          yield* followsTransitions({
            entity: "IssueWorkflowExecution",
            machine: issueWorkflowExecutionTransitions,
            to,
            run: (id: IssueWorkflowExecutionId) => run(repo, id),
            rowIn: executionIn,
            getById: repo.getById
          })
          expect(yield* tagOf(run(repo, gone))).toBe("NotFound")
          for (const bad of Object.values(badNames)) {
            expect(yield* Effect.suspend(() => tagOf(run(repo, bad as IssueWorkflowExecutionId)))).toBe("InvalidInput")
          }
        }).pipe(Effect.provide(layer))
      )
    }

    it.effect("the database rejects exactly the undeclared transitions", () =>
      Effect.gen(function* () {
        for (const from of IssueWorkflowExecutionStatus.literals) {
          for (const to of IssueWorkflowExecutionStatus.literals) {
            const { id } = yield* executionIn(from)
            const taken = yield* Effect.isSuccess(
              shell(
                "UPDATE issue_workflow_executions SET status = ?, started_at = ?, finished_at = ?, duration_ms = NULL WHERE id = ?",
                to,
                to === "queued" ? null : 5,
                to === "queued" || to === "running" ? null : 7,
                id
              )
            )
            expect(taken, `${from} → ${to}`).toBe(from === to || issueWorkflowExecutionTransitions.allows(from, to))
          }
        }
        yield* executionIn("running")
        for (const change of [
          "status = 'dead'",
          "issue_workflow_id = 'eve-workflow'",
          "sandbox_id = 'eve-sandbox'",
          "finished_at = started_at - 1",
          "duration_ms = -1",
          "started_at = NULL",
          "cancel_reason = 'x'"
        ]) {
          expect(
            yield* Effect.isFailure(shell(`UPDATE issue_workflow_executions SET ${change} WHERE status = 'running'`)),
            change
          ).toBe(true)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("records a duration from start to finish that is never negative", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        yield* TestClock.setTime(10_000)
        const { id } = yield* running
        const { id: other } = yield* running
        const { id: never } = yield* queued
        yield* TestClock.adjust("5 seconds")
        expect(timesOf(yield* repo.succeed(id))).toEqual([10_000, 15_000, 5000])
        const cancelled = yield* repo.cancel({ id: never, reason: "enough" })
        expect(timesOf(cancelled)).toEqual([null, 15_000, null])
        expect(cancelled.cancelReason).toEqual(Option.some("enough"))
        expect(yield* repo.cancel({ id: never, reason: "another" })).toEqual(cancelled)
        // A clock that was set back.
        yield* TestClock.setTime(9000)
        expect(timesOf(yield* repo.fail(other))).toEqual([10_000, 10_000, 0])
        const { id: open } = yield* queued
        for (const reason of [badNames.huge, badNames.nul, badNames.surrogate]) {
          expect(yield* tagOf(repo.cancel({ id: open, reason }))).toBe("InvalidInput")
        }
        expect((yield* repo.cancel({ id: open, reason: "" })).cancelReason).toEqual(Option.some(""))
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps the first end when many callers end it concurrently", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id } = yield* running
        const ends = [moves.succeed, moves.fail, moves.cancel]
        const outcomes = yield* Effect.forEach(
          [...ends, ...ends, ...ends],
          ({ run, to }) => Effect.map(tagOf(run(repo, id)), (tag) => [to, tag] as const),
          { concurrency: "unbounded" }
        )
        const { status } = yield* repo.getById(id)
        expect(outcomes).toEqual(outcomes.map(([to]) => [to, to === status ? "ok" : "InvalidTransition"]))
      }).pipe(Effect.provide(layer))
    )

    it.effect("runs in one attempt of its owner", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* queued
        yield* TestClock.adjust("1 second")
        const loose = yield* repo.linkSandboxAttempt({ executionId, sandboxAttemptId: "ada-attempt-2" })
        expect(loose).toMatchObject({ sandboxId: Option.none(), sandboxAttemptId: Option.some("ada-attempt-2") })
        expect(loose.updatedAt.epochMillis).toBe(1000)
        const linked = yield* repo.linkSandboxAttempt({ executionId, sandboxAttemptId: "ada-attempt" })
        expect(linked).toMatchObject({
          sandboxId: Option.some("ada-sandbox"),
          sandboxAttemptId: Option.some("ada-attempt")
        })
        yield* TestClock.adjust("1 second")
        expect(yield* repo.linkSandboxAttempt({ executionId, sandboxAttemptId: "ada-attempt" })).toEqual(linked)
        expect(yield* repo.findBySandboxAttemptId(SandboxAttemptId.make("ada-attempt"))).toEqual(Option.some(linked))
        expect(yield* repo.findBySandboxAttemptId(SandboxAttemptId.make("eve-attempt"))).toEqual(Option.none())
        // An attempt that is in no sandbox leaves the sandbox that is known; a sandbox that is given is taken.
        expect((yield* repo.linkSandboxAttempt({ executionId, sandboxAttemptId: "ada-attempt-2" })).sandboxId).toEqual(
          Option.some("ada-sandbox")
        )
        const { id: second } = yield* queued
        const given = { executionId: second, sandboxId: "ada-sandbox", sandboxAttemptId: "ada-attempt" }
        expect((yield* repo.linkSandboxAttempt(given)).sandboxId).toEqual(Option.some("ada-sandbox"))

        const { id: third } = yield* queued
        for (const [expected, request] of [
          [
            { _tag: "NotFound", id: "gone" },
            { executionId: gone, sandboxAttemptId: "nobody" }
          ],
          [
            { _tag: "NotFound", id: "gone" },
            { executionId: gone, sandboxAttemptId: "ada-attempt" }
          ],
          [
            { _tag: "AlreadyExists", constraint: "issue_workflow_executions.sandbox_attempt_id" },
            { executionId: third, sandboxAttemptId: "ada-attempt" }
          ],
          [
            { _tag: "ReferenceNotFound", reference: "sandboxAttemptId" },
            { executionId: third, sandboxAttemptId: "nobody" }
          ],
          [
            { _tag: "ReferenceNotFound", reference: "sandboxAttemptId" },
            { executionId: third, sandboxAttemptId: "eve-attempt" }
          ],
          [
            { _tag: "ReferenceNotFound", reference: "sandboxAttemptId" },
            { executionId: third, sandboxAttemptId: "eve-attempt", sandboxId: "ada-sandbox" }
          ]
        ] as const) {
          expect(yield* refusalOf(repo.linkSandboxAttempt(request)), JSON.stringify(request)).toMatchObject(expected)
        }
        yield* shell("UPDATE issue_workflow_executions SET sandbox_attempt_id = NULL WHERE id = ?", second)
        for (const sandboxId of ["eve-sandbox", "nobody"]) {
          expect(
            yield* refusalOf(
              repo.linkSandboxAttempt({ executionId: third, sandboxAttemptId: "ada-attempt", sandboxId })
            )
          ).toMatchObject({
            _tag: "ReferenceNotFound",
            reference: "sandboxId"
          })
        }
        for (const bad of Object.values(badNames)) {
          expect(yield* tagOf(repo.linkSandboxAttempt({ executionId: bad, sandboxAttemptId: "ada-attempt" }))).toBe(
            "InvalidInput"
          )
          expect(yield* tagOf(repo.linkSandboxAttempt({ executionId, sandboxAttemptId: bad }))).toBe("InvalidInput")
        }
        expect((yield* repo.getById(third)).updatedAt.epochMillis).toBe(2000)
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps the attempt with which it ended", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        yield* repo.cancel({ id: executionId, reason: "enough" })
        const linked = yield* repo.linkSandboxAttempt({ executionId, sandboxAttemptId: "ada-attempt" })
        expect(yield* repo.linkSandboxAttempt({ executionId, sandboxAttemptId: "ada-attempt" })).toEqual(linked)
        expect(yield* tagOf(repo.linkSandboxAttempt({ executionId, sandboxAttemptId: "ada-attempt-2" }))).toBe(
          "AlreadyExists"
        )
        expect(yield* repo.getById(executionId)).toEqual(linked)
      }).pipe(Effect.provide(layer))
    )

    it.effect("assigns an attempt to one of several executions that request it concurrently", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const all = yield* Effect.all(Array.from({ length: 8 }, () => queued))
        const tags = yield* Effect.forEach(
          all,
          ({ id }) => tagOf(repo.linkSandboxAttempt({ executionId: id, sandboxAttemptId: "ada-attempt" })),
          { concurrency: "unbounded" }
        )
        expect(tags.toSorted()).toEqual([...Array.from({ length: 7 }, () => "AlreadyExists"), "ok"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists the executions of a workflow newest first while rows are inserted and deleted", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        for (let index = 0; index < 40; index++) {
          if (index % 4 === 0) yield* TestClock.adjust("1 second")
          const issueWorkflowId = index % 3 === 0 ? "eve-workflow" : "ada-workflow"
          yield* repo.create({ id: `a${String(index).padStart(2, "0")}`, issueWorkflowId })
        }
        const expected = (remainders: ReadonlyArray<number>) =>
          Array.from({ length: 40 }, (_, index) => 39 - index)
            .filter((index) => remainders.includes(index % 3))
            .map((index) => `a${String(index).padStart(2, "0")}`)
        for (const [issueWorkflowId, remainders] of [
          ["ada-workflow", [1, 2]],
          ["eve-workflow", [0]],
          ["other", []]
        ] as const) {
          const ids = expected(remainders)
          expect((yield* pages((page) => repo.list({ issueWorkflowId, ...page }), 7)).map(({ id }) => id)).toEqual(ids)
          const streamed = yield* Stream.runCollect(repo.stream({ issueWorkflowId }))
          expect(Chunk.toReadonlyArray(streamed).map(({ id }) => id)).toEqual(ids)
        }
        const whole = (yield* repo.list({ issueWorkflowId: "ada-workflow", limit: 500 })).items
        for (const { id } of whole.slice(5, 15)) yield* repo.start(id)
        for (const { id } of whole.slice(10, 20)) yield* repo.cancel({ id, reason: "" })
        const moved = (yield* repo.list({ issueWorkflowId: "ada-workflow", limit: 500 })).items
        for (const statuses of [
          undefined,
          [],
          ["running"],
          ["cancelled", "running", "cancelled"],
          ["succeeded"]
        ] as const) {
          const ofThem = moved.filter(
            ({ status }) => statuses === undefined || statuses.some((wanted) => wanted === status)
          )
          expect(yield* pages((page) => repo.list({ issueWorkflowId: "ada-workflow", statuses, ...page }), 7)).toEqual(
            ofThem
          )
        }
        let round = 0
        const meanwhile = Effect.suspend(() => {
          round++
          return Effect.all([
            repo.create({ issueWorkflowId: "ada-workflow", id: `b${round}` }),
            shell("DELETE FROM issue_workflow_executions WHERE id = ?", `a0${round}`).pipe(Effect.orDie)
          ])
        })
        const seen = (yield* pages(
          (page) => repo.list({ issueWorkflowId: "ada-workflow", ...page }),
          5,
          meanwhile
        )).map(({ id }) => id)
        expect(new Set(seen).size).toBe(seen.length)
        const left = (yield* repo.list({ issueWorkflowId: "ada-workflow", limit: 500 })).items.map(({ id }) => id)
        expect(left.filter((id) => id.startsWith("a")).every((id) => seen.includes(id))).toBe(true)

        const bad: ReadonlyArray<Parameters<typeof repo.list>[0]> = [
          ...[0, 501, Number.NaN].map((limit) => ({ issueWorkflowId: "ada-workflow", limit })),
          ...["", "!", "W10"].map((cursor) => ({ issueWorkflowId: "ada-workflow", cursor })),
          ...Object.values(badNames).map((issueWorkflowId) => ({ issueWorkflowId })),
          { issueWorkflowId: "ada-workflow", statuses: ["dead" as "queued"] },
          { issueWorkflowId: undefined as unknown as string }
        ]
        for (const request of bad) expect(yield* tagOf(repo.list(request))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("joins the caller's transaction", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const sql = yield* SqlClient.SqlClient
        const { id } = yield* queued
        yield* Effect.ignore(sql.withTransaction(Effect.zipRight(repo.start(id), Effect.fail("no"))))
        expect((yield* repo.getById(id)).status).toBe("queued")
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
