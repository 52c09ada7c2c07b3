/**
 * The Better Auth server of the example, on the database of the control plane.
 */
import { HttpApiBuilder, HttpApiSchema, HttpApp } from "@effect/platform"
import type { SqlClient } from "@effect/sql"
import { betterAuthAdapter } from "@sealant/db/better-auth"
import { betterAuth } from "better-auth"
import { Config, Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import { randomBytes } from "node:crypto"

/** The session could not be read, because the database is busy or does not respond. */
export class SessionsUnavailable extends Schema.TaggedError<SessionsUnavailable>()(
  "SessionsUnavailable",
  {},
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return "the sessions could not be read; try again"
  }
}

export class AuthServer extends Context.Tag("AuthServer")<
  AuthServer,
  {
    readonly handler: (request: Request) => Promise<Response>
    /** The id of the user whose session a request carries. */
    readonly userOf: (
      headers: Readonly<Record<string, string>>
    ) => Effect.Effect<Option.Option<string>, SessionsUnavailable>
  }
>() {}

/** The secret that signs the cookies. By default random, so sessions end with the process. */
const cookieSecret = Config.redacted(Config.nonEmptyString("BETTER_AUTH_SECRET")).pipe(
  Config.orElse(() => Config.sync(() => Redacted.make(randomBytes(32).toString("hex"))))
)

const make = Effect.gen(function* () {
  const runtime = yield* Effect.runtime<SqlClient.SqlClient>()
  const auth = betterAuth({
    database: betterAuthAdapter(runtime),
    secret: Redacted.value(yield* cookieSecret),
    emailAndPassword: { enabled: true },
    // The clients of this example are programs, which send no Origin. A server for browsers must leave the check on.
    advanced: { disableCSRFCheck: true },
    rateLimit: { enabled: false },
    logger: { level: "error" },
    telemetry: { enabled: false }
  })
  return AuthServer.of({
    handler: auth.handler,
    userOf: (headers) =>
      Effect.tryPromise({
        try: () => auth.api.getSession({ headers: new Headers(headers) }),
        catch: () => new SessionsUnavailable()
      }).pipe(Effect.map((session) => Option.map(Option.fromNullable(session), ({ user }) => user.id)))
  })
})

export const authServerLayer = Layer.effect(AuthServer, make)

/** The routes of Better Auth: `/api/auth/*`. */
export const authRoutes = HttpApiBuilder.Router.use((router) =>
  Effect.flatMap(AuthServer, ({ handler }) => router.all("/api/auth/*", HttpApp.fromWebHandler(handler)))
)
