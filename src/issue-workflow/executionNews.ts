/**
 * Statements of the shared reader of tails: they find executions that have new events, have ended or were deleted since
 * a mark.
 *
 * Events are found by their rowid. SQLite assigns a new row the highest rowid plus one
 * (https://www.sqlite.org/autoinc.html), so new rows are above the mark while the row of the mark exists. If that row
 * was deleted, or a VACUUM has renumbered the rows, the reader wakes all tails.
 */
import type { SqlError } from "@effect/sql"
import { Effect } from "effect"
import type { Found, News } from "../events/waiting.js"

type Row = Readonly<Record<string, unknown>>

/** The positions of the newest event and the newest end; 0 and "" without one. `event` is the id of the row `place`. */
interface Mark {
  readonly place: number
  readonly event: string
  readonly end: number
}

const markText = `
  SELECT 'event' AS kind, rowid AS place, id, '' AS execution, 0 AS rows
  FROM (SELECT rowid, id FROM issue_workflow_execution_events ORDER BY rowid DESC LIMIT 1)
  UNION ALL
  SELECT 'end', position, '', '', 0
  FROM (SELECT position FROM issue_workflow_execution_ends ORDER BY position DESC LIMIT 1)`

// Limits the rows of one read. A reader that is far behind needs several reads.
const mostRows = 5000

// ?1: the rowid of the mark, ?2: its end. The result includes the rows of the mark if they still exist.
const newsText = `
  SELECT 'mark' AS kind, rowid AS place, id, '' AS execution, 0 AS rows FROM issue_workflow_execution_events WHERE rowid = ?1
  UNION ALL
  SELECT 'event', max(place), id, execution, count(*) FROM (
    SELECT rowid AS place, id, execution_id AS execution FROM issue_workflow_execution_events
    WHERE rowid > ?1 ORDER BY rowid LIMIT ${mostRows})
  GROUP BY execution
  UNION ALL
  SELECT 'end', position, '', execution_id, 0 FROM issue_workflow_execution_ends WHERE position >= ?2`

const beginning: Mark = { place: 0, event: "", end: 0 }

/** Builds the statements. `run` executes a statement outside of transactions. */
export const executionNews = (
  run: (text: string, params: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>
): News<Mark, SqlError.SqlError> => {
  const mark = Effect.map(run(markText, []), (rows) => rows.reduce(markAfter, beginning))
  return {
    mark,
    since: (before) =>
      Effect.flatMap(
        run(newsText, [before.place, before.end]),
        (rows): Effect.Effect<Found<Mark>, SqlError.SqlError> =>
          isContinued(rows, before)
            ? Effect.succeed(foundIn(rows, before))
            : Effect.map(mark, (mark) => ({ mark, concerned: "all", isAll: true }))
      )
  }
}

/**
 * Returns whether the rows of the mark still exist. A mark without an end requires that there is no end, or that the
 * first one (position 1) still exists.
 */
const isContinued = (rows: ReadonlyArray<Row>, { end, event, place }: Mark) => {
  const ends = rows.filter(({ kind }) => kind === "end")
  return (
    (place === 0 || rows.some(({ id, kind }) => kind === "mark" && id === event)) &&
    ((end === 0 && ends.length === 0) || ends.some(({ place }) => place === Math.max(end, 1)))
  )
}

const foundIn = (rows: ReadonlyArray<Row>, before: Mark): Found<Mark> => ({
  mark: rows.reduce(markAfter, before),
  concerned: rows.flatMap(({ execution }) => (typeof execution === "string" && execution !== "" ? [execution] : [])),
  isAll: rows.reduce((sum, { rows }) => sum + Number(rows), 0) < mostRows
})

const markAfter = (mark: Mark, { id, kind, place }: Row): Mark => {
  const at = Number(place)
  if (kind === "end") return at > mark.end ? { ...mark, end: at } : mark
  return kind === "event" && at > mark.place ? { ...mark, place: at, event: String(id) } : mark
}
