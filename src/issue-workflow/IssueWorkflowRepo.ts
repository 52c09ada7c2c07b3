/**
 * Workflows, over the table `issue_workflows`.
 *
 * What it guarantees:
 * - An issue has at most one workflow that is active and not put away, whoever begins one at the same time.
 * - A workflow ends once: the first end stands, a repeat of it changes nothing, another one is refused.
 * - What is another owner's counts as not there. A workflow whose owner was deleted is nobody's: no owner sees it.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option, Stream } from "effect"
import type {
  AlreadyExists,
  InvalidInput,
  InvalidTransition,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import type { ById, OwnedId } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import type { CreateIssueWorkflow, IssueWorkflow, IssueWorkflowFilter } from "./IssueWorkflow.js"
import { make } from "./makeIssueWorkflowRepo.js"

/**
 * Methods of `IssueWorkflowRepo`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface IssueWorkflowService {
  /**
   * Begins a workflow on an issue, in the repository of the issue, with a new id unless `id` is set. Internal: not
   * for request handlers, as it does not check whether the owner may use the repository; `IssueWorkflowLifecycle.open`
   * does.
   *
   * Fails with `AlreadyExists` when the issue has an active workflow (`issue_workflows.issue_id`) or the given id is
   * taken (`issue_workflows.id`), with `ReferenceNotFound` that names the field when the issue, the owner or the requester
   * is not there, or the given repository is not the issue's, with `InvalidInput` for a field out of shape.
   */
  readonly create: (
    workflow: typeof CreateIssueWorkflow.Encoded
  ) => Effect.Effect<IssueWorkflow, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** The workflow, if it is there. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<IssueWorkflow>, PersistenceError>

  /** The workflow. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<IssueWorkflow, NotFound | PersistenceError>

  /** The workflow of this owner. Fails with `NotFound`, also when it is another owner's, or nobody's. */
  readonly getForOwner: (
    request: OwnedId
  ) => Effect.Effect<IssueWorkflow, NotFound | PersistenceError>

  /**
   * The workflows that match, newest first.
   *
   * Fails with `InvalidInput` for a foreign cursor, a limit out of range, an unknown status, or an owner that is
   * `undefined`.
   */
  readonly list: (
    request: PageRequest & typeof IssueWorkflowFilter.Encoded
  ) => Effect.Effect<Page<IssueWorkflow>, InvalidInput | PersistenceError>

  /** All that `list` would give, read page by page as it is taken. Fails as `list` does. */
  readonly stream: (
    filter: typeof IssueWorkflowFilter.Encoded
  ) => Stream.Stream<IssueWorkflow, InvalidInput | PersistenceError>

  /**
   * active → completed. A workflow that is completed is returned as it is. Fails with `NotFound`, with
   * `InvalidTransition` when it has ended otherwise.
   */
  readonly complete: (id: ById) => Effect.Effect<IssueWorkflow, NotFound | InvalidTransition | PersistenceError>

  /** active → failed. In all else as `complete`. */
  readonly fail: (id: ById) => Effect.Effect<IssueWorkflow, NotFound | InvalidTransition | PersistenceError>

  /** active → cancelled. In all else as `complete`. */
  readonly cancel: (id: ById) => Effect.Effect<IssueWorkflow, NotFound | InvalidTransition | PersistenceError>

  /**
   * Puts the workflow away, whatever its status: lists leave it out, and the issue is free for another. One that is put
   * away already is returned as it is. Fails with `NotFound`.
   */
  readonly archive: (id: ById) => Effect.Effect<IssueWorkflow, NotFound | PersistenceError>

  /**
   * Unarchives the workflow. Idempotent. Fails with `NotFound`, with `AlreadyExists` (`issue_workflows.issue_id`) when it
   * is active and so is another of its issue by now.
   *
   * With an owner, fails with `NotFound` also when the workflow is archived and the owner may not use the issue's
   * repository: an active workflow reserves the issue.
   */
  readonly restore: (id: ById) => Effect.Effect<IssueWorkflow, NotFound | AlreadyExists | PersistenceError>
}

export class IssueWorkflowRepo extends Context.Tag("@sealant/db/IssueWorkflowRepo")<
  IssueWorkflowRepo,
  IssueWorkflowService
>() {
  /** The workflows over `SqlClient`. */
  static readonly layer: Layer.Layer<IssueWorkflowRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
