/**
 * The lifecycle of workflows: they are opened, their executions start in sandboxes, report and finish, and they end.
 * Each operation is one transaction. An operation whose answer was lost can be repeated.
 *
 * An ended workflow has no active executions, and an execution ends with its sandbox. A sandbox stays unchanged when an
 * execution ends, so that its owner can inspect it.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Context, Effect, Layer } from "effect"
import type {
  AlreadyExists,
  IdempotencyConflict,
  InvalidInput,
  InvalidTransition,
  NotFound,
  PersistenceError,
  QuotaExceeded,
  ReferenceNotFound,
  SequenceConflict
} from "../Errors.js"
import { makeAccess } from "../source/requireAccess.js"
import type { ById } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import type { CancelWorkflow, IssueWorkflow } from "./IssueWorkflow.js"
import type { IssueWorkflowExecution } from "./IssueWorkflowExecution.js"
import type {
  AllWorkflowFilter,
  FinishedExecution,
  FinishExecution,
  OpenedWorkflow,
  OpenWorkflow,
  ReportedExecution,
  ReportExecution,
  StartedExecution,
  StartExecution,
  WorkflowDetail,
  WorkflowSupervision,
  WorkflowView,
  WorkflowViewFilter
} from "./IssueWorkflowViews.js"
import { makeWorkflowEndings } from "./lifecycle/end.js"
import { makeWorkflowReports } from "./lifecycle/report.js"
import { makeWorkflowStarts } from "./lifecycle/start.js"
import { makeWorkflowSupervision } from "./lifecycle/supervise.js"
import { makeWorkflowViews } from "./lifecycle/views.js"

/**
 * Methods of `IssueWorkflowLifecycle`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers. So is
 * `supervise`.
 */
export interface IssueWorkflowLifecycleService {
  /**
   * Opens a workflow of an owner on an issue. Idempotent: returns, with `created: false`, the workflow of the owner
   * with this id on the issue, in any status, or the active workflow of the owner on the issue.
   *
   * The owner must be allowed to use the repository of the issue (`RepositoryAccess`), unless an existing workflow is
   * returned. An issue that the owner may not use is reported as missing, whether it has a workflow or not.
   *
   * Fails with:
   * - `AlreadyExists` if the issue has an active workflow of another owner (`issue_workflows.issue_id`), or the id
   *   belongs to another workflow (`issue_workflows.id`);
   * - `ReferenceNotFound`, with the field, if the issue does not exist or may not be used, the owner or the requester
   *   does not exist, or `repositoryId` is not the repository of the issue;
   * - `InvalidInput` if a field is invalid.
   */
  readonly open: (
    request: typeof OpenWorkflow.Encoded
  ) => Effect.Effect<OpenedWorkflow, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Queues an execution of an active workflow: in an existing sandbox of the workflow's owner, in a new sandbox,
   * launched as by `SandboxLifecycle.launch`, or without a sandbox. The execution takes the latest attempt of the
   * sandbox, unless the attempt belongs to another execution. If the idempotency key was used for the same request on
   * this workflow, the first execution is returned in its current state, with `created: false`.
   *
   * Fails with:
   * - `NotFound` if the workflow does not exist, belongs to another owner than `ownerUserId`, or its owner may no
   *   longer use the repository of the issue (an earlier result is returned regardless);
   * - `InvalidTransition` if the workflow has ended or is archived, or the sandbox is stopped or has failed;
   * - `IdempotencyConflict` if the key was used for another request;
   * - `QuotaExceeded` if the launch exceeds a quota of the owner;
   * - `ReferenceNotFound`, with the field, if the sandbox does not exist or does not belong to the workflow's owner,
   *   the requester or a reference of the launch does not exist, or the workflow has no owner to launch for;
   * - `AlreadyExists` if the id exists;
   * - `InvalidInput` if a field is invalid.
   */
  readonly startExecution: (
    request: typeof StartExecution.Encoded
  ) => Effect.Effect<
    StartedExecution,
    | NotFound
    | InvalidTransition
    | IdempotencyConflict
    | QuotaExceeded
    | ReferenceNotFound
    | AlreadyExists
    | InvalidInput
    | PersistenceError
  >

  /**
   * Sets the status from queued to running, when an agent begins to work. Idempotent. Fails with `NotFound`, with
   * `InvalidTransition` if the execution has ended, with `InvalidInput` if the id is invalid.
   */
  readonly beginExecution: (
    id: ById
  ) => Effect.Effect<IssueWorkflowExecution, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Stores a report of an execution, all of it or nothing. `IssueWorkflowExecutionRepo` documents each part. A queued
   * execution becomes running; an ended one accepts reports and keeps its status.
   *
   * A report can be repeated. Results, files and summary are replaced with the same values. Events with a sequence or
   * an id, and artifacts with an id, are stored once. With an `idempotencyKey`, the others receive ids that are derived
   * from the key and their position, and are stored once, too. Without a key, a repeat stores them again.
   *
   * Fails with:
   * - `NotFound` if the execution does not exist;
   * - `SequenceConflict` if another event has a sequence of the report;
   * - `AlreadyExists` if an event or an artifact with an id of the report is stored with different content;
   * - `ReferenceNotFound` (`patchArtifactId`) if a patch is not an artifact of this execution;
   * - `InvalidInput` if a part is invalid.
   */
  readonly report: (
    report: typeof ReportExecution.Encoded
  ) => Effect.Effect<
    ReportedExecution,
    NotFound | SequenceConflict | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Ends an execution, links its pull requests, and ends the workflow if requested: then its other active executions
   * are cancelled. A queued execution that succeeds or fails is started first. A repeat returns the same result, and
   * may link more pull requests.
   *
   * Fails with:
   * - `NotFound` if the execution does not exist;
   * - `InvalidTransition` if the execution or the workflow has another final status;
   * - `ReferenceNotFound` (`pullRequestId`) if a pull request does not exist or `ownerUserId` may not use its
   *   repository;
   * - `InvalidInput` if the outcome is unknown, a succeeded execution has a reason, or there are more than 100 pull
   *   requests.
   */
  readonly finish: (
    request: typeof FinishExecution.Encoded
  ) => Effect.Effect<
    FinishedExecution,
    NotFound | InvalidTransition | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Cancels an active workflow and its active executions, which record the reason. Idempotent.
   *
   * Fails with `NotFound` if the workflow does not exist or belongs to another owner than `ownerUserId`, with
   * `InvalidTransition` if it is completed or has failed, with `InvalidInput` if the reason is invalid.
   */
  readonly cancel: (
    request: typeof CancelWorkflow.Encoded
  ) => Effect.Effect<IssueWorkflow, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Ends executions that no caller ends, up to `limit` of them:
   *
   * - executions whose sandbox or attempt has failed, was cancelled or stopped: they fail or are cancelled with it;
   * - executions whose workflow has ended: they are cancelled;
   * - executions whose runtime has failed or stopped and was not launched again within a day: they fail or are
   *   cancelled with it;
   * - executions that no agent began within a day after their sandbox was ready, or, without a sandbox, after they were
   *   queued: they are cancelled;
   * - executions that run without a sandbox and reported nothing for a day: they fail.
   *
   * Each is one short transaction. An execution that cannot be handled is logged and counted in `failed`; the others
   * are handled regardless. Call it repeatedly, as `Supervisor` does.
   *
   * Fails with `InvalidInput` unless the limit is a whole number from 1 to 1,000.
   */
  readonly supervise: (request: {
    readonly limit: number
  }) => Effect.Effect<WorkflowSupervision, InvalidInput | PersistenceError>

  /**
   * Returns one workflow of an owner with its issue and executions, as one consistent snapshot.
   *
   * Fails with `NotFound`, also if the workflow belongs to another owner, or the owner may no longer use the repository
   * of the issue: after a revoked grant, the owner cannot read the issue through the workflow. `cancel` still ends it.
   */
  readonly getDetail: (request: {
    readonly ownerUserId: string
    readonly id: string
  }) => Effect.Effect<WorkflowDetail, NotFound | PersistenceError>

  /**
   * Lists the workflows of an owner with their issue and newest execution, newest first. Omits archived workflows
   * unless `includeArchived` is set, and workflows on issues of repositories that the owner may no longer use.
   *
   * Fails with `InvalidInput` if the cursor is malformed, the limit is out of range, a status is unknown, or the owner
   * is `undefined`.
   */
  readonly list: (
    request: PageRequest & typeof WorkflowViewFilter.Encoded
  ) => Effect.Effect<Page<WorkflowView>, InvalidInput | PersistenceError>

  /**
   * Lists the workflows of all owners, also those without an owner, with their issue and newest execution, newest first.
   * Omits archived workflows unless `includeArchived` is set; a call examines up to 10,000, so a page may have few items or
   * none although there is a next one. Internal: for operators, not for request handlers.
   *
   * Fails with `InvalidInput` as `list` does.
   */
  readonly listAll: (
    request: PageRequest & typeof AllWorkflowFilter.Encoded
  ) => Effect.Effect<Page<WorkflowView>, InvalidInput | PersistenceError>
}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const access = yield* makeAccess
  const service: IssueWorkflowLifecycleService = {
    ...(yield* makeWorkflowStarts(sql, access)),
    ...(yield* makeWorkflowReports(sql)),
    ...(yield* makeWorkflowEndings(sql, access)),
    ...(yield* makeWorkflowSupervision(sql)),
    ...(yield* makeWorkflowViews)
  }
  return service
})

/** Lifecycle operations of issue workflows and their executions. Each is one transaction. */
export class IssueWorkflowLifecycle extends Context.Tag("@sealant/db/IssueWorkflowLifecycle")<
  IssueWorkflowLifecycle,
  IssueWorkflowLifecycleService
>() {
  /** The layer over `SqlClient`. */
  static readonly layer: Layer.Layer<IssueWorkflowLifecycle, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
