/**
 * Middleware that rejects a request whose body is too large or not JSON, or that does not match the contract. By
 * default, the first two would be server errors, and the response to the third would contain the rejected values.
 */
import { HttpApiBuilder, HttpApiError, type HttpApp, HttpServerError, HttpServerRequest } from "@effect/platform"
import { InvalidInput } from "@sealant/db"
import { Cause, Effect, Option } from "effect"
import { ControlPlaneApi } from "./api.js"
import { BodyTooLarge, MalformedBody, maxBodyBytesOf } from "./refusals.js"

const ruleOf = (path: ReadonlyArray<PropertyKey>) =>
  `${path.length === 0 ? "request" : path.map(String).join(".")}: does not match the documentation`

const refusalOf = (problem: unknown): Option.Option<InvalidInput | MalformedBody> => {
  if (problem instanceof HttpApiError.HttpApiDecodeError) {
    return Option.some(
      new InvalidInput({ operation: "request", issues: [...new Set(problem.issues.map(({ path }) => ruleOf(path)))] })
    )
  }
  return problem instanceof HttpServerError.RequestError
    ? Option.some(new MalformedBody({ problem: "the body is not JSON, although its content type is" }))
    : Option.none()
}

const rejectInvalid = (app: HttpApp.Default) =>
  Effect.gen(function* () {
    const { headers, url } = yield* HttpServerRequest.HttpServerRequest
    const maxBytes = maxBodyBytesOf(new URL(url, "http://localhost").pathname)
    if (Number(headers["content-length"] ?? 0) > maxBytes) return yield* new BodyTooLarge({ maxBytes })
    return yield* app.pipe(
      Effect.catchSomeCause((cause) => Option.map(refusalOf(Cause.squash(cause)), Effect.fail)),
      // A longer body without a content-length is cut off, and the connection closed.
      HttpServerRequest.withMaxBodySize(Option.some(maxBytes))
    )
  })

export const requestsLayer = HttpApiBuilder.middleware(ControlPlaneApi, rejectInvalid)
