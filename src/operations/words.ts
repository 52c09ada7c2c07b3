/**
 * Numbers in words, for people.
 */
import { Duration } from "effect"

const units = ["B", "KB", "MB", "GB", "TB"]

/** Formats a size: `4.2 MB`. */
export const bytes = (count: number): string => {
  const power = Math.min(units.length - 1, count < 1 ? 0 : Math.floor(Math.log10(count) / 3))
  return `${power === 0 ? count : (count / 1000 ** power).toFixed(1)} ${units[power]}`
}

/** Formats a duration in its two largest units: `3h 20m`. */
export const span = (duration: Duration.Duration): string =>
  Duration.format(Duration.seconds(Math.floor(Duration.toSeconds(duration))))
    .split(" ")
    .slice(0, 2)
    .join(" ")

/** Formats a count: `1 row`, `2 rows`. */
export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`
