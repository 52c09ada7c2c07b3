/**
 * Default start and end times of attempts and executions.
 */
import { DateTime } from "effect"

interface Times {
  readonly startedAt?: DateTime.Utc
  readonly finishedAt?: DateTime.Utc
  readonly durationMs?: number
}

interface GivenTimes {
  readonly status?: "queued" | "running" | "succeeded" | "failed" | "cancelled" | undefined
  readonly startedAt?: DateTime.Utc | undefined
  readonly finishedAt?: DateTime.Utc | undefined
}

/** Builds the times that the status requires. An ended row has a start time, unless it was cancelled. */
export const timesOf = (given: GivenTimes, now: DateTime.Utc): Times => {
  const status = given.status ?? "queued"
  if (status === "queued") return {}
  const startedAt = given.startedAt ?? (status === "cancelled" ? undefined : now)
  const started = startedAt === undefined ? {} : { startedAt }
  if (status === "running") return started
  const finishedAt = given.finishedAt ?? startedAt ?? now
  return startedAt === undefined
    ? { finishedAt }
    : { startedAt, finishedAt, durationMs: Math.max(0, DateTime.distance(startedAt, finishedAt)) }
}
