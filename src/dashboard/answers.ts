/**
 * Responses of the Dashboard: errors as one line of JSON, and the headers of every response.
 */
import * as Headers from "@effect/platform/Headers"
import type * as HttpApiError from "@effect/platform/HttpApiError"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Cause, Effect, Predicate, Schema } from "effect"
import { InvalidInput } from "../Errors.js"
import { ServerError } from "./api/index.js"

/**
 * The headers of every response: no scripts, styles or connections of other sites, no frames, no sniffing, no referrer.
 * Charts and diagrams set styles of elements; scripts are files.
 */
export const securityHeaders = Headers.fromInput({
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; font-src 'self'; " +
    "connect-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin"
})

type Tagged = Error & { readonly _tag: string }

const hasSchema = (error: unknown): error is Tagged & { readonly constructor: Schema.Schema.AnyNoContext } =>
  error instanceof Error && Predicate.hasProperty(error, "_tag") && Schema.isSchema(error.constructor)

/** Builds the response of an error: its fields and its message as JSON, under its HTTP status. */
export const errorResponse = (error: unknown): HttpServerResponse.HttpServerResponse => {
  const known = hasSchema(error) ? error : new ServerError()
  const schema = hasSchema(known) ? known.constructor : ServerError
  const fields: unknown = Schema.encodeUnknownSync(schema)(known)
  const status = HttpApiSchema.getStatusError(schema)
  return HttpServerResponse.unsafeJson(
    { ...(Predicate.isRecord(fields) ? fields : {}), message: known.message.replaceAll(/\s+/g, " ") },
    { status, headers: { "cache-control": "no-store" } }
  )
}

const ruleOf = (tag: string) => {
  if (tag === "Missing") return "is missing"
  return tag === "Unexpected" ? "is not a known field" : "is invalid"
}

/** Converts the error of a parameter or a body to `InvalidInput`, without the rejected values. */
const invalidInput = ({ issues }: HttpApiError.HttpApiDecodeError) => {
  const rules = issues.map(({ _tag, path }) => `${path.length === 0 ? "request" : path.join(".")}: ${ruleOf(_tag)}`)
  return new InvalidInput({ operation: "Dashboard", issues: [...new Set(rules)].slice(0, 10) })
}

const isDecodeError = Predicate.isTagged("HttpApiDecodeError") as (
  error: unknown
) => error is HttpApiError.HttpApiDecodeError

/**
 * Converts the cause of a failed request to its response. The cause of an unexpected failure is logged by its kind only,
 * because messages may contain values.
 */
export const responseOfCause = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  if (isDecodeError(error)) return Effect.succeed(errorResponse(invalidInput(error)))
  if (Predicate.isTagged(error, "RequestError")) {
    const issues = ["body: must be a JSON document of at most 100 KB"]
    return Effect.succeed(errorResponse(new InvalidInput({ operation: "Dashboard", issues })))
  }
  if (Predicate.isTagged(error, "RouteNotFound")) return Effect.succeed(notFound)
  if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
  if (hasSchema(error)) return Effect.succeed(errorResponse(error))
  const kind = Predicate.hasProperty(error, "_tag")
    ? String(error._tag)
    : error instanceof Error
      ? error.name
      : "defect"
  return Effect.as(Effect.logError(`a request of the Dashboard failed: ${kind}`), errorResponse(new ServerError()))
}

/** The response for an unknown path of the API. */
export const notFound = HttpServerResponse.unsafeJson(
  { _tag: "RouteNotFound", message: "there is no such endpoint" },
  { status: 404, headers: { "cache-control": "no-store" } }
)
