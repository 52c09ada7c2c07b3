/**
 * Factories of users, sessions, accounts and verifications.
 */
import { DateTime, Effect, Redacted } from "effect"
import { Account, AccountId } from "../auth/Account.js"
import { Session, SessionId } from "../auth/Session.js"
import { User, UserId } from "../auth/User.js"
import { Verification, VerificationId } from "../auth/Verification.js"
import { idOrNew } from "../sql/ids.js"
import { defined, asId, ensure, factory, type Given, insert, type Made } from "./rows.js"

/** Creates a user. The name is the id, and the email contains it. */
export const user = (given: Given<User> = {}): Made<User> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(UserId, given.id), "user", UserId.make)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("user", User, {
      name: id,
      email: `${id}@example.com`,
      emailVerified: false,
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      id
    })
  }).pipe(factory("user"))

/** Creates a session, by default of a new user. It expires after a week, and its token contains the id. */
export const session = (given: Given<Session> = {}): Made<Session> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(SessionId, given.id), "session", SessionId.make)
    const userId = yield* owner(given.userId)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("session", Session, {
      token: Redacted.make(`token of ${id}`),
      expiresAt: DateTime.add(now, { days: 7 }),
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      id,
      userId
    })
  }).pipe(factory("session"))

/** Creates a GitHub account, by default of a new user. The account id at GitHub is the id. */
export const account = (given: Given<Account> = {}): Made<Account> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(AccountId, given.id), "account", AccountId.make)
    const userId = yield* owner(given.userId)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("account", Account, {
      providerId: "github",
      accountId: id,
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      id,
      userId
    })
  }).pipe(factory("account"))

/** Creates a verification that expires after an hour. Its identifier and value contain the id. */
export const verification = (given: Given<Verification> = {}): Made<Verification> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(VerificationId, given.id), "verification", VerificationId.make)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("verification", Verification, {
      identifier: Redacted.make(`${id}@example.com`),
      value: Redacted.make(`value of ${id}`),
      expiresAt: DateTime.add(now, { hours: 1 }),
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      id
    })
  }).pipe(factory("verification"))

/** Returns the id of a user, and creates the user if it does not exist. By default a new one. */
export const owner = (given: string | undefined) =>
  Effect.gen(function* () {
    yield* ensure("user", given, (id) => user({ id }))
    return given === undefined ? (yield* user()).id : UserId.make(given)
  })
