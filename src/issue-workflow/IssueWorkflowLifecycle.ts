/**
 * What happens to the work on an issue as a whole: it is opened, executions start in sandboxes, report and finish, and it
 * ends with all that goes on of it. Each operation is one transaction: all of it is stored, or nothing; and each may be
 * called again when its answer was lost.
 *
 * A workflow that ends here leaves no execution that goes on, and an execution that lost its sandbox ends with it. Sandboxes
 * are their owner's, and stay as they are when an execution ends: what it left behind may be looked at.
 */
import type { SqlClient } from "@effect/sql"
import { Context, type Effect, Layer } from "effect"
import type { IssueWorkflowExecution } from "./IssueWorkflowExecution.js"
import type { IssueWorkflowExecutionRepo } from "./IssueWorkflowExecutionRepo.js"
import type { IssueWorkflow } from "./IssueWorkflow.js"
import type { IssueWorkflowRepo } from "./IssueWorkflowRepo.js"
import type { SandboxRepo } from "../sandbox/SandboxRepo.js"
import type {
  AlreadyExists,
  IdempotencyConflict,
  InvalidInput,
  InvalidTransition,
  NotFound,
  PersistenceError,
  ReferenceNotFound,
  SequenceConflict
} from "../Errors.js"
import type { ById } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import type {
  CancelWorkflow,
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
import { makeIssueWorkflowLifecycle } from "./makeIssueWorkflowLifecycle.js"
import type { SandboxLifecycle } from "../sandbox/SandboxLifecycle.js"

/**
 * Methods of `IssueWorkflowLifecycle`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers. So is
 * `supervise`.
 */
export interface IssueWorkflowLifecycleService {
  /**
   * Begins the work of an owner on an issue. When that owner has an active workflow on it, or one of the given id on the
   * same issue, however it has ended since, that one is returned as it is now, with `created: false`.
   *
   * The owner must be allowed to use the repository that contains the issue (`RepositoryAccess`), unless an earlier
   * workflow is returned. An issue that the owner may not use is reported as missing, whether it has a workflow or not.
   *
   * Fails with `AlreadyExists` when the issue has an active workflow of somebody else (`issue_workflows.issue_id`), or
   * the id is that of another workflow (`issue_workflows.id`), with `ReferenceNotFound` that names the field when the
   * issue does not exist or may not be used, the owner or the requester does not exist, or the repository of the request is
   * another than the issue's, with `InvalidInput` for a
   * field out of shape.
   */
  readonly open: (
    request: typeof OpenWorkflow.Encoded
  ) => Effect.Effect<OpenedWorkflow, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Queues an execution of an active workflow: in the given sandbox of the workflow's owner, in one that is launched for
   * it as `SandboxLifecycle.launch` does, or in none. With the sandbox it gets the attempt that brings that up, unless
   * that attempt is another execution's already. When the idempotency key stands for the same request on this workflow
   * already, the first result is returned as it is now, with `created: false`.
   *
   * Fails with `NotFound` when the workflow does not exist, belongs to another owner than `ownerUserId`, or its owner may no
   * longer use the repository that contains the issue (an earlier result is returned nevertheless); with
   * `InvalidTransition` when the workflow has ended or is put away, or the sandbox is stopped or has failed; with
   * `IdempotencyConflict` when the key stands for another request; with `ReferenceNotFound` that names the field when the
   * sandbox is not there or not of the workflow's owner, the requester or what the launch refers to is not there, or the
   * workflow has no owner to launch for; with `AlreadyExists` when the given id is taken; with `InvalidInput` for a field
   * out of shape.
   */
  readonly startExecution: (
    request: typeof StartExecution.Encoded
  ) => Effect.Effect<
    StartedExecution,
    | NotFound
    | InvalidTransition
    | IdempotencyConflict
    | ReferenceNotFound
    | AlreadyExists
    | InvalidInput
    | PersistenceError
  >

  /**
   * An agent is on it: queued → running. A running execution is returned as it is. Fails with `NotFound`, with
   * `InvalidTransition` when it has ended, with `InvalidInput` for what is no id.
   */
  readonly beginExecution: (
    id: ById
  ) => Effect.Effect<IssueWorkflowExecution, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Stores what an execution tells, all of it or nothing, as `IssueWorkflowExecutionRepo` stores each part. An execution
   * that waited runs from then on; one that has ended may still report, and stays as it ended.
   *
   * A report may be given again. Results, files and summary come out the same; events that have a sequence or an id, and
   * artifacts that have an id, are stored once. With an `idempotencyKey`, those that have none get an id that is made from
   * the key and their place. Without a key, they are told twice.
   *
   * Fails with `NotFound` when there is no such execution, with `SequenceConflict` when another event stands at a
   * sequence, with `AlreadyExists` when an event or an artifact of an id is stored with another content, with
   * `ReferenceNotFound` (`patchArtifactId`) when a patch is no artifact of this execution, with `InvalidInput` for
   * anything out of shape.
   */
  readonly report: (
    report: typeof ReportExecution.Encoded
  ) => Effect.Effect<
    ReportedExecution,
    NotFound | SequenceConflict | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Ends an execution, links the pull requests that it worked on, and ends the workflow where that is asked for: then
   * what else goes on of the workflow is cancelled. An execution that never began, and has succeeded or failed, began now.
   * A repeat returns the same, and may link more pull requests.
   *
   * Fails with `NotFound` when there is no such execution, with `InvalidTransition` when it has ended otherwise, or the
   * workflow has, with `ReferenceNotFound` (`pullRequestId`) when there is no such pull request or `ownerUserId` may
   * not use its repository, with `InvalidInput` for an unknown outcome, a reason of a success, or more than 100 pull
   * requests.
   */
  readonly finish: (
    request: typeof FinishExecution.Encoded
  ) => Effect.Effect<
    FinishedExecution,
    NotFound | InvalidTransition | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Gives up an active workflow, and what goes on of it, which keeps the reason. A cancelled workflow is returned as it is.
   *
   * Fails with `NotFound` when there is no such workflow, or it is another owner's than the one that is named, with
   * `InvalidTransition` when it was completed or has failed, with `InvalidInput` for a reason out of shape.
   */
  readonly cancel: (
    request: typeof CancelWorkflow.Encoded
  ) => Effect.Effect<IssueWorkflow, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Ends executions that no caller ends, up to `limit` of them:
   *
   * - those whose sandbox, or the attempt that brought it up, has failed, was cancelled or stopped fail or are cancelled
   *   with it;
   * - those whose workflow has ended are cancelled;
   * - those whose runtime has failed or stopped, and was not launched again within a day, fail or are cancelled with it;
   * - those that no agent began within a day after their sandbox was ready, or after they were queued without a sandbox,
   *   are cancelled;
   * - those that run without a sandbox, and whose agent reports nothing for a day, fail.
   *
   * Each is one short transaction. An execution that cannot be handled is logged and counted in `failed`; the others are
   * handled regardless. Call it repeatedly, as `Supervisor` does.
   *
   * Fails with `InvalidInput` for a limit that is not a whole number from 1 to 1,000.
   */
  readonly supervise: (
    request: { readonly limit: number }
  ) => Effect.Effect<WorkflowSupervision, InvalidInput | PersistenceError>

  /**
   * Returns one workflow of an owner with its issue and executions, as one consistent snapshot.
   *
   * Fails with `NotFound`, also for a workflow of another owner, and for one whose issue is in a repository that the owner
   * may no longer use: after a revoked grant, the owner no longer reads the issue through the workflow. `cancel` still ends it.
   */
  readonly getDetail: (
    request: { readonly ownerUserId: string; readonly id: string }
  ) => Effect.Effect<WorkflowDetail, NotFound | PersistenceError>

  /**
   * The workflows of an owner with their issue and newest execution, newest first. What is put away is left out unless
   * asked for, and so are workflows on issues of repositories that the owner may no longer use. Fails with `InvalidInput` for a malformed cursor, a limit out of range, an unknown status, or an owner that is
   * `undefined`.
   */
  readonly list: (
    request: PageRequest & typeof WorkflowViewFilter.Encoded
  ) => Effect.Effect<Page<WorkflowView>, InvalidInput | PersistenceError>
}

export class IssueWorkflowLifecycle extends Context.Tag("@sealant/db/IssueWorkflowLifecycle")<
  IssueWorkflowLifecycle,
  IssueWorkflowLifecycleService
>() {
  /** The lifecycle over the repositories of its tables, and the lifecycle of the sandboxes that it launches. */
  static readonly layer: Layer.Layer<
    IssueWorkflowLifecycle,
    never,
    SqlClient.SqlClient | IssueWorkflowRepo | IssueWorkflowExecutionRepo | SandboxRepo | SandboxLifecycle
  > = Layer.effect(this, makeIssueWorkflowLifecycle)
}
