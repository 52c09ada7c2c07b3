/**
 * Factories of users, and of what says who they are.
 */
import { DateTime, Effect, Redacted } from "effect"
import { Account, AccountId } from "../auth/Account.js"
import { Session, SessionId } from "../auth/Session.js"
import { User, UserId } from "../auth/User.js"
import { Verification, VerificationId } from "../auth/Verification.js"
import { idOrNew } from "../sql/ids.js"
import { asId, ensure, factory, type Given, insert, type Made } from "./rows.js"

/** A user. Name and email are made from the id. */
export const user = (given: Given<User> = {}): Made<User> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(UserId, given.id), "user", UserId.make)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("user", User, {
      name: id,
      email: `${id}@example.com`,
      emailVerified: false,
      createdAt: now,
      updatedAt: now,
      ...given,
      id
    })
  }).pipe(factory("user"))

/** A session of the user that is given, of a new one if none is. It lives for a week, and its token is made from the id. */
export const session = (given: Given<Session> = {}): Made<Session> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(SessionId, given.id), "session", SessionId.make)
    const userId = yield* owner(given.userId)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("session", Session, {
      token: Redacted.make(`token of ${id}`),
      expiresAt: DateTime.add(now, { days: 7 }),
      createdAt: now,
      updatedAt: now,
      ...given,
      id,
      userId
    })
  }).pipe(factory("session"))

/** An account at GitHub of the user that is given, of a new one if none is. Its id there is made from the id. */
export const account = (given: Given<Account> = {}): Made<Account> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(AccountId, given.id), "account", AccountId.make)
    const userId = yield* owner(given.userId)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("account", Account, {
      providerId: "github",
      accountId: id,
      createdAt: now,
      updatedAt: now,
      ...given,
      id,
      userId
    })
  }).pipe(factory("account"))

/** A verification that can be consumed for an hour. Its identifier and value are made from the id. */
export const verification = (given: Given<Verification> = {}): Made<Verification> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(VerificationId, given.id), "verification", VerificationId.make)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("verification", Verification, {
      identifier: Redacted.make(`${id}@example.com`),
      value: Redacted.make(`value of ${id}`),
      expiresAt: DateTime.add(now, { hours: 1 }),
      createdAt: now,
      updatedAt: now,
      ...given,
      id
    })
  }).pipe(factory("verification"))

/** The user of this id, made when missing; a new one when none is given. */
export const owner = (given: string | undefined) =>
  Effect.gen(function*() {
    yield* ensure("user", given, (id) => user({ id }))
    return given === undefined ? (yield* user()).id : UserId.make(given)
  })
