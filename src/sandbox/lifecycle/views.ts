/**
 * Reads of sandboxes with their derived status. Triggers derive it from sandbox, attempt, job and runtime, and store it
 * in the column `view_status`, so that a list reads an index.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import { WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import { Sandbox } from "../Sandbox.js"
import { SandboxAttempt, SandboxAttemptSnapshot } from "../SandboxAttempt.js"
import { SandboxRuntimeInstance } from "../SandboxRuntimeInstance.js"
import { NotFound } from "../../Errors.js"
import { unionByStatus } from "../../sql/filters.js"
import * as Page from "../../sql/page.js"
import { CorruptRow, joinedRows, partColumnList, partOf } from "../../sql/rows.js"
import { operationsOf } from "../../events/operation.js"
import { type SandboxDetail, SandboxStatusView, type SandboxView, SandboxViewFilter } from "../SandboxViews.js"

const { decodeFilter, traced } = operationsOf("SandboxLifecycle", "Sandbox")

/**
 * A sandbox with its latest attempt, and the snapshot, latest job and runtime of that attempt. INDEXED BY names the
 * primary keys, because the planner scans a table that had one row when its statistics were collected.
 */
const joined = `
  sandboxes AS s
  LEFT JOIN sandbox_attempts AS a INDEXED BY sqlite_autoindex_sandbox_attempts_1 ON a.id = s.latest_run_id
  LEFT JOIN sandbox_attempt_snapshots AS n INDEXED BY sqlite_autoindex_sandbox_attempt_snapshots_1
    ON n.run_id = s.latest_run_id
  LEFT JOIN oci_image_build_jobs AS j INDEXED BY sqlite_autoindex_oci_image_build_jobs_1 ON j.id = (
    SELECT id FROM oci_image_build_jobs WHERE run_id = s.latest_run_id ORDER BY created_at DESC, id DESC LIMIT 1)
  LEFT JOIN sandbox_runtime_instances AS r INDEXED BY sqlite_autoindex_sandbox_runtime_instances_1
    ON r.run_id = s.latest_run_id`

const sandboxPart = partOf(Sandbox, "s")
const attemptPart = partOf(SandboxAttempt, "a")
const snapshotPart = partOf(SandboxAttemptSnapshot, "n")
const jobPart = partOf(WorkspaceBuildJob, "j")
const runtimePart = partOf(SandboxRuntimeInstance, "r")

type Row = Readonly<Record<string, unknown>>

const viewOf = (row: Row): Effect.Effect<SandboxView, CorruptRow> =>
  Effect.gen(function* () {
    const corrupt = new CorruptRow({ entity: "Sandbox", column: "status" })
    const sandbox = yield* Effect.flatten(sandboxPart(row)).pipe(
      Effect.catchTag("NoSuchElementException", () => corrupt)
    )
    // A row without a derived status does not fail the list of its owner.
    const status =
      row["status"] === null ? sandbox.status : SandboxStatusView.literals.find((literal) => literal === row["status"])
    return status === undefined ? yield* corrupt : { sandbox, status }
  })

export const makeViews = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* joinedRows
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

  const getDetail = ({ id, ownerUserId }: { readonly ownerUserId: string; readonly id: string }) =>
    Effect.gen(function* () {
      // One statement, for a consistent snapshot.
      const [row] = yield* rows(sql`
        SELECT ${sandboxColumns}, ${detailColumns}, s.view_status AS status
        FROM ${source}
        WHERE s.id = ${id} AND s.owner_user_id = ${ownerUserId}`)
      if (row === undefined) return yield* new NotFound({ entity: "Sandbox", id })
      const detail: SandboxDetail = {
        ...(yield* viewOf(row)),
        attempt: yield* attemptPart(row),
        snapshot: yield* snapshotPart(row),
        job: yield* jobPart(row),
        runtime: yield* runtimePart(row)
      }
      return detail
    }).pipe(traced("getDetail", { "sandbox.id": id }))

  const list = (request: Page.PageRequest & typeof SandboxViewFilter.Encoded) =>
    Effect.gen(function* () {
      const { includeArchived, ownerUserId, statuses } = yield* decodeFilter("list", SandboxViewFilter)(request)
      const start = yield* Page.start("SandboxLifecycle.list", request)
      if (statuses?.length === 0) return { items: [], nextCursor: Option.none() }
      const notArchived = includeArchived ? [] : [sql`+s.archived_at IS NULL`]
      const ofOwner = [sql`s.owner_user_id = ${ownerUserId}`, ...notArchived]
      const branches = unionByStatus(sql, statuses, ofOwner, "s.view_status").map(
        (conditions) =>
          sql`
          SELECT ${sandboxColumns}, s.view_status AS status FROM sandboxes AS s
          WHERE ${sql.and([...conditions, Page.afterCursor(sql, start, "s.created_at", "s.id")])}`
      )
      const found = yield* rows(sql`
        ${sql.join(" UNION ALL ", false)(branches)}
        ORDER BY "s.createdAt" DESC, "s.id" DESC LIMIT ${start.limit + 1}`)
      const views = yield* Effect.forEach(found, viewOf)
      return Page.make(views, start, ({ sandbox }) => [sandbox.createdAt, sandbox.id])
    }).pipe(traced("list"))

  return { getDetail, list }
})
