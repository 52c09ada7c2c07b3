/**
 * The statements and rules of `SandboxAttemptRepo`. What concerns the snapshot stands in `snapshots.ts`.
 */
import { SqlClient, type Statement } from "@effect/sql"
import { Array, Clock, DateTime, Effect, Option } from "effect"
import { idOrNew } from "../sql/ids.js"
import { conditionsOf, walk, walksByStatus } from "../sql/filters.js"
import { ownerScope, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { finishedAt } from "../sql/finishedAt.js"
import { columnList, joinedRows, partColumnList, partOf, rowsOf } from "../sql/rows.js"
import { SandboxAttemptFilter } from "./filters.js"
import {
  AttemptCancellation,
  AttemptEnd,
  AttemptStart,
  QueueAttempt,
  SandboxAttempt,
  SandboxAttemptId,
  SandboxAttemptSnapshot,
  type SandboxAttemptStatus,
  sandboxAttemptTransitions
} from "./SandboxAttempt.js"
import { SandboxRunLink } from "./Sandbox.js"
import type { SandboxAttemptService } from "./SandboxAttemptRepo.js"
import { makeSnapshots } from "./snapshots.js"

const attemptColumns = partColumnList(SandboxAttempt, "attempt")
const linkColumns = partColumnList(SandboxRunLink, "link")
const attemptOf = partOf(SandboxAttempt, "attempt")
const linkOf = partOf(SandboxRunLink, "link")

const { input, present, read, unmoved, write } = operations("SandboxAttemptRepo", "SandboxAttempt")

type Filter = typeof SandboxAttemptFilter.Type

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(SandboxAttempt))
  const attempts = yield* rowsOf(SandboxAttempt)
  const joined = yield* joinedRows
  const { along, aside, asideIn } = conditionsOf(sql)

  const ofOwner = ownerScope(sql)

  const find = (target: Target) =>
    attempts.first(sql`SELECT ${columns} FROM sandbox_attempts WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), present(target.id))

  const insert = (attempt: typeof QueueAttempt.Type) =>
    Effect.gen(function*() {
      const id = yield* idOrNew(attempt.id, "run", SandboxAttemptId.make)
      const now = yield* Clock.currentTimeMillis
      return yield* attempts.one(sql`
        INSERT INTO sandbox_attempts (id, owner_user_id, repository_id, repository_profile_revision_id,
          profile_revision_id, issue_id, status, trigger_type, trigger_ref, requested_by_user_id, retry_of_run_id,
          queued_at, created_at, updated_at)
        VALUES (${id}, ${attempt.ownerUserId}, ${attempt.repositoryId ?? null},
          ${attempt.repositoryProfileRevisionId ?? null}, ${attempt.profileRevisionId ?? null},
          ${attempt.issueId ?? null}, 'queued', ${attempt.triggerType}, ${attempt.triggerRef ?? null},
          ${attempt.requestedByUserId ?? null}, ${attempt.retryOfRunId ?? null}, ${now}, ${now}, ${now})
        RETURNING ${columns}`)
    })

  /** The index of what narrows most: few attempts are of one issue, and an owner's list costs what that owner has. */
  const walksOf = ({ issueId, ownerUserId, repositoryId, statuses }: Filter) =>
    issueId !== undefined
      ? [[
        ...along("issue_id", issueId),
        ...aside("owner_user_id", ownerUserId),
        ...aside("repository_id", repositoryId),
        ...asideIn("status", statuses)
      ]]
      : ownerUserId === undefined && repositoryId !== undefined
      ? [[...along("repository_id", repositoryId), ...asideIn("status", statuses)]]
      : walksByStatus(sql, statuses, [...along("owner_user_id", ownerUserId), ...aside("repository_id", repositoryId)])

  const page = (filter: Filter, start: Page.Start) =>
    attempts.all(walk(sql, { columns, table: "sandbox_attempts" }, walksOf(filter), start)).pipe(
      Effect.map((rows) => Page.make(rows, start, (attempt) => [attempt.createdAt, attempt.id]))
    )

  /** In the order of the links, the only one in which an index holds the attempts of a sandbox. */
  const pageOfSandbox = (sandboxId: string, { issueId, ownerUserId, repositoryId, statuses }: Filter, start: Page.Start) =>
    Effect.gen(function*() {
      const conditions = sql.and([
        sql`sandbox_id = ${sandboxId}`,
        ...aside("issue_id", issueId),
        ...aside("owner_user_id", ownerUserId),
        ...aside("repository_id", repositoryId),
        ...asideIn("status", statuses),
        Page.below(sql, start, "linked_at", "run_id")
      ])
      // CROSS JOIN keeps the planner to this order of the tables.
      const rows = yield* joined(sql`
        SELECT ${sql.literal(attemptColumns)}, ${sql.literal(linkColumns)}
        FROM sandbox_run_links AS link CROSS JOIN sandbox_attempts AS attempt ON id = run_id
        WHERE ${conditions}
        ORDER BY linked_at DESC, run_id DESC LIMIT ${start.limit + 1}`)
      const found = yield* Effect.forEach(rows, (row) => Effect.map(Effect.all([attemptOf(row), linkOf(row)]), Option.all))
      const { items, nextCursor } = Page.make(Array.getSomes(found), start, ([, { linkedAt, runId }]) => [linkedAt, runId])
      return { items: items.map(([attempt]) => attempt), nextCursor }
    })

  const list: SandboxAttemptService["list"] = (request) =>
    Effect.gen(function*() {
      const filter = yield* input("list", SandboxAttemptFilter)(request)
      const start = yield* Page.start("SandboxAttemptRepo.list", request)
      if (filter.statuses?.length === 0) return { items: [], nextCursor: Option.none() }
      return yield* filter.sandboxId === undefined ? page(filter, start) : pageOfSandbox(filter.sandboxId, filter, start)
    }).pipe(read("list"))

  /**
   * Moves an attempt from where `to` can be entered, or says why it did not move. One that is in `to` already stays as it
   * is.
   */
  const move = (
    target: Target,
    to: SandboxAttemptStatus,
    set: (now: number) => Statement.Fragment,
    guard = sql`${sql.in("status", sandboxAttemptTransitions.sources(to))}`
  ) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const moved = yield* attempts.first(sql`
        UPDATE sandbox_attempts SET status = ${to}, ${set(now)}, updated_at = ${now}
        WHERE id = ${target.id} ${ofOwner(target)} AND ${guard}
        RETURNING ${columns}`)
      return Option.isSome(moved) ? moved.value : yield* Effect.flatMap(get(target), unmoved(target.id, to))
    })

  const finish = (at: DateTime.Utc | undefined) => (now: number) => finishedAt(sql, at === undefined ? now : DateTime.toEpochMillis(at))

  const service: SandboxAttemptService = {
    ...makeSnapshots(sql, yield* rowsOf(SandboxAttemptSnapshot)),

    createQueued: (request) =>
      input("createQueued", QueueAttempt)(request).pipe(
        Effect.flatMap(insert),
        write("createQueued", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "ownerUserId", table: "user", id: Option.some(request.ownerUserId) },
          { field: "requestedByUserId", table: "user", id: Option.fromNullable(request.requestedByUserId) },
          { field: "repositoryId", table: "repositories", id: Option.fromNullable(request.repositoryId) },
          {
            field: "repositoryProfileRevisionId",
            table: "repository_profile_revisions",
            id: Option.fromNullable(request.repositoryProfileRevisionId)
          },
          {
            field: "profileRevisionId",
            table: "profile_revisions",
            id: Option.fromNullable(request.profileRevisionId),
            rule: "sandbox_attempts: a profile of another owner"
          },
          { field: "issueId", table: "issues", id: Option.fromNullable(request.issueId) },
          {
            field: "retryOfRunId",
            table: "sandbox_attempts",
            id: Option.fromNullable(request.retryOfRunId),
            rule: "sandbox_attempts: a retry of an attempt of another owner"
          }
        ]))
      ),

    findById: (by) => find(targetOf(by)).pipe(read("findById", { "run.id": targetOf(by).id })),

    getById: (by) => get(targetOf(by)).pipe(read("getById", { "run.id": targetOf(by).id })),

    list,

    stream: (filter) => Page.stream((page) => list({ ...filter, ...page })),

    markRunning: (request) =>
      input("markRunning", AttemptStart)(request).pipe(
        Effect.flatMap(({ startedAt, ...target }) =>
          move(
            target,
            "running",
            (now) => sql`started_at = ${startedAt === undefined ? now : DateTime.toEpochMillis(startedAt)}`,
            sql`${sql.in("status", sandboxAttemptTransitions.sources("running"))} AND stop_requested_at IS NULL`
          )
        ),
        write("markRunning", ["InvalidInput"])
      ),

    markSucceeded: (request) =>
      input("markSucceeded", AttemptEnd)(request).pipe(
        Effect.flatMap(({ finishedAt, ...target }) => move(target, "succeeded", finish(finishedAt))),
        write("markSucceeded", ["InvalidInput"])
      ),

    markFailed: (request) =>
      input("markFailed", AttemptEnd)(request).pipe(
        Effect.flatMap(({ finishedAt, ...target }) => move(target, "failed", finish(finishedAt))),
        write("markFailed", ["InvalidInput"])
      ),

    requestStop: (by) =>
      Effect.gen(function*() {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* attempts.first(sql`
          UPDATE sandbox_attempts SET
            stop_requested_at = coalesce(stop_requested_at, ${now}),
            updated_at = iif(stop_requested_at IS NULL, ${now}, updated_at)
          WHERE id = ${target.id} ${ofOwner(target)}
          RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(read("requestStop", { "run.id": targetOf(by).id })),

    markCancelled: (request) =>
      input("markCancelled", AttemptCancellation)(request).pipe(
        Effect.flatMap(({ cancelReason, finishedAt, ...target }) =>
          move(target, "cancelled", (now) => sql`cancel_reason = ${cancelReason}, ${finish(finishedAt)(now)}`)
        ),
        write("markCancelled", ["InvalidInput"])
      )
  }
  return service
})
