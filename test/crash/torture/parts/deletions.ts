/**
 * Sandboxes and users that are deleted, and sandboxes that are brought up again, while executions work in them.
 * Every execution, job and workflow ends afterwards.
 */
import { Effect, Option } from "effect"
import { UserId } from "../../../../src/auth/User.js"
import { UserRepo } from "../../../../src/auth/UserRepo.js"
import { IssueRepo } from "../../../../src/issue-workflow/IssueRepo.js"
import { IssueWorkflowLifecycle } from "../../../../src/issue-workflow/IssueWorkflowLifecycle.js"
import { SandboxLifecycle } from "../../../../src/sandbox/SandboxLifecycle.js"
import { shell, specification } from "../../../sandbox/lifecycle/support.js"
import { runOperation, type Turn } from "../operation.js"
import { doneOf, type Ledger } from "../protocol.js"
import { issueIds } from "../database.js"

/** A user of their own with a workflow on a new issue. */
const workflowOf = (ownerUserId: string, number: number) =>
  Effect.gen(function* () {
    yield* (yield* UserRepo).create({
      id: ownerUserId,
      name: ownerUserId,
      email: `${ownerUserId.replaceAll("/", ".").toLowerCase()}@example.com`
    })
    const [row] = yield* Effect.orDie(
      shell<{ readonly id: string }>("SELECT repository_id AS id FROM issues WHERE id = ?", issueIds[0])
    )
    const issue = yield* (yield* IssueRepo).upsert({ repositoryId: row?.id ?? "", number, title: "doomed" })
    return (yield* (yield* IssueWorkflowLifecycle).open({ issueId: issue.id, ownerUserId })).workflow.id
  })

/** Two executions in one sandbox, which is then deleted, or stopped and retried. */
const shareSandbox = ({ name, options, random }: Turn) =>
  Effect.gen(function* () {
    const workflows = yield* IssueWorkflowLifecycle
    const sandboxes = yield* SandboxLifecycle
    const ownerUserId = name()
    const sharing = Effect.gen(function* () {
      const issueWorkflowId = yield* workflowOf(ownerUserId, 1000 + random.below(2 ** 31))
      const launch = {
        name: ownerUserId,
        spec: specification,
        registryId: "registry",
        repository: "acme/app",
        tag: "latest"
      }
      const first = yield* workflows.startExecution({ issueWorkflowId, launch, idempotencyKey: "first" })
      const sandboxId = Option.getOrThrow(first.sandbox).id
      const second = yield* workflows.startExecution({ issueWorkflowId, sandboxId, idempotencyKey: "second" })
      if (random.chance(0.5)) yield* workflows.beginExecution(first.execution.id)
      return {
        sandboxId,
        attemptId: Option.getOrThrow(first.execution.sandboxAttemptId),
        executionIds: [first.execution.id, second.execution.id]
      }
    })
    const shared = yield* runOperation(options, "share", { ownerUserId }, sharing, () => undefined)
    if (Option.isNone(shared)) return
    const { sandboxId, ...facts } = shared.value
    if (random.chance(0.5)) {
      yield* runOperation(
        options,
        "deleteSandbox",
        { sandboxId },
        sandboxes.delete({ id: sandboxId, ownerUserId }),
        () => ({
          sandboxId,
          ...facts
        })
      )
    } else {
      const again = Effect.zipRight(sandboxes.stop(sandboxId), sandboxes.retry(sandboxId))
      yield* runOperation(options, "stopAndRetry", { sandboxId }, again, () => facts)
    }
  })

/** A user with a workflow and an execution, who is then deleted. */
const deleteUser = ({ name, options, random }: Turn) =>
  Effect.gen(function* () {
    const id = name()
    const opening = Effect.gen(function* () {
      const workflowId = yield* workflowOf(id, 1000 + random.below(2 ** 31))
      yield* (yield* IssueWorkflowLifecycle).startExecution({ issueWorkflowId: workflowId, idempotencyKey: "only" })
      return workflowId
    })
    const opened = yield* runOperation(options, "share", { ownerUserId: id }, opening, () => undefined)
    if (Option.isNone(opened)) return
    yield* runOperation(options, "deleteUser", { id }, (yield* UserRepo).delete(UserId.make(id)), () => ({
      userId: id,
      workflowId: opened.value
    }))
  })

export const acts = [shareSandbox, deleteUser]

/** Ends executions as the next supervisor does. Reports executions that are still active without their sandbox. */
export const reconcile = Effect.gen(function* () {
  const workflows = yield* IssueWorkflowLifecycle
  while ((yield* workflows.supervise({ limit: 1000 })).ended > 0);
  const left = yield* shell<{ readonly id: string }>(`
    SELECT e.id FROM issue_workflow_executions AS e JOIN sandboxes AS s ON s.id = e.sandbox_id
    WHERE e.status IN ('queued', 'running') AND s.status IN ('stopped', 'failed')`)
  return left.map(({ id }) => `the execution ${id} is active in a sandbox that has ended`)
})

/** Active rows whose sandbox or owner is gone: there are none at any moment, whichever process was killed. */
const orphans = {
  "an active workflow without its owner":
    "SELECT id FROM issue_workflows WHERE status = 'active' AND owner_user_id IS NULL",
  "an execution without its sandbox": `
    SELECT e.id FROM issue_workflow_executions AS e
    WHERE e.status IN ('queued', 'running') AND e.sandbox_id IS NULL AND EXISTS (
      SELECT 1 FROM control_plane_events WHERE subject_type = 'execution' AND subject_id = e.id AND payload ->> 'sandboxId' IS NOT NULL)`,
  "a job without its sandbox": `
    SELECT id FROM oci_image_build_jobs
    WHERE status IN ('queued', 'running') AND run_id IS NOT NULL AND run_id NOT IN (SELECT run_id FROM sandbox_run_links)`,
  "a runtime without its sandbox, and without a request of its teardown": `
    SELECT run_id AS id FROM sandbox_runtime_instances AS r
    WHERE status IN ('pending', 'running') AND run_id NOT IN (SELECT run_id FROM sandbox_run_links)
      AND NOT EXISTS (SELECT 1 FROM runtime_teardowns AS t WHERE t.run_id = r.run_id)`
}

export const checkInvariants = (ledger: Ledger) =>
  Effect.gen(function* () {
    const found: Array<string> = []
    for (const [what, statement] of Object.entries(orphans)) {
      for (const { id } of yield* shell<{ readonly id: string }>(statement)) found.push(`${what}: ${id}`)
    }
    const idsOf = (statement: string) =>
      Effect.map(shell<{ readonly id: string }>(statement), (rows) => new Set(rows.map(({ id }) => id)))
    const sandboxes = yield* idsOf("SELECT id FROM sandboxes")
    const users = yield* idsOf("SELECT id FROM user")
    const live = yield* idsOf(`
      SELECT id FROM issue_workflow_executions WHERE status IN ('queued', 'running')
      UNION ALL SELECT id FROM sandbox_attempts WHERE status IN ('queued', 'running')
      UNION ALL SELECT id FROM issue_workflows WHERE status = 'active'`)
    for (const { attemptId, executionIds, sandboxId } of doneOf(ledger, "deleteSandbox")) {
      if (sandboxes.has(sandboxId)) found.push(`the deletion of ${sandboxId} is lost`)
      for (const id of [attemptId, ...executionIds]) if (live.has(id)) found.push(`${id} goes on without ${sandboxId}`)
    }
    for (const { attemptId, executionIds } of doneOf(ledger, "stopAndRetry")) {
      for (const id of [attemptId, ...executionIds])
        if (live.has(id)) found.push(`${id} goes on after its sandbox was retried`)
    }
    for (const { userId, workflowId } of doneOf(ledger, "deleteUser")) {
      if (users.has(userId)) found.push(`the deletion of ${userId} is lost`)
      if (live.has(workflowId)) found.push(`${workflowId} goes on without its owner`)
    }
    return found
  })
