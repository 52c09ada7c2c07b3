/**
 * A client of the API, generated from its contract, with a session cookie.
 */
import { Cookies, FetchHttpClient, HttpApiClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { Effect, Ref } from "effect"
import { ControlPlaneApi } from "./api.js"

const password = "correct horse battery staple"

/** Signs up a user. Returns a client with the session of this user. */
export const signUp = (baseUrl: string, name: string) =>
  Effect.gen(function* () {
    const cookies = yield* Ref.make(Cookies.empty)
    const http = HttpClient.withCookiesRef(yield* HttpClient.HttpClient, cookies)
    yield* http
      .execute(
        HttpClientRequest.post(`${baseUrl}/api/auth/sign-up/email`).pipe(
          HttpClientRequest.bodyUnsafeJson({ name, email: `${name.toLowerCase()}@example.com`, password })
        )
      )
      .pipe(
        Effect.flatMap((answer) =>
          answer.status === 200 ? answer.text : Effect.fail(new Error(`sign-up: ${answer.status}`))
        )
      )
    const api = yield* HttpApiClient.makeWith(ControlPlaneApi, { baseUrl, httpClient: http })
    return { api, http: HttpClient.mapRequest(http, HttpClientRequest.prependUrl(baseUrl)) }
  }).pipe(Effect.provide(FetchHttpClient.layer))

export type Client = Effect.Effect.Success<ReturnType<typeof signUp>>
