/**
 * Tokens of accounts, with and without keys.
 */
import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, TestClock } from "effect"
import { AccountRepo } from "../../src/auth/AccountRepo.js"
import { SecretVault } from "../../src/secret/SecretVault.js"
import { ring, testKey, vaultWith } from "../secret/support.js"
import { overDatabases, seedUser } from "../support/database.js"
import { shell } from "../support/lists.js"
import { refusalOf } from "../support/refusals.js"

const ada = "ada"

/** The accounts of a process with these keys, on the same database. */
const accountsWith = (...keys: ReadonlyArray<string | ReturnType<typeof testKey>>) =>
  Effect.provide(AccountRepo, Layer.provide(Layer.fresh(AccountRepo.layer), ring(...keys)))

const account = { providerId: "github", accountId: "1", userId: ada }
const provider = { providerId: "github", accountId: "1" }

const given = {
  accessToken: Redacted.make("access-value"),
  refreshToken: Redacted.make("refresh-value"),
  idToken: Redacted.make("id-value")
}

type Row = Effect.Effect.Success<ReturnType<AccountRepo["Type"]["link"]>>

const tokensOf = ({ accessToken, idToken, refreshToken }: Pick<Row, "accessToken" | "idToken" | "refreshToken">) =>
  [accessToken, refreshToken, idToken].map((token) => Option.getOrNull(Option.map(token, Redacted.value)))

const tokensIn = (repo: AccountRepo["Type"]) => Effect.map(Effect.flatten(repo.find(provider)), tokensOf)

const plain = ["access-value", "refresh-value", "id-value"]

const stored = Effect.map(
  shell("SELECT access_token AS access, refresh_token AS refresh, id_token AS id FROM account"),
  ([row]) => Object.values(row ?? {}).map(String)
)

const layers = overDatabases(
  Layer.mergeAll(AccountRepo.layer, Layer.provide(SecretVault.layer, ring()), Layer.effectDiscard(seedUser(ada)))
)

const suite = (name: string, layer: Layer.Layer<AccountRepo | SecretVault | SqlClient.SqlClient>) =>
  describe(`tokens of accounts (${name})`, () => {
    it.effect("are stored encrypted with keys, as plain text without keys, and never the password", () =>
      Effect.gen(function* () {
        const without = yield* AccountRepo
        yield* without.link({ ...account, ...given })
        expect(yield* stored).toEqual(plain)
        const accounts = yield* accountsWith("k1")
        expect(yield* tokensIn(accounts)).toEqual(plain)

        const linked = yield* accounts.link({ ...account, ...given, password: Redacted.make("hash") })
        expect(tokensOf(linked)).toEqual(plain)
        const encrypted = yield* stored
        for (const token of encrypted) expect(token).toMatch(/^sealant:1:k1:[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$/)
        expect(encrypted.join()).not.toMatch(/value/)
        expect(yield* shell("SELECT password FROM account")).toEqual([{ password: "hash" }])
        expect(yield* tokensIn(accounts)).toEqual(plain)
        expect((yield* accounts.listForUser({ userId: ada })).items.map(tokensOf)).toEqual([plain])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stay unchanged when the same tokens are linked again, and change one by one", () =>
      Effect.gen(function* () {
        const accounts = yield* accountsWith("k1")
        yield* TestClock.setTime(1000)
        const { id } = yield* accounts.link({ ...account, ...given })
        const before = yield* stored
        yield* TestClock.setTime(2000)
        const again = yield* accounts.link({ ...account, ...given })
        expect([again.id, again.updatedAt.epochMillis, yield* stored]).toEqual([id, 1000, before])
        const same = yield* accounts.updateTokens({ id, accessToken: given.accessToken })
        expect([same.updatedAt.epochMillis, yield* stored]).toEqual([1000, before])

        const updated = yield* accounts.updateTokens({ id, accessToken: Redacted.make("new"), idToken: null })
        expect(tokensOf(updated)).toEqual(["new", "refresh-value", null])
        expect(updated.updatedAt.epochMillis).toBe(2000)
        expect((yield* stored)[1]).toBe(before[1])
        expect(yield* refusalOf(accounts.updateTokens({ id: "gone", ...given }))).toMatchObject({ _tag: "NotFound" })
        expect(
          yield* refusalOf(accounts.updateTokens({ id, ownerUserId: "eve", accessToken: Redacted.make("x") }))
        ).toMatchObject({ _tag: "NotFound" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("are None in a process without the key, and after a move to another column or account", () =>
      Effect.gen(function* () {
        const accounts = yield* accountsWith("k1")
        yield* accounts.link({ ...account, ...given })
        const nothing = [null, null, null]
        expect(yield* tokensIn(yield* AccountRepo)).toEqual(nothing)
        expect(yield* tokensIn(yield* accountsWith("k2"))).toEqual(nothing)
        expect(yield* tokensIn(yield* accountsWith(testKey("k1", "another")))).toEqual(nothing)
        yield* shell(
          "UPDATE account SET access_token = refresh_token, refresh_token = refresh_token || 'x', id_token = 'sealant:1:'"
        )
        expect(yield* tokensIn(accounts)).toEqual(nothing)
        yield* accounts.link({ ...account, ...given })
        yield* shell("UPDATE account SET id = 'other'")
        expect(yield* tokensIn(accounts)).toEqual(nothing)
        // The next sign-in replaces them.
        yield* accounts.link({ ...account, ...given })
        expect(yield* tokensIn(accounts)).toEqual(plain)
      }).pipe(Effect.provide(layer))
    )

    it.effect("are encrypted and moved to the new key by a rotation, in batches", () =>
      Effect.gen(function* () {
        const without = yield* AccountRepo
        const old = yield* accountsWith("k1")
        const unknown = yield* accountsWith("k0")
        const of = (accountId: string) => ({ ...account, accountId })
        for (const id of ["a", "b", "c"]) yield* without.link({ ...of(id), ...given, password: Redacted.make("hash") })
        for (const id of ["d", "e"]) yield* old.link({ ...of(id), ...given })
        yield* unknown.link({ ...of("f"), accessToken: given.accessToken })
        yield* without.link(of("none"))
        const updatedAt = yield* shell("SELECT id, updated_at FROM account ORDER BY id")

        yield* TestClock.setTime(5000)
        const vault = yield* vaultWith("k2", "k1")
        expect(yield* vault.rotateKeys({ batchSize: 2 })).toEqual({ keyId: "k2", total: 16, rewrapped: 15, skipped: 1 })
        expect(yield* shell("SELECT id, updated_at FROM account ORDER BY id")).toEqual(updatedAt)
        const accounts = yield* accountsWith("k2")
        for (const id of ["a", "b", "c", "d", "e"]) {
          const found = yield* Effect.flatten(accounts.find({ providerId: "github", accountId: id }))
          expect(tokensOf(found), id).toEqual(plain)
        }
        expect((yield* vault.keyStatus).map(({ key, versions }) => `${key.id} ${versions}`)).toEqual([
          "k0 1",
          "k1 0",
          "k2 15"
        ])
        expect(yield* vault.rotateKeys()).toEqual({ keyId: "k2", total: 1, rewrapped: 0, skipped: 1 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("prevent the retirement of their key, and are not written with a retired key", () =>
      Effect.gen(function* () {
        const accounts = yield* accountsWith("k1")
        yield* accounts.link({ ...account, ...given })
        const vault = yield* vaultWith("k2", "k1")
        yield* vault.rotateKeys()
        const { id } = yield* (yield* accountsWith("k1")).link({ ...account, accessToken: Redacted.make("late") })
        expect(yield* refusalOf(vault.retireKey("k1"))).toMatchObject({
          _tag: "EncryptionKeyInUse",
          reason: "versions"
        })
        yield* vault.rotateKeys()
        yield* vault.retireKey("k1")
        const retired = { _tag: "EncryptionKeyUnavailable", problem: "retired" }
        expect(yield* refusalOf(accounts.link({ ...account, ...given }))).toMatchObject(retired)
        expect(yield* refusalOf(accounts.updateTokens({ id, ...given }))).toMatchObject(retired)
        const current = yield* accountsWith("k2")
        expect(yield* tokensIn(current)).toEqual(["late", "refresh-value", "id-value"])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
