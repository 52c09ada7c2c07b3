import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as db from "@sealant/db"
import { Factories, layerTest } from "@sealant/db/testing"
import { tagOf } from "../support/refusals.js"

const { make } = Factories

const text = "exit 1\0 and \uD800"
const stored = "exit 1\uFFFD and \uFFFD"

describe("texts that workers report", () => {
  it.effect("are stored with U+FFFD for characters that SQLite cannot store, so that no report is lost", () =>
    Effect.gen(function* () {
      const jobs = yield* db.WorkspaceBuildJobRepo
      const deliveries = yield* db.GitHubWebhookDeliveryRepo
      const runtimes = yield* db.SandboxRuntimeInstanceRepo
      const executions = yield* db.IssueWorkflowExecutionRepo
      const lifecycle = yield* db.IssueWorkflowLifecycle

      const { job, lease } = yield* make.claimedJob()
      expect((yield* jobs.fail(lease, { errorMessage: text })).errorMessage).toEqual(Option.some(stored))
      expect((yield* jobs.getById(job.id)).errorMessage).toEqual(Option.some(stored))

      const failed = yield* make.claimedDelivery()
      expect((yield* deliveries.markFailed(failed.lease, { errorMessage: text })).errorMessage).toEqual(
        Option.some(stored)
      )
      const ignored = yield* make.claimedDelivery()
      expect((yield* deliveries.markIgnored(ignored.lease, { reason: text })).errorMessage).toEqual(Option.some(stored))

      const { id: attemptId } = yield* make.attempt({ status: "running" })
      expect((yield* runtimes.upsert({ attemptId, status: "failed", errorMessage: text })).errorMessage).toEqual(
        Option.some(stored)
      )

      const { id: executionId } = yield* make.execution({ status: "running" })
      const [result] = yield* executions.replaceValidationResults({
        executionId,
        results: [{ checkKey: "lint", status: "fail", message: text }]
      })
      expect(result?.message).toEqual(Option.some(stored))
      const summary = yield* executions.upsertSummary({
        executionId,
        objective: text,
        warnings: [text],
        assumptions: [text],
        summaryMarkdown: text
      })
      expect(summary).toMatchObject({
        objective: Option.some(stored),
        warnings: [stored],
        assumptions: [stored],
        summaryMarkdown: Option.some(stored)
      })
      yield* lifecycle.finish({ executionId, outcome: "failed", reason: text })
      expect((yield* executions.listEvents({ executionId })).items.at(-1)).toMatchObject({
        message: stored,
        sanitized: true
      })
      const cancelled = yield* make.execution({ status: "running" })
      const ended = yield* lifecycle.finish({ executionId: cancelled.id, outcome: "cancelled", reason: text })
      expect(ended.execution.cancelReason).toEqual(Option.some(stored))
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("are rejected in identifiers and names", () =>
    Effect.gen(function* () {
      const jobs = yield* db.WorkspaceBuildJobRepo
      const executions = yield* db.IssueWorkflowExecutionRepo
      const { lease } = yield* make.claimedJob()
      expect(yield* tagOf(jobs.fail(lease, { errorMessage: "", errorCode: text }))).toBe("InvalidInput")
      const { id: executionId } = yield* make.execution({ status: "running" })
      expect(
        yield* tagOf(
          executions.replaceValidationResults({ executionId, results: [{ checkKey: text, status: "fail" }] })
        )
      ).toBe("InvalidInput")
      expect(
        yield* tagOf(
          executions.appendEvents({ executionId, events: [{ phase: text, eventType: "line", message: "" }] })
        )
      ).toBe("InvalidInput")
    }).pipe(Effect.provide(layerTest))
  )
})
