/**
 * Durations: schemas for inputs, and pauses.
 */
import { Duration, Option, Schema } from "effect"

/**
 * Decodes a duration. Returns `None` for NaN and for negative values: Effect decodes them to zero, which would silently
 * disable a retention or a wait.
 */
export const decodeDuration = (input: unknown): Option.Option<Duration.Duration> =>
  isNonNegative(input) ? Duration.decodeUnknown(input) : Option.none()

const isNonNegative = (input: unknown): boolean => {
  if (typeof input === "number" || typeof input === "bigint") return input >= 0
  if (typeof input === "string") return !input.startsWith("-")
  return !Array.isArray(input) || input.every(isNonNegative)
}

/** Builds the schema of a duration within bounds. `rule` is the message for all other values. */
export const durationBetween = (minimum: Duration.DurationInput, maximum: Duration.DurationInput, rule: string) =>
  Schema.declare(
    (input): input is Duration.DurationInput =>
      Option.exists(decodeDuration(input), Duration.between({ minimum, maximum })),
    {
      message: () => rule,
      arbitrary: () => (fc) =>
        fc
          .integer({ min: Duration.toMillis(minimum), max: Math.min(Duration.toMillis(maximum), 2 ** 31) })
          .map((millis): Duration.DurationInput => millis)
    }
  )

/** A pause between two polls: 1 ms to a year. */
export const Pause = durationBetween("1 milli", "365 days", "must be a duration from 1 ms to a year")

const WholeNumber = Schema.Number.annotations({ arbitrary: () => (fc) => fc.integer({ min: 1, max: 2 ** 31 }) })

/** A duration from 1 ms to a year, decoded to whole milliseconds, rounded up, for a column. */
export const Milliseconds = Schema.transform(Pause, WholeNumber, {
  strict: true,
  decode: (pause) => Math.ceil(Duration.toMillis(pause)),
  encode: (millis) => millis
})

/** A wait: 0 or more, or infinite. */
export const Wait = durationBetween(0, Duration.infinity, "must be a duration, 0 or more")

/**
 * Rounds a pause up to whole milliseconds: the test clock stops at the exact end of a pause, and timestamps are
 * integers.
 */
export const wholeMillis = (pause: Duration.Duration) => Duration.millis(Math.ceil(Duration.toMillis(pause)))
