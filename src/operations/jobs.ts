/**
 * Build jobs for operators, without their documents, which may be confidential. So jobs with unreadable documents are
 * included.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Option } from "effect"
import { JobDetail, JobSummary } from "../build-job/JobViews.js"
import { WorkspaceBuildJobStatus } from "../build-job/WorkspaceBuildJob.js"
import { keysetQuery, unionByStatus } from "../sql/filters.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"

export { JobDetail, JobSummary }

const { orNotFound, traced } = operations("Jobs", "WorkspaceBuildJob")

/** Lists the newest jobs, in one state or in any. Fails with `InvalidInput` if the limit is out of range. */
export const listJobs = (limit: number, status: Option.Option<WorkspaceBuildJobStatus>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const jobs = yield* rowsOf(JobSummary)
    const start = yield* Page.start("Jobs.list", { limit })
    const columns = sql.literal(columnList(JobSummary))
    // One query for each state, because no index has the jobs of all states in this order.
    const walks = unionByStatus(
      sql,
      Option.match(status, { onNone: () => WorkspaceBuildJobStatus.literals, onSome: (one) => [one] }),
      []
    )
    const found = yield* jobs.findAll(keysetQuery(sql, { columns, table: "oci_image_build_jobs" }, walks, start))
    return found.slice(0, limit)
  }).pipe(traced("list"))

/** Returns one job. Fails with `NotFound` if it does not exist. */
export const showJob = (id: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const jobs = yield* rowsOf(JobDetail)
    const found = yield* jobs.findOne(
      sql`SELECT ${sql.literal(columnList(JobDetail))} FROM oci_image_build_jobs WHERE id = ${id}`
    )
    return yield* orNotFound(id)(found)
  }).pipe(traced("show"))
