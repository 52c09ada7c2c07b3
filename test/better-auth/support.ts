/**
 * A Better Auth server in this process, on the database of the test.
 */
import type { SqlClient } from "@effect/sql"
import { betterAuth, type BetterAuthOptions } from "better-auth"
import { Effect } from "effect"
import { betterAuthAdapter } from "@sealant/db/better-auth"

const origin = "http://localhost:3000"

/** Settings of every server: no network, no rate limits, no output. */
export const quiet = {
  baseURL: origin,
  secret: "a secret of some forty characters, for tests",
  telemetry: { enabled: false },
  rateLimit: { enabled: false },
  logger: { disabled: true }
} satisfies BetterAuthOptions

/** Hashing without cost, for tests of other features. */
export const quickPasswords = {
  hash: async (password: string) => `hash of ${password}`,
  verify: async ({ hash, password }: { readonly hash: string; readonly password: string }) =>
    hash === `hash of ${password}`
}

/** A server, and a function that sends requests to it with cookies, as a browser does. */
export const serve = <const Options extends Partial<BetterAuthOptions>>(options: Options) =>
  Effect.map(Effect.runtime<SqlClient.SqlClient>(), (runtime) => {
    const auth = betterAuth({ ...quiet, ...options, database: betterAuthAdapter(runtime) })
    return { auth, browser: () => browserOf(auth.handler) }
  })

/** Stores received cookies, and sends them back. */
const browserOf = (handler: (request: Request) => Promise<Response>) => {
  const cookies = new Map<string, string>()
  const send = (path: string, init: RequestInit) =>
    Effect.promise(async () => {
      const cookie = Array.from(cookies, ([name, value]) => `${name}=${value}`).join("; ")
      const headers = { origin, "content-type": "application/json", ...(cookie === "" ? {} : { cookie }) }
      const response = await handler(new Request(`${origin}/api/auth${path}`, { ...init, headers }))
      for (const header of response.headers.getSetCookie()) {
        const [pair = "", ...attributes] = header.split("; ")
        const at = pair.indexOf("=")
        if (attributes.includes("Max-Age=0")) cookies.delete(pair.slice(0, at))
        else cookies.set(pair.slice(0, at), pair.slice(at + 1))
      }
      const text = await response.text()
      const body: unknown = response.headers.get("content-type")?.includes("json") === true ? JSON.parse(text) : text
      return { status: response.status, body, headers: response.headers }
    })
  return {
    get: (path: string) => send(path, { method: "GET" }),
    post: (path: string, body: unknown = {}) => send(path, { method: "POST", body: JSON.stringify(body) }),
    cookies
  }
}
