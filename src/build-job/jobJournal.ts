/**
 * The journal of changes of jobs by operators, which are not part of a lifecycle operation.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Effect, Option } from "effect"
import { CurrentActor } from "../events/CurrentActor.js"
import { appendEvents, type Transition } from "../events/journal.js"
import { jobTransition } from "../events/transitions.js"
import type { WorkspaceBuildJob } from "./WorkspaceBuildJob.js"

type Changed = Parameters<typeof jobTransition>[0] & Partial<Pick<WorkspaceBuildJob, "ownerUserId">>

/** Returns the event of a change. With `details`, it is an event of a job whose status has not changed, too. */
const transitionOf = (job: Changed, details: Transition["payload"]): Transition => {
  const transition = jobTransition(job, details !== undefined)
  return {
    ...transition,
    payload: { ...transition.payload, ...details },
    ...(job.ownerUserId?._tag === "Some" ? { ownerUserId: job.ownerUserId.value } : {})
  }
}

/** Appends an event for each changed job. Call it in the transaction of the change. */
export const appendJobEvents = (
  sql: SqlClient.SqlClient,
  eventType: string,
  now: number,
  jobs: ReadonlyArray<Changed>,
  details?: Transition["payload"]
): Effect.Effect<void, SqlError.SqlError> =>
  Effect.flatMap(CurrentActor, (current) => {
    const actor = Option.getOrElse(current, () => ({ type: "system" as const }))
    const { sql: text, values } = appendEvents(
      { eventType, actor, now },
      jobs.map((job) => transitionOf(job, details))
    )
    return Effect.asVoid(sql.unsafe(text, [...values]))
  })

/** Runs the change of one job, and appends its event in the same transaction, unless the change matched no job. */
export const journaled =
  (sql: SqlClient.SqlClient) =>
  <A extends Changed, E>(
    eventType: string,
    now: number,
    change: Effect.Effect<Option.Option<A>, E>,
    details?: Transition["payload"]
  ): Effect.Effect<Option.Option<A>, E | SqlError.SqlError> =>
    sql.withTransaction(
      Effect.tap(change, (changed) =>
        Option.isNone(changed) ? Effect.void : appendJobEvents(sql, eventType, now, [changed.value], details)
      )
    )
