/**
 * Reads of the whole journal for operators: a search, one event, and counts.
 *
 * The journal has an index of its positions and one of its subjects. So a search without a subject examines a limited
 * number of positions for each page, and counts cover a limited number of the newest events.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { DateTime, Effect, Option } from "effect"
import { type InvalidInput, NotFound, type PersistenceError } from "../Errors.js"
import { nextTurn } from "../libsql/eventLoop.js"
import { conditionsOf } from "../sql/filters.js"
import { operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { columnList, joinedRows, rowsOf } from "../sql/rows.js"
import {
  ControlPlaneEvent,
  ControlPlaneSubjectType,
  type JournalActivity,
  JournalActivityRequest,
  type JournalSearch,
  SearchJournal
} from "./ControlPlaneEvent.js"

/** Lists of `ControlPlaneEventsService`. Internal: for operators, not for request handlers. */
export interface JournalListMethods {
  /**
   * Searches the events of all owners, newest first. Without `subjectId`, a call examines up to 20,000 positions, so a
   * page may have few events or none although `nextBefore` is set. Fails with `InvalidInput` if a field is invalid.
   */
  readonly search: (
    request: typeof SearchJournal.Encoded
  ) => Effect.Effect<JournalSearch, InvalidInput | PersistenceError>

  /** Returns the event at a position. Fails with `NotFound`, also if the event was purged. */
  readonly getByPosition: (position: number) => Effect.Effect<ControlPlaneEvent, NotFound | PersistenceError>

  /**
   * Counts the changes of state of one kind of subject in intervals since an instant. Covers the newest 100,000
   * positions. Fails with `InvalidInput` if a field is invalid.
   */
  readonly activity: (
    request: typeof JournalActivityRequest.Encoded
  ) => Effect.Effect<JournalActivity, InvalidInput | PersistenceError>
}

const { decodeInput, traced } = operations("ControlPlaneEvents", "ControlPlaneEvent")

/** The number of positions that one page of a search examines. */
const searchedPositions = 20_000

/** The number of positions that counts cover. */
const countedPositions = 100_000

/** The number of positions that one statement counts: some milliseconds. */
const countedAtOnce = 2500

// The engine finds the first and the last row of a table without a scan, but not those of a view.
const bound = (which: "min" | "max") => `coalesce((
    SELECT ${which}(position) FROM (
      SELECT ${which}(position) AS position FROM control_plane_events
      UNION ALL SELECT ${which}(position) FROM control_plane_admin_events)), 0)`

const boundsText = `
  SELECT ${bound("max")} AS last, ${bound("min")} AS first`

// A running job under a new lease changes from running to running, so equal states are counted.
const activityText = `
  SELECT (occurred_at - ?2) / ?3 AS interval, from_state AS "fromState", to_state AS "toState", count(*) AS count
  FROM control_plane_events
  WHERE position > ?1 AND position <= ?5 AND subject_type = ?4 AND occurred_at >= ?2 AND event_type <> 'setPriority'
  GROUP BY 1, 2, 3`

const text = (value: unknown) => Option.liftPredicate(value, (found): found is string => typeof found === "string")

const changeOf = (row: Readonly<Record<string, unknown>>): JournalActivity["changes"][number] => ({
  interval: Number(row["interval"]),
  fromState: text(row["fromState"]),
  toState: text(row["toState"]),
  count: Number(row["count"])
})

/** Builds the lists. `JournalListMethods` documents them. */
export const makeJournalLists = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(ControlPlaneEvent))
  const events = yield* rowsOf(ControlPlaneEvent)
  const rows = yield* joinedRows
  const { unindexed, unindexedIn } = conditionsOf(sql)

  const bounds = Effect.map(rows(sql.unsafe(boundsText)), ([row]) => ({
    first: Number(row?.["first"] ?? 0),
    last: Number(row?.["last"] ?? 0)
  }))

  const search: JournalListMethods["search"] = (request) =>
    Effect.gen(function* () {
      const filter = yield* decodeInput("search", SearchJournal)(request)
      const { limit, subjectId } = filter
      // A statement has a limited number of parameters.
      const subjectTypes = filter.subjectTypes && [...new Set(filter.subjectTypes)]
      const { first, last } = yield* bounds
      const before = Math.min(filter.beforePosition ?? last + 1, last + 1)
      const floor = subjectId === undefined ? Math.max(first, before - searchedPositions) : 0
      const subject =
        subjectId === undefined
          ? unindexedIn("subject_type", subjectTypes)
          : [sql.in("subject_type", subjectTypes ?? ControlPlaneSubjectType.literals), sql`subject_id = ${subjectId}`]
      const found =
        subjectTypes?.length === 0
          ? Page.nothingFound
          : yield* events.findPage(sql`
              SELECT ${columns} FROM control_plane_all_events
              WHERE ${sql.and([
                sql`position >= ${floor} AND position < ${before}`,
                ...subject,
                ...unindexed("event_type", filter.eventType),
                ...unindexed("to_state", filter.toState),
                ...unindexed("actor_type", filter.actorType),
                ...unindexed("actor_id", filter.actorId),
                ...unindexed("owner_user_id", filter.ownerUserId)
              ])}
              ORDER BY position DESC LIMIT ${limit + 1}`)
      const { items, nextCursor } = Page.pageOf(found, limit, ({ position }) => position)
      return {
        items,
        nextBefore: Option.orElse(nextCursor, () => (floor > first ? Option.some(floor) : Option.none()))
      }
    }).pipe(traced("search"))

  const getByPosition: JournalListMethods["getByPosition"] = (position) =>
    events.findOne(sql`SELECT ${columns} FROM control_plane_all_events WHERE position = ${position}`).pipe(
      Effect.flatMap(
        Option.match({
          onNone: () => Effect.fail(new NotFound({ entity: "ControlPlaneEvent", id: String(position) })),
          onSome: Effect.succeed
        })
      ),
      traced("getByPosition")
    )

  const activity: JournalListMethods["activity"] = (request) =>
    Effect.gen(function* () {
      const { intervalMs, since, subjectType } = yield* decodeInput("activity", JournalActivityRequest)(request)
      const { first, last } = yield* bounds
      const after = Math.max(first - 1, last - countedPositions)
      const [oldest] = yield* rows(sql`
        SELECT occurred_at AS at FROM control_plane_events WHERE position > ${after} ORDER BY position LIMIT 1`)
      // Without an earlier event than the window, everything since the instant is covered.
      const isCut = after > 0 && Number(oldest?.["at"] ?? 0) > DateTime.toEpochMillis(since)
      const from = isCut ? Number(oldest?.["at"]) : DateTime.toEpochMillis(since)
      const counts = new Map<string, JournalActivity["changes"][number]>()
      let end = last
      while (end > after) {
        const [newest] = yield* rows(sql`
          SELECT occurred_at AS at FROM control_plane_events WHERE position <= ${end} ORDER BY position DESC LIMIT 1`)
        // Times ascend with the positions, but for the differences of clocks.
        if (newest === undefined || Number(newest["at"]) < from) break
        const start = Math.max(after, end - countedAtOnce)
        for (const row of yield* rows(sql.unsafe(activityText, [start, from, intervalMs, subjectType, end]))) {
          const change = changeOf(row)
          const key = JSON.stringify([row["interval"], row["fromState"], row["toState"]])
          counts.set(key, { ...change, count: change.count + (counts.get(key)?.count ?? 0) })
        }
        end = start
        yield* nextTurn
      }
      const changes = [...counts.values()].toSorted((one, other) => one.interval - other.interval)
      return { from: DateTime.unsafeMake(from), changes }
    }).pipe(traced("activity"))

  return { search, getByPosition, activity }
})
