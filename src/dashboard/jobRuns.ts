/**
 * The attempts of a job, from its events in the journal.
 */
import { DateTime, Option } from "effect"
import type { ControlPlaneEvent } from "../events/ControlPlaneEvent.js"
import type { JobRun } from "./api/index.js"

const field = <A>(event: ControlPlaneEvent, name: string, is: (value: unknown) => value is A): A | undefined => {
  const value = Option.getOrUndefined(event.payload)?.[name]
  return is(value) ? value : undefined
}

const isNumber = (value: unknown): value is number => typeof value === "number"
const isText = (value: unknown): value is string => typeof value === "string"

const started = (event: ControlPlaneEvent): JobRun => {
  const leaseToken = field(event, "leaseToken", isNumber)
  const workerId = event.actorType === "worker" ? Option.getOrUndefined(event.actorId) : undefined
  return {
    startedAt: DateTime.formatIso(event.occurredAt),
    ...(leaseToken === undefined ? {} : { leaseToken }),
    ...(workerId === undefined ? {} : { workerId })
  }
}

const ended = (run: JobRun, event: ControlPlaneEvent): JobRun => {
  const endState = Option.getOrUndefined(event.toState)
  const errorCode = field(event, "errorCode", isText)
  return {
    ...run,
    endedAt: DateTime.formatIso(event.occurredAt),
    endedBy: event.eventType,
    ...(endState === undefined ? {} : { endState }),
    ...(errorCode === undefined ? {} : { errorCode })
  }
}

/**
 * Returns the attempts of a job from its events, oldest first. An attempt begins with an event that enters `running`,
 * and ends with the next event other than a change of the priority. A new lease without an event in between ends the previous attempt: it was lost.
 */
export const runsOf = (events: ReadonlyArray<ControlPlaneEvent>): ReadonlyArray<JobRun> => {
  const runs: Array<JobRun> = []
  for (const event of events) {
    if (event.eventType === "setPriority") continue
    const last = runs.at(-1)
    if (last !== undefined && last.endedAt === undefined) runs[runs.length - 1] = ended(last, event)
    if (Option.contains(event.toState, "running")) runs.push(started(event))
  }
  return runs
}
