/**
 * The lists of build jobs of all owners, for operators, and the redrive of all jobs in a list.
 *
 * A list reads the jobs of an owner or of a source repository by their attempts, and sorts them. All other lists read one
 * range of an index for each status, newest first. A filter by worker or error code examines the jobs of these ranges:
 * set `createdAfter` in a large database.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, DateTime, Effect, Option } from "effect"
import { type InvalidInput, NotFound, type PersistenceError } from "../Errors.js"
import { conditionsOf } from "../sql/filters.js"
import { operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { columnList, CorruptRow, joinedRows, partColumnList, partOf, rowsOf } from "../sql/rows.js"
import { appendJobEvents } from "./jobJournal.js"
import { isRedrivable, jobStatements } from "./jobStatements.js"
import {
  JobAttempt,
  type JobCount,
  JobDetail,
  type JobDetailView,
  JobFilter,
  JobSandbox,
  JobSummary,
  type JobView,
  RedriveJobs,
  type RedrivenJobs
} from "./JobViews.js"
import { JobState, WorkspaceBuildJobStatus } from "./WorkspaceBuildJob.js"

/** The lists of `WorkspaceBuildJobService`. Internal: for operators, not for request handlers. */
export interface JobListMethods {
  /**
   * Lists the jobs of all owners that match a filter, newest first, without their documents. A filter by worker or error
   * code examines every job of its statuses and time. Fails with `InvalidInput` if a field is invalid, the cursor is
   * malformed or the limit is out of range.
   */
  readonly list: (
    request: Page.PageRequest & typeof JobFilter.Encoded
  ) => Effect.Effect<Page.Page<JobView>, InvalidInput | PersistenceError>

  /** Counts the jobs that match a filter. Examines all of them. Fails with `InvalidInput` if a field is invalid. */
  readonly count: (filter: typeof JobFilter.Encoded) => Effect.Effect<JobCount, InvalidInput | PersistenceError>

  /** Returns a job without its documents, with its attempt and its sandbox. Fails with `NotFound`. */
  readonly getDetail: (id: string) => Effect.Effect<JobDetailView, NotFound | PersistenceError>

  /**
   * Redrives the jobs that match a filter, as `redrive` does, up to `limit` (1 to 1,000), the newest first. Jobs that
   * cannot be redriven stay as they are. The journal records each change with the current actor. Fails with
   * `InvalidInput` if a field is invalid.
   */
  readonly redriveMany: (
    request: typeof RedriveJobs.Encoded
  ) => Effect.Effect<RedrivenJobs, InvalidInput | PersistenceError>
}

const { decodeFilter, decodeInput, traced } = operations("WorkspaceBuildJobRepo", "WorkspaceBuildJob")

type Filter = typeof JobFilter.Type

// INDEXED BY names the primary keys, because the planner scans a table that had one row when its statistics were
// collected.
const related = `
  LEFT JOIN sandbox_attempts AS a INDEXED BY sqlite_autoindex_sandbox_attempts_1 ON a.id = oci_image_build_jobs.run_id
  LEFT JOIN sandbox_run_links AS l INDEXED BY sandbox_run_links_run_id_idx ON l.run_id = oci_image_build_jobs.run_id
  LEFT JOIN sandboxes AS s INDEXED BY sqlite_autoindex_sandboxes_1 ON s.id = l.sandbox_id`

const relatedColumns = `${partColumnList(JobAttempt, "a")}, ${partColumnList(JobSandbox, "s")}`

const summaryOf = partOf(JobSummary, "oci_image_build_jobs")
const detailOf = partOf(JobDetail, "oci_image_build_jobs")
const attemptOf = partOf(JobAttempt, "a")
const sandboxOf = partOf(JobSandbox, "s")

/** Builds the lists. `JobListMethods` documents them. */
export const makeJobLists = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* joinedRows
  const states = yield* rowsOf(JobState)
  const statements = jobStatements(sql)
  const { unindexed } = conditionsOf(sql)

  /** The conditions of a filter besides the status, and the tables in which its jobs are found. */
  const rangeOf = ({ createdAfter, createdBefore, errorCode, ownerUserId, repositoryId, workerId }: Filter) => {
    const byAttempts = ownerUserId !== undefined || repositoryId !== undefined
    const index = ownerUserId === undefined ? "repository_id" : "owner_user_id"
    const jobsOfAttempts = sql.literal(`sandbox_attempts AS f INDEXED BY sandbox_attempts_${index}_created_at_idx
      CROSS JOIN oci_image_build_jobs INDEXED BY oci_image_build_jobs_run_id_created_at_idx
        ON oci_image_build_jobs.run_id = f.id`)
    const jobsByStatus = sql.literal("oci_image_build_jobs INDEXED BY oci_image_build_jobs_status_created_at_idx")
    const time = (at: DateTime.Utc | undefined, compared: string) =>
      at === undefined
        ? []
        : [sql`oci_image_build_jobs.created_at ${sql.literal(compared)} ${DateTime.toEpochMillis(at)}`]
    const owner = ownerUserId === undefined ? [] : [sql`f.owner_user_id = ${ownerUserId}`]
    const inRepository =
      repositoryId === undefined
        ? []
        : [ownerUserId === undefined ? sql`f.repository_id = ${repositoryId}` : sql`+f.repository_id = ${repositoryId}`]
    return {
      source: byAttempts ? jobsOfAttempts : jobsByStatus,
      byAttempts,
      conditions: [
        ...owner,
        ...inRepository,
        ...unindexed("worker_id", workerId),
        ...unindexed("error_code", errorCode),
        ...time(createdAfter, ">="),
        ...time(createdBefore, "<")
      ]
    }
  }

  /** Builds the query of a page: one range for each status, or all jobs of the attempts. */
  const page = (columns: string, joins: string, filter: Filter, start: Page.Start, extra: string) => {
    const { byAttempts, conditions, source } = rangeOf(filter)
    const statuses = filter.statuses ?? WorkspaceBuildJobStatus.literals
    const status = sql.literal("oci_image_build_jobs.status")
    const branches = byAttempts
      ? [sql`+${sql.in("oci_image_build_jobs.status", statuses)}`]
      : [...new Set(statuses)].map((one) => sql`${status} = ${one}`)
    const after = Page.afterCursor(sql, start, "oci_image_build_jobs.created_at", "oci_image_build_jobs.id")
    const queries = branches.map(
      (branch) => sql`
        SELECT ${sql.literal(columns)} FROM ${source} ${sql.literal(joins)}
        WHERE ${sql.and([branch, ...conditions, after])} AND ${sql.literal(extra)}`
    )
    return sql<Readonly<Record<string, unknown>>>`
      ${sql.join(" UNION ALL ", false)(queries)}
      ORDER BY "oci_image_build_jobs.createdAt" DESC, "oci_image_build_jobs.id" DESC LIMIT ${start.limit + 1}`
  }

  const listColumns = `${partColumnList(JobSummary, "oci_image_build_jobs")}, ${relatedColumns}`
  const keyColumns = `oci_image_build_jobs.created_at AS "oci_image_build_jobs.createdAt",
    oci_image_build_jobs.id AS "oci_image_build_jobs.id"`

  const list: JobListMethods["list"] = (request) =>
    Effect.gen(function* () {
      const filter = yield* decodeFilter("list", JobFilter)(request)
      const start = yield* Page.start("WorkspaceBuildJobRepo.list", request)
      if (filter.statuses?.length === 0) return { items: [], nextCursor: Option.none() }
      const found = yield* rows(page(listColumns, related, filter, start, "true"))
      const views = yield* Effect.forEach(found, (row) =>
        Effect.gen(function* () {
          const job = yield* Effect.flatten(summaryOf(row)).pipe(
            Effect.catchTag(
              "NoSuchElementException",
              () => new CorruptRow({ entity: "WorkspaceBuildJob", column: "id" })
            )
          )
          return { job, attempt: yield* attemptOf(row), sandbox: yield* sandboxOf(row) }
        })
      )
      return Page.make(views, start, ({ job }) => [job.createdAt, job.id])
    }).pipe(traced("list"))

  const countOf = (filter: Filter) =>
    Effect.gen(function* () {
      const { conditions, source } = rangeOf(filter)
      const statuses = filter.statuses ?? WorkspaceBuildJobStatus.literals
      const [row] =
        statuses.length === 0
          ? []
          : yield* rows(sql`
              SELECT count(*) AS count, count(*) FILTER (WHERE ${sql.literal(isRedrivable)}) AS redrivable
              FROM ${source}
              WHERE ${sql.and([sql.in("oci_image_build_jobs.status", statuses), ...conditions])}`)
      return { count: Number(row?.["count"] ?? 0), redrivable: Number(row?.["redrivable"] ?? 0) } satisfies JobCount
    })

  const count: JobListMethods["count"] = (filter) =>
    Effect.flatMap(decodeFilter("count", JobFilter)(filter), countOf).pipe(traced("count"))

  const getDetail: JobListMethods["getDetail"] = (id) =>
    Effect.gen(function* () {
      const [row] = yield* rows(sql`
        SELECT ${sql.literal(`${partColumnList(JobDetail, "oci_image_build_jobs")}, ${relatedColumns}`)}
        FROM oci_image_build_jobs ${sql.literal(related)} WHERE oci_image_build_jobs.id = ${id}`)
      const job = row === undefined ? Option.none() : yield* detailOf(row)
      if (row === undefined || Option.isNone(job)) return yield* new NotFound({ entity: "WorkspaceBuildJob", id })
      return { job: job.value, attempt: yield* attemptOf(row), sandbox: yield* sandboxOf(row) }
    }).pipe(traced("getDetail", { "job.id": id }))

  const redriveMany: JobListMethods["redriveMany"] = (request) =>
    Effect.gen(function* () {
      const { limit, ...filter } = yield* decodeInput("redriveMany", RedriveJobs)(request)
      if (filter.statuses?.length === 0) return { redriven: 0, left: 0 }
      const now = yield* Clock.currentTimeMillis
      const start = { ...(yield* Page.start("WorkspaceBuildJobRepo.redriveMany", {})), limit: limit - 1 }
      const found = yield* rows(page(keyColumns, "", filter, start, isRedrivable))
      const ids = found.map((row) => String(row["oci_image_build_jobs.id"]))
      const redriven = yield* states.findAll(statements.redrive(ids, now, sql.literal(columnList(JobState))))
      yield* appendJobEvents(sql, "redrive", now, redriven)
      return { redriven: redriven.length, left: (yield* countOf(filter)).redrivable }
    }).pipe(sql.withTransaction, traced("redriveMany"))

  return { list, count, getDetail, redriveMany }
})
