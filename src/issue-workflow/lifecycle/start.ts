/**
 * Operations that open workflows and start executions. This file has the statements on the table
 * `issue_workflow_execution_keys`.
 */
import { Clock, Effect, Option, Schema } from "effect"
import type { Actor } from "../../events/ControlPlaneEvent.js"
import type { IssueWorkflow } from "../IssueWorkflow.js"
import type { IssueWorkflowExecution } from "../IssueWorkflowExecution.js"
import type { Sandbox, SandboxId } from "../../sandbox/Sandbox.js"
import type { SandboxAttemptId } from "../../sandbox/SandboxAttempt.js"
import { AlreadyExists, IdempotencyConflict, InvalidTransition, NotFound, ReferenceNotFound } from "../../Errors.js"
import { fingerprint } from "../../sql/fingerprint.js"
import { type ById, scoped, targetOf } from "../../sql/ownerScope.js"
import type { Access } from "../../source/requireAccess.js"
import { LaunchForExecution, OpenWorkflow, StartExecution } from "../IssueWorkflowViews.js"
import type { WorkflowRepositories } from "./repositories.js"
import { impossible, operationsOf } from "../../events/operation.js"

const { decodeInput, operation } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflow")

const encodeRequest = Schema.encodeSync(StartExecution)
const encodeLaunch = Schema.encodeSync(LaunchForExecution)

/** The sandbox and the attempt of a new execution. */
interface Place {
  readonly sandbox: Option.Option<Sandbox>
  readonly attemptId: Option.Option<SandboxAttemptId>
}

const noPlace: Place = { sandbox: Option.none(), attemptId: Option.none() }

interface KeyRow {
  readonly requestFingerprint: string
  readonly executionId: string
}

/** The user as the actor of an operation. */
const userOf = (id: string | undefined): Actor | undefined => (id === undefined ? undefined : { type: "user", id })

export const makeWorkflowStarts = (
  { executions, sandboxes, sandboxLifecycle, sql, workflows }: WorkflowRepositories,
  { mayUseIssue, requireAccess }: Access
) => {
  /**
   * Finds the existing workflow of the owner, which a repeat returns. Checks access before it reports a workflow of
   * another owner, so that an owner without access cannot learn of it.
   */
  const findOpened = ({ id, issueId, ownerUserId, requestedByUserId }: typeof OpenWorkflow.Type) =>
    Effect.gen(function* () {
      const isOwn = (workflow: IssueWorkflow) =>
        Option.contains(workflow.ownerUserId, ownerUserId) && workflow.issueId === issueId
      const withId = id === undefined ? Option.none<IssueWorkflow>() : yield* workflows.findById(id)
      if (Option.exists(withId, isOwn)) return withId
      const [active] = (yield* workflows.list({ issueId, statuses: ["active"], limit: 1 })).items
      if (Option.isNone(withId) && active !== undefined && isOwn(active)) return Option.some(active)
      yield* requireAccess("IssueWorkflow", { ownerUserId, requestedByUserId, issueId })
      if (Option.isNone(withId) && active === undefined) return Option.none()
      const column = Option.isSome(withId) ? "id" : "issue_id"
      return yield* new AlreadyExists({ entity: "IssueWorkflow", constraint: `issue_workflows.${column}` })
    })

  const openOnce = (request: typeof OpenWorkflow.Type) =>
    Effect.gen(function* () {
      const before = yield* findOpened(request)
      return Option.isSome(before)
        ? { workflow: before.value, created: false }
        : { workflow: yield* workflows.create(request), created: true }
    })

  const findKey = ({ id }: IssueWorkflow, key: string) =>
    Effect.map(
      sql<KeyRow>`
        SELECT request_fingerprint AS "requestFingerprint", execution_id AS "executionId"
        FROM issue_workflow_execution_keys WHERE issue_workflow_id = ${id} AND idempotency_key = ${key}`,
      ([row]) => Option.fromNullable(row)
    )

  const storeKey = (
    workflow: IssueWorkflow,
    key: string,
    requestFingerprint: string,
    execution: IssueWorkflowExecution
  ) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (now) =>
        sql`
        INSERT INTO issue_workflow_execution_keys (issue_workflow_id, idempotency_key, request_fingerprint, execution_id, created_at)
        VALUES (${workflow.id}, ${key}, ${requestFingerprint}, ${execution.id}, ${now})`
    )

  /** Returns the execution that was started with a key, in its current state. Its sandbox may have been deleted. */
  const replay = ({ executionId }: KeyRow) =>
    Effect.gen(function* () {
      const execution = yield* executions.getById(executionId)
      const sandbox = Option.isSome(execution.sandboxId)
        ? yield* sandboxes.findById(execution.sandboxId.value)
        : Option.none()
      return { execution, sandbox, created: false }
    })

  /** Returns an existing sandbox of the owner that has not ended, and its attempt if no execution has it. */
  const inSandbox = (workflow: IssueWorkflow, id: SandboxId) =>
    Effect.gen(function* () {
      const missing = new ReferenceNotFound({ entity: "IssueWorkflowExecution", reference: "sandboxId" })
      if (Option.isNone(workflow.ownerUserId)) return yield* missing
      const sandbox = yield* sandboxes
        .getById({ ownerUserId: workflow.ownerUserId.value, id })
        .pipe(Effect.catchTag("NotFound", () => missing))
      const { latestAttemptId, status } = sandbox
      if (status === "stopped" || status === "failed") {
        return yield* new InvalidTransition({ entity: "Sandbox", id, from: status, to: "running" })
      }
      const taken = Option.isNone(latestAttemptId)
        ? []
        : yield* sql`
        SELECT 1 FROM issue_workflow_executions WHERE sandbox_attempt_id = ${latestAttemptId.value}`
      return { sandbox: Option.some(sandbox), attemptId: taken.length === 0 ? latestAttemptId : Option.none() }
    })

  /** Launches a sandbox for the owner. */
  const inNewSandbox = (
    workflow: IssueWorkflow,
    launch: typeof LaunchForExecution.Type,
    requestedByUserId: string | undefined
  ) =>
    Effect.gen(function* () {
      if (Option.isNone(workflow.ownerUserId)) {
        return yield* new ReferenceNotFound({ entity: "IssueWorkflow", reference: "ownerUserId" })
      }
      const { attempt, sandbox } = yield* sandboxLifecycle
        .launch({
          ...encodeLaunch(launch),
          repositoryId: launch.repositoryId ?? workflow.repositoryId,
          triggerType: launch.triggerType ?? "issue",
          ownerUserId: workflow.ownerUserId.value,
          issueId: workflow.issueId,
          requestedByUserId
        })
        .pipe(impossible("IdempotencyConflict", "NotFound"))
      return { sandbox: Option.some(sandbox), attemptId: Option.some(attempt.id) }
    })

  const create = (workflow: IssueWorkflow, request: typeof StartExecution.Type) =>
    Effect.gen(function* () {
      const { id, launch, requestedByUserId, sandboxId, triggerType } = request
      const { ownerUserId } = workflow
      // As in `getDetail`: missing for an owner who may no longer use the repository.
      if (Option.isSome(ownerUserId) && !(yield* mayUseIssue(ownerUserId.value, workflow.issueId))) {
        return yield* new NotFound({ entity: "IssueWorkflow", id: workflow.id })
      }
      if (workflow.status !== "active" || Option.isSome(workflow.archivedAt)) {
        const from = Option.isSome(workflow.archivedAt) ? "archived" : workflow.status
        return yield* new InvalidTransition({ entity: "IssueWorkflow", id: workflow.id, from, to: "active" })
      }
      const place: Place =
        launch !== undefined
          ? yield* inNewSandbox(workflow, launch, requestedByUserId)
          : sandboxId !== undefined
            ? yield* inSandbox(workflow, sandboxId)
            : noPlace
      const execution = yield* executions.create({
        id,
        issueWorkflowId: workflow.id,
        sandboxId: Option.getOrUndefined(place.sandbox)?.id,
        sandboxAttemptId: Option.getOrUndefined(place.attemptId),
        triggerType,
        requestedByUserId
      })
      return { execution, sandbox: place.sandbox, created: true }
    })

  const startOnce = (request: typeof StartExecution.Type) =>
    Effect.gen(function* () {
      const { idempotencyKey, issueWorkflowId: id, ownerUserId } = request
      const workflow = yield* workflows.getById(scoped(id, ownerUserId))
      if (idempotencyKey === undefined) return yield* create(workflow, request)

      const requestFingerprint = fingerprint({
        ...encodeRequest(request),
        idempotencyKey: undefined,
        ownerUserId: undefined
      })
      // No other writer stores the key between this read and the write: the transaction holds the write lock.
      const before = yield* findKey(workflow, idempotencyKey)
      if (Option.isSome(before)) {
        return before.value.requestFingerprint === requestFingerprint
          ? yield* impossible("NotFound")(replay(before.value))
          : yield* new IdempotencyConflict({ key: idempotencyKey })
      }
      const started = yield* create(workflow, request)
      yield* storeKey(workflow, idempotencyKey, requestFingerprint, started.execution)
      return started
    })

  return {
    open: (request: typeof OpenWorkflow.Encoded) =>
      Effect.flatMap(decodeInput("open", OpenWorkflow)(request), (decoded) => {
        const actor = userOf(decoded.requestedByUserId ?? decoded.ownerUserId)
        return openOnce(decoded).pipe(operation(sql, "open", { "issue.id": decoded.issueId }, actor))
      }),

    startExecution: (request: typeof StartExecution.Encoded) =>
      Effect.flatMap(decodeInput("startExecution", StartExecution)(request), (decoded) => {
        const actor = userOf(decoded.requestedByUserId ?? decoded.ownerUserId)
        return startOnce(decoded).pipe(
          operation(sql, "startExecution", { "workflow.id": decoded.issueWorkflowId }, actor)
        )
      }),

    beginExecution: (by: ById) =>
      executions.start(by).pipe(operation(sql, "beginExecution", { "execution.id": targetOf(by).id }))
  }
}
