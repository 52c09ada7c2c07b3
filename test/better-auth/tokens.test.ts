/**
 * OAuth tokens that Better Auth writes and reads through the adapter, on a runtime with keys.
 */
import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import type { DBAdapter } from "better-auth/adapters"
import { betterAuthAdapter } from "@sealant/db/better-auth"
import { AccountRepo } from "../../src/auth/AccountRepo.js"
import type { KeyRing } from "../../src/secret/KeyRing.js"
import { ring, vaultWith } from "../secret/support.js"
import { databaseLayers, seedUser } from "../support/database.js"
import { shell } from "../support/lists.js"
import { quiet } from "./support.js"

const model = "account"
const at = new Date(1)
const tokens = { accessToken: "access-value", refreshToken: "refresh-value", idToken: "id-value" }

const accountOf = (accountId: string) => ({
  userId: "ada",
  providerId: "github",
  accountId,
  createdAt: at,
  updatedAt: at,
  ...tokens
})

const makeAdapter = Effect.map(Effect.runtime<SqlClient.SqlClient>(), (runtime) => betterAuthAdapter(runtime)(quiet))

type Found = Readonly<Record<string, unknown>>

const create = (adapter: Pick<DBAdapter, "create">, accountId: string) =>
  Effect.promise(() => adapter.create<Found>({ model, data: accountOf(accountId) }))

const of = (accountId: string) => [{ field: "accountId", value: accountId }]

const stored = Effect.map(
  shell("SELECT access_token AS access, refresh_token AS refresh, id_token AS id FROM account ORDER BY account_id"),
  (rows) => rows.map((row) => Object.values(row).map(String))
)

const suite = (name: string, layer: Layer.Layer<AccountRepo | KeyRing | SqlClient.SqlClient>) =>
  describe(`OAuth tokens of Better Auth (${name})`, () => {
    it.effect("are encrypted by each write, and decrypted by each read", () =>
      Effect.gen(function* () {
        yield* seedUser("ada")
        const adapter = yield* makeAdapter
        expect(yield* create(adapter, "1")).toMatchObject(tokens)
        yield* create(adapter, "2")
        const encrypted = yield* stored
        expect(encrypted.flat()).toHaveLength(6)
        for (const token of encrypted.flat()) expect(token).toMatch(/^sealant:1:k1:/)
        const one = yield* Effect.promise(() => adapter.findOne<Found>({ model, where: of("1") }))
        expect(one).toMatchObject(tokens)
        const selected = yield* Effect.promise(() =>
          adapter.findOne<Found>({ model, where: of("1"), select: ["accessToken", "scope"] })
        )
        expect(selected).toEqual({ accessToken: "access-value", scope: null })
        const found = yield* Effect.flatten((yield* AccountRepo).find({ providerId: "github", accountId: "2" }))
        expect(Option.map(found.refreshToken, Redacted.value)).toEqual(Option.some("refresh-value"))

        const changed = yield* Effect.promise(() =>
          adapter.update<Found>({ model, where: of("1"), update: { accessToken: "new", idToken: null } })
        )
        expect(changed).toMatchObject({ accessToken: "new", refreshToken: "refresh-value", idToken: null })
        const gone = yield* Effect.promise(() =>
          adapter.update<Found>({ model, where: of("gone"), update: { accessToken: "new" } })
        )
        expect(gone).toBeNull()
        const many = yield* Effect.promise(() =>
          adapter.updateMany({
            model,
            where: [{ field: "userId", value: "ada" }],
            update: { refreshToken: "both", scope: "repo" }
          })
        )
        expect(many).toBe(2)
        const all = yield* Effect.promise(() =>
          adapter.findMany<Found>({ model, sortBy: { field: "accountId", direction: "asc" } })
        )
        expect(all).toMatchObject([
          { accessToken: "new", refreshToken: "both", idToken: null, scope: "repo" },
          { ...tokens, refreshToken: "both", scope: "repo" }
        ])
        const texts = (yield* stored).flat().filter((text) => text !== "null")
        for (const token of texts) expect(token).toMatch(/^sealant:1:k1:/)
        expect(new Set(texts).size).toBe(5)
      }).pipe(Effect.provide(layer))
    )

    it.effect("are decrypted in a join, written in a transaction of Better Auth, and covered by a rotation", () =>
      Effect.gen(function* () {
        yield* seedUser("ada")
        const adapter = yield* makeAdapter
        yield* Effect.promise(() =>
          adapter.transaction(async (transaction) => {
            await transaction.create<Found>({ model, data: accountOf("1") })
          })
        )
        expect((yield* stored).flat().join()).not.toContain("value")
        const joined = yield* Effect.promise(() =>
          adapter.findOne<{ readonly account: ReadonlyArray<Found> }>({
            model: "user",
            where: [{ field: "id", value: "ada" }],
            join: { account: true }
          })
        )
        expect(joined?.account).toMatchObject([tokens])
        yield* (yield* vaultWith("k2", "k1")).rotateKeys()
        for (const token of (yield* stored).flat()) expect(token).toMatch(/^sealant:1:k2:/)
        // The process that holds only k1 reads null, so its user signs in again.
        const one = yield* Effect.promise(() => adapter.findOne<Found>({ model, where: of("1") }))
        expect(one).toMatchObject({ accessToken: null, refreshToken: null, idToken: null })
      }).pipe(Effect.provide(layer))
    )

    it.effect("are plain text on a runtime without keys", () =>
      Effect.gen(function* () {
        yield* seedUser("ada")
        const adapter = yield* makeAdapter
        yield* create(adapter, "1")
        expect(yield* stored).toEqual([Object.values(tokens)])
        expect(yield* Effect.promise(() => adapter.findOne<Found>({ model, where: of("1") }))).toMatchObject(tokens)
      }).pipe(Effect.provide(ring()), Effect.provide(layer))
    )
  })

for (const [name, database] of Object.entries(databaseLayers)) {
  suite(name, Layer.provideMerge(AccountRepo.layer, Layer.merge(database, ring("k1"))))
}
