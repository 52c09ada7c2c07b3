/**
 * A valid call of each method of the auth services.
 */
import { DateTime, Redacted } from "effect"
import type { Samples } from "../samples.js"
import type { Fixture } from "../fixtureRows.js"

const later = DateTime.unsafeMake(1_000_000)

export const authSamples = ({ ada }: Fixture): Samples => ({
  UserRepo: {
    create: [
      { id: "bob", name: "Bob", email: "bob@example.com", emailVerified: true, image: "https://example.com/bob.png" }
    ],
    ensure: [{ name: "Bob", email: "bob@example.com" }],
    findById: [ada],
    getById: [ada],
    findByEmail: ["ada@example.com"],
    update: [
      { id: ada, name: "Ada", email: "ada@example.org", emailVerified: true, image: "https://example.com/ada.png" }
    ],
    delete: [ada]
  },
  SessionRepo: {
    create: [
      {
        id: "session",
        userId: ada,
        token: Redacted.make("token"),
        expiresAt: later,
        ipAddress: "127.0.0.1",
        userAgent: "test"
      }
    ],
    findByToken: [Redacted.make("token")],
    listForUser: [{ userId: ada, limit: 10 }],
    extend: [{ id: "signed-in", ownerUserId: ada, expiresAt: later }],
    revoke: [{ id: "signed-in", ownerUserId: ada }],
    revokeAllForUser: [ada],
    purgeExpired: [10]
  },
  AccountRepo: {
    link: [
      {
        id: "account",
        userId: ada,
        providerId: "github",
        accountId: "42",
        accessToken: Redacted.make("access"),
        refreshToken: Redacted.make("refresh"),
        idToken: Redacted.make("id"),
        accessTokenExpiresAt: later,
        refreshTokenExpiresAt: later,
        scope: "repo",
        password: Redacted.make("hash")
      }
    ],
    find: [{ providerId: "github", accountId: "7" }],
    listForUser: [{ userId: ada, limit: 10 }],
    updateTokens: [
      {
        id: "linked",
        ownerUserId: ada,
        accessToken: Redacted.make("access"),
        refreshToken: Redacted.make("refresh"),
        idToken: Redacted.make("id"),
        accessTokenExpiresAt: later,
        refreshTokenExpiresAt: later,
        scope: "repo",
        password: Redacted.make("hash")
      }
    ],
    unlink: [{ id: "linked", ownerUserId: ada }]
  },
  VerificationRepo: {
    create: [{ id: "verification", identifier: "ada@example.com", value: Redacted.make("code"), expiresAt: later }],
    consume: [{ identifier: "ada@example.com", value: Redacted.make("code") }],
    purgeExpired: [10]
  }
})
