import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { IssueWorkflowExecutionArtifactId } from "../../src/issue-workflow/ExecutionReport.js"
import { IssueWorkflowExecutionRepo } from "../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import { SandboxAttemptId } from "../../src/sandbox/SandboxAttempt.js"
import { planIssues } from "../support/plans.js"
import { gone, layers, line, queued, shell, tagOf } from "./executionSupport.js"

const ended = Effect.gen(function* () {
  const repo = yield* IssueWorkflowExecutionRepo
  const { id: executionId } = yield* queued
  yield* repo.appendEvents({ executionId, events: [3, 5].map((sequence) => ({ sequence, ...line("x") })) })
  yield* repo.cancel({ id: executionId, reason: "" })
  return executionId
})

const methods = Effect.gen(function* () {
  const repo = yield* IssueWorkflowExecutionRepo
  const executionId = yield* ended
  const file = { changeType: "added", path: "a" } as const
  const appendTwice = (events: Parameters<typeof repo.appendEvents>[0]["events"]) =>
    Effect.all([1, 2].map(() => repo.appendEvents({ executionId, events })))
  return {
    create: repo.create({ issueWorkflowId: "ada-workflow" }),
    findById: repo.findById(gone),
    findBySandboxAttemptId: repo.findBySandboxAttemptId(SandboxAttemptId.make("gone")),
    getById: tagOf(repo.getById(gone)),
    list: Effect.forEach([undefined, ["queued"], ["queued", "running"]] as const, (statuses) =>
      repo.list({ issueWorkflowId: "ada-workflow", statuses })
    ),
    stream: Stream.runDrain(repo.stream({ issueWorkflowId: "ada-workflow" })),
    start: tagOf(repo.start(executionId)),
    succeed: tagOf(repo.succeed(executionId)),
    fail: tagOf(repo.fail(executionId)),
    cancel: repo.cancel({ id: executionId, reason: "" }),
    linkSandboxAttempt: Effect.all([
      repo.linkSandboxAttempt({ executionId, sandboxAttemptId: "ada-attempt" }),
      tagOf(repo.linkSandboxAttempt({ executionId, sandboxAttemptId: "eve-attempt" }))
    ]),
    appendEvents: Effect.all([
      repo.appendEvents({ executionId, events: [] }),
      appendTwice([{ sequence: 50, ...line("x") }]),
      appendTwice([{ id: "own", ...line("x") }])
    ]),
    listEvents: repo.listEvents({ executionId }),
    tailEvents: Stream.runDrain(repo.tailEvents({ executionId })),
    replaceValidationResults: repo.replaceValidationResults({
      executionId,
      results: [{ checkKey: "a", status: "pass" }]
    }),
    replaceDiffFiles: repo.replaceDiffFiles({ executionId, files: [file] }),
    insertArtifacts: repo.insertArtifacts({ executionId, artifacts: [{}] }),
    listArtifacts: Effect.all([repo.listArtifacts({ executionId }), repo.listArtifacts({ executionId, kind: "log" })]),
    streamArtifacts: Stream.runDrain(repo.streamArtifacts({ executionId })),
    getArtifact: tagOf(repo.getArtifact(IssueWorkflowExecutionArtifactId.make("gone"))),
    upsertSummary: Effect.all(
      [{}, { objective: "x" }, { objective: "x" }].map((fields) => repo.upsertSummary({ executionId, ...fields }))
    ),
    linkPullRequest: Effect.all([1, 2].map(() => repo.linkPullRequest({ executionId, pullRequestId: "pr-1" }))),
    listPullRequests: repo.listPullRequests({ executionId }),
    getDetail: repo.getDetail(executionId)
  }
})

describe("statements of IssueWorkflowExecutionRepo", () => {
  it.effect("use an index in every statement", () =>
    Effect.gen(function* () {
      const repo = yield* IssueWorkflowExecutionRepo
      const known: Readonly<Record<string, Effect.Effect<unknown, unknown>>> = yield* methods
      expect(Object.keys(known).toSorted()).toEqual(Object.keys(repo).toSorted())
      for (const [method, effect] of Object.entries(known))
        expect(yield* planIssues(Effect.ignore(effect)), method).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("find gaps through the index", () =>
    Effect.gen(function* () {
      const repo = yield* IssueWorkflowExecutionRepo
      const { id: executionId } = yield* queued
      yield* repo.appendEvents({
        executionId,
        events: Array.from({ length: 700 }, (_, n) => ({ sequence: n * 2, ...line("x") }))
      })
      yield* repo.cancel({ id: executionId, reason: "" })
      // The first page leaves gaps, into which the second looks.
      expect(yield* planIssues(Stream.runDrain(repo.tailEvents({ executionId })))).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("work on an SqlClient that another package created", () =>
    Effect.gen(function* () {
      const { id: executionId } = yield* queued
      const sql = yield* SqlClient.SqlClient
      // The same client under another identity, as a wrapper would have it.
      const stranger: SqlClient.SqlClient = Object.assign((...args: Parameters<typeof sql>) => sql(...args), sql)
      yield* Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        yield* repo.appendEvents({ executionId, events: [line("one")] })
        const tail = yield* Effect.fork(Stream.runCount(repo.tailEvents({ executionId })))
        yield* Effect.yieldNow()
        yield* repo.appendEvents({ executionId, events: [line("two")] })
        yield* repo.cancel({ id: executionId, reason: "" })
        expect(yield* tail).toBe(2)
        expect((yield* repo.getDetail(executionId)).events.items).toHaveLength(2)
      }).pipe(
        Effect.provide(Layer.fresh(IssueWorkflowExecutionRepo.layer)),
        Effect.provideService(SqlClient.SqlClient, stranger)
      )
      expect(yield* shell("SELECT count(*) AS count FROM issue_workflow_execution_events")).toEqual([{ count: 2 }])
    }).pipe(Effect.provide(layers.memory))
  )
})
