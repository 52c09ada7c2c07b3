/**
 * Workflows, over the table `issue_workflows`.
 *
 * Guarantees:
 * - An issue has at most one active, unarchived workflow, also under concurrent calls.
 * - A workflow ends once. Repeating the same end changes nothing; another end fails with `InvalidTransition`.
 * - Workflows of another owner are reported as `NotFound`. A workflow whose owner was deleted has no owner.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, Effect, Layer, Option, type Stream } from "effect"
import { ReferenceNotFound } from "../Errors.js"
import type { AlreadyExists, InvalidInput, InvalidTransition, NotFound, PersistenceError } from "../Errors.js"
import { repositoryAccess } from "../source/RepositoryAccess.js"
import { conditionsOf, keysetQuery, unionByStatus } from "../sql/filters.js"
import { idOrNew } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import { type ById, ownerScope, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import {
  CancelWorkflow,
  CreateIssueWorkflow,
  IssueWorkflow,
  IssueWorkflowFilter,
  IssueWorkflowId,
  type IssueWorkflowStatus
} from "./IssueWorkflow.js"
import { workflowStatements } from "./workflowStatements.js"

/**
 * Methods of `IssueWorkflowRepo`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface IssueWorkflowService {
  /**
   * Creates an active workflow on an issue, in the repository of the issue. Generates the id unless `id` is set.
   * Internal: not for request handlers, because it does not check that the owner may use the repository.
   * `IssueWorkflowLifecycle.open` does.
   *
   * Fails with:
   * - `AlreadyExists` if the issue has an active workflow (`issue_workflows.issue_id`) or the id exists
   *   (`issue_workflows.id`);
   * - `ReferenceNotFound`, with the field, if the issue, the owner or the requester does not exist, or `repositoryId`
   *   is not the repository of the issue;
   * - `InvalidInput` if a field is invalid.
   */
  readonly create: (
    workflow: typeof CreateIssueWorkflow.Encoded
  ) => Effect.Effect<IssueWorkflow, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** Returns the workflow, or none if it does not exist. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<IssueWorkflow>, PersistenceError>

  /** Returns the workflow. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<IssueWorkflow, NotFound | PersistenceError>

  /**
   * Lists workflows, newest first. Fails with `InvalidInput` if the cursor is malformed, the limit is out of range, a
   * status is unknown, or the owner is `undefined`.
   */
  readonly list: (
    request: Page.PageRequest & typeof IssueWorkflowFilter.Encoded
  ) => Effect.Effect<Page.Page<IssueWorkflow>, InvalidInput | PersistenceError>

  /** Streams the items of `list`, reading page by page. Fails as `list` does. */
  readonly stream: (
    filter: typeof IssueWorkflowFilter.Encoded
  ) => Stream.Stream<IssueWorkflow, InvalidInput | PersistenceError>

  /**
   * Sets the status from active to completed. Idempotent. Fails with `NotFound`, or with `InvalidTransition` if the
   * workflow has another final status.
   */
  readonly succeed: (id: ById) => Effect.Effect<IssueWorkflow, NotFound | InvalidTransition | PersistenceError>

  /** Sets the status from active to failed. Otherwise like `succeed`. */
  readonly fail: (id: ById) => Effect.Effect<IssueWorkflow, NotFound | InvalidTransition | PersistenceError>

  /**
   * Sets the status from active to cancelled, with the reason. A repeat keeps the first reason. Otherwise like
   * `succeed`. Does not end the executions: see `IssueWorkflowLifecycle.cancel`.
   *
   * Fails with `InvalidInput` if the reason is invalid.
   */
  readonly cancel: (
    request: typeof CancelWorkflow.Encoded
  ) => Effect.Effect<IssueWorkflow, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Archives the workflow in any status: lists omit it by default, and the issue accepts a new workflow. Idempotent.
   * Fails with `NotFound`.
   */
  readonly archive: (id: ById) => Effect.Effect<IssueWorkflow, NotFound | PersistenceError>

  /**
   * Unarchives the workflow. Idempotent. Fails with `NotFound`, or with `AlreadyExists` (`issue_workflows.issue_id`) if
   * it is active and the issue has another active workflow.
   *
   * With an owner, fails with `NotFound` also if the workflow is archived and the owner may not use the repository of
   * the issue: an active workflow reserves the issue.
   */
  readonly unarchive: (id: ById) => Effect.Effect<IssueWorkflow, NotFound | AlreadyExists | PersistenceError>
}

const { decodeFilter, decodeInput, orNotFound, traced, orInvalidTransition } = operations(
  "IssueWorkflowRepo",
  "IssueWorkflow"
)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(IssueWorkflow))
  const workflows = yield* rowsOf(IssueWorkflow)
  const { indexedBy, unindexed, unindexedIn } = conditionsOf(sql)

  const ofOwner = ownerScope(sql)
  const mayUse = yield* repositoryAccess
  const statements = workflowStatements(sql)

  /**
   * Builds the condition for unarchiving. With an owner, it excludes an archived workflow unless the owner may use the
   * current repository of the issue.
   */
  const isRestorable = ({ ownerUserId }: Target) =>
    ownerUserId === undefined
      ? sql``
      : sql`AND (archived_at IS NULL OR EXISTS (
      SELECT 1 FROM issues AS i WHERE i.id = issue_workflows.issue_id AND ${mayUse(ownerUserId, sql`i.repository_id`)}))`

  const find = (target: Target) =>
    workflows.findOne(sql`SELECT ${columns} FROM issue_workflows WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), orNotFound(target.id))

  const insert = (workflow: typeof CreateIssueWorkflow.Type) =>
    Effect.gen(function* () {
      const { issueId } = workflow
      const id = yield* idOrNew(workflow.id, "wf", IssueWorkflowId.make)
      const now = yield* Clock.currentTimeMillis
      const created = yield* workflows.findOne(statements.insert({ ...workflow, id }, now))
      if (Option.isSome(created)) return created.value
      const issue = yield* sql`SELECT 1 FROM issues WHERE id = ${issueId}`
      const reference = issue.length === 0 ? "issueId" : "repositoryId"
      return yield* new ReferenceNotFound({ entity: "IssueWorkflow", reference })
    })

  /**
   * Builds the conditions of a list. They use the index on the issue, else on the owner, else on the repository: an
   * issue has few workflows, and a repository may have more than an owner.
   */
  const conditionsFor = (filter: typeof IssueWorkflowFilter.Type) => {
    const { includeArchived, issueId, ownerUserId, repositoryId, statuses } = filter
    const unarchived = includeArchived ? [] : [sql`+archived_at IS NULL`]
    if (issueId !== undefined) {
      return [
        [
          ...indexedBy("issue_id", issueId),
          ...unindexed("owner_user_id", ownerUserId),
          ...unindexed("repository_id", repositoryId),
          ...unindexedIn("status", statuses),
          ...unarchived
        ]
      ]
    }
    return unionByStatus(
      sql,
      statuses,
      ownerUserId === undefined
        ? [...indexedBy("repository_id", repositoryId), ...unarchived]
        : [...indexedBy("owner_user_id", ownerUserId), ...unindexed("repository_id", repositoryId), ...unarchived]
    )
  }

  const list: IssueWorkflowService["list"] = (request) =>
    Effect.gen(function* () {
      const filter = yield* decodeFilter("list", IssueWorkflowFilter)(request)
      const start = yield* Page.start("IssueWorkflowRepo.list", request)
      const found =
        filter.statuses?.length === 0
          ? Page.nothingFound
          : yield* workflows.findPage(
              keysetQuery(sql, { columns, table: "issue_workflows" }, conditionsFor(filter), start)
            )
      return Page.make(found, start, (workflow) => [workflow.createdAt, workflow.id])
    }).pipe(traced("list"))

  /** Sets the final status `to`. Returns a workflow that has this status already; fails for another final status. */
  const end = (target: Target, to: IssueWorkflowStatus, reason: string | null = null) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const ended = yield* workflows.findOne(statements.end(target, to, reason, now))
      return Option.isSome(ended) ? ended.value : yield* Effect.flatMap(get(target), orInvalidTransition(target.id, to))
    })

  const service: IssueWorkflowService = {
    create: (request) =>
      decodeInput(
        "create",
        CreateIssueWorkflow
      )(request).pipe(
        Effect.flatMap(insert),
        traced("create", ["AlreadyExists", "ReferenceNotFound"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            { field: "ownerUserId", table: "user", id: Option.fromNullable(request.ownerUserId) },
            { field: "requestedByUserId", table: "user", id: Option.fromNullable(request.requestedByUserId) }
          ])
        )
      ),

    findById: (by) => find(targetOf(by)).pipe(traced("findById", { "workflow.id": targetOf(by).id })),

    getById: (by) => get(targetOf(by)).pipe(traced("getById", { "workflow.id": targetOf(by).id })),

    list,

    stream: (filter) => Page.stream((page) => list({ ...filter, ...page })),

    succeed: (by) => end(targetOf(by), "completed").pipe(traced("succeed", { "workflow.id": targetOf(by).id })),

    fail: (by) => end(targetOf(by), "failed").pipe(traced("fail", { "workflow.id": targetOf(by).id })),

    cancel: (request) =>
      decodeInput(
        "cancel",
        CancelWorkflow
      )(request).pipe(
        Effect.flatMap(({ reason, ...target }) =>
          end(target, "cancelled", reason).pipe(traced("cancel", { "workflow.id": target.id }))
        )
      ),

    archive: (by) =>
      Effect.gen(function* () {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* workflows
          .findOne(sql`
          UPDATE issue_workflows SET
            archived_at = coalesce(archived_at, ${now}), updated_at = iif(archived_at IS NULL, ${now}, updated_at)
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("archive", { "workflow.id": targetOf(by).id })),

    unarchive: (by) =>
      Effect.gen(function* () {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* workflows
          .findOne(sql`
          UPDATE issue_workflows SET archived_at = NULL, updated_at = iif(archived_at IS NULL, updated_at, ${now})
          WHERE id = ${target.id} ${ofOwner(target)} ${isRestorable(target)} RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("unarchive", ["AlreadyExists"], { "workflow.id": targetOf(by).id }))
  }
  return service
})

/** Issue workflows: the work on one issue each. */
export class IssueWorkflowRepo extends Context.Tag("@sealant/db/IssueWorkflowRepo")<
  IssueWorkflowRepo,
  IssueWorkflowService
>() {
  /** The layer over `SqlClient`. */
  static readonly layer: Layer.Layer<IssueWorkflowRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
