import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Cause, DateTime, Effect, Exit, Layer, Option, Redacted, Schema, TestClock } from "effect"
import { Session, SessionId } from "../../src/auth/Session.js"
import { SessionRepo } from "../../src/auth/SessionRepo.js"
import { UserId } from "../../src/auth/User.js"
import { overDatabases, seedUser } from "../support/database.js"
import { pages, shell } from "../support/lists.js"
import { planIssues } from "../support/plans.js"
import { badNames, refusalOf, tagOf } from "../support/refusals.js"

const ada = UserId.make("ada")
const eve = UserId.make("eve")
const seed = Layer.effectDiscard(Effect.all([seedUser(ada), seedUser(eve)]))

const layers = overDatabases(Layer.merge(SessionRepo.layer, seed))

const at = (millis: number) => DateTime.unsafeMake(millis)
const token = (text: string) => Redacted.make(text)
const session = (id: string, userId = ada) => ({ id, userId, token: token(`token-${id}`), expiresAt: at(10_000) })
const gone = SessionId.make("gone")

const suite = (name: string, layer: Layer.Layer<SessionRepo | SqlClient.SqlClient>) =>
  describe(`SessionRepo (${name})`, () => {
    it.effect("finds a session by its token until it expires", () =>
      Effect.gen(function* () {
        const sessions = yield* SessionRepo
        const { id: _, ...given } = session("one")
        const created = yield* sessions.create({ ...given, ipAddress: "127.0.0.1", userAgent: "curl" })
        expect(created.id).toMatch(/^session_/)
        expect(created).toMatchObject({
          userId: ada,
          ipAddress: Option.some("127.0.0.1"),
          userAgent: Option.some("curl")
        })
        expect(Redacted.value(created.token)).toBe("token-one")
        yield* TestClock.setTime(9999)
        expect(Option.map(yield* sessions.findByToken(token("token-one")), ({ id }) => id)).toEqual(
          Option.some(created.id)
        )
        expect(yield* sessions.findByToken(token("token-two"))).toEqual(Option.none())
        yield* TestClock.setTime(10_000)
        expect(yield* sessions.findByToken(token("token-one"))).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("extends active sessions only", () =>
      Effect.gen(function* () {
        const sessions = yield* SessionRepo
        const { id } = yield* sessions.create(session("one"))
        yield* TestClock.setTime(5000)
        expect(yield* sessions.extend({ id, expiresAt: at(20_000) })).toMatchObject({
          expiresAt: { epochMillis: 20_000 },
          updatedAt: { epochMillis: 5000 }
        })
        expect(yield* tagOf(sessions.extend({ id: "gone", expiresAt: at(20_000) }))).toBe("NotFound")
        expect(yield* tagOf(sessions.extend({ id, expiresAt: at(-1) }))).toBe("InvalidInput")
        yield* TestClock.setTime(20_000)
        expect(yield* tagOf(sessions.extend({ id, expiresAt: at(30_000) }))).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )

    it.effect("revokes one session, or all sessions of one user", () =>
      Effect.gen(function* () {
        const sessions = yield* SessionRepo
        for (const id of ["a", "b", "c"]) yield* sessions.create(session(id))
        yield* sessions.create(session("hers", eve))
        yield* sessions.revoke(SessionId.make("a"))
        expect(yield* sessions.findByToken(token("token-a"))).toEqual(Option.none())
        expect(yield* tagOf(sessions.revoke(SessionId.make("a")))).toBe("NotFound")
        expect(yield* sessions.revokeAllForUser(ada)).toBe(2)
        expect(yield* sessions.revokeAllForUser(ada)).toBe(0)
        expect((yield* sessions.listForUser({ userId: eve })).items).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists the sessions of a user, newest first, while rows are inserted and deleted", () =>
      Effect.gen(function* () {
        const sessions = yield* SessionRepo
        for (let index = 0; index < 25; index++) {
          yield* TestClock.setTime(index < 10 ? 0 : index)
          yield* sessions.create(session(`s${String(index).padStart(2, "0")}`))
        }
        yield* sessions.create(session("hers", eve))
        let more = 0
        const between = Effect.suspend(() => sessions.create(session(`later${more++}`)))
        const listed = yield* pages((page) => sessions.listForUser({ userId: ada, ...page }), 4, between)
        expect(listed.map(({ id }) => String(id))).toEqual(
          Array.from({ length: 25 }, (_, index) => `s${String(24 - index).padStart(2, "0")}`)
        )
        expect(yield* tagOf(Effect.asVoid(sessions.listForUser({ userId: ada, cursor: "no" })))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("purges expired sessions, oldest first, up to a limit", () =>
      Effect.gen(function* () {
        const sessions = yield* SessionRepo
        for (const expires of [3, 1, 2, 9])
          yield* sessions.create({ ...session(`s${expires}`), expiresAt: at(expires) })
        yield* TestClock.setTime(3)
        expect(yield* sessions.purgeExpired(2)).toBe(2)
        expect((yield* sessions.listForUser({ userId: ada })).items.map(({ id }) => String(id)).toSorted()).toEqual([
          "s3",
          "s9"
        ])
        expect(yield* sessions.purgeExpired(1000)).toBe(1)
        for (const limit of [0, 1001, 1.5, Number.NaN])
          expect(yield* tagOf(sessions.purgeExpired(limit))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects duplicates, unknown ids and invalid input without showing a token", () =>
      Effect.gen(function* () {
        const sessions = yield* SessionRepo
        const secret = "s3cr3t-t0ken"
        const created = yield* sessions.create({ ...session("one"), token: token(secret) })
        expect(
          String(created) + JSON.stringify(created) + JSON.stringify(Schema.encodeSync(Session.json)(created))
        ).not.toContain(secret)
        const refusals = [
          [sessions.create({ ...session("two"), token: token(secret) }), "AlreadyExists"],
          [sessions.create({ ...session("three"), userId: "nobody", token: token(`${secret}2`) }), "ReferenceNotFound"],
          [sessions.create({ ...session("four"), token: token(`${secret}\0`) }), "InvalidInput"],
          [sessions.create({ ...session("five"), token: token(secret.repeat(1000)) }), "InvalidInput"],
          [sessions.create({ ...session("six"), token: token(`${secret}6`), ipAddress: badNames.nul }), "InvalidInput"],
          [sessions.create({ ...session("seven"), token: token(`${secret}7`), expiresAt: at(-1) }), "InvalidInput"]
        ] as const
        for (const [refused, tag] of refusals) {
          const exit = yield* Effect.exit(Effect.asVoid(refused))
          expect(yield* tagOf(Effect.asVoid(refused))).toBe(tag)
          expect(Exit.isFailure(exit) ? Cause.pretty(exit.cause) + JSON.stringify(exit.cause) : secret).not.toContain(
            secret
          )
        }
        expect(yield* refusalOf(sessions.create({ ...session("eight"), userId: "nobody" }))).toMatchObject({
          reference: "userId"
        })
        expect(yield* tagOf(Effect.asVoid(sessions.findByToken(token(""))))).toBe("InvalidInput")
        expect(yield* shell("SELECT 1 FROM session")).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("SessionRepo", () => {
  it.effect("uses an index in every statement", () =>
    Effect.gen(function* () {
      const sessions = yield* SessionRepo
      const methods = {
        create: Effect.asVoid(sessions.create(session("one"))),
        findByToken: Effect.asVoid(sessions.findByToken(token("one"))),
        listForUser: Effect.asVoid(sessions.listForUser({ userId: ada })),
        extend: Effect.ignore(sessions.extend({ id: "one", expiresAt: at(1) })),
        revoke: Effect.ignore(sessions.revoke(gone)),
        revokeAllForUser: Effect.asVoid(sessions.revokeAllForUser(ada)),
        purgeExpired: Effect.asVoid(sessions.purgeExpired(10))
      }
      for (const [method, effect] of Object.entries(methods)) expect(yield* planIssues(effect), method).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )
})
