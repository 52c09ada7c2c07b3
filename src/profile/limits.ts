/**
 * Limits of profile revisions, and the schemas that enforce them.
 */
import { Schema } from "effect"
import { Name, Prose } from "../sql/columns.js"

/** The maximum number of items of one kind in a revision. */
export const maxItems = 1000

/**
 * Builds the schema of a list of up to 1,000 items with unique keys. `keyOf` computes the key; the issue of a duplicate
 * names `field`.
 */
export const setOf = <A, I>(item: Schema.Schema<A, I>, keyOf: (item: A) => string, ...field: ReadonlyArray<string>) =>
  Schema.Array(item).pipe(
    Schema.maxItems(maxItems, { message: () => `must be up to ${maxItems}` }),
    Schema.filter((items) => {
      const seen = new Set<string>()
      const duplicate = items.findIndex((item) => seen.size === seen.add(keyOf(item)).size)
      return duplicate < 0 ? undefined : { path: [duplicate, ...field], message: "is given twice" }
    })
  )

/** The name of an environment variable (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html). */
export const EnvVarKey = Name.pipe(
  Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]{0,254}$/, {
    message: () => "must be up to 255 letters, digits and underscores, and not begin with a digit"
  })
)

/**
 * The maximum length of the value of an environment variable, in characters. With its key, such a value stays below the
 * limit of Linux for one variable, 128 KiB (https://man7.org/linux/man-pages/man2/execve.2.html).
 */
export const maxValueLength = 32_768

/** The value of an environment variable. */
export const EnvVarValue = Prose.pipe(
  Schema.maxLength(maxValueLength, { message: () => `must be up to ${maxValueLength} characters` })
)

/** An entry of a host allowlist: a host, an address or a pattern. */
export const HostPattern = Name.pipe(
  Schema.pattern(/^[^\s\p{Cc}]{1,255}$/u, { message: () => "must be 1 to 255 characters without white space" })
)

const minutesOfYear = 366 * 24 * 60

/** The timeout of an SSH session, in minutes: up to 366 days. */
export const SessionTimeout = Schema.Int.pipe(
  Schema.between(1, minutesOfYear, { message: () => `must be a whole number from 1 to ${minutesOfYear}` })
)
