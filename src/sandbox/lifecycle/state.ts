/**
 * The rows that a lifecycle operation decides on, read by one statement: an attempt, its sandbox, its latest job, its
 * runtime and the active teardown of that.
 *
 * `version` contains the values on which decisions rely. `unchanged` builds the guard that compares it again inside the
 * write, under the write lock.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Effect, Option } from "effect"
import { joinNewestJob } from "../../build-job/newestJob.js"
import { JobState, WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import { type CorruptRow, joinedRows, partColumnList, partOf } from "../../sql/rows.js"
import * as Model from "../../sql/model.js"
import { guard, type Write } from "../../sql/writeAll.js"
import { RuntimeTeardown, TeardownState } from "../RuntimeTeardown.js"
import { Sandbox } from "../Sandbox.js"
import { SandboxAttempt, SandboxAttemptSnapshot } from "../SandboxAttempt.js"
import { SandboxRuntimeInstance } from "../SandboxRuntimeInstance.js"

/** The rows of an attempt, as they were read. */
export interface AttemptState {
  readonly sandbox: Option.Option<Sandbox>
  readonly attempt: Option.Option<SandboxAttempt>
  /** The newest job of the attempt. */
  readonly job: Option.Option<JobState>
  readonly runtime: Option.Option<SandboxRuntimeInstance>
  /** The active teardown of the resource of the runtime. */
  readonly teardown: Option.Option<TeardownState>
  /** The guard that these rows are unchanged. */
  readonly unchanged: Write
}

/** A job, as far as its lease is concerned. Omits the documents. */
export class LeasedJob extends Model.Class<LeasedJob>("LeasedJob")({
  ...JobState.fields,
  maxAttempts: WorkspaceBuildJob.fields.maxAttempts,
  leaseOutcome: WorkspaceBuildJob.fields.leaseOutcome,
  workerId: WorkspaceBuildJob.fields.workerId
}) {}

/** The rows of the attempt of a leased job. The job may be older than the newest job of the attempt. */
export interface LeasedState extends AttemptState {
  readonly leased: Option.Option<LeasedJob>
}

/** The rows of the attempt of a leased teardown. `teardown` is the leased one, also after it has ended. */
export interface LeasedTeardownState extends AttemptState {
  readonly leasedTeardown: Option.Option<RuntimeTeardown>
}

/** The work of a build: the rows of the attempt, with the documents. */
export interface BuildState extends LeasedState, LeasedTeardownState {
  readonly build: Option.Option<WorkspaceBuildJob>
  readonly snapshot: Option.Option<SandboxAttemptSnapshot>
}

// INDEXED BY names the primary keys, because the planner scans a table that had one row when its statistics were
// collected.
const jobAndRuntime = `
  ${joinNewestJob("a.id")}
  LEFT JOIN sandbox_runtime_instances AS r INDEXED BY sqlite_autoindex_sandbox_runtime_instances_1 ON r.run_id = a.id`

const rowsOfAttempt = `${jobAndRuntime}
  LEFT JOIN runtime_teardowns AS t INDEXED BY runtime_teardowns_active_idx ON t.run_id = a.id
    AND coalesce(t.resource_id, '') = coalesce(r.resource_id, '') AND t.status IN ('queued', 'running')`

const sandboxOfAttempt = `
  LEFT JOIN sandboxes AS s INDEXED BY sqlite_autoindex_sandboxes_1
    ON s.id = (SELECT sandbox_id FROM sandbox_run_links WHERE run_id = a.id)`

const attemptOf = (id: string) =>
  `LEFT JOIN sandbox_attempts AS a INDEXED BY sqlite_autoindex_sandbox_attempts_1 ON a.id = ${id}`

const ofAttempt = `sandbox_attempts AS a ${sandboxOfAttempt} ${rowsOfAttempt} WHERE a.id = ?1`
const ofSandbox = `sandboxes AS s ${attemptOf("s.latest_run_id")} ${rowsOfAttempt} WHERE s.id = ?1`
const job = `oci_image_build_jobs AS k ${attemptOf("k.run_id")} ${sandboxOfAttempt} ${rowsOfAttempt}`
const ofTeardown = `runtime_teardowns AS t ${attemptOf("t.run_id")} ${sandboxOfAttempt} ${jobAndRuntime} WHERE t.id = ?1`
const ofJob = `${job} WHERE k.id = ?1`
const ofBuild = `${job}
  LEFT JOIN sandbox_attempt_snapshots AS n INDEXED BY sqlite_autoindex_sandbox_attempt_snapshots_1 ON n.run_id = a.id
  WHERE k.id = ?1`

const versionOfAttempt =
  "a.status, a.stop_requested_at, s.id, s.status, s.latest_run_id, s.expires_at, s.idle_timeout_ms, s.last_active_at, j.id, j.status, j.lease_token, j.run_settled_at, j.published_reference, r.status, r.resource_id, t.id, t.status, t.lease_token, t.worker_id, t.settled_at"
const versionOfJob = `k.status, k.lease_token, k.worker_id, ${versionOfAttempt}`

const columnsOfAttempt = [
  partColumnList(Sandbox, "s"),
  partColumnList(SandboxAttempt, "a"),
  partColumnList(JobState, "j"),
  partColumnList(SandboxRuntimeInstance, "r"),
  partColumnList(TeardownState, "t")
].join(", ")
const columnsOfJob = `${partColumnList(LeasedJob, "k")}, ${columnsOfAttempt}`
const columnsOfBuild = `${partColumnList(WorkspaceBuildJob, "k")}, ${columnsOfAttempt}, ${partColumnList(SandboxAttemptSnapshot, "n")}`

const columnsOfTeardown = [
  partColumnList(RuntimeTeardown, "t"),
  partColumnList(Sandbox, "s"),
  partColumnList(SandboxAttempt, "a"),
  partColumnList(JobState, "j"),
  partColumnList(SandboxRuntimeInstance, "r")
].join(", ")

const textOf = (columns: string, version: string, source: string) =>
  `SELECT ${columns}, json_array(${version}) AS version FROM ${source}`

const attemptText = textOf(columnsOfAttempt, versionOfAttempt, ofAttempt)
const sandboxText = textOf(columnsOfAttempt, versionOfAttempt, ofSandbox)
const teardownText = textOf(columnsOfTeardown, versionOfAttempt, ofTeardown)
const jobText = textOf(columnsOfJob, versionOfJob, ofJob)
const buildText = textOf(columnsOfBuild, versionOfJob, ofBuild)

const unchanged = (version: string, source: string) => {
  const condition = `(SELECT json_array(${version}) FROM ${source}) IS ?2`
  return (id: string, read: unknown) => guard(condition, [id, read])
}
const attemptUnchanged = unchanged(versionOfAttempt, ofAttempt)
const sandboxUnchanged = unchanged(versionOfAttempt, ofSandbox)
const teardownUnchanged = unchanged(versionOfAttempt, ofTeardown)
const jobUnchanged = unchanged(versionOfJob, ofJob)

const sandboxPart = partOf(Sandbox, "s")
const attemptPart = partOf(SandboxAttempt, "a")
const jobPart = partOf(JobState, "j")
const runtimePart = partOf(SandboxRuntimeInstance, "r")
const teardownPart = partOf(TeardownState, "t")
const leasedTeardownPart = partOf(RuntimeTeardown, "t")
const leasedPart = partOf(LeasedJob, "k")
const buildPart = partOf(WorkspaceBuildJob, "k")
const snapshotPart = partOf(SandboxAttemptSnapshot, "n")

type Row = Readonly<Record<string, unknown>>

type GuardOf = (id: string, version: unknown) => Write

const partsOf = (row: Row, guardOf: GuardOf, id: string): Effect.Effect<AttemptState, CorruptRow> =>
  Effect.all({
    sandbox: sandboxPart(row),
    attempt: attemptPart(row),
    job: jobPart(row),
    runtime: runtimePart(row),
    teardown: teardownPart(row),
    unchanged: Effect.succeed(guardOf(id, row["version"]))
  })

const nothing = (unchanged: Write): BuildState => ({
  sandbox: Option.none(),
  attempt: Option.none(),
  job: Option.none(),
  runtime: Option.none(),
  teardown: Option.none(),
  leasedTeardown: Option.none(),
  leased: Option.none(),
  build: Option.none(),
  snapshot: Option.none(),
  unchanged
})

const partsOfJob = (row: Row, jobId: string): Effect.Effect<LeasedState, CorruptRow> =>
  Effect.zipWith(partsOf(row, jobUnchanged, jobId), leasedPart(row), (parts, leased) => ({ ...parts, leased }))

const partsOfBuild = (row: Row, jobId: string): Effect.Effect<BuildState, CorruptRow> =>
  Effect.all([partsOfJob(row, jobId), buildPart(row), snapshotPart(row)]).pipe(
    Effect.map(([parts, build, snapshot]) => ({ ...parts, leasedTeardown: Option.none(), build, snapshot }))
  )

const partsOfTeardown = (row: Row, teardownId: string): Effect.Effect<LeasedTeardownState, CorruptRow> =>
  Effect.zipWith(partsOf(row, teardownUnchanged, teardownId), leasedTeardownPart(row), (parts, leasedTeardown) => ({
    ...parts,
    leasedTeardown
  }))

/** Builds the reads of states. */
export const makeStates = (sql: SqlClient.SqlClient) =>
  Effect.map(joinedRows, (rows) => {
    const read =
      <S>(text: string, guardOf: GuardOf, parts: (row: Row, id: string) => Effect.Effect<S, CorruptRow>) =>
      (id: string): Effect.Effect<S | BuildState, SqlError.SqlError | CorruptRow> =>
        Effect.flatMap(
          rows(sql.unsafe(text, [id])),
          ([row]): Effect.Effect<S | BuildState, CorruptRow> =>
            row === undefined ? Effect.succeed(nothing(guardOf(id, null))) : parts(row, id)
        )

    return {
      /** Reads the rows of an attempt. */
      ofAttempt: read(attemptText, attemptUnchanged, (row, id) => partsOf(row, attemptUnchanged, id)),
      /** Reads a sandbox, and the rows of its latest attempt. */
      ofSandbox: read(sandboxText, sandboxUnchanged, (row, id) => partsOf(row, sandboxUnchanged, id)),
      /** Reads a teardown, and the rows of its attempt. */
      ofTeardown: read(teardownText, teardownUnchanged, partsOfTeardown),
      /** Reads a job, and the rows of its attempt. */
      ofJob: read(jobText, jobUnchanged, partsOfJob),
      /** Reads a job, and the rows of its attempt, with the documents. */
      ofBuild: read(buildText, jobUnchanged, partsOfBuild)
    }
  })
