import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, Redacted, TestClock } from "effect"
import * as Database from "../../src/Database.js"
import { maxSecretBytes, SecretId } from "../../src/secret/Secret.js"
import { SecretRepo } from "../../src/secret/SecretRepo.js"
import { SecretVault } from "../../src/secret/SecretVault.js"
import {
  ada,
  badNames,
  eve,
  layers,
  pages,
  redacted,
  refusalOf,
  type Services,
  shell,
  tagOf,
  testKey,
  vaultWith
} from "./support.js"

const own = { name: "TOKEN", ownerUserId: ada, value: redacted("one") }
const gone = SecretId.make("gone")

/** The value of a version, in plain text. */
const revealed = (secretId: string, version?: number) =>
  Effect.flatMap(SecretVault, (vault) =>
    Effect.map(vault.reveal({ ownerUserId: ada, secretId, version }), Redacted.value)
  )

const storedVersions = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) =>
    sql<{ readonly id: string; readonly encryptedValue: string; readonly wrappedDataKey: string }>`
    SELECT id, encrypted_value AS "encryptedValue", wrapped_data_key AS "wrappedDataKey" FROM secret_versions`
)

/** The contract of `SecretVault`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SecretVault (${name})`, () => {
    it.effect("reveals the stored value, and stores no plain text", () =>
      Effect.gen(function* () {
        const vault = yield* SecretVault
        const repo = yield* SecretRepo
        yield* TestClock.setTime(1000)
        const secret = yield* vault.create({ ...own, description: "of the registry", createdByUserId: eve })
        expect(secret.id).toMatch(/^sec_/)
        expect(secret).toMatchObject({
          name: "TOKEN",
          ownerUserId: "ada",
          description: Option.some("of the registry"),
          archivedAt: Option.none()
        })
        expect([secret.createdAt.epochMillis, secret.updatedAt.epochMillis]).toEqual([1000, 1000])
        expect(yield* repo.getById(secret.id)).toEqual(secret)
        expect(yield* revealed(secret.id)).toBe("one")

        yield* TestClock.setTime(2000)
        const second = yield* vault.put({ ownerUserId: ada, secretId: secret.id, value: redacted("two") })
        expect(second).toMatchObject({
          secretId: secret.id,
          version: 2,
          encryptionKeyId: Option.some("k1"),
          createdByUserId: Option.none()
        })
        expect(second.id).toMatch(/^sev_/)
        expect((yield* repo.getById(secret.id)).updatedAt.epochMillis).toBe(2000)
        expect([yield* revealed(secret.id), yield* revealed(secret.id, 1), yield* revealed(secret.id, 2)]).toEqual([
          "two",
          "one",
          "two"
        ])
        const [latest, first] = (yield* vault.listVersions({ ownerUserId: ada, secretId: secret.id })).items
        expect(latest).toEqual(second)
        expect(first?.createdByUserId).toEqual(Option.some("eve"))
        const byId = { ownerUserId: ada, secretId: secret.id, versionId: String(first?.id) }
        expect(Redacted.value(yield* vault.reveal(byId))).toBe("one")
        expect(Redacted.value(yield* vault.reveal({ ...byId, version: 1 }))).toBe("one")
        const other = yield* vault.create({ ownerUserId: ada, name: "OTHER", value: redacted("other") })
        for (const wrong of [{ version: 2 }, { versionId: "gone" }, { secretId: other.id }, { ownerUserId: eve }]) {
          expect(yield* tagOf(Effect.asVoid(vault.reveal({ ...byId, ...wrong })))).toBe("NotFound")
        }
        yield* repo.delete(other.id)
        expect((yield* vault.list({ ownerUserId: ada })).items).toEqual([yield* repo.getById(secret.id)])

        const rows = JSON.stringify(yield* shell("SELECT * FROM secret_versions"))
        for (const value of ["one", "two"]) {
          for (const encoding of ["utf8", "base64", "hex"] as const) {
            expect(rows).not.toContain(`"${Buffer.from(value).toString(encoding)}`)
          }
        }
        expect(yield* shell("SELECT value_sha256 AS sha FROM secret_versions")).toEqual([{ sha: null }, { sha: null }])
        const given = yield* vault.create({ ...own, id: "given", name: "OTHER" })
        expect(given.id).toBe("given")
      }).pipe(Effect.provide(layer))
    )

    it.effect("accepts any text up to its limit", () =>
      Effect.gen(function* () {
        const vault = yield* SecretVault
        const { id: secretId } = yield* vault.create(own)
        const values = [
          "",
          " ",
          "a\0b",
          "\uFEFFbom",
          "line\r\nline\n",
          "🐳".repeat(maxSecretBytes / 4),
          "x".repeat(maxSecretBytes)
        ]
        for (const value of values) {
          yield* vault.put({ ownerUserId: ada, secretId, value: redacted(value) })
          expect((yield* revealed(secretId)) === value).toBe(true)
        }
        const bad = [
          "x".repeat(maxSecretBytes + 1),
          `${"🐳".repeat(maxSecretBytes / 4)}x`,
          "ä".repeat(maxSecretBytes),
          "x".repeat(10_000_000),
          "a\uD800b"
        ]
        for (const value of bad) {
          for (const refused of [
            Effect.asVoid(vault.put({ ownerUserId: ada, secretId, value: redacted(value) })),
            Effect.asVoid(vault.create({ ...own, name: "B", value: redacted(value) }))
          ]) {
            const error = yield* refusalOf<void, unknown, never>(refused)
            expect(error).toMatchObject({
              _tag: "InvalidInput",
              issues: [expect.stringMatching(/^value: must be .*65536 bytes/)]
            })
          }
        }
        // Not redacted: a slip of a program that the compiler did not see.
        const slip = yield* refusalOf(
          vault.put({ ownerUserId: ada, secretId, value: "plain-text" as unknown as Redacted.Redacted })
        )
        expect(slip).toMatchObject({ _tag: "InvalidInput" })
        expect(JSON.stringify(slip)).not.toContain("plain-text")
        expect((yield* vault.listVersions({ ownerUserId: ada, secretId })).items).toHaveLength(values.length + 1)
        expect((yield* vault.list({ ownerUserId: ada })).items).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input, and stores nothing of it", () =>
      Effect.gen(function* () {
        const vault = yield* SecretVault
        const { id } = yield* vault.create(own)
        yield* (yield* SecretRepo).archive(id)
        expect(yield* refusalOf(vault.create(own))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "secrets.owner_user_id, secrets.name"
        })
        expect(yield* refusalOf(vault.create({ ...own, name: "B", id }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: expect.stringContaining("secrets.id")
        })
        for (const field of ["ownerUserId", "createdByUserId"] as const) {
          expect(yield* refusalOf(vault.create({ ...own, name: "B", [field]: "nobody" }))).toMatchObject({
            _tag: "ReferenceNotFound",
            reference: field
          })
        }
        expect(
          yield* refusalOf(
            vault.put({ ownerUserId: ada, secretId: id, value: redacted("x"), createdByUserId: "nobody" })
          )
        ).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "createdByUserId"
        })
        for (const bad of Object.values(badNames)) {
          for (const field of ["name", "id", "ownerUserId", "createdByUserId"] as const) {
            expect(yield* tagOf(vault.create({ ...own, [field]: bad })), field).toBe("InvalidInput")
          }
          expect(yield* tagOf(vault.put({ ownerUserId: ada, secretId: bad, value: redacted("x") }))).toBe(
            "InvalidInput"
          )
          expect(yield* tagOf(Effect.asVoid(vault.reveal({ ownerUserId: ada, secretId: bad })))).toBe("InvalidInput")
        }
        for (const bad of [0, -1, 1.5, Number.NaN, 1e300])
          expect(yield* tagOf(Effect.asVoid(vault.reveal({ ownerUserId: ada, secretId: id, version: bad })))).toBe(
            "InvalidInput"
          )
        expect(
          yield* shell(
            "SELECT (SELECT count(*) FROM secrets) AS secrets, (SELECT count(*) FROM secret_versions) AS versions"
          )
        ).toEqual([{ secrets: 1, versions: 1 }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports rows of other owners as NotFound", () =>
      Effect.gen(function* () {
        const vault = yield* SecretVault
        const { id: secretId } = yield* vault.create(own)
        for (const ownerUserId of [eve, "nobody"]) {
          const methods: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            vault.put({ ownerUserId, secretId, value: redacted("hers") }),
            vault.reveal({ ownerUserId, secretId }),
            vault.reveal({ ownerUserId, secretId, version: 1 })
          ]
          for (const method of methods) {
            expect(yield* refusalOf(Effect.asVoid(method))).toMatchObject({
              _tag: "NotFound",
              entity: "Secret",
              id: secretId
            })
          }
        }
        expect(yield* tagOf(vault.listVersions({ ownerUserId: eve, secretId }))).toBe("NotFound")
        expect(yield* tagOf(vault.archive({ ownerUserId: eve, secretId }))).toBe("NotFound")
        expect((yield* vault.list({ ownerUserId: eve })).items).toEqual([])
        expect(yield* tagOf(Effect.asVoid(vault.reveal({ ownerUserId: ada, secretId: gone })))).toBe("NotFound")
        expect(yield* refusalOf(Effect.asVoid(vault.reveal({ ownerUserId: ada, secretId, version: 7 })))).toMatchObject(
          {
            _tag: "NotFound",
            entity: "SecretVersion",
            id: secretId
          }
        )
        expect(yield* tagOf(vault.list({ ownerUserId: undefined as unknown as string }))).toBe("InvalidInput")
        expect((yield* vault.listVersions({ ownerUserId: ada, secretId })).items).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("reveals an archived secret", () =>
      Effect.gen(function* () {
        const vault = yield* SecretVault
        const { id: secretId } = yield* vault.create(own)
        yield* TestClock.adjust("1 second")
        const archived = yield* vault.archive({ ownerUserId: ada, secretId })
        expect(Option.isSome(archived.archivedAt)).toBe(true)
        yield* TestClock.adjust("1 second")
        expect(yield* vault.archive({ ownerUserId: ada, secretId })).toEqual(archived)
        expect((yield* vault.list({ ownerUserId: ada })).items).toEqual([])
        expect((yield* vault.list({ ownerUserId: ada, includeArchived: true })).items).toEqual([archived])
        expect(yield* revealed(secretId)).toBe("one")
        expect((yield* vault.put({ ownerUserId: ada, secretId, value: redacted("two") })).version).toBe(2)
      }).pipe(Effect.provide(layer))
    )

    it.effect("numbers concurrent versions without gaps", () =>
      Effect.gen(function* () {
        const vault = yield* SecretVault
        const { id: secretId } = yield* vault.create(own)
        const put = (index: number) =>
          vault
            .put({
              ownerUserId: ada,
              secretId,
              value: redacted(`value ${index}`),
              createdByUserId: index % 5 === 0 ? "nobody" : ada
            })
            .pipe(
              Effect.map(({ version }) => Option.some([version, `value ${index}`] as const)),
              Effect.catchTag("ReferenceNotFound", () => Effect.succeedNone)
            )
        const numbered = (yield* Effect.forEach(
          Array.from({ length: 50 }, (_, index) => index),
          put,
          { concurrency: "unbounded" }
        )).flatMap(Option.toArray)
        expect(numbered.map(([version]) => version).toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: 40 }, (_, index) => index + 2)
        )
        for (const [version, value] of numbered) expect(yield* revealed(secretId, version)).toBe(value)
        const walked = yield* pages((page) => vault.listVersions({ ownerUserId: ada, secretId, ...page }), 7)
        expect(new Set(walked.map(({ version }) => version)).size).toBe(41)
      }).pipe(Effect.provide(layer))
    )

    it.effect("creates one secret per name when many callers try concurrently", () =>
      Effect.gen(function* () {
        const vault = yield* SecretVault
        const outcomes = yield* Effect.forEach(Array.from({ length: 20 }), () => tagOf(vault.create(own)), {
          concurrency: "unbounded"
        })
        expect(outcomes.filter((tag) => tag === "ok")).toHaveLength(1)
        expect(outcomes.filter((tag) => tag === "AlreadyExists")).toHaveLength(19)
        expect(yield* shell("SELECT count(*) AS count FROM secret_versions")).toEqual([{ count: 1 }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("joins the caller's transaction", () =>
      Effect.gen(function* () {
        const vault = yield* SecretVault
        const both = (fail: boolean) =>
          Database.transaction(
            Effect.gen(function* () {
              const { id: secretId } = yield* vault.create(own)
              yield* vault.put({ ownerUserId: ada, secretId, value: redacted("two") })
              expect(yield* revealed(secretId)).toBe("two")
              if (fail) return yield* Effect.fail("no" as const)
              return secretId
            })
          )
        expect(yield* Effect.flip(both(true))).toBe("no")
        expect((yield* vault.list({ ownerUserId: ada })).items).toEqual([])
        expect(yield* vault.keyStatus).toEqual([])
        expect(yield* revealed(yield* both(false))).toBe("two")
      }).pipe(Effect.provide(layer))
    )

    it.effect("does not decrypt changed, moved or copied rows, and shows no cause", () =>
      Effect.gen(function* () {
        const vault = yield* SecretVault
        const { id: first } = yield* vault.create(own)
        const { id: second } = yield* vault.create({ ...own, name: "SECOND" })
        const { id: hers } = yield* vault.create({ ...own, ownerUserId: eve })
        yield* vault.put({ ownerUserId: ada, secretId: first, value: redacted("two") })
        const restore = Effect.forEach(yield* storedVersions, ({ encryptedValue, id, wrappedDataKey }) =>
          shell(
            "UPDATE secret_versions SET encrypted_value = ?, wrapped_data_key = ?, encryption_key_id = 'k1' WHERE id = ?",
            encryptedValue,
            wrappedDataKey,
            id
          )
        )
        const unreadable = (ownerUserId = ada, secretId = first, version = 1) =>
          Effect.gen(function* () {
            const error = yield* refusalOf(Effect.asVoid(vault.reveal({ ownerUserId, secretId, version })))
            expect(Object.keys(error as object).toSorted()).toEqual(["_tag", "secretId", "version"])
            expect(error).toMatchObject({ _tag: "SecretUnreadable", secretId, version })
            yield* restore
          })
        const set = (assignment: string, ...params: ReadonlyArray<unknown>) =>
          shell(`UPDATE secret_versions SET ${assignment} WHERE secret_id = ? AND version = 1`, ...params, first)

        // From another secret, another version, another owner: whole, and by halves.
        const of = (secretId: string, version: number) =>
          `(SELECT %c FROM secret_versions AS o WHERE o.secret_id = '${secretId}' AND o.version = ${version})`
        for (const from of [of(second, 1), of(first, 2), of(hers, 1)]) {
          for (const columns of [["encrypted_value"], ["wrapped_data_key"], ["encrypted_value", "wrapped_data_key"]]) {
            yield* set(columns.map((column) => `${column} = ${from.replace("%c", column)}`).join(", "))
            yield* unreadable()
          }
        }
        // The row itself moved, past the triggers.
        yield* shell("DROP TRIGGER secret_versions_identity_immutable")
        yield* shell("UPDATE secret_versions SET version = 7 WHERE secret_id = ? AND version = 1", first)
        yield* unreadable(ada, first, 7)
        yield* shell("UPDATE secret_versions SET version = 1 WHERE secret_id = ? AND version = 7", first)
        yield* shell("DROP TRIGGER secrets_owner_immutable")
        yield* shell("UPDATE secrets SET owner_user_id = 'eve', name = 'STOLEN' WHERE id = ?", first)
        yield* unreadable(eve)
        yield* shell("UPDATE secrets SET owner_user_id = 'ada' WHERE id = ?", first)
        // Cut, emptied, of another kind.
        for (const value of ["substr(encrypted_value, 1, 20)", "'AQ=='", "'x'", "encrypted_value || 'AAAA'"]) {
          yield* set(`encrypted_value = ${value}`)
          yield* unreadable()
          yield* set(`wrapped_data_key = ${value.replaceAll("encrypted_value", "wrapped_data_key")}`)
          yield* unreadable()
        }
        // Carried over: with a key that is named, and without.
        yield* shell("INSERT INTO encryption_keys (id, status, created_at) VALUES ('legacy', 'inactive', 0)")
        for (const key of ["'legacy'", "'k1'", "NULL"]) {
          yield* set(`wrapped_data_key = NULL, encryption_key_id = ${key}, value_sha256 = 'abc'`)
          yield* unreadable()
        }
        expect(yield* revealed(first, 1)).toBe("one")
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports a missing key, and a key that is not the needed one", () =>
      Effect.gen(function* () {
        const vault = yield* SecretVault
        const { id: secretId } = yield* vault.create(own)
        const without = yield* vaultWith()
        const noKeys = { _tag: "EncryptionKeyUnavailable", keyId: Option.none(), problem: "no-keys" }
        expect(yield* refusalOf(without.create({ ...own, name: "B" }))).toMatchObject(noKeys)
        expect(yield* refusalOf(without.put({ ownerUserId: ada, secretId, value: redacted("two") }))).toMatchObject(
          noKeys
        )
        expect(yield* refusalOf(Effect.asVoid(without.reveal({ ownerUserId: ada, secretId })))).toMatchObject(noKeys)
        expect(yield* refusalOf(without.rotateKeys())).toMatchObject(noKeys)
        expect((yield* without.list({ ownerUserId: ada })).items).toHaveLength(1)
        expect((yield* without.listVersions({ ownerUserId: ada, secretId })).items).toHaveLength(1)
        expect(yield* without.keyStatus).toMatchObject([
          { key: { id: "k1", status: "active" }, versions: 1, held: false }
        ])

        const other = yield* vaultWith("k2")
        expect(yield* refusalOf(Effect.asVoid(other.reveal({ ownerUserId: ada, secretId })))).toMatchObject({
          _tag: "EncryptionKeyUnavailable",
          keyId: Option.some("k1"),
          problem: "not-held"
        })

        // Another key under the same id: a slip in a configuration. It opens nothing, and nothing is written with it.
        const wrong = yield* vaultWith(testKey("k1", "another"))
        expect(yield* tagOf(Effect.asVoid(wrong.reveal({ ownerUserId: ada, secretId })))).toBe("SecretUnreadable")
        const different = { _tag: "EncryptionKeyUnavailable", keyId: Option.some("k1"), problem: "different" }
        expect(yield* refusalOf(wrong.put({ ownerUserId: ada, secretId, value: redacted("two") }))).toMatchObject(
          different
        )
        expect(yield* refusalOf(wrong.create({ ...own, name: "B" }))).toMatchObject(different)
        expect(yield* refusalOf(wrong.rotateKeys())).toMatchObject(different)
        expect((yield* vault.list({ ownerUserId: ada })).items).toHaveLength(1)
        expect(yield* revealed(secretId)).toBe("one")
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("SecretVault", () => {
  it.effect("does not decrypt a row with any bit changed", () =>
    Effect.gen(function* () {
      const vault = yield* SecretVault
      const { id: secretId } = yield* vault.create(own)
      const [row] = yield* storedVersions
      const columns = { encrypted_value: row?.encryptedValue ?? "", wrapped_data_key: row?.wrappedDataKey ?? "" }
      let flips = 0
      for (const [column, stored] of Object.entries(columns)) {
        const plain = Buffer.from(stored, "base64")
        for (let bit = 0; bit < plain.length * 8; bit++) {
          const flipped = Buffer.from(plain)
          flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
          yield* shell(`UPDATE secret_versions SET ${column} = ?`, flipped.toString("base64"))
          expect(yield* tagOf(Effect.asVoid(vault.reveal({ ownerUserId: ada, secretId })))).toBe("SecretUnreadable")
          flips++
        }
        yield* shell(`UPDATE secret_versions SET ${column} = ?`, stored)
      }
      expect(flips).toBe((1 + 12 + 3 + 16 + 61) * 8)
      expect(yield* revealed(secretId)).toBe("one")
    }).pipe(Effect.provide(layers.memory))
  )
})
