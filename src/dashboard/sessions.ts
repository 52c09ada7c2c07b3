/**
 * Sessions, CSRF tokens and login attempts. All state is in memory; a session needs none: its cookie is a MAC under the
 * token of the Dashboard, so that it ends when the token changes.
 */
import { Clock, Effect, Option, Redacted } from "effect"
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { Forbidden, TooManyAttempts } from "./api/index.js"

/** The name of the cookie. */
export const cookieName = "sealant_dashboard"

/** The lifetime of a session. */
const sessionMillis = 12 * 60 * 60 * 1000

/** The number of wrong tokens of one address in a minute. */
const attemptsPerMinute = 10

// A client can choose among many IPv6 addresses, so that their number is limited. The oldest is forgotten.
const mostAddresses = 1000

const mac = (key: string, text: string) => createHmac("sha256", key).update(text).digest("base64url")

/** Compares two texts in a time that does not depend on their content. */
export const isSame = (one: string, other: string): boolean =>
  // The MACs have the same length, as `timingSafeEqual` requires.
  timingSafeEqual(
    createHmac("sha256", "compare").update(one).digest(),
    createHmac("sha256", "compare").update(other).digest()
  )

export interface Sessions {
  readonly loginRequired: boolean
  /** Returns whether a cookie is a current session. Always true without a token. */
  readonly isCurrent: (cookie: string | undefined) => Effect.Effect<boolean>
  /** Returns the CSRF token for a request with this cookie. */
  readonly csrfToken: (cookie: string | undefined) => string
  /** Checks a token from `address`, and returns the cookie of a new session. */
  readonly login: (token: string, address: string) => Effect.Effect<string, Forbidden | TooManyAttempts>
}

interface Attempts {
  readonly count: number
  readonly until: number
}

/** Limits wrong tokens by the address of the client. */
const makeLimiter = () => {
  const wrong = new Map<string, Attempts>()
  const current = (address: string, now: number): Attempts => {
    const attempts = wrong.get(address)
    return attempts === undefined || attempts.until <= now ? { count: 0, until: now + 60_000 } : attempts
  }
  return {
    check: (address: string, now: number) => {
      const { count, until } = current(address, now)
      return count < attemptsPerMinute
        ? Effect.void
        : Effect.fail(new TooManyAttempts({ retryAfterSeconds: Math.ceil((until - now) / 1000) }))
    },
    record: (address: string, now: number) => {
      const { count, until } = current(address, now)
      wrong.delete(address)
      wrong.set(address, { count: count + 1, until })
      const [oldest] = wrong.keys()
      if (wrong.size > mostAddresses && oldest !== undefined) wrong.delete(oldest)
    }
  }
}

/** Makes the sessions of a Dashboard. */
export const makeSessions = (token: Option.Option<Redacted.Redacted>): Sessions => {
  const limiter = makeLimiter()
  // Of this process: a restart invalidates the tokens of open pages, which then read their configuration again.
  const csrfKey = randomBytes(32).toString("base64url")
  const secret = Option.map(token, Redacted.value)

  const cookieAt = (secret: string, expires: number) => `${expires}.${mac(secret, `session ${expires}`)}`

  return {
    loginRequired: Option.isSome(secret),

    isCurrent: (cookie = "") =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (Option.isNone(secret)) return true
        const expires = Number(/^(\d{1,15})\./.exec(cookie)?.[1] ?? 0)
        return isSame(cookie, cookieAt(secret.value, expires)) && expires > now
      }),

    csrfToken: (cookie = "") => mac(csrfKey, `csrf ${cookie}`),

    login: (entered, address) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        yield* limiter.check(address, now)
        if (Option.isNone(secret) || !isSame(entered, secret.value)) {
          limiter.record(address, now)
          return yield* new Forbidden({ reason: "token" })
        }
        return cookieAt(secret.value, now + sessionMillis)
      })
  }
}

/** The attributes of the cookie. Scripts cannot read it, and no other site can make a browser send it. */
export const cookieOptions = (path: string) =>
  ({ httpOnly: true, sameSite: "strict", path: `${path}/`, maxAge: sessionMillis }) as const
