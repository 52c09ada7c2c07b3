/**
 * How much a revision may hold, and of what form.
 */
import { Schema } from "effect"
import { Name, Prose } from "../sql/columns.js"

/** How many items of a kind a revision may have. */
export const maxItems = 1000

/** A list of up to 1,000, in which nothing is twice, going by a key that is told with its field. */
export const setOf = <A, I>(item: Schema.Schema<A, I>, keyOf: (item: A) => string, ...field: ReadonlyArray<string>) =>
  Schema.Array(item).pipe(
    Schema.maxItems(maxItems, { message: () => `must be up to ${maxItems}` }),
    Schema.filter((items) => {
      const seen = new Set<string>()
      const again = items.findIndex((item) => seen.size === seen.add(keyOf(item)).size)
      return again < 0 ? undefined : { path: [again, ...field], message: "is given twice" }
    })
  )

/** The name of an environment variable (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html). */
export const EnvVarKey = Name.pipe(
  Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]{0,254}$/, {
    message: () => "must be up to 255 letters, digits and underscores, and not begin with a digit"
  })
)

/** How many characters the value of an environment variable may have. */
// With its key it fits into what Linux takes of one variable, 128 KiB (https://man7.org/linux/man-pages/man2/execve.2.html).
export const maxValueLength = 32_768

/** The value of an environment variable. */
export const EnvVarValue = Prose.pipe(Schema.maxLength(maxValueLength, { message: () => `must be up to ${maxValueLength} characters` }))

/** A host, an address or a pattern of them, as an allowlist has it. */
export const HostPattern = Name.pipe(
  Schema.pattern(/^[^\s\p{Cc}]{1,255}$/u, { message: () => "must be 1 to 255 characters without white space" })
)

const minutesOfYear = 366 * 24 * 60

/** Minutes until a session times out. */
export const SessionTimeout = Schema.Int.pipe(
  Schema.between(1, minutesOfYear, { message: () => `must be a whole number from 1 to ${minutesOfYear}` })
)
