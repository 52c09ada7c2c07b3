/**
 * Attempts and their snapshots, over the tables `sandbox_attempts` and `sandbox_attempt_snapshots`. The snapshot
 * methods are in `snapshots.ts`.
 *
 * Guarantees:
 * - An attempt ends once: repeating its end changes nothing, and any other end fails.
 * - A queued attempt with a stop request cannot start.
 * - A snapshot is written once, and does not change afterwards.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Statement } from "@effect/sql"
import { Clock, Context, DateTime, Effect, Layer, Option, type Stream } from "effect"
import type {
  AlreadyExists,
  InvalidInput,
  InvalidTransition,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import { readByIds } from "../sql/batch.js"
import { idOrNew } from "../sql/ids.js"
import { conditionsOf, keysetQuery, unionByStatus } from "../sql/filters.js"
import { type ById, ownerScope, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, joinedPage, partColumnList, partOf, requiredPart, rowsOf } from "../sql/rows.js"
import { attemptStatements } from "./attemptStatements.js"
import { SandboxAttemptFilter } from "./filters.js"
import { SandboxAttemptLink } from "./Sandbox.js"
import {
  AttemptCancellation,
  AttemptEnd,
  AttemptStart,
  QueueAttempt,
  SandboxAttempt,
  SandboxAttemptId,
  SandboxAttemptSnapshot,
  type SandboxAttemptStatus,
  type SetSnapshot
} from "./SandboxAttempt.js"
import { ownedReferences } from "./sandboxStatements.js"
import { makeSnapshots } from "./snapshots.js"

/**
 * Methods of `SandboxAttemptRepo`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface SandboxAttemptService {
  /**
   * Creates a queued attempt, with a new id unless `id` is set. Internal: not for request handlers, because it does not
   * check whether the owner may use the repository; `SandboxLifecycle.launch` and `retry` do.
   *
   * Fails with:
   * - `AlreadyExists` if the id is taken;
   * - `ReferenceNotFound`, which names the field, if a referenced row does not exist, or if the profile or the retried
   *   attempt belongs to another owner;
   * - `InvalidInput` if a field is invalid.
   */
  readonly createQueued: (
    attempt: typeof QueueAttempt.Encoded
  ) => Effect.Effect<SandboxAttempt, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** Finds the attempt by its id. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<SandboxAttempt>, PersistenceError>

  /** Returns the attempt. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<SandboxAttempt, NotFound | PersistenceError>

  /** Lists any number of attempts by their ids. Missing ones are left out. Reads up to 100 attempts in a statement. */
  readonly listByIds: (
    ids: ReadonlyArray<string> | { readonly ids: ReadonlyArray<string>; readonly ownerUserId: string }
  ) => Effect.Effect<ReadonlyMap<SandboxAttemptId, SandboxAttempt>, PersistenceError>

  /**
   * Lists the matching attempts, newest first. With `sandboxId`, lists them in the order of their links, last linked
   * first.
   *
   * Fails with `InvalidInput` if the cursor is malformed, the limit is out of range, a status is unknown, or the owner
   * or the sandbox is `undefined`.
   */
  readonly list: (
    request: Page.PageRequest & typeof SandboxAttemptFilter.Encoded
  ) => Effect.Effect<Page.Page<SandboxAttempt>, InvalidInput | PersistenceError>

  /** Streams all items of `list`. Reads each page on demand. Fails as `list` does. */
  readonly stream: (
    filter: typeof SandboxAttemptFilter.Encoded
  ) => Stream.Stream<SandboxAttempt, InvalidInput | PersistenceError>

  /**
   * Moves a queued attempt to running, at `startedAt` or now. Idempotent.
   *
   * Fails with `NotFound`, with `InvalidTransition` if the attempt has ended, or is queued and has a stop request, and
   * with `InvalidInput` if the instant is before 1970.
   */
  readonly markRunning: (
    start: typeof AttemptStart.Encoded
  ) => Effect.Effect<SandboxAttempt, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Moves a running attempt to succeeded, at `finishedAt` or now, but never before its start. Idempotent.
   *
   * Fails with `NotFound`, with `InvalidTransition` if the attempt never ran or has another end, and with
   * `InvalidInput` if a field is invalid.
   */
  readonly markSucceeded: (
    end: typeof AttemptEnd.Encoded
  ) => Effect.Effect<SandboxAttempt, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /** Moves a queued or running attempt to failed. Otherwise like `markSucceeded`. */
  readonly markFailed: (
    end: typeof AttemptEnd.Encoded
  ) => Effect.Effect<SandboxAttempt, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Moves a queued or running attempt to cancelled, and records the reason. A repeated call keeps the first reason.
   * Otherwise like `markSucceeded`.
   */
  readonly markCancelled: (
    cancellation: typeof AttemptCancellation.Encoded
  ) => Effect.Effect<SandboxAttempt, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Records a stop request for the attempt in any status. Afterwards neither the attempt nor its runtime can start. A
   * repeated call keeps the first request. Fails with `NotFound`.
   */
  readonly requestStop: (id: ById) => Effect.Effect<SandboxAttempt, NotFound | PersistenceError>

  /**
   * Stores the inputs of the attempt, once. A repeated call with identical content, in any order of keys, returns the
   * stored snapshot. Internal: not for request handlers.
   *
   * Fails with `AlreadyExists` if the stored content differs, with `ReferenceNotFound` (`attemptId`) if the attempt does
   * not exist, and with `InvalidInput` if a document is invalid.
   */
  readonly setSnapshot: (
    snapshot: typeof SetSnapshot.Encoded
  ) => Effect.Effect<SandboxAttemptSnapshot, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** Finds the snapshot of the attempt. */
  readonly findSnapshot: (attemptId: ById) => Effect.Effect<Option.Option<SandboxAttemptSnapshot>, PersistenceError>
}

const attemptColumns = partColumnList(SandboxAttempt, "attempt")
const linkColumns = partColumnList(SandboxAttemptLink, "link")
const attemptOf = partOf(SandboxAttempt, "attempt")
const linkOf = partOf(SandboxAttemptLink, "link")

const { decodeFilter, decodeInput, orNotFound, traced, orInvalidTransition } = operations(
  "SandboxAttemptRepo",
  "SandboxAttempt"
)

type Filter = typeof SandboxAttemptFilter.Type

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(SandboxAttempt))
  const attempts = yield* rowsOf(SandboxAttempt)
  const joined = yield* joinedPage
  const statements = attemptStatements(sql)
  const { indexedBy, unindexed, unindexedIn } = conditionsOf(sql)

  const ofOwner = ownerScope(sql)

  const find = (target: Target) =>
    attempts.findOne(sql`SELECT ${columns} FROM sandbox_attempts WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), orNotFound(target.id))

  const insert = (attempt: typeof QueueAttempt.Type) =>
    Effect.gen(function* () {
      const id = yield* idOrNew(attempt.id, "run", SandboxAttemptId.make)
      return yield* attempts.single(statements.insert({ ...attempt, id }, yield* Clock.currentTimeMillis))
    })

  /**
   * Selects the most selective index: that of the issue, because an issue has few attempts, then that of the owner, so
   * that the cost of a list depends only on the rows of its owner.
   */
  const branchesOf = ({ issueId, ownerUserId, repositoryId, statuses }: Filter) =>
    issueId !== undefined
      ? [
          [
            ...indexedBy("issue_id", issueId),
            ...unindexed("owner_user_id", ownerUserId),
            ...unindexed("repository_id", repositoryId),
            ...unindexedIn("status", statuses)
          ]
        ]
      : ownerUserId === undefined && repositoryId !== undefined
        ? [[...indexedBy("repository_id", repositoryId), ...unindexedIn("status", statuses)]]
        : unionByStatus(sql, statuses, [
            ...indexedBy("owner_user_id", ownerUserId),
            ...unindexed("repository_id", repositoryId)
          ])

  const page = (filter: Filter, start: Page.Start) =>
    attempts
      .findPage(keysetQuery(sql, { columns, table: "sandbox_attempts" }, branchesOf(filter), start))
      .pipe(Effect.map((found) => Page.make(found, start, (attempt) => [attempt.createdAt, attempt.id])))

  /** Reads a page in the order of the links, because no other index covers the attempts of one sandbox. */
  const pageOfSandbox = (sandboxId: string, filter: Filter, start: Page.Start) =>
    Effect.gen(function* () {
      const conditions = sql.and([
        sql`sandbox_id = ${sandboxId}`,
        ...unindexed("issue_id", filter.issueId),
        ...unindexed("owner_user_id", filter.ownerUserId),
        ...unindexed("repository_id", filter.repositoryId),
        ...unindexedIn("status", filter.statuses),
        Page.afterCursor(sql, start, "linked_at", "run_id")
      ])
      // CROSS JOIN fixes the order of the tables (https://www.sqlite.org/optoverview.html).
      const found = yield* joined(
        sql`
        SELECT ${sql.literal(attemptColumns)}, ${sql.literal(linkColumns)}
        FROM sandbox_run_links AS link CROSS JOIN sandbox_attempts AS attempt ON id = run_id
        WHERE ${conditions}
        ORDER BY linked_at DESC, run_id DESC LIMIT ${start.limit + 1}`,
        (row) => Effect.zip(requiredPart(attemptOf(row), "SandboxAttempt"), requiredPart(linkOf(row), "SandboxAttempt"))
      )
      const { items, nextCursor } = Page.make(found, start, ([, { linkedAt, attemptId }]) => [linkedAt, attemptId])
      return { items: items.map(([attempt]) => attempt), nextCursor }
    })

  const list: SandboxAttemptService["list"] = (request) =>
    Effect.gen(function* () {
      const filter = yield* decodeFilter("list", SandboxAttemptFilter)(request)
      const start = yield* Page.start("SandboxAttemptRepo.list", request)
      if (filter.statuses?.length === 0) return { items: [], nextCursor: Option.none() }
      const { sandboxId } = filter
      return yield* sandboxId === undefined ? page(filter, start) : pageOfSandbox(sandboxId, filter, start)
    }).pipe(traced("list"))

  /**
   * Runs a statement that moves an attempt to `to`. Returns an attempt that is already in `to` unchanged, and fails
   * with `InvalidTransition` if the statement matched no row for another reason.
   */
  const move = (
    target: Target,
    to: SandboxAttemptStatus,
    instant: DateTime.Utc | undefined,
    statement: (at: number, now: number) => Statement.Statement<Readonly<Record<string, unknown>>>
  ) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const at = instant === undefined ? now : DateTime.toEpochMillis(instant)
      const moved = yield* attempts.findOne(statement(at, now))
      return Option.isSome(moved) ? moved.value : yield* Effect.flatMap(get(target), orInvalidTransition(target.id, to))
    })

  const service: SandboxAttemptService = {
    ...makeSnapshots(sql, yield* rowsOf(SandboxAttemptSnapshot)),

    listByIds: (request) => {
      const ids = "ids" in request ? request.ids : request
      const scope = "ids" in request ? { ownerUserId: request.ownerUserId ?? null } : {}
      return readByIds(ids, (batch) =>
        attempts.findAll(sql`
          SELECT ${columns} FROM sandbox_attempts
          WHERE id IN (SELECT value FROM json_each(${batch})) ${ofOwner(scope)}`)
      ).pipe(
        Effect.map((found) => new Map(found.map((attempt) => [attempt.id, attempt]))),
        traced("listByIds", { "attempt.count": ids.length })
      )
    },

    createQueued: (request) =>
      decodeInput(
        "createQueued",
        QueueAttempt
      )(request).pipe(
        Effect.flatMap(insert),
        traced("createQueued", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            ...ownedReferences("sandbox_attempts", request),
            { field: "issueId", table: "issues", id: Option.fromNullable(request.issueId) },
            {
              field: "retryOfAttemptId",
              table: "sandbox_attempts",
              id: Option.fromNullable(request.retryOfAttemptId),
              rule: "sandbox_attempts: a retry of an attempt of another owner"
            }
          ])
        )
      ),

    findById: (by) => find(targetOf(by)).pipe(traced("findById", { "attempt.id": targetOf(by).id })),

    getById: (by) => get(targetOf(by)).pipe(traced("getById", { "attempt.id": targetOf(by).id })),

    list,

    stream: (filter) => Page.stream((page) => list({ ...filter, ...page })),

    markRunning: (request) =>
      decodeInput(
        "markRunning",
        AttemptStart
      )(request).pipe(
        Effect.flatMap(({ startedAt, ...target }) =>
          move(target, "running", startedAt, (at, now) => statements.start(target, at, now))
        ),
        traced("markRunning", ["InvalidInput"])
      ),

    markSucceeded: (request) =>
      decodeInput(
        "markSucceeded",
        AttemptEnd
      )(request).pipe(
        Effect.flatMap(({ finishedAt, ...target }) =>
          move(target, "succeeded", finishedAt, (at, now) => statements.end(target, "succeeded", at, now))
        ),
        traced("markSucceeded", ["InvalidInput"])
      ),

    markFailed: (request) =>
      decodeInput(
        "markFailed",
        AttemptEnd
      )(request).pipe(
        Effect.flatMap(({ finishedAt, ...target }) =>
          move(target, "failed", finishedAt, (at, now) => statements.end(target, "failed", at, now))
        ),
        traced("markFailed", ["InvalidInput"])
      ),

    requestStop: (by) =>
      Effect.gen(function* () {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* attempts.findOne(statements.requestStop(target, now)).pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("requestStop", { "attempt.id": targetOf(by).id })),

    markCancelled: (request) =>
      decodeInput(
        "markCancelled",
        AttemptCancellation
      )(request).pipe(
        Effect.flatMap(({ finishedAt, reason, ...target }) =>
          move(target, "cancelled", finishedAt, (at, now) => statements.cancel(target, reason, at, now))
        ),
        traced("markCancelled", ["InvalidInput"])
      )
  }
  return service
})

/** Attempts to launch sandboxes, and their snapshots. */
export class SandboxAttemptRepo extends Context.Tag("@sealant/db/SandboxAttemptRepo")<
  SandboxAttemptRepo,
  SandboxAttemptService
>() {
  /** Provides the attempts over `SqlClient`. */
  static readonly layer: Layer.Layer<SandboxAttemptRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
