/**
 * Parts that the groups of the API share. Every type of the API is plain JSON: times are ISO 8601 texts, absent fields
 * are omitted, and a schema and its encoded form have the same type. A page needs no decoder.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"
import { ControlPlaneEvent } from "../../events/ControlPlaneEvent.js"
import { storable } from "../../sql/columns.js"

/** The JSON of a result of a service. */
export const jsonOf = <A, I>(schema: Schema.Schema<A, I>): Schema.SchemaClass<I> => Schema.encodedSchema(schema)

/** A point in time, in ISO 8601 with milliseconds, in UTC: `2026-01-31T12:00:00.000Z`. */
export const Time = Schema.String

/** One page of a list. `nextCursor` is absent on the last page. */
export const pageOf = <A extends Schema.Schema.Any>(item: A) =>
  Schema.Struct({ items: Schema.Array(item), nextCursor: Schema.optional(Schema.String) })

/** Parameters of a paged list: `limit` is 1 to 500, default 50; `cursor` is the `nextCursor` of the previous page. */
export const pageParams = { limit: Schema.optional(Schema.NumberFromString), cursor: Schema.optional(Schema.String) }

/** A list of values in one parameter, separated by commas: `status=queued,running`. */
export const List = Schema.String

/** Path parameter: the id of a row. */
export const ById = Schema.Struct({ id: storable(Schema.String) })

/** The body of a write without parameters. */
export const Nothing = Schema.Struct({})

/** The session is missing or has ended. The page shows the login form. HTTP 401. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>("@sealant/db/dashboard/Unauthenticated")(
  "Unauthenticated",
  {},
  HttpApiSchema.annotations({ status: 401 })
) {
  override get message() {
    return "log in with the token of the Dashboard"
  }
}

/** The reason of `Forbidden`. */
export const ForbiddenReason = Schema.Literal("host", "origin", "csrf", "token")
export type ForbiddenReason = typeof ForbiddenReason.Type

const remedies: Readonly<Record<ForbiddenReason, string>> = {
  host: "the Host header is not an address of the Dashboard; open the address that it printed, or pass --host",
  origin: "the request comes from another site",
  csrf: "the x-csrf-token header is missing or stale; reload the page",
  token: "the token is wrong"
}

/** The request is refused, whatever its content. HTTP 403. */
export class Forbidden extends Schema.TaggedError<Forbidden>("@sealant/db/dashboard/Forbidden")(
  "Forbidden",
  { reason: ForbiddenReason },
  HttpApiSchema.annotations({ status: 403 })
) {
  override get message() {
    return remedies[this.reason]
  }
}

/** Too many wrong tokens. HTTP 429. */
export class TooManyAttempts extends Schema.TaggedError<TooManyAttempts>("@sealant/db/dashboard/TooManyAttempts")(
  "TooManyAttempts",
  { retryAfterSeconds: Schema.Number },
  HttpApiSchema.annotations({ status: 429 })
) {
  override get message() {
    return `too many wrong tokens; try again in ${this.retryAfterSeconds} seconds`
  }
}

/** The request failed for a reason that only the log of the server contains. HTTP 500. */
export class ServerError extends Schema.TaggedError<ServerError>("@sealant/db/dashboard/ServerError")(
  "ServerError",
  {},
  HttpApiSchema.annotations({ status: 500 })
) {
  override get message() {
    return "the server could not answer; its log has the reason"
  }
}

/** The operation cannot run on this database or in this directory. HTTP 409. */
export class Refused extends Schema.TaggedError<Refused>("@sealant/db/dashboard/Refused")(
  "Refused",
  { problem: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return this.problem
  }
}

/**
 * An event of the journal. `actorType` and `actorId` make the actor: `operator` and `alice` are shown as
 * `operator:alice`.
 */
export const JournalEvent = jsonOf(ControlPlaneEvent.json)
export type JournalEvent = typeof JournalEvent.Type

/** The schema of a stream of server-sent events; see `LiveEvent` and `ExecutionLiveEvent` for the data. */
export const ServerSentEvents = HttpApiSchema.Text({ contentType: "text/event-stream" })
