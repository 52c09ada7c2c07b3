/**
 * Authentication: the user of the session in the cookie of Better Auth. Operations take the owner of rows only from
 * here, never from the request.
 */
import { HttpApiMiddleware, HttpApiSchema, HttpApiSecurity, HttpServerRequest } from "@effect/platform"
import { UserId } from "@sealant/db/auth"
import { actingAs } from "@sealant/db/events"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { AuthServer, SessionsUnavailable } from "./authServer.js"

/** The request has no valid session. */
export class SignedOut extends Schema.TaggedError<SignedOut>()(
  "SignedOut",
  {},
  HttpApiSchema.annotations({ status: 401 })
) {
  override get message() {
    return "sign in first: POST /api/auth/sign-in/email"
  }
}

/** The user of the request. */
export class CurrentUser extends Context.Tag("CurrentUser")<CurrentUser, { readonly id: UserId }>() {}

/** Runs an operation for the current user, and as this actor in the journal. */
export const asUser = <A, E, R>(operation: (userId: UserId) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(CurrentUser, ({ id }) => actingAs({ type: "user", id })(operation(id)))

export class Authentication extends HttpApiMiddleware.Tag<Authentication>()("Authentication", {
  failure: Schema.Union(SignedOut, SessionsUnavailable),
  provides: CurrentUser,
  security: { session: HttpApiSecurity.apiKey({ in: "cookie", key: "better-auth.session_token" }) }
}) {}

export const authenticationLayer = Layer.effect(
  Authentication,
  Effect.map(AuthServer, ({ userOf }) => ({
    // Better Auth checks the signature of the cookie, so it needs all headers and not only the token.
    session: () =>
      HttpServerRequest.HttpServerRequest.pipe(
        Effect.flatMap(({ headers }) => userOf(headers)),
        Effect.flatMap(
          Option.match({ onNone: () => new SignedOut(), onSome: (id) => Effect.succeed({ id: UserId.make(id) }) })
        )
      )
  }))
)
