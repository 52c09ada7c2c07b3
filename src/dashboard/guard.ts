/**
 * The checks of every request, before any handler: its host, its origin, its session and its CSRF token.
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Effect } from "effect"
import { isIP } from "node:net"
import { InvalidInput } from "../Errors.js"
import { csrfHeader, Forbidden, paths, Unauthenticated } from "./api/index.js"
import type { Settings } from "./options.js"
import { cookieName, isSame, type Sessions } from "./sessions.js"

/** The name in a Host header without its port, or `undefined` if the header is invalid. */
const nameOf = (host: string): string | undefined => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host)
  return (match?.[1] ?? match?.[2])?.toLowerCase()
}

/** Returns whether a Host header names this server. A name that another site controls could name any address. */
const isAllowedHost = (host: string, { allowedHosts }: Settings): boolean => {
  const name = nameOf(host)
  return name !== undefined && (name === "localhost" || isIP(name) !== 0 || allowedHosts.includes(name))
}

/** Returns whether a request comes from a page of this server. Programs other than browsers send no origin. */
const isSameOrigin = (headers: HttpServerRequest.HttpServerRequest["headers"]): boolean => {
  const { origin, host = "" } = headers
  const site = headers["sec-fetch-site"]
  if (origin !== undefined) return origin === `http://${host}` || origin === `https://${host}`
  return site === undefined || site === "same-origin" || site === "none"
}

const needsNoSession: ReadonlyArray<string> = Object.values(paths.session).map(([, path]) => path)

const jsonOnly = new InvalidInput({ operation: "Dashboard", issues: ["content-type: must be application/json"] })

/** Checks a request for the API. Fails with the error of the response. */
export const checkApiRequest = (sessions: Sessions, path: string) =>
  Effect.gen(function* () {
    const { cookies, headers, method } = yield* HttpServerRequest.HttpServerRequest
    // Another site may open a page here, but may not read an answer of the API.
    if (!isSameOrigin(headers)) return yield* new Forbidden({ reason: "origin" })
    const cookie = cookies[cookieName]
    if (!needsNoSession.includes(path) && !(yield* sessions.isCurrent(cookie))) return yield* new Unauthenticated()
    if (method !== "POST") return
    if (!isSame(headers[csrfHeader] ?? "", sessions.csrfToken(cookie))) return yield* new Forbidden({ reason: "csrf" })
    if (!/^application\/json\s*(;|$)/i.test(headers["content-type"] ?? "")) return yield* jsonOnly
  })

/** Checks the host of a request. Fails with `Forbidden`. */
export const checkHost = (settings: Settings) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
    isAllowedHost(headers["host"] ?? "", settings) ? Effect.void : new Forbidden({ reason: "host" })
  )
