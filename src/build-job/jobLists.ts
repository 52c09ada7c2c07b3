/**
 * The lists of build jobs of all owners, for operators, and the redrive of all jobs in a list.
 *
 * A list reads the jobs of an owner or of a source repository by their attempts, and sorts them. All other lists read one
 * range of an index for each status, newest first.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, DateTime, Effect, Option } from "effect"
import { type InvalidInput, NotFound, type PersistenceError } from "../Errors.js"
import { nextTurn } from "../libsql/eventLoop.js"
import { conditionsOf } from "../sql/filters.js"
import { operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { columnList, joinedPage, joinedRows, partColumnList, partOf, requiredPart, rowsOf } from "../sql/rows.js"
import { appendJobEvents } from "./jobJournal.js"
import { isRedrivable, jobStatements, redrivableStatuses } from "./jobStatements.js"
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
   * Lists the jobs of all owners that match a filter, newest first, without their documents. With a filter by worker or
   * error code, a call examines up to 10,000 jobs, so a page may have few items or none although there is a next one. A
   * filter by owner or repository examines every job of the owner or the repository. Fails with `InvalidInput` if a field
   * is invalid, the cursor is malformed or the limit is out of range.
   */
  readonly list: (
    request: Page.PageRequest & typeof JobFilter.Encoded
  ) => Effect.Effect<Page.Page<JobView>, InvalidInput | PersistenceError>

  /**
   * Counts the jobs that match a filter. Examines all of them, 5,000 at a time. Fails with `InvalidInput` if a field is
   * invalid.
   */
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

/** The number of jobs that one statement counts: some 10 ms. */
const countedAtOnce = 5000

const keyNames = ["oci_image_build_jobs.created_at", "oci_image_build_jobs.id"] as const

const summaryOf = partOf(JobSummary, "oci_image_build_jobs")
const detailOf = partOf(JobDetail, "oci_image_build_jobs")
const attemptOf = partOf(JobAttempt, "a")
const sandboxOf = partOf(JobSandbox, "s")

/** Builds the lists. `JobListMethods` documents them. */
export const makeJobLists = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* joinedRows
  const readPage = yield* joinedPage
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
    const times = [...time(createdAfter, ">="), ...time(createdBefore, "<")]
    return {
      source: byAttempts ? jobsOfAttempts : jobsByStatus,
      byAttempts,
      times,
      conditions: [
        ...owner,
        ...inRepository,
        ...unindexed("worker_id", workerId),
        ...unindexed("error_code", errorCode),
        ...times
      ]
    }
  }

  /** Builds the ranges of a filter: one for each status, or all jobs of the attempts. */
  const branchesOf = (filter: Filter) => {
    const statuses = filter.statuses ?? WorkspaceBuildJobStatus.literals
    const status = sql.literal("oci_image_build_jobs.status")
    return rangeOf(filter).byAttempts
      ? [sql`+${sql.in("oci_image_build_jobs.status", statuses)}`]
      : [...new Set(statuses)].map((one) => sql`${status} = ${one}`)
  }

  /** Finds the last job that a page examines. The jobs of attempts have no order. */
  const floorOf = (filter: Filter, start: Page.Start, examined?: number) => {
    const { byAttempts, source, times } = rangeOf(filter)
    if (byAttempts) return Effect.succeedNone
    const after = Page.afterCursor(sql, start, ...keyNames)
    const sources = branchesOf(filter).map((branch) => sql`FROM ${source} WHERE ${sql.and([branch, ...times, after])}`)
    return Page.floorOf(sql, sources, ...keyNames, examined)
  }

  /** Builds the query of a page. */
  const page = (
    columns: string,
    joins: string,
    filter: Filter,
    start: Page.Start,
    extra: string,
    floor: Page.Floor = Option.none()
  ) => {
    const { conditions, source } = rangeOf(filter)
    const after = [Page.afterCursor(sql, start, ...keyNames), Page.untilFloor(sql, floor, ...keyNames)]
    const queries = branchesOf(filter).map(
      (branch) => sql`
        SELECT ${sql.literal(columns)} FROM ${source} ${sql.literal(joins)}
        WHERE ${sql.and([branch, ...conditions, ...after])} AND ${sql.literal(extra)}`
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
      const isExact = filter.errorCode === undefined && filter.workerId === undefined
      const floor = isExact ? Option.none() : yield* floorOf(filter, start)
      const found = yield* readPage(page(listColumns, related, filter, start, "true", floor), (row) =>
        Effect.gen(function* () {
          const job = yield* requiredPart(summaryOf(row), "WorkspaceBuildJob")
          return { job, attempt: yield* attemptOf(row), sandbox: yield* sandboxOf(row) }
        })
      )
      return Page.makeExamined(found, start, floor, ({ job }) => [job.createdAt, job.id])
    }).pipe(traced("list"))

  /** Counts the jobs of a filter from the start of a page to the last one that it examines. */
  const countOfPage = (filter: Filter, start: Page.Start, floor: Page.Floor) =>
    Effect.gen(function* () {
      const { conditions, source } = rangeOf(filter)
      const after = [Page.afterCursor(sql, start, ...keyNames), Page.untilFloor(sql, floor, ...keyNames)]
      const statuses = sql.in("oci_image_build_jobs.status", filter.statuses ?? WorkspaceBuildJobStatus.literals)
      const [row] = yield* rows(sql`
        SELECT count(*) AS count, count(*) FILTER (WHERE ${sql.literal(isRedrivable)}) AS redrivable
        FROM ${source} WHERE ${sql.and([statuses, ...conditions, ...after])}`)
      return { count: Number(row?.["count"] ?? 0), redrivable: Number(row?.["redrivable"] ?? 0) } satisfies JobCount
    })

  /** Counts in parts, so that the event loop turns between them. */
  const countOf = (filter: Filter) =>
    Effect.gen(function* () {
      let total: JobCount = { count: 0, redrivable: 0 }
      let start: Option.Option<Page.Start> = Option.some(yield* Page.start("WorkspaceBuildJobRepo.count", {}))
      while (Option.isSome(start) && filter.statuses?.length !== 0) {
        const floor: Page.Floor = yield* floorOf(filter, start.value, countedAtOnce)
        const { count, redrivable } = yield* countOfPage(filter, start.value, floor)
        total = { count: total.count + count, redrivable: total.redrivable + redrivable }
        start = Option.map(floor, ([at, id]) => ({ at, id, limit: 1 }))
        yield* nextTurn
      }
      return total
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
      const statuses = redrivableStatuses.filter((status) => filter.statuses?.includes(status) ?? true)
      if (statuses.length === 0) return { redriven: 0, left: 0 }
      const ended = { ...filter, statuses }
      const redriven = yield* sql.withTransaction(
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const start = { ...(yield* Page.start("WorkspaceBuildJobRepo.redriveMany", {})), limit: limit - 1 }
          const found = yield* rows(page(keyColumns, "", ended, start, isRedrivable))
          const ids = found.map((row) => String(row["oci_image_build_jobs.id"]))
          const jobs = yield* states.findAll(statements.redrive(ids, now, sql.literal(columnList(JobState))))
          yield* appendJobEvents(sql, "redrive", now, jobs)
          return jobs.length
        })
      )
      return { redriven, left: (yield* countOf(ended)).redrivable }
    }).pipe(traced("redriveMany"))

  return { list, count, getDetail, redriveMany }
})
