/**
 * Sandboxes and their links to attempts, over the tables `sandboxes` and `sandbox_run_links`.
 *
 * Guarantees:
 * - A sandbox, and every row linked to it, has the same owner. A method that is called with `ownerUserId` treats the
 *   rows of other owners as missing.
 * - A sandbox moves only along its declared transitions, also under concurrent writes.
 * - `latestAttemptId` is the newest linked attempt, by creation and id. Linking an older attempt does not change it.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, Effect, Layer, Option, type Stream } from "effect"
import {
  AlreadyExists,
  type InvalidInput,
  type InvalidTransition,
  type NotFound,
  type PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import { endWithSandbox } from "../events/deletions.js"
import { idOrNew } from "../sql/ids.js"
import { conditionsOf, keysetQuery, unionByStatus } from "../sql/filters.js"
import { type ById, type OwnedId, ownerScope, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { toWrite } from "../sql/writeAll.js"
import { SandboxFilter } from "./filters.js"
import { orSandboxNotFound, ownedReferences, sandboxStatements } from "./sandboxStatements.js"
import {
  AttemptLinkFilter,
  CreateSandbox,
  LinkAttempt,
  RenameSandbox,
  Sandbox,
  SandboxId,
  SandboxAttemptLink,
  SetSandboxStatus
} from "./Sandbox.js"

/**
 * Methods of `SandboxRepo`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface SandboxService {
  /**
   * Creates a sandbox, with a new id unless `id` is set. Internal: not for request handlers, because it does not check
   * whether the owner may use the repository; `SandboxLifecycle.launch` does.
   *
   * Fails with:
   * - `AlreadyExists` if the id is taken;
   * - `ReferenceNotFound`, which names the field, if the owner, the requester, the repository or a revision does not
   *   exist, or if the profile belongs to another owner;
   * - `InvalidInput` if a name or an id is empty or too long.
   */
  readonly create: (
    sandbox: typeof CreateSandbox.Encoded
  ) => Effect.Effect<Sandbox, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** Finds the sandbox by its id. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<Sandbox>, PersistenceError>

  /** Returns the sandbox. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<Sandbox, NotFound | PersistenceError>

  /** Returns the sandbox of this owner. Fails with `NotFound`, also if it belongs to another owner. */
  readonly getForOwner: (request: OwnedId) => Effect.Effect<Sandbox, NotFound | PersistenceError>

  /** Finds the sandbox that the attempt is linked to. */
  readonly findByAttemptId: (attemptId: ById) => Effect.Effect<Option.Option<Sandbox>, PersistenceError>

  /**
   * Lists the matching sandboxes, newest first.
   *
   * Fails with `InvalidInput` if the cursor is malformed, the limit is out of range, a status is unknown, or the owner
   * is `undefined`.
   */
  readonly list: (
    request: Page.PageRequest & typeof SandboxFilter.Encoded
  ) => Effect.Effect<Page.Page<Sandbox>, InvalidInput | PersistenceError>

  /** Streams all items of `list`. Reads each page on demand. Fails as `list` does. */
  readonly stream: (filter: typeof SandboxFilter.Encoded) => Stream.Stream<Sandbox, InvalidInput | PersistenceError>

  /** Renames the sandbox. Fails with `NotFound`, and with `InvalidInput` if the name is empty or too long. */
  readonly rename: (
    request: typeof RenameSandbox.Encoded
  ) => Effect.Effect<Sandbox, NotFound | InvalidInput | PersistenceError>

  /**
   * Moves the sandbox to a status. Idempotent. It writes the row of the sandbox only: supervision ends the attempt, the
   * job and the runtime of a sandbox that was set to stopped or failed.
   *
   * Fails with `NotFound`, with `InvalidTransition` if its status does not allow the transition, and with
   * `InvalidInput` if the status is unknown.
   */
  readonly setStatus: (
    request: typeof SetSandboxStatus.Encoded
  ) => Effect.Effect<Sandbox, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Links an attempt of the same owner to the sandbox, and makes it the latest attempt unless a linked one is newer.
   * Returns the sandbox. Linking an attempt again keeps its first relation.
   *
   * Fails with:
   * - `NotFound` if the sandbox does not exist;
   * - `ReferenceNotFound` (`attemptId`) if the attempt does not exist or belongs to another owner;
   * - `AlreadyExists` if the attempt belongs to another sandbox;
   * - `InvalidInput` if a field is invalid.
   */
  readonly linkAttempt: (
    request: typeof LinkAttempt.Encoded
  ) => Effect.Effect<Sandbox, NotFound | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Lists the links of a sandbox to its attempts, last linked first. Returns no links if the sandbox does not exist.
   * Fails with `InvalidInput` if the cursor is malformed or the limit is out of range.
   */
  readonly listAttemptLinks: (
    request: Page.PageRequest & typeof AttemptLinkFilter.Encoded
  ) => Effect.Effect<Page.Page<SandboxAttemptLink>, InvalidInput | PersistenceError>

  /**
   * Archives the sandbox in any status: lists leave it out, and nothing else changes. Idempotent. Fails with
   * `NotFound`.
   */
  readonly archive: (id: ById) => Effect.Effect<Sandbox, NotFound | PersistenceError>

  /** Unarchives the sandbox. Idempotent. Fails with `NotFound`. */
  readonly unarchive: (id: ById) => Effect.Effect<Sandbox, NotFound | PersistenceError>

  /**
   * Deletes the sandbox in any state, and its links. The same transaction ends its attempts, jobs, runtimes and the
   * executions in it, and appends their events to the journal; these rows stay. Fails with `NotFound`. Internal: not
   * for request handlers, which call `SandboxLifecycle.delete`.
   */
  readonly delete: (id: ById) => Effect.Effect<void, NotFound | PersistenceError>
}

const { decodeFilter, decodeInput, orNotFound, traced, orInvalidTransition } = operations("SandboxRepo", "Sandbox")

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Sandbox))
  const linkColumns = sql.literal(columnList(SandboxAttemptLink))
  const sandboxes = yield* rowsOf(Sandbox)
  const links = yield* rowsOf(SandboxAttemptLink)
  const { indexedBy, unindexed, unindexedIn } = conditionsOf(sql)

  const ofOwner = ownerScope(sql)
  const statements = sandboxStatements(sql)

  const find = (target: Target) =>
    sandboxes.findOne(sql`SELECT ${columns} FROM sandboxes WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), orNotFound(target.id))

  const insert = (sandbox: typeof CreateSandbox.Type) =>
    Effect.gen(function* () {
      const id = yield* idOrNew(sandbox.id, "sbx", SandboxId.make)
      return yield* sandboxes.single(statements.insert({ ...sandbox, id }, yield* Clock.currentTimeMillis))
    })

  /** Prefers the index of the owner, so that the cost of a list depends only on the rows of its owner. */
  const branchesOf = ({ includeArchived, ownerUserId, repositoryId, statuses }: typeof SandboxFilter.Type) => {
    const notArchived = includeArchived ? [] : [sql`archived_at IS NULL`]
    return ownerUserId === undefined && repositoryId !== undefined
      ? [[...indexedBy("repository_id", repositoryId), ...unindexedIn("status", statuses), ...notArchived]]
      : unionByStatus(sql, statuses, [
          ...indexedBy("owner_user_id", ownerUserId),
          ...unindexed("repository_id", repositoryId),
          ...notArchived
        ])
  }

  const list: SandboxService["list"] = (request) =>
    Effect.gen(function* () {
      const filter = yield* decodeFilter("list", SandboxFilter)(request)
      const start = yield* Page.start("SandboxRepo.list", request)
      const found =
        filter.statuses?.length === 0
          ? Page.nothingFound
          : yield* sandboxes.findPage(keysetQuery(sql, { columns, table: "sandboxes" }, branchesOf(filter), start))
      return Page.make(found, start, (sandbox) => [sandbox.createdAt, sandbox.id])
    }).pipe(traced("list"))

  /** Links an attempt. Runs in a transaction, so that the link and the latest attempt agree. */
  const link = (request: typeof LinkAttempt.Type) =>
    Effect.gen(function* () {
      const { attemptId, ownerUserId, sandboxId } = request
      const now = yield* Clock.currentTimeMillis
      const inserted = yield* statements.link(request, now)
      if (inserted.length === 0) yield* refuseUnlessLinked({ id: sandboxId, ownerUserId }, attemptId)
      yield* statements.setLatest(request, now)
      return yield* get({ id: sandboxId })
    })

  /** Explains an INSERT that added no link. Succeeds if the attempt is linked to the sandbox already. */
  const refuseUnlessLinked = (target: Target, attemptId: (typeof LinkAttempt.Type)["attemptId"]) =>
    Effect.gen(function* () {
      const { ownerUserId } = yield* get(target)
      const [attempt] = yield* sql<{ readonly sandboxId: string | null }>`
        SELECT sandbox_id AS "sandboxId" FROM sandbox_attempts LEFT JOIN sandbox_run_links ON run_id = id
        WHERE id = ${attemptId} AND owner_user_id = ${ownerUserId}`
      if (attempt === undefined) return yield* new ReferenceNotFound({ entity: "Sandbox", reference: "attemptId" })
      if (attempt.sandboxId !== target.id) {
        return yield* new AlreadyExists({ entity: "SandboxAttemptLink", constraint: "sandbox_run_links.run_id" })
      }
    })

  const service: SandboxService = {
    create: (request) =>
      decodeInput(
        "create",
        CreateSandbox
      )(request).pipe(
        Effect.flatMap(insert),
        traced("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => ownedReferences("sandboxes", request))
        )
      ),

    findById: (by) => find(targetOf(by)).pipe(traced("findById", { "sandbox.id": targetOf(by).id })),

    getById: (by) => get(targetOf(by)).pipe(traced("getById", { "sandbox.id": targetOf(by).id })),

    getForOwner: (by) =>
      get(targetOf(by)).pipe(traced("getForOwner", { "sandbox.id": by.id, "user.id": by.ownerUserId })),

    findByAttemptId: (by) => {
      const { id: attemptId, ...scope } = targetOf(by)
      return sandboxes
        .findOne(sql`
        SELECT ${columns} FROM sandboxes
        WHERE id = (SELECT sandbox_id FROM sandbox_run_links WHERE run_id = ${attemptId}) ${ofOwner(scope)}`)
        .pipe(traced("findByAttemptId", { "attempt.id": attemptId }))
    },

    list,

    stream: (filter) => Page.stream((page) => list({ ...filter, ...page })),

    rename: (request) =>
      Effect.gen(function* () {
        const { name, ...target } = yield* decodeInput("rename", RenameSandbox)(request)
        const now = yield* Clock.currentTimeMillis
        return yield* sandboxes
          .findOne(sql`
          UPDATE sandboxes SET name = ${name}, updated_at = ${now}
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("rename", { "sandbox.id": request.id })),

    setStatus: (request) =>
      Effect.gen(function* () {
        const { status: to, ...target } = yield* decodeInput("setStatus", SetSandboxStatus)(request)
        const now = yield* Clock.currentTimeMillis
        const moved = yield* sandboxes.findOne(statements.setStatus(target, to, now))
        return Option.isSome(moved)
          ? moved.value
          : yield* Effect.flatMap(get(target), orInvalidTransition(target.id, to))
      }).pipe(traced("setStatus", { "sandbox.id": request.id })),

    linkAttempt: (request) =>
      decodeInput(
        "linkAttempt",
        LinkAttempt
      )(request).pipe(
        Effect.flatMap((decoded) => sql.withTransaction(link(decoded))),
        traced("linkAttempt", ["AlreadyExists"])
      ),

    listAttemptLinks: (request) =>
      Effect.gen(function* () {
        const { ownerUserId, sandboxId } = yield* decodeFilter("listAttemptLinks", AttemptLinkFilter)(request)
        const start = yield* Page.start("SandboxRepo.listAttemptLinks", request)
        const ofSandboxOwner =
          ownerUserId === undefined
            ? sql`true`
            : sql`EXISTS (SELECT 1 FROM sandboxes WHERE id = ${sandboxId} ${ofOwner({ ownerUserId })})`
        const found = yield* links.findPage(sql`
          SELECT ${linkColumns} FROM sandbox_run_links
          WHERE sandbox_id = ${sandboxId} AND ${ofSandboxOwner} AND ${Page.afterCursor(sql, start, "linked_at", "run_id")}
          ORDER BY linked_at DESC, run_id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ linkedAt, attemptId }) => [linkedAt, attemptId])
      }).pipe(traced("listAttemptLinks", { "sandbox.id": request.sandboxId })),

    archive: (by) =>
      Effect.gen(function* () {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* sandboxes
          .findOne(sql`
          UPDATE sandboxes SET
            archived_at = coalesce(archived_at, ${now}), updated_at = iif(archived_at IS NULL, ${now}, updated_at)
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("archive", { "sandbox.id": targetOf(by).id })),

    unarchive: (by) =>
      Effect.gen(function* () {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* sandboxes
          .findOne(sql`
          UPDATE sandboxes SET archived_at = NULL, updated_at = iif(archived_at IS NULL, updated_at, ${now})
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("unarchive", { "sandbox.id": targetOf(by).id })),

    delete: (by) =>
      Effect.gen(function* () {
        const target = targetOf(by)
        const allowed = statements.exists(target)
        const deletion = toWrite(sql`DELETE FROM sandboxes WHERE id = ${target.id} ${ofOwner(target)}`)
        yield* endWithSandbox(sql, target.id, { allowed, deletion }).pipe(orSandboxNotFound(target.id, allowed))
      }).pipe(traced("delete", { "sandbox.id": targetOf(by).id }))
  }
  return service
})

/** Sandboxes and their links to attempts. */
export class SandboxRepo extends Context.Tag("@sealant/db/SandboxRepo")<SandboxRepo, SandboxService>() {
  /** Provides the sandboxes over `SqlClient`. */
  static readonly layer: Layer.Layer<SandboxRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
