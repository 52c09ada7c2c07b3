/**
 * The settings that are read from environment variables.
 */
import { Config, Effect, Option, Redacted } from "effect"

export const filePathName = "DATABASE_FILE_PATH"
export const urlName = "DATABASE_URL"
export const busyTimeoutName = "DATABASE_BUSY_TIMEOUT_MS"
export const synchronousName = "DATABASE_SYNCHRONOUS"
export const authTokenName = "DATABASE_AUTH_TOKEN"
export const replicaName = "DATABASE_REPLICA_PATH"

/**
 * Reads an environment variable. An empty value counts as unset, because compose files pass it for a variable without
 * a value. Fails when an env file or a shell has added quotes or white space. The error never contains the value.
 */
export const variable = (name: string): Effect.Effect<Option.Option<string>, string> =>
  Config.option(Config.string(name)).pipe(
    Effect.mapError(() => "cannot be read"),
    Effect.map(Option.filter((value) => value !== "")),
    Effect.flatMap((value) =>
      Option.match(Option.flatMap(value, addedTo), { onNone: () => Effect.succeed(value), onSome: Effect.fail })
    )
  )

/** Reads a secret environment variable by the rules of `variable`. */
export const secretVariable = (name: string): Effect.Effect<Option.Option<Redacted.Redacted<string>>, string> =>
  Effect.map(
    variable(name),
    Option.map((value) => Redacted.make(value))
  )

const addedTo = (value: string): Option.Option<string> => {
  if (value.includes("\r"))
    return Option.some("contains a carriage return; save the file that sets it with LF line ends")
  if (value.trim() !== value) return Option.some("begins or ends with white space; remove it")
  if (/^(["'`]).*\1$/s.test(value)) return Option.some("is in quotes; remove them")
  return Option.none()
}
