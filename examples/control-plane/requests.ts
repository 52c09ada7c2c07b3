/**
 * What is refused before an operation sees it, in answers that say what is wrong and never what stood there: a body that
 * is too large or no JSON, and a request out of shape. Without this, the first two would be the server's fault, and the
 * third would send back what it was given.
 */
import { HttpApiBuilder, HttpApiError, type HttpApp, HttpServerError, HttpServerRequest } from "@effect/platform"
import { InvalidInput } from "@sealant/db"
import { Cause, Effect, Option } from "effect"
import { ControlPlaneApi } from "./api.js"
import { BodyTooLarge, MalformedBody, maxBodyBytesOf } from "./refusals.js"

const ruleOf = (path: ReadonlyArray<PropertyKey>) => `${path.length === 0 ? "request" : path.map(String).join(".")}: is not as the documentation has it`

const refusalOf = (problem: unknown): Option.Option<InvalidInput | MalformedBody> => {
  if (problem instanceof HttpApiError.HttpApiDecodeError) {
    return Option.some(new InvalidInput({ operation: "request", issues: [...new Set(problem.issues.map(({ path }) => ruleOf(path)))] }))
  }
  return problem instanceof HttpServerError.RequestError
    ? Option.some(new MalformedBody({ problem: "the body is not the JSON that its content type says" }))
    : Option.none()
}

const understood = (app: HttpApp.Default) =>
  Effect.gen(function*() {
    const { headers, url } = yield* HttpServerRequest.HttpServerRequest
    const maxBytes = maxBodyBytesOf(new URL(url, "http://localhost").pathname)
    if (Number(headers["content-length"] ?? 0) > maxBytes) return yield* new BodyTooLarge({ maxBytes })
    return yield* app.pipe(
      Effect.catchSomeCause((cause) => Option.map(refusalOf(Cause.squash(cause)), Effect.fail)),
      // One that does not announce its length is cut off, and the connection with it.
      HttpServerRequest.withMaxBodySize(Option.some(maxBytes))
    )
  })

export const requestsLayer = HttpApiBuilder.middleware(ControlPlaneApi, understood)
