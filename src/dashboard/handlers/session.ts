/**
 * The handlers of sessions.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Effect, Option } from "effect"
import { basename } from "node:path"
import { placeOf } from "../../operations/reader.js"
import { type Config, DashboardApi } from "../api/index.js"
import { cookieName, cookieOptions } from "../sessions.js"
import { Running } from "./running.js"

const databaseOf = (sql: SqlClient.SqlClient): NonNullable<Config["database"]> => {
  const place = placeOf(sql)
  if (place.kind === "file") return { kind: "file", name: basename(place.path) }
  return place.kind === "memory" ? { kind: "memory", name: "in memory" } : { kind: "server", name: "libSQL server" }
}

/** The configuration for a request with this cookie. */
const configOf = (cookie: string | undefined) =>
  Effect.gen(function* () {
    const { sessions, settings } = yield* Running
    const sql = yield* SqlClient.SqlClient
    const authenticated = yield* sessions.isCurrent(cookie)
    const config: Config = {
      mode: settings.readOnly ? "read-only" : "read-write",
      payloads: settings.payloads,
      loginRequired: sessions.loginRequired,
      authenticated,
      csrfToken: sessions.csrfToken(cookie),
      now: new Date(yield* Clock.currentTimeMillis).toISOString(),
      ...(authenticated ? { actor: `operator:${settings.actor}`, database: databaseOf(sql) } : {})
    }
    return config
  })

const setCookie = (value: string) =>
  Effect.flatMap(Running, ({ settings }) =>
    HttpApp.appendPreResponseHandler((_, response) =>
      Effect.succeed(HttpServerResponse.unsafeSetCookie(response, cookieName, value, cookieOptions(settings.path)))
    )
  )

const removeCookie = Effect.flatMap(Running, ({ settings }) =>
  HttpApp.appendPreResponseHandler((_, response) =>
    Effect.succeed(HttpServerResponse.expireCookie(response, cookieName, { path: `${settings.path}/` }))
  )
)

export const sessionLive = HttpApiBuilder.group(DashboardApi, "session", (handlers) =>
  handlers
    .handle("config", ({ request }) => configOf(request.cookies[cookieName]))
    .handle("login", ({ payload: { token }, request }) =>
      Effect.gen(function* () {
        const { sessions } = yield* Running
        const address = Option.getOrElse(request.remoteAddress, () => "unknown")
        const cookie = yield* sessions.login(token, address)
        yield* setCookie(cookie)
        return yield* configOf(cookie)
      })
    )
    .handle("logout", () => Effect.zipRight(removeCookie, configOf(undefined)))
)
