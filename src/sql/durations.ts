/**
 * Durations that callers give.
 */
import { Duration, Option, Schema } from "effect"

/**
 * A duration, if it is one. Effect makes zero of NaN and of what is negative: as a time for which something is kept or waited
 * for that would be "not at all", which nobody meant.
 */
export const decodeDuration = (given: unknown): Option.Option<Duration.Duration> =>
  isMeant(given) ? Duration.decodeUnknown(given) : Option.none()

const isMeant = (given: unknown): boolean => {
  if (typeof given === "number" || typeof given === "bigint") return given >= 0
  if (typeof given === "string") return !given.startsWith("-")
  return !Array.isArray(given) || given.every(isMeant)
}

/** A duration within bounds; `rule` says them to who gave another. */
export const durationBetween = (minimum: Duration.DurationInput, maximum: Duration.DurationInput, rule: string) =>
  Schema.declare(
    (given): given is Duration.DurationInput => Option.exists(decodeDuration(given), Duration.between({ minimum, maximum })),
    { message: () => rule }
  )

/** A pause between two looks: 1 ms to a year. Less would be no pause. */
export const Pause = durationBetween("1 milli", "365 days", "must be a duration from 1 ms to a year")

/** A duration from 1 ms to a year, decoded to whole milliseconds, rounded up, for a column. */
export const Milliseconds = Schema.transform(Pause, Schema.Number, {
  strict: true,
  decode: (given) => Math.ceil(Duration.toMillis(given)),
  encode: (millis) => millis
})

/** A wait that may be none, or never end. */
export const Wait = durationBetween(0, Duration.infinity, "must be a duration, 0 or more")
