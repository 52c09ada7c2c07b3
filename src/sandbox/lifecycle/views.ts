/**
 * Reads of sandboxes with their derived status. Triggers derive it from sandbox, attempt, job and runtime, and store it
 * in the column `view_status`, so that a list reads an index.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql"
import { Effect, Option, Record } from "effect"
import { joinNewestJob } from "../../build-job/newestJob.js"
import { WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import { Sandbox } from "../Sandbox.js"
import { SandboxAttempt, SandboxAttemptSnapshot } from "../SandboxAttempt.js"
import { SandboxRuntimeInstance } from "../SandboxRuntimeInstance.js"
import { type InvalidInput, NotFound, type PersistenceError } from "../../Errors.js"
import { conditionsOf, searchPattern, unionByStatus } from "../../sql/filters.js"
import { targetOf } from "../../sql/ownerScope.js"
import * as Page from "../../sql/page.js"
import { CorruptRow, joinedPage, joinedRows, partColumnList, partOf } from "../../sql/rows.js"
import { operationsOf } from "../../events/operation.js"
import {
  AllSandboxFilter,
  SandboxAttemptSummary,
  type SandboxDetail,
  type SandboxStats,
  SandboxStatusView,
  type SandboxView,
  SandboxViewFilter
} from "../SandboxViews.js"
import { errorOf, outcomeColumns, outcomeOf } from "./viewParts.js"

/** The methods of `SandboxLifecycleService` on the sandboxes of all owners. Internal: for operators. */
export interface SandboxListMethods {
  /**
   * Lists the sandboxes of all owners, otherwise as `list`. Unless it filters by status alone, a call examines up to 10,000
   * sandboxes, so a page may have few items or none although there is a next one. Internal: for operators, not for request
   * handlers.
   *
   * Fails with `InvalidInput` as `list` does, and if `ownerUserId` is `undefined`.
   */
  readonly listAll: (
    request: Page.PageRequest & typeof AllSandboxFilter.Encoded
  ) => Effect.Effect<Page.Page<SandboxView>, InvalidInput | PersistenceError>

  /**
   * Counts the sandboxes of all owners that are not archived, by derived status. Counts every row: for operators, not
   * for request handlers.
   */
  readonly stats: Effect.Effect<SandboxStats, PersistenceError>
}

const { decodeFilter, traced } = operationsOf("SandboxLifecycle", "Sandbox")

/**
 * The latest attempt of a sandbox, with its latest job and its runtime. INDEXED BY names the primary keys, because the
 * planner scans a table that had one row when its statistics were collected.
 */
const latest = `
  LEFT JOIN sandbox_attempts AS a INDEXED BY sqlite_autoindex_sandbox_attempts_1 ON a.id = s.latest_run_id
  ${joinNewestJob("s.latest_run_id")}
  LEFT JOIN sandbox_runtime_instances AS r INDEXED BY sqlite_autoindex_sandbox_runtime_instances_1
    ON r.run_id = s.latest_run_id`

const snapshot = `
  LEFT JOIN sandbox_attempt_snapshots AS n INDEXED BY sqlite_autoindex_sandbox_attempt_snapshots_1
    ON n.run_id = s.latest_run_id`

const sandboxPart = partOf(Sandbox, "s")
const attemptPart = partOf(SandboxAttempt, "a")
const summaryPart = partOf(SandboxAttemptSummary, "a")
const snapshotPart = partOf(SandboxAttemptSnapshot, "n")
const jobPart = partOf(WorkspaceBuildJob, "j")
const runtimePart = partOf(SandboxRuntimeInstance, "r")

type Row = Readonly<Record<string, unknown>>

const corrupt = () => new CorruptRow({ entity: "Sandbox", column: "status" })

const noSandboxes: SandboxStats["byStatus"] = {
  queued: 0,
  running: 0,
  ready: 0,
  stopping: 0,
  stopped: 0,
  failed: 0,
  cancelled: 0
}

const statusOf = (row: Row): Effect.Effect<Pick<SandboxView, "sandbox" | "status">, CorruptRow> =>
  Effect.gen(function* () {
    const sandbox = yield* Effect.flatten(sandboxPart(row)).pipe(Effect.catchTag("NoSuchElementException", corrupt))
    // A row without a derived status does not fail the list of its owner.
    const status =
      row["status"] === null ? sandbox.status : SandboxStatusView.literals.find((literal) => literal === row["status"])
    return status === undefined ? yield* corrupt() : { sandbox, status }
  })

const viewOf = (row: Row): Effect.Effect<SandboxView, CorruptRow> =>
  Effect.gen(function* () {
    const { error, image, runtime } = yield* outcomeOf(row)
    return { ...(yield* statusOf(row)), attempt: yield* summaryPart(row), image, runtime, error }
  })

export const makeViews = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* joinedRows
  const page = yield* joinedPage
  const sandboxColumns = sql.literal(partColumnList(Sandbox, "s"))
  const viewColumns = sql.literal(`${partColumnList(SandboxAttemptSummary, "a")}, ${outcomeColumns}`)
  const latestRows = sql.literal(latest)
  const detailColumns = sql.literal(
    [
      partColumnList(SandboxAttempt, "a"),
      partColumnList(SandboxAttemptSnapshot, "n"),
      partColumnList(WorkspaceBuildJob, "j"),
      partColumnList(SandboxRuntimeInstance, "r")
    ].join(", ")
  )

  const getDetail = (request: { readonly ownerUserId: string; readonly id: string }) => {
    const { id, ownerUserId } = targetOf(request)
    return Effect.gen(function* () {
      // One statement, for a consistent snapshot.
      const [row] = yield* rows(sql`
        SELECT ${sandboxColumns}, ${detailColumns}, s.view_status AS status
        FROM sandboxes AS s ${latestRows} ${sql.literal(snapshot)}
        WHERE s.id = ${id} AND s.owner_user_id = ${ownerUserId}`)
      if (row === undefined) return yield* new NotFound({ entity: "Sandbox", id })
      const job = yield* jobPart(row)
      const runtime = yield* runtimePart(row)
      const detail: SandboxDetail = {
        ...(yield* statusOf(row)),
        attempt: yield* attemptPart(row),
        snapshot: yield* snapshotPart(row),
        job,
        runtime,
        image: Option.flatMap(job, ({ publishedReference }) => publishedReference),
        error: errorOf(job, runtime)
      }
      return detail
    }).pipe(traced("getDetail", { "sandbox.id": id }))
  }

  /** Returns the ranges of a list, and the index that contains all columns of its filter. */
  const rangesOf = ({
    includeArchived,
    ownerUserId,
    repositoryId,
    search,
    statuses
  }: typeof SandboxViewFilter.Type) => {
    const ofOwner = [sql`s.owner_user_id = ${ownerUserId}`]
    const notArchived = includeArchived ? [] : [sql`+s.archived_at IS NULL`]
    const pattern = searchPattern(search)
    if (pattern !== null) {
      const { unindexed, unindexedIn } = conditionsOf(sql)
      const filtered = [...unindexed("s.repository_id", repositoryId), ...unindexedIn("s.view_status", statuses)]
      const matching = [...ofOwner, ...filtered, ...notArchived, sql`s.name LIKE ${pattern} ESCAPE '\\'`]
      return { index: sql`INDEXED BY sandboxes_owner_user_id_created_at_idx`, ranges: [matching] }
    }
    if (repositoryId === undefined) {
      return { index: sql``, ranges: unionByStatus(sql, statuses, [...ofOwner, ...notArchived], "s.view_status") }
    }
    // The index continues with the status, so that a filter by both reads no other rows.
    const inRepository = [...ofOwner, sql`s.repository_id = ${repositoryId}`, ...notArchived]
    return {
      index: sql`INDEXED BY sandboxes_owner_user_id_repository_id_view_status_created_at_idx`,
      ranges: unionByStatus(sql, statuses ?? SandboxStatusView.literals, inRepository, "s.view_status")
    }
  }

  /**
   * Returns the ranges of a list of all owners, and their index. A filter by status alone reads the rows of its page;
   * all others examine rows that do not match.
   */
  const rangesOfAll = ({ includeArchived, repositoryId, search, statuses }: typeof AllSandboxFilter.Type) => {
    const { unindexedIn } = conditionsOf(sql)
    const pattern = searchPattern(search)
    const matching = pattern === null ? [] : [sql`s.name LIKE ${pattern} ESCAPE '\\'`]
    if (statuses !== undefined && repositoryId === undefined && !includeArchived) {
      return {
        index: sql`INDEXED BY sandboxes_view_status_created_at_idx`,
        ranges: unionByStatus(sql, statuses, [sql`s.archived_at IS NULL`], "s.view_status"),
        matching
      }
    }
    return {
      index:
        repositoryId === undefined
          ? sql`INDEXED BY sandboxes_created_at_idx`
          : sql`INDEXED BY sandboxes_repository_id_created_at_idx`,
      ranges: [repositoryId === undefined ? [] : [sql`s.repository_id = ${repositoryId}`]],
      matching: [
        ...matching,
        ...unindexedIn("s.view_status", statuses),
        ...(includeArchived ? [] : [sql`+s.archived_at IS NULL`])
      ]
    }
  }

  /** Reads the rows of the page of a list. One statement, for a consistent snapshot. */
  const viewsOf = ({ index, ranges }: ReturnType<typeof rangesOf>, start: Page.Start) => {
    const branches = ranges.map(
      (conditions) =>
        sql`
        SELECT ${sandboxColumns}, ${viewColumns}, s.view_status AS status FROM sandboxes AS s ${index} ${latestRows}
        WHERE ${sql.and([...conditions, Page.afterCursor(sql, start, "s.created_at", "s.id")])}`
    )
    return page(
      sql`
      ${sql.join(" UNION ALL ", false)(branches)}
      ORDER BY "s.createdAt" DESC, "s.id" DESC LIMIT ${start.limit + 1}`,
      viewOf
    )
  }

  const keyOf = ({ sandbox }: SandboxView) => [sandbox.createdAt, sandbox.id] as const

  const pageOf = (
    list: ReturnType<typeof rangesOf>,
    start: Page.Start
  ): Effect.Effect<Page.Page<SandboxView>, SqlError.SqlError | CorruptRow> =>
    Effect.map(viewsOf(list, start), (found) => Page.make(found, start, keyOf))

  /** Reads a page of a list of all owners, which examines a limited number of rows. */
  const pageOfAll = ({ index, matching, ranges }: ReturnType<typeof rangesOfAll>, start: Page.Start) =>
    Effect.gen(function* () {
      const after = Page.afterCursor(sql, start, "s.created_at", "s.id")
      const sources = ranges.map((range) => sql`FROM sandboxes AS s ${index} WHERE ${sql.and([...range, after])}`)
      const floor = matching.length === 0 ? Option.none() : yield* Page.floorOf(sql, sources, "s.created_at", "s.id")
      const examined = Page.untilFloor(sql, floor, "s.created_at", "s.id")
      const found = yield* viewsOf({ index, ranges: ranges.map((range) => [...range, ...matching, examined]) }, start)
      return Page.makeExamined(found, start, floor, keyOf)
    })

  const none: Page.Page<SandboxView> = { items: [], nextCursor: Option.none() }

  const list = (request: Page.PageRequest & typeof SandboxViewFilter.Encoded) =>
    Effect.gen(function* () {
      const filter = yield* decodeFilter("list", SandboxViewFilter)(request)
      const start = yield* Page.start("SandboxLifecycle.list", request)
      return filter.statuses?.length === 0 ? none : yield* pageOf(rangesOf(filter), start)
    }).pipe(traced("list"))

  const listAll = (request: Page.PageRequest & typeof AllSandboxFilter.Encoded) =>
    Effect.gen(function* () {
      const filter = yield* decodeFilter("listAll", AllSandboxFilter)(request)
      const start = yield* Page.start("SandboxLifecycle.listAll", request)
      const { ownerUserId } = filter
      if (filter.statuses?.length === 0) return none
      return yield* ownerUserId === undefined
        ? pageOfAll(rangesOfAll(filter), start)
        : pageOf(rangesOf({ ...filter, ownerUserId }), start)
    }).pipe(traced("listAll"))

  const stats = Effect.map(
    rows(
      sql`SELECT view_status AS status, count(*) AS count FROM sandboxes WHERE archived_at IS NULL GROUP BY view_status`
    ),
    (counts): SandboxStats => {
      const countOf = new Map(counts.map((row) => [row["status"], Number(row["count"])]))
      return { byStatus: Record.map(noSandboxes, (_, status) => countOf.get(status) ?? 0) }
    }
  ).pipe(traced("stats"))

  return { getDetail, list, listAll, stats }
})
