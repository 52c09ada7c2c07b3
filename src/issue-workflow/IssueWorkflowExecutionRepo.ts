/**
 * Executions of issue workflows and their reports, over the tables `issue_workflow_executions` and
 * `issue_workflow_execution_events`, `_validation_results`, `_diff_files`, `_artifacts`, `_summaries` and
 * `_pull_request_links`.
 *
 * Guarantees:
 * - An execution ends once. Repeating the same end changes nothing; another end fails with `InvalidTransition`.
 * - An execution, its sandbox and its attempt have one owner, the owner of the workflow. Rows of another owner are
 *   reported as missing. An attempt belongs to at most one execution.
 * - Sequences that the repository assigns are 1, 2, 3 without gaps, also under concurrent calls. Stored events never
 *   change. A call stores all of its events or none.
 * - Ended executions accept reports, because the last log lines and the artifacts of a cancelled execution arrive after
 *   its end. Reports do not change the status.
 *
 * This file and `executionStatements.ts` have the statements on executions themselves. The parts of the service in other
 * files: `executionSandbox.ts`, `executionEvents.ts`, `executionTail.ts`, `executionReports.ts`, `executionArtifacts.ts`
 * and `executionDetail.ts`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Statement } from "@effect/sql"
import { Clock, Context, Effect, Layer, Option, type Stream } from "effect"
import type {
  AlreadyExists,
  InvalidInput,
  InvalidTransition,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import { existing } from "../sql/columns.js"
import { conditionsOf, keysetQuery } from "../sql/filters.js"
import { idOrNew } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import { type ById, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { type ExecutionArtifactMethods, makeArtifacts, makePullRequests } from "./executionArtifacts.js"
import { workflowOwnerScope } from "./executionBatches.js"
import { type ExecutionDetail, makeDetail } from "./executionDetail.js"
import { type ExecutionEventMethods, makeEvents } from "./executionEvents.js"
import { type ExecutionReportMethods, makeReports } from "./executionReports.js"
import { makeSandboxReferences } from "./executionSandbox.js"
import { executionStatements } from "./executionStatements.js"
import { type ExecutionTailMethods, makeTail } from "./executionTail.js"
import {
  CancelExecution,
  CreateExecution,
  ExecutionFilter,
  IssueWorkflowExecution,
  IssueWorkflowExecutionId,
  type IssueWorkflowExecutionStatus,
  type LinkSandboxAttempt
} from "./IssueWorkflowExecution.js"

export { ExecutionDetail } from "./executionDetail.js"

/**
 * Methods of `IssueWorkflowExecutionRepo`. The owner of an execution, and of everything stored for it, is the owner of
 * its workflow.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers. So are
 * `create` and the methods that store reports, which take no owner: `IssueWorkflowLifecycle` has their scoped forms
 * (`startExecution`, `report`, `finish`).
 */
export interface IssueWorkflowExecutionService
  extends ExecutionEventMethods,
    ExecutionTailMethods,
    ExecutionReportMethods,
    ExecutionArtifactMethods {
  /**
   * Creates a queued execution. Generates the id unless `id` is set.
   *
   * Fails with:
   * - `AlreadyExists` if the id exists or the attempt belongs to another execution;
   * - `ReferenceNotFound`, with the field, if the workflow, the sandbox, the attempt or the requester does not exist,
   *   or the sandbox or the attempt does not belong to the owner of the workflow;
   * - `InvalidInput` if a field is invalid.
   */
  readonly create: (
    execution: typeof CreateExecution.Encoded
  ) => Effect.Effect<IssueWorkflowExecution, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** Returns the execution, or none if it does not exist. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<IssueWorkflowExecution>, PersistenceError>

  /** Returns the execution of this attempt, or none. An attempt belongs to at most one execution. */
  readonly findBySandboxAttemptId: (
    attemptId: ById
  ) => Effect.Effect<Option.Option<IssueWorkflowExecution>, PersistenceError>

  /** Returns the execution. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<IssueWorkflowExecution, NotFound | PersistenceError>

  /**
   * Lists the executions of a workflow, newest first. The list of an unknown workflow is empty. Fails with
   * `InvalidInput` if the cursor is malformed, the limit is out of range, a status is unknown, or the workflow is
   * `undefined`.
   */
  readonly list: (
    request: Page.PageRequest & typeof ExecutionFilter.Encoded
  ) => Effect.Effect<Page.Page<IssueWorkflowExecution>, InvalidInput | PersistenceError>

  /** Streams the items of `list`, reading page by page. Fails as `list` does. */
  readonly stream: (
    filter: typeof ExecutionFilter.Encoded
  ) => Stream.Stream<IssueWorkflowExecution, InvalidInput | PersistenceError>

  /**
   * Sets the status from queued to running, and the start to now. Idempotent. Fails with `NotFound`, with
   * `InvalidTransition` if the execution has ended, with `InvalidInput` if the id is invalid.
   */
  readonly start: (
    id: ById
  ) => Effect.Effect<IssueWorkflowExecution, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Sets the status from running to succeeded, and the end to now. Idempotent. Fails with `NotFound`, with
   * `InvalidTransition` if the execution is queued or has another final status, with `InvalidInput` if the id is
   * invalid.
   */
  readonly succeed: (
    id: ById
  ) => Effect.Effect<IssueWorkflowExecution, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /** Sets the status from running to failed. Otherwise like `succeed`. */
  readonly fail: (
    id: ById
  ) => Effect.Effect<IssueWorkflowExecution, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Sets the status from queued or running to cancelled, with the reason. A repeat keeps the first reason. Otherwise
   * like `succeed`.
   */
  readonly cancel: (
    cancellation: typeof CancelExecution.Encoded
  ) => Effect.Effect<IssueWorkflowExecution, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Sets the attempt of the execution, and its sandbox: the one of the request, else the one that the attempt is linked
   * to, else the current one. Until the execution ends, a later attempt replaces an earlier one. Idempotent.
   *
   * Fails with:
   * - `NotFound` if the execution does not exist;
   * - `ReferenceNotFound`, with the field, if the attempt or the sandbox does not exist or does not belong to the owner
   *   of the workflow;
   * - `AlreadyExists` if the attempt belongs to another execution, or the execution has ended with another attempt;
   * - `InvalidInput` if an id is invalid.
   */
  readonly linkSandboxAttempt: (
    link: typeof LinkSandboxAttempt.Encoded
  ) => Effect.Effect<
    IssueWorkflowExecution,
    NotFound | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Returns the execution and its reports as one consistent snapshot: the first page of its events, and everything else
   * in full. Fails with `NotFound`.
   */
  readonly getDetail: (id: ById) => Effect.Effect<ExecutionDetail, NotFound | PersistenceError>
}

const { decodeFilter, decodeInput, orNotFound, traced, orInvalidTransition } = operations(
  "IssueWorkflowExecutionRepo",
  "IssueWorkflowExecution"
)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(IssueWorkflowExecution))
  const executions = yield* rowsOf(IssueWorkflowExecution)
  const { indexedBy, unindexedIn } = conditionsOf(sql)
  const { linkSandboxAttempt, referencesOf, resolveOwnerError } = yield* makeSandboxReferences

  const ofOwner = workflowOwnerScope(sql)
  const statements = executionStatements(sql)

  const find = (target: Target) =>
    executions.findOne(sql`SELECT ${columns} FROM issue_workflow_executions WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), orNotFound(target.id))

  const insert = (execution: typeof CreateExecution.Type) =>
    Effect.gen(function* () {
      const id = yield* idOrNew(execution.id, "wfx", IssueWorkflowExecutionId.make)
      const now = yield* Clock.currentTimeMillis
      return yield* executions.single(statements.insert({ ...execution, id }, now))
    })

  const list: IssueWorkflowExecutionService["list"] = (request) =>
    Effect.gen(function* () {
      const { issueWorkflowId, ownerUserId, statuses } = yield* decodeFilter("list", ExecutionFilter)(request)
      const start = yield* Page.start("IssueWorkflowExecutionRepo.list", request)
      const ofWorkflowOwner =
        ownerUserId === undefined
          ? []
          : [
              sql`EXISTS (SELECT 1 FROM issue_workflows WHERE id = ${issueWorkflowId} AND owner_user_id = ${ownerUserId})`
            ]
      const conditions = [
        ...indexedBy("issue_workflow_id", issueWorkflowId),
        ...unindexedIn("status", statuses),
        ...ofWorkflowOwner
      ]
      const found =
        statuses?.length === 0
          ? Page.nothingFound
          : yield* executions.findPage(
              keysetQuery(sql, { columns, table: "issue_workflow_executions" }, [conditions], start)
            )
      return Page.make(found, start, (execution) => [execution.createdAt, execution.id])
    }).pipe(traced("list", { "workflow.id": request.issueWorkflowId }))

  /**
   * Runs the statement that sets the status to `to`. Returns an execution that has this status already; fails with
   * `InvalidTransition` for other statuses.
   */
  const move = (
    target: Target,
    to: IssueWorkflowExecutionStatus,
    statement: (now: number) => Statement.Statement<Readonly<Record<string, unknown>>>
  ) =>
    Effect.gen(function* () {
      const moved = yield* executions.findOne(statement(yield* Clock.currentTimeMillis))
      return Option.isSome(moved) ? moved.value : yield* Effect.flatMap(get(target), orInvalidTransition(target.id, to))
    })

  const end = (target: Target, to: "succeeded" | "failed") => move(target, to, (now) => statements.end(target, to, now))

  /** Decodes the argument of a transition. */
  const targetFor = (method: string, by: ById): Effect.Effect<Target, InvalidInput> => {
    const { id, ...scope } = targetOf(by)
    return Effect.map(decodeInput(method, existing(IssueWorkflowExecutionId))(id), (decoded) => ({
      ...scope,
      id: decoded
    }))
  }

  const service: IssueWorkflowExecutionService = {
    ...(yield* makeEvents),
    ...(yield* makeTail),
    ...(yield* makeReports),
    ...(yield* makeArtifacts),
    ...(yield* makePullRequests),
    ...(yield* makeDetail),

    create: (request) =>
      decodeInput(
        "create",
        CreateExecution
      )(request).pipe(
        Effect.flatMap(insert),
        traced("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", resolveOwnerError(sql`${request.issueWorkflowId}`, request)),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            { field: "issueWorkflowId", table: "issue_workflows", id: Option.some(request.issueWorkflowId) },
            { field: "requestedByUserId", table: "user", id: Option.fromNullable(request.requestedByUserId) },
            ...referencesOf(request)
          ])
        )
      ),

    findById: (by) => find(targetOf(by)).pipe(traced("findById", { "execution.id": targetOf(by).id })),

    findBySandboxAttemptId: (by) => {
      const { id: attemptId, ...scope } = targetOf(by)
      return executions
        .findOne(sql`
        SELECT ${columns} FROM issue_workflow_executions WHERE sandbox_attempt_id = ${attemptId} ${ofOwner(scope)}`)
        .pipe(traced("findBySandboxAttemptId", { "attempt.id": attemptId }))
    },

    getById: (by) => get(targetOf(by)).pipe(traced("getById", { "execution.id": targetOf(by).id })),

    list,

    stream: (filter) => Page.stream((page) => list({ ...filter, ...page })),

    start: (by) =>
      targetFor("start", by).pipe(
        Effect.flatMap((target) => move(target, "running", (now) => statements.start(target, now))),
        traced("start", { "execution.id": targetOf(by).id })
      ),

    succeed: (by) =>
      targetFor("succeed", by).pipe(
        Effect.flatMap((target) => end(target, "succeeded")),
        traced("succeed", { "execution.id": targetOf(by).id })
      ),

    fail: (by) =>
      targetFor("fail", by).pipe(
        Effect.flatMap((target) => end(target, "failed")),
        traced("fail", { "execution.id": targetOf(by).id })
      ),

    cancel: (request) =>
      decodeInput(
        "cancel",
        CancelExecution
      )(request).pipe(
        Effect.flatMap(({ reason, ...target }) =>
          move(target, "cancelled", (now) => statements.cancel(target, reason, now)).pipe(
            traced("cancel", { "execution.id": target.id })
          )
        )
      ),

    linkSandboxAttempt
  }
  return service
})

/** Executions of issue workflows and their reports. */
export class IssueWorkflowExecutionRepo extends Context.Tag("@sealant/db/IssueWorkflowExecutionRepo")<
  IssueWorkflowExecutionRepo,
  IssueWorkflowExecutionService
>() {
  /** The layer over `SqlClient`. */
  static readonly layer: Layer.Layer<IssueWorkflowExecutionRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
