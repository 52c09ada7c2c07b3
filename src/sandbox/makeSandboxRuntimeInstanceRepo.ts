/**
 * The statements and rules of `SandboxRuntimeInstanceRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect, Option } from "effect"
import { InvalidTransition } from "../Errors.js"
import { readByIds } from "../sql/batch.js"
import { type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { attemptOwnerScope } from "./attemptOwner.js"
import type { SandboxAttemptId } from "./SandboxAttempt.js"
import {
  endedRuntimeStatuses,
  isEnded,
  RuntimeReport,
  SandboxRuntimeInstance,
  SandboxRuntimeStatus,
  sandboxRuntimeTransitions
} from "./SandboxRuntimeInstance.js"
import type { SandboxRuntimeInstanceService } from "./SandboxRuntimeInstanceRepo.js"

const { input, read, write } = operations("SandboxRuntimeInstanceRepo", "SandboxRuntimeInstance")

const reported = ["adapter", "resource_id", "reference", "endpoint", "error_code", "error_message"]

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(SandboxRuntimeInstance))
  const instances = yield* rowsOf(SandboxRuntimeInstance)

  const ofOwner = attemptOwnerScope(sql)

  const byRunId = (target: Target) =>
    instances.first(sql`SELECT ${columns} FROM sandbox_runtime_instances WHERE run_id = ${target.id} ${ofOwner(target)}`)

  /** A stop of the attempt was asked for. */
  const stopRequested = (runId: SandboxAttemptId) =>
    sql`EXISTS (SELECT 1 FROM sandbox_attempts WHERE id = ${runId} AND stop_requested_at IS NOT NULL)`

  /** What is known of a column: on a relaunch, when what is up replaces what has ended, nothing. */
  const known = (column: string, ended: boolean) =>
    sql.literal(ended ? column : `iif(status IN ('${endedRuntimeStatuses.join("', '")}'), NULL, ${column})`)

  /** What the report says of a column, or what is known. */
  const taken = (column: string, ended: boolean) =>
    sql`${sql.literal(column)} = coalesce(${sql.literal(`excluded.${column}`)}, ${known(column, ended)})`

  const store = (report: typeof RuntimeReport.Type) =>
    Effect.gen(function*() {
      const { runId, status } = report
      const now = yield* Clock.currentTimeMillis
      const launchedAt = millisOrNull(report.launchedAt)
      const finishedAt = millisOrNull(report.finishedAt)
      const ended = isEnded(status)
      // An end that is reported again changes nothing; what is up may tell more of itself.
      const from = ended ? sandboxRuntimeTransitions.sources(status) : [...sandboxRuntimeTransitions.sources(status), status]
      const launchedByDefault = status === "running" ? now : null
      return yield* instances.first(sql`
        INSERT INTO sandbox_runtime_instances (run_id, status, adapter, resource_id, reference, endpoint, error_code,
          error_message, launched_at, finished_at, created_at, updated_at)
        SELECT ${runId}, ${status}, ${report.adapter ?? null}, ${report.resourceId ?? null}, ${report.reference ?? null},
          ${report.endpoint ?? null}, ${report.errorCode ?? null}, ${report.errorMessage ?? null},
          ${launchedAt ?? launchedByDefault}, ${ended ? Math.max(finishedAt ?? now, launchedAt ?? 0) : null}, ${now}, ${now}
        WHERE ${ended} OR NOT ${stopRequested(runId)}
        ON CONFLICT (run_id) DO UPDATE SET
          status = excluded.status, ${sql.csv(reported.map((column) => taken(column, ended)))},
          launched_at = coalesce(${launchedAt}, ${known("launched_at", ended)}, ${launchedByDefault}),
          finished_at = iif(${ended},
            max(coalesce(${finishedAt}, finished_at, ${now}), coalesce(${launchedAt}, launched_at, 0)), NULL),
          updated_at = excluded.updated_at
        WHERE ${sql.in("status", from)}
        RETURNING ${columns}`)
    })

  /** Nothing was stored: a second look, which only says why. */
  const whyNot = ({ runId, status: to }: typeof RuntimeReport.Type) =>
    Effect.gen(function*() {
      const stored = yield* byRunId({ id: runId })
      const stands = Option.exists(stored, ({ status }) => isEnded(to) && (status === to || status === "stopped"))
      if (Option.isSome(stored) && stands) return stored.value
      // Without a row it was the stop that was asked for: there is no other guard.
      const from = Option.match(stored, { onNone: () => "stopped", onSome: ({ status }) => status })
      return yield* new InvalidTransition({ entity: "SandboxRuntimeInstance", id: runId, from, to })
    })

  const service: SandboxRuntimeInstanceService = {
    upsert: (request) =>
      Effect.gen(function*() {
        const report = yield* input("upsert", RuntimeReport)(request)
        const stored = yield* store(report)
        return Option.isSome(stored) ? stored.value : yield* whyNot(report)
      }).pipe(
        write("upsert", ["ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "runId", table: "sandbox_attempts", id: Option.some(request.runId) }
        ]))
      ),

    findByAttemptId: (by) => byRunId(targetOf(by)).pipe(read("findByAttemptId", { "run.id": targetOf(by).id })),

    listByAttemptIds: (request) => {
      const attemptIds = "attemptIds" in request ? request.attemptIds : request
      const scope = "attemptIds" in request ? { ownerUserId: request.ownerUserId ?? null } : {}
      return readByIds(attemptIds, (batch) =>
        instances.all(sql`
          SELECT ${columns} FROM sandbox_runtime_instances
          WHERE run_id IN (SELECT value FROM json_each(${batch})) ${ofOwner(scope)}`)).pipe(
        Effect.map((found) => new Map(found.map((instance) => [instance.runId, instance]))),
        read("listByAttemptIds", { "run.count": attemptIds.length })
      )
    },

    listByStatus: (request) =>
      Effect.gen(function*() {
        const status = yield* input("listByStatus", SandboxRuntimeStatus)(request.status)
        const start = yield* Page.start("SandboxRuntimeInstanceRepo.listByStatus", request)
        const rows = yield* instances.all(sql`
          SELECT ${columns} FROM sandbox_runtime_instances
          WHERE status = ${status} AND ${Page.below(sql, start, "created_at", "run_id")}
          ORDER BY created_at DESC, run_id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ createdAt, runId }) => [createdAt, runId])
      }).pipe(read("listByStatus"))
  }
  return service
})

const millisOrNull = (instant: DateTime.Utc | undefined) => instant === undefined ? null : DateTime.toEpochMillis(instant)
