/**
 * The services that the handlers of one Dashboard share, and the journaling of their actions.
 */
import type { SqlClient } from "@effect/sql"
import { Context, type Deferred, Effect, Schema } from "effect"
import type * as ControlPlane from "../../ControlPlane.js"
import { InvalidInput, type PersistenceError } from "../../Errors.js"
import { actingAs } from "../../events/ControlPlaneEvents.js"
import type { Live } from "../live.js"
import type { Settings } from "../options.js"
import type { Sessions } from "../sessions.js"

/** The services of the handlers. */
export type Services = ControlPlane.Services | SqlClient.SqlClient

/** One Dashboard. */
export class Running extends Context.Tag("@sealant/db/dashboard/Running")<
  Running,
  {
    readonly settings: Settings
    readonly sessions: Sessions
    readonly live: Live
    /** Done when the server closes. */
    readonly closing: Deferred.Deferred<void>
  }
>() {}

/** Runs an action with the operator as the actor of its events. */
export const asOperator = <A, E, R>(action: Effect.Effect<A, E, R>): Effect.Effect<A, E | InvalidInput, R | Running> =>
  Effect.flatMap(Running, ({ settings }) => actingAs({ type: "operator", id: settings.actor })(action))

/** Builds the encoder of a result of a service to the JSON of the API. */
export const jsonOf = <A, I>(schema: Schema.Schema<A, I>): ((value: A) => I) => Schema.encodeSync(schema)

const invalid = (field: string, rule: string) =>
  new InvalidInput({ operation: "Dashboard", issues: [`${field}: ${rule}`] })

/** Splits a list of values; `undefined` without the parameter. */
export const listOf = (list: string | undefined): ReadonlyArray<string> | undefined =>
  list === undefined ? undefined : list.split(",").filter((value) => value !== "")

/** Decodes a list of the values of an enumeration. Fails with `InvalidInput`. */
export const literalsOf = <A extends string>(field: string, schema: Schema.Schema<A>, list: string | undefined) => {
  const isValue = Schema.is(schema)
  const values = listOf(list)
  if (values === undefined) return Effect.succeed(undefined)
  return values.every(isValue)
    ? Effect.succeed(values.filter(isValue))
    : Effect.fail(invalid(field, "must be a list of known values, separated by commas"))
}

const decodeTime = Schema.decodeUnknownEither(Schema.DateTimeUtc)

/** Decodes a time. Fails with `InvalidInput`. */
export const timeOf = (field: string, text: string) =>
  Effect.mapError(decodeTime(text), () => invalid(field, "must be a time in ISO 8601: 2026-01-31T12:00:00Z"))

/** Decodes an optional time. Fails with `InvalidInput`. */
export const optionalTimeOf = (field: string, text: string | undefined) =>
  text === undefined ? Effect.succeed(undefined) : timeOf(field, text)

/** Removes the parameters that are absent, so that they do not count as `undefined` where a service refuses that. */
export const given = <A extends object>(parameters: A): { [K in keyof A]: Exclude<A[K], undefined> } =>
  Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined)) as {
    [K in keyof A]: Exclude<A[K], undefined>
  }

/** The errors that every handler may have. */
export type Failure = InvalidInput | PersistenceError
