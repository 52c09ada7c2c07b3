import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option } from "effect"
import { IssueWorkflowExecutionStatus } from "../../src/issue-workflow/IssueWorkflowExecution.js"
import { IssueWorkflowExecutionRepo } from "../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import {
  execution,
  executionArtifact,
  executionDiffFile,
  executionEvent,
  executionPullRequestLink,
  executionSummary,
  executionValidationResult
} from "../../src/testing/executions.js"
import { memoryLayer } from "../support/database.js"
import { refusalOf } from "../support/refusals.js"

const layer = Layer.provideMerge(IssueWorkflowExecutionRepo.layer, memoryLayer)

describe("factories of executions", () => {
  for (const status of IssueWorkflowExecutionStatus.literals) {
    it.effect(`create an execution that is ${status} and readable by its repository`, () =>
      Effect.gen(function* () {
        const made = yield* execution({ status })
        expect(yield* (yield* IssueWorkflowExecutionRepo).getById(made.id)).toEqual(made)
        expect(made.status).toBe(status)
      }).pipe(Effect.provide(layer))
    )
  }

  it.effect("keep the input, and create each referenced row once, of one owner", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const at = (millis: number) => DateTime.unsafeMake(millis)
      const given = { id: "x", issueWorkflowId: "w", sandboxId: "s", sandboxAttemptId: "r", requestedByUserId: "bob" }
      const made = yield* execution({
        ...given,
        status: "failed",
        triggerType: "api",
        startedAt: at(5),
        finishedAt: at(9)
      })
      expect(made).toMatchObject({
        id: "x",
        issueWorkflowId: "w",
        sandboxId: Option.some("s"),
        sandboxAttemptId: Option.some("r"),
        requestedByUserId: Option.some("bob"),
        triggerType: "api",
        durationMs: Option.some(4)
      })
      expect((yield* execution({ issueWorkflowId: "w", sandboxId: "s" })).issueWorkflowId).toBe("w")
      expect((yield* execution({ sandboxId: "s", sandboxAttemptId: "r2" })).sandboxAttemptId).toEqual(Option.some("r2"))
      expect(yield* sql`SELECT count(DISTINCT owner_user_id) AS owners FROM sandbox_attempts`).toEqual([{ owners: 1 }])
      expect(yield* refusalOf(execution({ id: "x" }))).toMatchObject({ _tag: "AlreadyExists" })
    }).pipe(Effect.provide(layer))
  )

  it.effect("create reports that the repository can read", () =>
    Effect.gen(function* () {
      const repo = yield* IssueWorkflowExecutionRepo
      const events = [
        yield* executionEvent({ executionId: "x" }),
        yield* executionEvent({ executionId: "x", payload: { a: 1 } })
      ]
      const result = yield* executionValidationResult({ executionId: "x", details: { a: 1 } })
      const file = yield* executionDiffFile({ executionId: "x", patchArtifactId: "patch", isBinary: true })
      const summary = yield* executionSummary({ executionId: "x", warnings: ["w"] })
      const link = yield* executionPullRequestLink({ executionId: "x", pullRequestId: "pr" })
      const [event] = events
      const detail = yield* repo.getDetail((yield* execution()).id)
      expect(detail.events.items).toEqual([])
      const ofIt = yield* repo.getDetail(link.executionId)
      expect(ofIt).toMatchObject({
        events: { items: events },
        validationResults: [result],
        diffFiles: [file],
        summary: Option.some(summary)
      })
      expect(event?.sequence).toBe(1)
      expect(ofIt.artifacts.map(({ id, kind }) => [id, kind])).toEqual([["patch", "diff"]])
      expect((yield* repo.listPullRequests({ executionId: "x" })).items).toEqual([link])
      const elsewhere = yield* executionArtifact({ storageBackend: "s3" })
      expect(yield* repo.getArtifact(elsewhere.id)).toEqual(elsewhere)
      const alone = yield* Effect.all([
        executionEvent(),
        executionValidationResult(),
        executionDiffFile(),
        executionSummary(),
        executionPullRequestLink()
      ])
      expect(alone).toHaveLength(5)
    }).pipe(Effect.provide(layer))
  )
})
