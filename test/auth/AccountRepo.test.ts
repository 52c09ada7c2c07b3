import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Cause, DateTime, Effect, Exit, Layer, Option, Redacted, Schema, TestClock } from "effect"
import { Account, AccountId } from "../../src/auth/Account.js"
import { AccountRepo } from "../../src/auth/AccountRepo.js"
import { UserId } from "../../src/auth/User.js"
import { overDatabases, seedUser } from "../support/database.js"
import { pages, shell } from "../support/lists.js"
import { planIssues } from "../support/plans.js"
import { badNames, refusalOf, tagOf } from "../support/refusals.js"

const ada = UserId.make("ada")
const eve = UserId.make("eve")
const seed = Layer.effectDiscard(Effect.all([seedUser(ada), seedUser(eve)]))

const layers = overDatabases(Layer.merge(AccountRepo.layer, seed))

const at = (millis: number) => DateTime.unsafeMake(millis)
const github = (accountId: string, userId = ada) => ({ providerId: "github", accountId, userId })
const valueOf = (credential: Option.Option<Redacted.Redacted>) =>
  Option.getOrNull(Option.map(credential, Redacted.value))
const secretsOf = ({ accessToken, idToken, password, refreshToken }: Account) =>
  [accessToken, refreshToken, idToken, password].map(valueOf)

const tokens = {
  accessToken: Redacted.make("access"),
  refreshToken: Redacted.make("refresh"),
  idToken: Redacted.make("id"),
  accessTokenExpiresAt: at(5000),
  refreshTokenExpiresAt: at(9000),
  scope: "repo user",
  password: Redacted.make("hash")
}

const suite = (name: string, layer: Layer.Layer<AccountRepo | SqlClient.SqlClient>) =>
  describe(`AccountRepo (${name})`, () => {
    it.effect("stores the provider's values, and finds the user of an account", () =>
      Effect.gen(function* () {
        const accounts = yield* AccountRepo
        yield* TestClock.setTime(1000)
        const linked = yield* accounts.link({ ...github("1"), ...tokens })
        expect(linked.id).toMatch(/^account_/)
        expect(linked).toMatchObject({
          userId: ada,
          providerId: "github",
          accountId: "1",
          accessTokenExpiresAt: Option.some(at(5000)),
          refreshTokenExpiresAt: Option.some(at(9000)),
          scope: Option.some("repo user"),
          createdAt: at(1000)
        })
        expect(secretsOf(linked)).toEqual(["access", "refresh", "id", "hash"])
        expect(yield* accounts.find({ providerId: "github", accountId: "1" })).toEqual(Option.some(linked))
        expect(yield* accounts.find({ providerId: "gitlab", accountId: "1" })).toEqual(Option.none())
        expect(secretsOf(yield* accounts.link({ id: "plain", ...github("2") }))).toEqual([null, null, null, null])
      }).pipe(Effect.provide(layer))
    )

    it.effect("links an account once: linking again updates it for its user and fails for another user", () =>
      Effect.gen(function* () {
        const accounts = yield* AccountRepo
        const linked = yield* accounts.link({ id: "first", ...github("1"), ...tokens })
        yield* TestClock.setTime(1000)
        expect(yield* accounts.link({ id: "first", ...github("1"), ...tokens })).toEqual(linked)
        expect(yield* accounts.link(github("1"))).toEqual(linked)
        const renewed = yield* accounts.link({
          id: "second",
          ...github("1"),
          accessToken: Redacted.make("newer"),
          accessTokenExpiresAt: at(7000)
        })
        expect(renewed).toMatchObject({
          id: "first",
          updatedAt: at(1000),
          createdAt: at(0),
          scope: Option.some("repo user"),
          accessTokenExpiresAt: Option.some(at(7000))
        })
        expect(secretsOf(renewed)).toEqual(["newer", "refresh", "id", "hash"])
        expect(yield* refusalOf(accounts.link({ ...github("1", eve), ...tokens }))).toMatchObject({
          _tag: "AlreadyExists",
          entity: "Account",
          constraint: "account.provider_id, account.account_id"
        })
        expect(yield* tagOf(accounts.link({ ...github("2"), id: "first" }))).toBe("AlreadyExists")
        expect(yield* accounts.find({ providerId: "github", accountId: "1" })).toEqual(Option.some(renewed))
        expect(yield* shell("SELECT 1 FROM account")).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("links an account to one of many users that link it concurrently", () =>
      Effect.gen(function* () {
        const accounts = yield* AccountRepo
        const outcomes = yield* Effect.all(
          Array.from({ length: 40 }, (_, index) =>
            Effect.either(accounts.link(github("1", index % 2 === 0 ? ada : eve)))
          ),
          { concurrency: "unbounded" }
        )
        const linked = outcomes.flatMap((outcome) => (outcome._tag === "Right" ? [outcome.right] : []))
        expect(new Set(linked.map(({ id }) => id)).size).toBe(1)
        expect(linked).toHaveLength(20)
      }).pipe(Effect.provide(layer))
    )

    it.effect("updates present fields, clears null fields and keeps absent fields", () =>
      Effect.gen(function* () {
        const accounts = yield* AccountRepo
        const { id } = yield* accounts.link({ ...github("1"), ...tokens })
        yield* TestClock.setTime(1000)
        const changed = yield* accounts.updateTokens({
          id,
          accessToken: Redacted.make("newer"),
          refreshToken: null,
          refreshTokenExpiresAt: null,
          scope: "repo"
        })
        expect(changed).toMatchObject({
          updatedAt: at(1000),
          accessTokenExpiresAt: Option.some(at(5000)),
          refreshTokenExpiresAt: Option.none(),
          scope: Option.some("repo")
        })
        expect(secretsOf(changed)).toEqual(["newer", null, "id", "hash"])
        yield* TestClock.setTime(2000)
        expect(yield* accounts.updateTokens({ id })).toEqual(changed)
        expect(yield* accounts.updateTokens({ id, accessToken: Redacted.make("newer"), refreshToken: null })).toEqual(
          changed
        )
        const cleared = yield* accounts.updateTokens({
          id,
          accessToken: null,
          idToken: null,
          accessTokenExpiresAt: null,
          scope: null,
          password: null
        })
        expect([secretsOf(cleared), cleared.scope, cleared.accessTokenExpiresAt]).toEqual([
          [null, null, null, null],
          Option.none(),
          Option.none()
        ])
        expect(yield* tagOf(accounts.updateTokens({ id: "gone", scope: "x" }))).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists an account for its user only, and unlinks it once", () =>
      Effect.gen(function* () {
        const accounts = yield* AccountRepo
        for (let index = 0; index < 9; index++) {
          yield* TestClock.setTime(index < 4 ? 0 : index)
          yield* accounts.link({ id: `a${index}`, ...github(String(index)) })
        }
        yield* accounts.link(github("hers", eve))
        let more = 0
        const between = Effect.suspend(() => accounts.link(github(`later${more++}`)))
        const listed = yield* pages((page) => accounts.listForUser({ userId: ada, ...page }), 2, between)
        expect(listed.map(({ id }) => String(id))).toEqual(["a8", "a7", "a6", "a5", "a4", "a3", "a2", "a1", "a0"])
        expect(yield* tagOf(Effect.asVoid(accounts.listForUser({ userId: ada, limit: 0 })))).toBe("InvalidInput")
        yield* accounts.unlink(AccountId.make("a3"))
        expect(yield* tagOf(accounts.unlink(AccountId.make("a3")))).toBe("NotFound")
        expect(yield* accounts.find({ providerId: "github", accountId: "3" })).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input without showing a token", () =>
      Effect.gen(function* () {
        const accounts = yield* AccountRepo
        const secret = "s3cr3t-t0ken"
        const { id } = yield* accounts.link({
          ...github("1"),
          accessToken: Redacted.make(secret),
          refreshToken: Redacted.make(secret),
          idToken: Redacted.make(secret),
          password: Redacted.make(secret)
        })
        const stored = Option.getOrThrow(yield* accounts.find({ providerId: "github", accountId: "1" }))
        const json = Schema.encodeSync(Account.json)(stored)
        expect(String(stored) + JSON.stringify(stored) + JSON.stringify(json)).not.toContain(secret)
        expect(Object.keys(json).filter((key) => /Token$|password/.test(key))).toEqual([])
        const bad = { nul: `${secret}\0`, empty: "", huge: secret.repeat(10_000), surrogate: `${secret}\uD800` }
        const credentials = ["accessToken", "refreshToken", "idToken", "password"] as const
        const refused: ReadonlyArray<Effect.Effect<void, { readonly _tag: string }>> = [
          ...credentials.flatMap((field) =>
            Object.values(bad).flatMap((value) => [
              Effect.asVoid(accounts.link({ ...github("2"), [field]: Redacted.make(value) })),
              Effect.asVoid(accounts.updateTokens({ id, [field]: Redacted.make(value) }))
            ])
          ),
          Effect.asVoid(accounts.link({ ...github("2"), accessTokenExpiresAt: at(-1) })),
          Effect.asVoid(accounts.updateTokens({ id, refreshTokenExpiresAt: at(-1) })),
          ...Object.values(badNames).flatMap((name) => [
            Effect.asVoid(accounts.link({ ...github(name), password: Redacted.make(secret) })),
            Effect.asVoid(accounts.link({ ...github("2"), providerId: name })),
            Effect.asVoid(accounts.find({ providerId: "github", accountId: name }))
          ])
        ]
        for (const call of refused) {
          const exit = yield* Effect.exit(call)
          expect(yield* tagOf(call)).toBe("InvalidInput")
          expect(Exit.isFailure(exit) ? Cause.pretty(exit.cause) + JSON.stringify(exit.cause) : secret).not.toContain(
            secret
          )
        }
        expect(yield* refusalOf(accounts.link(github("3", UserId.make("nobody"))))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "userId"
        })
        expect(yield* shell("SELECT 1 FROM account")).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("AccountRepo", () => {
  it.effect("uses an index in every statement", () =>
    Effect.gen(function* () {
      const accounts = yield* AccountRepo
      const methods = {
        link: Effect.asVoid(accounts.link({ ...github("1"), ...tokens })),
        linkAgain: Effect.asVoid(accounts.link({ ...github("1"), ...tokens })),
        find: Effect.asVoid(accounts.find({ providerId: "github", accountId: "1" })),
        listForUser: Effect.asVoid(accounts.listForUser({ userId: ada })),
        updateTokens: Effect.ignore(accounts.updateTokens({ id: "gone", ...tokens })),
        unlink: Effect.ignore(accounts.unlink(AccountId.make("gone")))
      }
      for (const [method, effect] of Object.entries(methods)) expect(yield* planIssues(effect), method).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )
})
