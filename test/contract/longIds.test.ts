/**
 * Rows with ids that are longer than those of new rows may be, as an import stores them.
 */
import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import {
  IssueWorkflowExecutionRepo,
  IssueWorkflowLifecycle,
  SandboxAttemptRepo,
  SandboxLifecycle,
  SandboxRepo
} from "@sealant/db"
import { Factories, layerTest } from "@sealant/db/testing"
import { refusalOf } from "../support/refusals.js"

const { make } = Factories

const long = (prefix: string) => prefix.padEnd(300, "x")

/** A sandbox of Ada that waits for its attempt, and an execution that waits for an agent. */
const fixture = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* make.user({ id: "ada" })
  const [sandbox, attempt, execution] = [long("sandbox"), long("attempt"), long("execution")]
  yield* sql`INSERT INTO sandbox_attempts (id, owner_user_id, queued_at, created_at, updated_at) VALUES (${attempt}, 'ada', 1, 1, 1)`
  yield* sql`
    INSERT INTO sandboxes (id, owner_user_id, name, latest_run_id, created_at, updated_at) VALUES (${sandbox}, 'ada', 'imported', ${attempt}, 1, 1)`
  yield* sql`INSERT INTO sandbox_run_links (sandbox_id, run_id, linked_at) VALUES (${sandbox}, ${attempt}, 1)`
  const { id: workflowId } = yield* make.workflow({ ownerUserId: "ada" })
  yield* sql`
    INSERT INTO issue_workflow_executions (id, issue_workflow_id, queued_at, created_at, updated_at) VALUES (${execution}, ${workflowId}, 1, 1, 1)`
  yield* TestClock.setTime(7 * 86_400_000)
  return { attempt, execution, sandbox, workflowId }
})

it.effect("a sandbox, an attempt and an execution with long ids are ended by supervision", () =>
  Effect.gen(function* () {
    const sandboxes = yield* SandboxLifecycle
    const workflows = yield* IssueWorkflowLifecycle
    const ids = yield* fixture
    const supervised = yield* sandboxes.supervise({ limit: 10, runtimeDeadline: "1 hour" })
    expect(supervised.ended).toBeGreaterThan(0)
    expect(supervised.failed).toBe(0)
    expect(yield* (yield* SandboxRepo).getById(ids.sandbox)).toMatchObject({ status: "failed" })
    expect(yield* (yield* SandboxAttemptRepo).getById(ids.attempt)).toMatchObject({ status: "failed" })
    expect(yield* workflows.supervise({ limit: 10 })).toEqual({ ended: 1, failed: 0 })
    expect(yield* (yield* IssueWorkflowExecutionRepo).getById(ids.execution)).toMatchObject({ status: "cancelled" })
  }).pipe(Effect.provide(layerTest))
)

it.effect("a sandbox with a long id is stopped and deleted, and its workflow cancelled", () =>
  Effect.gen(function* () {
    const { delete: remove, stop } = yield* SandboxLifecycle
    const ids = yield* fixture
    expect(yield* stop({ id: ids.sandbox, ownerUserId: "ada" })).toMatchObject({ status: "stopped" })
    expect(yield* (yield* SandboxAttemptRepo).getById(ids.attempt)).toMatchObject({ status: "cancelled" })
    yield* remove({ id: ids.sandbox, ownerUserId: "ada" })
    yield* (yield* IssueWorkflowLifecycle).cancel({ id: ids.workflowId, ownerUserId: "ada", reason: "enough" })
    expect(yield* (yield* IssueWorkflowExecutionRepo).getById(ids.execution)).toMatchObject({ status: "cancelled" })
  }).pipe(Effect.provide(layerTest))
)

it.effect("an unknown long id is reported as any unknown id", () =>
  Effect.gen(function* () {
    const { delete: remove, stop } = yield* SandboxLifecycle
    yield* fixture
    const notFound = { _tag: "NotFound", entity: "Sandbox" }
    expect(yield* refusalOf(stop(long("nowhere")))).toMatchObject(notFound)
    expect(yield* refusalOf(remove({ id: long("nowhere"), ownerUserId: "ada" }))).toMatchObject(notFound)
    expect(yield* refusalOf((yield* SandboxRepo).setStatus({ id: long("nowhere"), status: "stopped" }))).toMatchObject(
      notFound
    )
  }).pipe(Effect.provide(layerTest))
)
