/**
 * The statements and rules of `SandboxRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { AlreadyExists, ReferenceNotFound } from "../Errors.js"
import { endWithSandbox } from "../events/deletions.js"
import { idOrNew } from "../sql/ids.js"
import { conditionsOf, walk, walksByStatus } from "../sql/filters.js"
import { ownerScope, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { SandboxFilter } from "./filters.js"
import {
  AttemptLinkFilter,
  CreateSandbox,
  LinkAttempt,
  RenameSandbox,
  Sandbox,
  SandboxId,
  SandboxRunLink,
  sandboxTransitions,
  SetSandboxStatus
} from "./Sandbox.js"
import type { SandboxService } from "./SandboxRepo.js"

const { input, present, read, unmoved, write } = operations("SandboxRepo", "Sandbox")

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Sandbox))
  const linkColumns = sql.literal(columnList(SandboxRunLink))
  const sandboxes = yield* rowsOf(Sandbox)
  const links = yield* rowsOf(SandboxRunLink)
  const { along, aside, asideIn } = conditionsOf(sql)

  const ofOwner = ownerScope(sql)

  const find = (target: Target) =>
    sandboxes.first(sql`SELECT ${columns} FROM sandboxes WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), present(target.id))

  const insert = (sandbox: typeof CreateSandbox.Type) =>
    Effect.gen(function*() {
      const id = yield* idOrNew(sandbox.id, "sbx", SandboxId.make)
      const now = yield* Clock.currentTimeMillis
      return yield* sandboxes.one(sql`
        INSERT INTO sandboxes (id, name, owner_user_id, repository_id, repository_profile_revision_id,
          profile_revision_id, requested_by_user_id, status, created_at, updated_at)
        VALUES (${id}, ${sandbox.name}, ${sandbox.ownerUserId}, ${sandbox.repositoryId ?? null},
          ${sandbox.repositoryProfileRevisionId ?? null}, ${sandbox.profileRevisionId ?? null},
          ${sandbox.requestedByUserId ?? null}, ${sandbox.status}, ${now}, ${now})
        RETURNING ${columns}`)
    })

  /** An owner's index where one is given, so that a popular repository does not make the list of a single owner slow. */
  const walksOf = ({ includeArchived, ownerUserId, repositoryId, statuses }: typeof SandboxFilter.Type) => {
    const live = includeArchived ? [] : [sql`archived_at IS NULL`]
    return ownerUserId === undefined && repositoryId !== undefined
      ? [[...along("repository_id", repositoryId), ...asideIn("status", statuses), ...live]]
      : walksByStatus(sql, statuses, [
        ...along("owner_user_id", ownerUserId),
        ...aside("repository_id", repositoryId),
        ...live
      ])
  }

  const list: SandboxService["list"] = (request) =>
    Effect.gen(function*() {
      const filter = yield* input("list", SandboxFilter)(request)
      const start = yield* Page.start("SandboxRepo.list", request)
      const rows = filter.statuses?.length === 0
        ? []
        : yield* sandboxes.all(walk(sql, { columns, table: "sandboxes" }, walksOf(filter), start))
      return Page.make(rows, start, (sandbox) => [sandbox.createdAt, sandbox.id])
    }).pipe(read("list"))

  /** The link, or a look at why there can be none. In a transaction, so that the link and the latest attempt agree. */
  const link = ({ attemptId, ownerUserId, relation, sandboxId }: typeof LinkAttempt.Type) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const inserted = yield* sql`
        INSERT INTO sandbox_run_links (sandbox_id, run_id, relation, linked_at)
        SELECT sandboxes.id, sandbox_attempts.id, ${relation}, ${now}
        FROM sandboxes JOIN sandbox_attempts USING (owner_user_id)
        WHERE sandboxes.id = ${sandboxId} ${ofOwner({ ownerUserId })} AND sandbox_attempts.id = ${attemptId}
        ON CONFLICT DO NOTHING
        RETURNING run_id`
      if (inserted.length === 0) yield* refuseUnlessLinked({ id: sandboxId, ownerUserId }, attemptId)

      const newer = sql`
        (attempt.created_at, attempt.id) > (SELECT created_at, id FROM sandbox_attempts WHERE id = ${attemptId})`
      yield* sql`
        UPDATE sandboxes SET latest_run_id = ${attemptId}, updated_at = ${now}
        WHERE id = ${sandboxId} AND latest_run_id IS NOT ${attemptId}
          AND NOT EXISTS (SELECT 1 FROM sandbox_attempts AS attempt WHERE attempt.id = sandboxes.latest_run_id AND ${newer})
          AND NOT EXISTS (
            SELECT 1 FROM sandbox_run_links AS link CROSS JOIN sandbox_attempts AS attempt ON attempt.id = link.run_id
            WHERE link.sandbox_id = sandboxes.id AND ${newer})`
      return yield* get({ id: sandboxId })
    })

  const refuseUnlessLinked = (target: Target, attemptId: typeof LinkAttempt.Type["attemptId"]) =>
    Effect.gen(function*() {
      const { ownerUserId } = yield* get(target)
      const [attempt] = yield* sql<{ readonly sandboxId: string | null }>`
        SELECT sandbox_id AS "sandboxId" FROM sandbox_attempts LEFT JOIN sandbox_run_links ON run_id = id
        WHERE id = ${attemptId} AND owner_user_id = ${ownerUserId}`
      if (attempt === undefined) return yield* new ReferenceNotFound({ entity: "Sandbox", reference: "attemptId" })
      if (attempt.sandboxId !== target.id) {
        return yield* new AlreadyExists({ entity: "SandboxRunLink", constraint: "sandbox_run_links.run_id" })
      }
    })

  const service: SandboxService = {
    create: (request) =>
      input("create", CreateSandbox)(request).pipe(
        Effect.flatMap(insert),
        write("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
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
            rule: "sandboxes: a profile of another owner"
          }
        ]))
      ),

    findById: (by) => find(targetOf(by)).pipe(read("findById", { "sandbox.id": targetOf(by).id })),

    getById: (by) => get(targetOf(by)).pipe(read("getById", { "sandbox.id": targetOf(by).id })),

    getForOwner: (by) => get(targetOf(by)).pipe(read("getForOwner", { "sandbox.id": by.id, "user.id": by.ownerUserId })),

    findByAttemptId: (by) => {
      const { id: attemptId, ...scope } = targetOf(by)
      return sandboxes.first(sql`
        SELECT ${columns} FROM sandboxes
        WHERE id = (SELECT sandbox_id FROM sandbox_run_links WHERE run_id = ${attemptId}) ${ofOwner(scope)}`).pipe(
        read("findByAttemptId", { "run.id": attemptId })
      )
    },

    list,

    stream: (filter) => Page.stream((page) => list({ ...filter, ...page })),

    rename: (request) =>
      Effect.gen(function*() {
        const { name, ...target } = yield* input("rename", RenameSandbox)(request)
        const now = yield* Clock.currentTimeMillis
        return yield* sandboxes.first(sql`
          UPDATE sandboxes SET name = ${name}, updated_at = ${now}
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(read("rename", { "sandbox.id": request.id })),

    setStatus: (request) =>
      Effect.gen(function*() {
        const { status: to, ...target } = yield* input("setStatus", SetSandboxStatus)(request)
        const now = yield* Clock.currentTimeMillis
        const moved = yield* sandboxes.first(sql`
          UPDATE sandboxes SET status = ${to}, updated_at = ${now}
          WHERE id = ${target.id} ${ofOwner(target)} AND ${sql.in("status", sandboxTransitions.sources(to))}
          RETURNING ${columns}`)
        return Option.isSome(moved) ? moved.value : yield* Effect.flatMap(get(target), unmoved(target.id, to))
      }).pipe(read("setStatus", { "sandbox.id": request.id })),

    linkAttempt: (request) =>
      input("linkAttempt", LinkAttempt)(request).pipe(
        Effect.flatMap((given) => sql.withTransaction(link(given))),
        write("linkAttempt", ["AlreadyExists"])
      ),

    listAttemptLinks: (request) =>
      Effect.gen(function*() {
        const { ownerUserId, sandboxId } = yield* input("listAttemptLinks", AttemptLinkFilter)(request)
        const start = yield* Page.start("SandboxRepo.listAttemptLinks", request)
        const ofSandboxOwner = ownerUserId === undefined
          ? sql`true`
          : sql`EXISTS (SELECT 1 FROM sandboxes WHERE id = ${sandboxId} ${ofOwner({ ownerUserId })})`
        const rows = yield* links.all(sql`
          SELECT ${linkColumns} FROM sandbox_run_links
          WHERE sandbox_id = ${sandboxId} AND ${ofSandboxOwner} AND ${Page.below(sql, start, "linked_at", "run_id")}
          ORDER BY linked_at DESC, run_id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ linkedAt, runId }) => [linkedAt, runId])
      }).pipe(read("listAttemptLinks", { "sandbox.id": request.sandboxId })),

    archive: (by) =>
      Effect.gen(function*() {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* sandboxes.first(sql`
          UPDATE sandboxes SET
            archived_at = coalesce(archived_at, ${now}), updated_at = iif(archived_at IS NULL, ${now}, updated_at)
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(read("archive", { "sandbox.id": targetOf(by).id })),

    restore: (by) =>
      Effect.gen(function*() {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* sandboxes.first(sql`
          UPDATE sandboxes SET archived_at = NULL, updated_at = iif(archived_at IS NULL, updated_at, ${now})
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(read("restore", { "sandbox.id": targetOf(by).id })),

    delete: (by) =>
      Effect.gen(function*() {
        const target = targetOf(by)
        // If the row belongs to another owner, the deletion below matches no row and the transaction is rolled back.
        yield* endWithSandbox(sql, target.id)
        const [deleted] = yield* sql`DELETE FROM sandboxes WHERE id = ${target.id} ${ofOwner(target)} RETURNING id`
        yield* present(target.id)(Option.fromNullable(deleted))
      }).pipe(sql.withTransaction, read("delete", { "sandbox.id": targetOf(by).id }))
  }
  return service
})
