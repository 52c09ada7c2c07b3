/**
 * Runtimes of attempts, as their adapters report them, over the table `sandbox_runtime_instances`.
 *
 * Guarantees:
 * - A failure that is reported after a stop does not overwrite the stop. After a stop request for its attempt, a
 *   runtime cannot become pending or running. An ended runtime of an ended attempt stays ended.
 * - Reports may be out of order, repeated, and sent by several workers: each is one guarded statement.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Array, Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { type InvalidInput, InvalidTransition, type PersistenceError, type ReferenceNotFound } from "../Errors.js"
import { Milliseconds } from "../sql/durations.js"
import { Limit } from "../sql/inputLimits.js"
import { readByIds } from "../sql/batch.js"
import { type ById, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { attemptOwnerScope } from "./attemptOwner.js"
import { runtimeStatements } from "./runtimeStatements.js"
import type { SandboxAttemptId } from "./SandboxAttempt.js"
import { isEnded, RuntimeReport, SandboxRuntimeInstance, SandboxRuntimeStatus } from "./SandboxRuntimeInstance.js"

/**
 * Methods of `SandboxRuntimeInstanceRepo`. The owner of a runtime is the owner of its attempt.
 *
 * Calls without `ownerUserId` (bare ids) are internal: not for request handlers.
 */
export interface SandboxRuntimeInstanceService {
  /**
   * Stores a report of the runtime of an attempt: inserts the first report, and merges each later one into the stored
   * row. Internal: not for request handlers.
   *
   * It writes the runtime only. `SandboxLifecycle.endRuntime` ends the sandbox and the attempt, too. After an end that was
   * stored here, supervision does so.
   *
   * - Omitted fields keep their stored values. A relaunch (failed or stopped to pending or running) clears them, and
   *   the end and the error of the previous runtime.
   * - `launchedAt` defaults to the time of the first report with the status running. `finishedAt` defaults to the time
   *   of the first report of an end, and is never before the launch.
   * - A repeated end (failed or stopped), and a failure after a stop, change nothing: the call returns the stored row.
   *
   * Fails with:
   * - `InvalidTransition` if the stored status does not allow that of the report, or if the report is pending or
   *   running and the attempt has a stop request (without a stored row, `from` is stopped), or both the runtime and the
   *   attempt have ended;
   * - `ReferenceNotFound` (`attemptId`) if the attempt does not exist;
   * - `InvalidInput` if a field is invalid, or `finishedAt` or `stopReason` is set and the status is pending or running.
   */
  readonly upsert: (
    report: typeof RuntimeReport.Encoded
  ) => Effect.Effect<SandboxRuntimeInstance, InvalidTransition | ReferenceNotFound | InvalidInput | PersistenceError>

  /** Finds the runtime of the attempt. */
  readonly findByAttemptId: (attemptId: ById) => Effect.Effect<Option.Option<SandboxRuntimeInstance>, PersistenceError>

  /** Lists the runtimes of any number of attempts, by attempt id. Reads up to 100 attempts in a statement. */
  readonly listByAttemptIds: (
    attemptIds: ReadonlyArray<string> | { readonly attemptIds: ReadonlyArray<string>; readonly ownerUserId: string }
  ) => Effect.Effect<ReadonlyMap<SandboxAttemptId, SandboxRuntimeInstance>, PersistenceError>

  /**
   * Claims up to `limit` (1 to 1,000) running runtimes for an inspection: those that were not claimed for `every`, the
   * longest waiting first. Rows that cannot be decoded are logged and left out. Internal: not for request handlers.
   *
   * Fails with `InvalidInput` if `every` is not from 1 ms to a year, or the limit is out of range.
   */
  readonly claimInspections: (
    request: typeof ClaimInspections.Encoded
  ) => Effect.Effect<ReadonlyArray<SandboxRuntimeInstance>, InvalidInput | PersistenceError>

  /**
   * Lists the runtimes in one state, newest first. Internal: not for request handlers. Fails with `InvalidInput` if the
   * cursor is malformed, the limit is out of range or the status is unknown.
   */
  readonly listByStatus: (
    request: Page.PageRequest & { readonly status: SandboxRuntimeStatus }
  ) => Effect.Effect<Page.Page<SandboxRuntimeInstance>, InvalidInput | PersistenceError>
}

const { decodeInput, onlyFields, traced } = operations("SandboxRuntimeInstanceRepo", "SandboxRuntimeInstance")

const ClaimInspections = Schema.Struct({ every: Milliseconds, limit: Limit })

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(SandboxRuntimeInstance))
  const instances = yield* rowsOf(SandboxRuntimeInstance)
  const statements = runtimeStatements(sql)

  const ofOwner = attemptOwnerScope(sql)

  const findByAttemptId = (target: Target) =>
    instances.findOne(sql`
      SELECT ${columns} FROM sandbox_runtime_instances WHERE run_id = ${target.id} ${ofOwner(target)}`)

  const store = (report: typeof RuntimeReport.Type) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => instances.findOne(statements.report(report, now)))

  /**
   * Explains a report that changed no row: returns the stored row if the report repeats its end or fails a stopped
   * runtime, else fails with `InvalidTransition`.
   */
  const explainUnchanged = ({ attemptId, status: to }: typeof RuntimeReport.Type) =>
    Effect.gen(function* () {
      const stored = yield* findByAttemptId({ id: attemptId })
      const keepsEnd = Option.exists(stored, ({ status }) => isEnded(to) && (status === to || status === "stopped"))
      if (Option.isSome(stored) && keepsEnd) return stored.value
      // Without a stored row, the stop request was the only guard.
      const from = Option.match(stored, { onNone: () => "stopped", onSome: ({ status }) => status })
      return yield* new InvalidTransition({ entity: "SandboxRuntimeInstance", id: attemptId, from, to })
    })

  const service: SandboxRuntimeInstanceService = {
    upsert: (request) =>
      Effect.gen(function* () {
        const report = yield* decodeInput("upsert", RuntimeReport)(request)
        const stored = yield* store(report)
        return Option.isSome(stored) ? stored.value : yield* explainUnchanged(report)
      }).pipe(
        traced("upsert", ["ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            { field: "attemptId", table: "sandbox_attempts", id: Option.some(request.attemptId) }
          ])
        )
      ),

    findByAttemptId: (by) =>
      findByAttemptId(targetOf(by)).pipe(traced("findByAttemptId", { "attempt.id": targetOf(by).id })),

    listByAttemptIds: (request) => {
      const attemptIds = "attemptIds" in request ? request.attemptIds : request
      const scope = "attemptIds" in request ? { ownerUserId: request.ownerUserId ?? null } : {}
      return readByIds(attemptIds, (batch) =>
        instances.findAll(sql`
          SELECT ${columns} FROM sandbox_runtime_instances
          WHERE run_id IN (SELECT value FROM json_each(${batch})) ${ofOwner(scope)}`)
      ).pipe(
        Effect.map((found) => new Map(found.map((instance) => [instance.attemptId, instance]))),
        traced("listByAttemptIds", { "attempt.count": attemptIds.length })
      )
    },

    claimInspections: (request) =>
      Effect.gen(function* () {
        const { every, limit } = yield* decodeInput("claimInspections", ClaimInspections)(request)
        const now = yield* Clock.currentTimeMillis
        const claimed = yield* instances.each(statements.claimInspections(now, now - every, limit))
        const [unreadable, readable] = Array.separate(claimed)
        yield* Effect.forEach(unreadable, ({ row }) =>
          Effect.logWarning(`the runtime of attempt ${String(row["attemptId"])} cannot be decoded`)
        )
        return readable
      }).pipe(traced("claimInspections")),

    listByStatus: (request) =>
      Effect.gen(function* () {
        yield* onlyFields("listByStatus", ["status", ...Page.fields])(request)
        const status = yield* decodeInput("listByStatus", SandboxRuntimeStatus)(request.status)
        const start = yield* Page.start("SandboxRuntimeInstanceRepo.listByStatus", request)
        const found = yield* instances.findPage(sql`
          SELECT ${columns} FROM sandbox_runtime_instances
          WHERE status = ${status} AND ${Page.afterCursor(sql, start, "created_at", "run_id")}
          ORDER BY created_at DESC, run_id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ createdAt, attemptId }) => [createdAt, attemptId])
      }).pipe(traced("listByStatus"))
  }
  return service
})

/** Runtimes of attempts, as their adapters report them. */
export class SandboxRuntimeInstanceRepo extends Context.Tag("@sealant/db/SandboxRuntimeInstanceRepo")<
  SandboxRuntimeInstanceRepo,
  SandboxRuntimeInstanceService
>() {
  /** Provides the runtimes over `SqlClient`. */
  static readonly layer: Layer.Layer<SandboxRuntimeInstanceRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
