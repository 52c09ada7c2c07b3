/**
 * The journal of changes of jobs by operators, which are not part of a lifecycle operation.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Effect, Option } from "effect"
import { CurrentActor } from "../events/CurrentActor.js"
import { appendEvents } from "../events/journal.js"
import { jobTransition } from "../events/transitions.js"

type Changed = Parameters<typeof jobTransition>[0]

/** Appends an event for each changed job. Call it in the transaction of the change. */
export const appendJobEvents = (
  sql: SqlClient.SqlClient,
  eventType: string,
  now: number,
  jobs: ReadonlyArray<Changed>
): Effect.Effect<void, SqlError.SqlError> =>
  Effect.flatMap(CurrentActor, (current) => {
    const actor = Option.getOrElse(current, () => ({ type: "system" as const }))
    const { sql: text, values } = appendEvents(
      { eventType, actor, now },
      jobs.map((job) => jobTransition(job))
    )
    return Effect.asVoid(sql.unsafe(text, [...values]))
  })

/** Runs the change of one job, and appends its event in the same transaction, unless the change matched no job. */
export const journaled =
  (sql: SqlClient.SqlClient) =>
  <A extends Changed, E>(
    eventType: string,
    now: number,
    change: Effect.Effect<Option.Option<A>, E>
  ): Effect.Effect<Option.Option<A>, E | SqlError.SqlError> =>
    sql.withTransaction(
      Effect.tap(change, (changed) =>
        Option.isNone(changed) ? Effect.void : appendJobEvents(sql, eventType, now, [changed.value])
      )
    )
