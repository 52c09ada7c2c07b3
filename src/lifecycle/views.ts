/**
 * Sandboxes as their owners see them: joined over four tables, with the status derived in SQL so that it can be
 * filtered and paged.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import { WorkspaceBuildJob } from "../domain/build-job/WorkspaceBuildJob.js"
import { Sandbox } from "../domain/sandbox/Sandbox.js"
import { SandboxAttempt, SandboxAttemptSnapshot } from "../domain/sandbox/SandboxAttempt.js"
import { SandboxRuntimeInstance } from "../domain/sandbox/SandboxRuntimeInstance.js"
import { NotFound } from "../Errors.js"
import * as Page from "../internal/page.js"
import { CorruptRow, joinedRows, partColumnList, partOf } from "../internal/rows.js"
import { operationsOf } from "./operation.js"
import type { SandboxLifecycleService } from "./SandboxLifecycle.js"
import { SandboxStatusView, type SandboxView, SandboxViewFilter } from "./SandboxViews.js"

const { input, read } = operationsOf("SandboxLifecycle", "Sandbox")

/**
 * The derived status. A stop that was asked for and a cancelled job count as cancelled, also while the rest has not
 * caught up; a sandbox without an attempt has its stored status, where stopped is cancelled.
 */
const derivedStatus = `
  CASE
    WHEN a.id IS NULL THEN iif(s.status = 'stopped', 'cancelled', s.status)
    WHEN a.status = 'cancelled' OR a.stop_requested_at IS NOT NULL OR j.status = 'cancelled' THEN 'cancelled'
    WHEN a.status = 'failed' OR j.status = 'failed' OR r.status = 'failed' THEN 'failed'
    WHEN a.status = 'succeeded' AND (j.id IS NULL OR j.status = 'succeeded') AND r.status = 'running' THEN 'ready'
    WHEN a.status = 'running' OR j.status = 'running' THEN 'running'
    ELSE 'queued'
  END`

/** A sandbox with its latest attempt, and that attempt's latest job and runtime. */
const joined = `
  sandboxes AS s
  LEFT JOIN sandbox_attempts AS a ON a.id = s.latest_run_id
  LEFT JOIN oci_image_build_jobs AS j ON j.id = (
    SELECT id FROM oci_image_build_jobs WHERE run_id = s.latest_run_id ORDER BY created_at DESC, id DESC LIMIT 1)
  LEFT JOIN sandbox_runtime_instances AS r ON r.run_id = s.latest_run_id`

const sandboxPart = partOf(Sandbox, "s")
const attemptPart = partOf(SandboxAttempt, "a")
const snapshotPart = partOf(SandboxAttemptSnapshot, "n")
const jobPart = partOf(WorkspaceBuildJob, "j")
const runtimePart = partOf(SandboxRuntimeInstance, "r")

type Row = Readonly<Record<string, unknown>>

const viewOf = (row: Row): Effect.Effect<SandboxView, CorruptRow> =>
  Effect.gen(function*() {
    const sandbox = yield* sandboxPart(row)
    const status = SandboxStatusView.literals.find((literal) => literal === row["status"])
    return Option.isSome(sandbox) && status !== undefined
      ? { sandbox: sandbox.value, status }
      : yield* new CorruptRow({ entity: "Sandbox", column: "status" })
  })

export const makeViews = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* joinedRows
  const status = sql.literal(derivedStatus)
  const source = sql.literal(joined)
  const sandboxColumns = sql.literal(partColumnList(Sandbox, "s"))
  const detailColumns = sql.literal(
    [
      partColumnList(SandboxAttempt, "a"),
      partColumnList(SandboxAttemptSnapshot, "n"),
      partColumnList(WorkspaceBuildJob, "j"),
      partColumnList(SandboxRuntimeInstance, "r")
    ].join(", ")
  )

  const getDetail: SandboxLifecycleService["getDetail"] = ({ id, ownerUserId }) =>
    Effect.gen(function*() {
      // One statement, so that all of it is of one moment.
      const [row] = yield* rows(sql`
        SELECT ${sandboxColumns}, ${detailColumns}, ${status} AS status
        FROM ${source} LEFT JOIN sandbox_attempt_snapshots AS n ON n.run_id = s.latest_run_id
        WHERE s.id = ${id} AND s.owner_user_id = ${ownerUserId}`)
      if (row === undefined) return yield* new NotFound({ entity: "Sandbox", id })
      return {
        ...(yield* viewOf(row)),
        attempt: yield* attemptPart(row),
        snapshot: yield* snapshotPart(row),
        job: yield* jobPart(row),
        runtime: yield* runtimePart(row)
      }
    }).pipe(read("getDetail", { "sandbox.id": id }))

  const list: SandboxLifecycleService["list"] = (request) =>
    Effect.gen(function*() {
      const { includeArchived, ownerUserId, statuses } = yield* input("list", SandboxViewFilter)(request)
      const start = yield* Page.start("SandboxLifecycle.list", request)
      const found = yield* rows(sql`
        SELECT ${sandboxColumns}, ${status} AS status
        FROM ${source}
        WHERE s.owner_user_id = ${ownerUserId} AND ${Page.below(sql, start, "s.created_at", "s.id")}
          AND (${includeArchived} OR s.archived_at IS NULL)
          AND (${statuses === undefined} OR ${status} IN (SELECT value FROM json_each(${JSON.stringify(statuses ?? [])})))
        ORDER BY s.created_at DESC, s.id DESC LIMIT ${start.limit + 1}`)
      const views = yield* Effect.forEach(found, viewOf)
      return Page.make(views, start, ({ sandbox }) => [sandbox.createdAt, sandbox.id])
    }).pipe(read("list"))

  return { getDetail, list }
})
