/**
 * A Better Auth server in this process, and the rows that the repositories read.
 */
import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Redacted } from "effect"
import { Factories } from "@sealant/db/testing"
import * as Auth from "../../src/auth/index.js"
import { AccountRepo } from "../../src/auth/AccountRepo.js"
import { SessionRepo } from "../../src/auth/SessionRepo.js"
import { UserId } from "../../src/auth/User.js"
import { UserRepo } from "../../src/auth/UserRepo.js"
import { VerificationRepo } from "../../src/auth/VerificationRepo.js"
import { databaseLayers } from "../support/database.js"
import { shell } from "../support/lists.js"
import { quickPasswords, serve } from "./support.js"

const ada = { name: "Ada", email: "Ada@Example.com", password: "a long passphrase" }
const credentials = { email: ada.email, password: ada.password }

const emailAndPassword = { enabled: true }

/** A provider without requests: every token is valid and contains its user. */
const google = { clientId: "client", clientSecret: "secret", verifyIdToken: async () => true }

const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
const profile = { sub: "1234567890", name: "Ada at Google", email: "ada@example.com", email_verified: true }
const idToken = {
  token: `${base64({ alg: "none" })}.${base64(profile)}.`,
  accessToken: "access-token",
  refreshToken: "refresh-token"
}

const rowsOf = (table: string) => Effect.map(shell(`SELECT * FROM "${table}"`), (rows) => rows.length)

const userIn = (body: unknown) => UserId.make((body as { readonly user: { readonly id: string } }).user.id)

const suite = (name: string, database: Layer.Layer<SqlClient.SqlClient>) => {
  const layer = Layer.provideMerge(Auth.layer, database)
  describe(`Better Auth (${name})`, () => {
    it.effect("signs up, in and out, and leaves rows that the repositories read", () =>
      Effect.gen(function* () {
        const { browser } = yield* serve({ emailAndPassword })
        const laptop = browser()
        const signedUp = yield* laptop.post("/sign-up/email", ada)
        expect(signedUp.status).toBe(200)
        const id = userIn(signedUp.body)

        const user = yield* (yield* UserRepo).getById(id)
        expect(user).toMatchObject({
          name: "Ada",
          email: "ada@example.com",
          emailVerified: false,
          image: Option.none()
        })
        expect(Math.abs(user.createdAt.epochMillis - Date.now())).toBeLessThan(60_000)

        const accounts = yield* AccountRepo
        const account = Option.getOrThrow(yield* accounts.find({ providerId: "credential", accountId: id }))
        expect(account.userId).toBe(id)
        expect(Redacted.value(Option.getOrThrow(account.password))).toMatch(/^[0-9a-f]+:[0-9a-f]+$/)

        expect((yield* laptop.get("/get-session")).body).toMatchObject({ user: { id, email: "ada@example.com" } })
        const sessions = yield* SessionRepo
        const [session] = (yield* sessions.listForUser({ userId: id })).items
        expect(session?.userId).toBe(id)
        const token = session?.token ?? Redacted.make("none")
        expect(yield* sessions.findByToken(token)).toEqual(Option.fromNullable(session))

        const phone = browser()
        expect((yield* phone.post("/sign-in/email", { ...credentials, password: "a wrong passphrase" })).status).toBe(
          401
        )
        expect((yield* phone.get("/get-session")).body).toBeNull()
        expect((yield* phone.post("/sign-in/email", { ...credentials, email: "ADA@EXAMPLE.COM" })).status).toBe(200)
        expect((yield* sessions.listForUser({ userId: id })).items).toHaveLength(2)

        expect((yield* laptop.post("/sign-out")).status).toBe(200)
        expect(yield* sessions.findByToken(token)).toEqual(Option.none())
        expect((yield* laptop.get("/get-session")).body).toBeNull()
        expect((yield* phone.get("/get-session")).body).toMatchObject({ user: { id } })
      }).pipe(Effect.provide(layer))
    )

    it.effect("extends a session while it is used", () =>
      Effect.gen(function* () {
        const { browser } = yield* serve({ emailAndPassword, session: { expiresIn: 3600, updateAge: 60 } })
        const laptop = browser()
        const userId = userIn((yield* laptop.post("/sign-up/email", ada)).body)
        const sessions = yield* SessionRepo
        const only = Effect.map(sessions.listForUser({ userId }), ({ items }) => items[0]?.expiresAt.epochMillis ?? 0)
        const first = yield* only
        const [session] = (yield* sessions.listForUser({ userId })).items
        yield* sessions.extend({ id: session?.id ?? "none", expiresAt: DateTime.unsafeMake(first - 3_000_000) })
        expect((yield* laptop.get("/get-session")).body).toMatchObject({ user: { id: userId } })
        expect(yield* only).toBeGreaterThanOrEqual(first)
        yield* shell("UPDATE session SET expires_at = 1")
        expect((yield* laptop.get("/get-session")).body).toBeNull()
        expect(yield* sessions.purgeExpired(10)).toBe(0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("resets a password once per token", () =>
      Effect.gen(function* () {
        const tokens: Array<string> = []
        const sendResetPassword = async ({ token }: { readonly token: string }) => void tokens.push(token)
        const { browser } = yield* serve({ emailAndPassword: { ...emailAndPassword, sendResetPassword } })
        const id = userIn((yield* browser().post("/sign-up/email", ada)).body)
        for (const _ of [1, 2]) yield* browser().post("/request-password-reset", { email: ada.email })
        const [taken = "", token = ""] = tokens

        // A value that a repository consumes is unknown to Better Auth, and the reverse.
        const verifications = yield* VerificationRepo
        const presented = (given: string) => ({
          identifier: `reset-password:${given}`,
          value: Redacted.make<string>(id)
        })
        expect(Option.isSome(yield* verifications.consume(presented(taken)))).toBe(true)
        const next = { newPassword: "another passphrase" }
        expect((yield* browser().post("/reset-password", { ...next, token: taken })).status).toBe(400)
        expect((yield* browser().post("/reset-password", { ...next, token })).status).toBe(200)
        expect((yield* browser().post("/reset-password", { ...next, token })).status).toBe(400)
        expect(yield* verifications.consume(presented(token))).toEqual(Option.none())

        expect((yield* browser().post("/sign-in/email", credentials)).status).toBe(401)
        expect((yield* browser().post("/sign-in/email", { ...credentials, password: next.newPassword })).status).toBe(
          200
        )
        expect(yield* rowsOf("account")).toBe(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("links an account of a provider, with its tokens, and unlinks it", () =>
      Effect.gen(function* () {
        const { browser } = yield* serve({
          emailAndPassword,
          socialProviders: { google },
          account: { accountLinking: { trustedProviders: ["google"] } }
        })
        const laptop = browser()
        const id = userIn((yield* laptop.post("/sign-up/email", ada)).body)
        yield* (yield* UserRepo).update({ id, emailVerified: true })
        expect((yield* browser().post("/sign-in/social", { provider: "google", idToken })).body).toMatchObject({
          user: { id }
        })

        const accounts = yield* AccountRepo
        const find = accounts.find({ providerId: "google", accountId: "1234567890" })
        const { accessToken, id: accountId, idToken: stored, password, userId } = Option.getOrThrow(yield* find)
        expect([userId, Option.map(accessToken, Redacted.value), Option.map(stored, Redacted.value), password]).toEqual(
          [id, Option.some("access-token"), Option.some(idToken.token), Option.none()]
        )
        const listed = (yield* laptop.get("/list-accounts")).body as ReadonlyArray<{ readonly providerId: string }>
        expect(listed.map(({ providerId }) => providerId).toSorted()).toEqual(["credential", "google"])
        expect((yield* accounts.listForUser({ userId: id })).items).toHaveLength(2)

        expect((yield* laptop.post("/unlink-account", { accountId })).status).toBe(200)
        expect(yield* find).toEqual(Option.none())

        // Signing in through the provider also creates a user.
        yield* (yield* UserRepo).delete(id)
        expect((yield* browser().post("/sign-in/social", { provider: "google", idToken })).body).toMatchObject({
          user: { name: "Ada at Google" }
        })
        expect(Option.isSome(yield* (yield* UserRepo).findByEmail("ada@example.com"))).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("deletes a user with all dependent rows", () =>
      Effect.gen(function* () {
        const { browser } = yield* serve({ emailAndPassword, user: { deleteUser: { enabled: true } } })
        const laptop = browser()
        const id = userIn((yield* laptop.post("/sign-up/email", ada)).body)
        yield* browser().post("/sign-up/email", { ...ada, email: "bob@example.com" })
        yield* Factories.make.sandbox({ ownerUserId: id })
        expect((yield* laptop.post("/delete-user", { password: "a wrong passphrase" })).status).toBe(400)
        expect((yield* laptop.post("/delete-user", { password: ada.password })).status).toBe(200)
        expect(yield* (yield* UserRepo).findById(id)).toEqual(Option.none())
        const left = yield* Effect.forEach(["user", "account", "session", "sandboxes"], rowsOf)
        expect(left).toEqual([1, 1, 1, 0])
      }).pipe(Effect.provide(layer))
    )

    it.effect("creates one user from concurrent sign-ups with one email", () =>
      Effect.gen(function* () {
        const { browser } = yield* serve({ emailAndPassword: { ...emailAndPassword, password: quickPasswords } })
        const signUps = Array.from({ length: 40 }, (_, index) =>
          browser().post("/sign-up/email", {
            ...ada,
            email: index % 2 === 0 ? "ada@example.com" : "ADA@example.com",
            name: `Ada ${index}`
          })
        )
        const answers = yield* Effect.all(signUps, { concurrency: "unbounded" })
        const statuses = answers.map(({ status }) => status)
        expect(statuses.filter((status) => status === 200)).toHaveLength(1)
        expect(new Set(statuses)).toEqual(new Set([200, 422]))
        expect(yield* Effect.forEach(["user", "account", "session"], rowsOf)).toEqual([1, 1, 1])
        expect((yield* browser().post("/sign-in/email", credentials)).status).toBe(200)
      }).pipe(Effect.provide(layer))
    )

    it.effect("does not accept a session that a repository revoked, and accepts one that a repository created", () =>
      Effect.gen(function* () {
        const { auth, browser } = yield* serve({ emailAndPassword })
        const laptop = browser()
        const id = userIn((yield* laptop.post("/sign-up/email", ada)).body)
        const sessions = yield* SessionRepo
        expect(yield* sessions.revokeAllForUser(id)).toBe(1)
        expect((yield* laptop.get("/get-session")).body).toBeNull()

        const users = yield* UserRepo
        const { user } = yield* users.ensure({ name: "Bob", email: "bob@example.com" })
        const context = yield* Effect.promise(() => auth.$context)
        expect(yield* Effect.promise(() => context.internalAdapter.findUserByEmail("bob@example.com"))).toMatchObject({
          user: { id: user.id, createdAt: new Date(0) }
        })
      }).pipe(Effect.provide(layer))
    )
  })
}

for (const [name, layer] of Object.entries(databaseLayers)) suite(name, layer)
