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

/** The maximum length of the name of an environment variable, in characters. */
export const maxKeyLength = 255

/**
 * The name of an environment variable, as Docker accepts it: any characters except `=`, white space and control
 * characters. Shells can read only POSIX names (letters, digits and underscores, without a leading digit); programs and
 * tools also read others, such as `npm_config.registry`.
 *
 * The Docker engine does not validate names (https://github.com/moby/moby/blob/master/opts/env.go). Files of
 * `docker run --env-file` cannot have white space in them.
 */
export const EnvVarKey = Name.pipe(
  Schema.filter((key) => key.length <= maxKeyLength && !/[=\s\p{Cc}]/u.test(key), {
    message: () => `must be 1 to ${maxKeyLength} characters without =, white space and control characters`
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
