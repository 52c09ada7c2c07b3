/**
 * The statements and rules of `IssueWorkflowRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { ReferenceNotFound } from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import { conditionsOf, walk, walksByStatus } from "../sql/filters.js"
import { type ById, ownerScope, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import {
  CreateIssueWorkflow,
  IssueWorkflow,
  IssueWorkflowFilter,
  IssueWorkflowId,
  type IssueWorkflowStatus,
  issueWorkflowTransitions
} from "./IssueWorkflow.js"
import { repositoryAccess } from "../source/RepositoryAccess.js"
import type { IssueWorkflowService } from "./IssueWorkflowRepo.js"

const { input, present, read, unmoved, write } = operations("IssueWorkflowRepo", "IssueWorkflow")

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(IssueWorkflow))
  const workflows = yield* rowsOf(IssueWorkflow)
  const { along, aside, asideIn } = conditionsOf(sql)

  const ofOwner = ownerScope(sql)
  const mayUse = yield* repositoryAccess

  /** For an owner, an archived workflow exists only while the owner may use the repository that contains the issue now. */
  const isRestorable = ({ ownerUserId }: Target) =>
    ownerUserId === undefined ? sql`` : sql`AND (archived_at IS NULL OR EXISTS (
      SELECT 1 FROM issues AS i WHERE i.id = issue_workflows.issue_id AND ${mayUse(ownerUserId, sql`i.repository_id`)}))`

  const find = (target: Target) =>
    workflows.first(sql`SELECT ${columns} FROM issue_workflows WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), present(target.id))

  const insert = (workflow: typeof CreateIssueWorkflow.Type) =>
    Effect.gen(function*() {
      const { issueId, ownerUserId = null, repositoryId = null, requestedByUserId = null } = workflow
      const id = yield* idOrNew(workflow.id, "wf", IssueWorkflowId.make)
      const now = yield* Clock.currentTimeMillis
      const created = yield* workflows.first(sql`
        INSERT INTO issue_workflows (id, issue_id, repository_id, owner_user_id, status, requested_by_user_id, created_at, updated_at)
        SELECT ${id}, id, repository_id, ${ownerUserId}, 'active', ${requestedByUserId}, ${now}, ${now}
        FROM issues WHERE id = ${issueId} AND repository_id = coalesce(${repositoryId}, repository_id)
        RETURNING ${columns}`)
      if (Option.isSome(created)) return created.value
      const issue = yield* sql`SELECT 1 FROM issues WHERE id = ${issueId}`
      return yield* new ReferenceNotFound({ entity: "IssueWorkflow", reference: issue.length === 0 ? "issueId" : "repositoryId" })
    })

  /** An issue has few workflows; an owner's index comes before a repository's, so that a popular one slows nobody's list. */
  const walksOf = ({ includeArchived, issueId, ownerUserId, repositoryId, statuses }: typeof IssueWorkflowFilter.Type) => {
    const live = includeArchived ? [] : [sql`+archived_at IS NULL`]
    if (issueId !== undefined) {
      return [[
        ...along("issue_id", issueId),
        ...aside("owner_user_id", ownerUserId),
        ...aside("repository_id", repositoryId),
        ...asideIn("status", statuses),
        ...live
      ]]
    }
    return walksByStatus(
      sql,
      statuses,
      ownerUserId === undefined
        ? [...along("repository_id", repositoryId), ...live]
        : [...along("owner_user_id", ownerUserId), ...aside("repository_id", repositoryId), ...live]
    )
  }

  const list: IssueWorkflowService["list"] = (request) =>
    Effect.gen(function*() {
      const filter = yield* input("list", IssueWorkflowFilter)(request)
      const start = yield* Page.start("IssueWorkflowRepo.list", request)
      const rows = filter.statuses?.length === 0
        ? []
        : yield* workflows.all(walk(sql, { columns, table: "issue_workflows" }, walksOf(filter), start))
      return Page.make(rows, start, (workflow) => [workflow.createdAt, workflow.id])
    }).pipe(read("list"))

  /** Ends a workflow, or says why it did not end so. */
  const end = (method: string, to: IssueWorkflowStatus) => (by: ById) =>
    Effect.gen(function*() {
      const target = targetOf(by)
      const now = yield* Clock.currentTimeMillis
      const moved = yield* workflows.first(sql`
        UPDATE issue_workflows SET status = ${to}, updated_at = ${now}
        WHERE id = ${target.id} ${ofOwner(target)} AND ${sql.in("status", issueWorkflowTransitions.sources(to))}
        RETURNING ${columns}`)
      return Option.isSome(moved) ? moved.value : yield* Effect.flatMap(get(target), unmoved(target.id, to))
    }).pipe(read(method, { "workflow.id": targetOf(by).id }))

  const service: IssueWorkflowService = {
    create: (request) =>
      input("create", CreateIssueWorkflow)(request).pipe(
        Effect.flatMap(insert),
        write("create", ["AlreadyExists", "ReferenceNotFound"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "ownerUserId", table: "user", id: Option.fromNullable(request.ownerUserId) },
          { field: "requestedByUserId", table: "user", id: Option.fromNullable(request.requestedByUserId) }
        ]))
      ),

    findById: (by) => find(targetOf(by)).pipe(read("findById", { "workflow.id": targetOf(by).id })),

    getById: (by) => get(targetOf(by)).pipe(read("getById", { "workflow.id": targetOf(by).id })),

    getForOwner: (by) => get(targetOf(by)).pipe(read("getForOwner", { "workflow.id": by.id, "user.id": by.ownerUserId })),

    list,

    stream: (filter) => Page.stream((page) => list({ ...filter, ...page })),

    complete: end("complete", "completed"),

    fail: end("fail", "failed"),

    cancel: end("cancel", "cancelled"),

    archive: (by) =>
      Effect.gen(function*() {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* workflows.first(sql`
          UPDATE issue_workflows SET
            archived_at = coalesce(archived_at, ${now}), updated_at = iif(archived_at IS NULL, ${now}, updated_at)
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(read("archive", { "workflow.id": targetOf(by).id })),

    restore: (by) =>
      Effect.gen(function*() {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* workflows.first(sql`
          UPDATE issue_workflows SET archived_at = NULL, updated_at = iif(archived_at IS NULL, updated_at, ${now})
          WHERE id = ${target.id} ${ofOwner(target)} ${isRestorable(target)} RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(write("restore", ["AlreadyExists"], { "workflow.id": targetOf(by).id }))
  }
  return service
})
