import { SqlClient, Statement } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, FastCheck, type Layer, Option, Redacted, Stream, TestClock } from "effect"
import { EncryptionKeyId, EncryptionKeyStatus, encryptionKeyTransitions } from "../../src/secret/EncryptionKey.js"
import { SecretVault } from "../../src/secret/SecretVault.js"
import { ada, layers, redacted, refusalOf, type Services, shell, tagOf, vaultWith } from "./support.js"
import { volume } from "../support/volume.js"

type Vault = SecretVault["Type"]

const [k1, k2] = [EncryptionKeyId.make("k1"), EncryptionKeyId.make("k2")]

/** So many secrets, written by this vault; the value of each is its name. */
const fill = (vault: Vault, count: number, prefix = "s") =>
  Effect.forEach(
    Array.from({ length: count }, (_, index) => `${prefix}${index}`),
    (name) => vault.create({ ownerUserId: ada, name, value: redacted(name) })
  )

const revealed = (vault: Vault, secretId: string, version?: number) =>
  Effect.map(vault.reveal({ ownerUserId: ada, secretId, version }), Redacted.value)

const put = (vault: Vault, secretId: string, value: string) =>
  vault.put({ ownerUserId: ada, secretId, value: redacted(value) })

/** How many versions are under each key. */
const counts = Effect.map(
  Effect.flatMap(SecretVault, ({ keyStatus }) => keyStatus),
  (keys) => Object.fromEntries(keys.map(({ key, versions }) => [`${key.id} ${key.status}`, versions]))
)

/** The contract of rotation. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`keys of SecretVault (${name})`, () => {
    it.effect("rotateKeys re-encrypts every version under the new key, and keeps the values", () =>
      Effect.gen(function* () {
        const old = yield* SecretVault
        const secrets = yield* fill(old, 7)
        const ciphertext = shell("SELECT id, encrypted_value FROM secret_versions ORDER BY id")
        const before = yield* ciphertext
        const vault = yield* vaultWith("k2", "k1")
        // A key that is first in a configuration is not active by that: others may not hold it yet.
        yield* put(vault, secrets[0]?.id ?? "", "new")
        expect(yield* counts).toEqual({ "k1 active": 8 })
        yield* shell("DELETE FROM secret_versions WHERE version = 2")

        yield* TestClock.setTime(5000)
        expect(yield* vault.rotateKeys({ batchSize: 3 })).toEqual({ keyId: "k2", total: 7, rewrapped: 7, skipped: 0 })
        expect(yield* counts).toEqual({ "k1 inactive": 0, "k2 active": 7 })
        expect(yield* ciphertext).toEqual(before)
        for (const secret of secrets) expect(yield* revealed(vault, secret.id)).toBe(secret.name)
        const [first, second] = yield* vault.keyStatus
        expect(first).toMatchObject({
          held: true,
          key: { activatedAt: Option.some({ epochMillis: 0 }), retiredAt: Option.none() }
        })
        expect(second).toMatchObject({
          held: true,
          key: { activatedAt: Option.some({ epochMillis: 5000 }), createdAt: { epochMillis: 5000 } }
        })
        expect((yield* put(vault, secrets[0]?.id ?? "", "new")).encryptionKeyId).toEqual(Option.some("k2"))

        // With nothing to do, it does nothing.
        const settled = yield* vault.keyStatus
        yield* TestClock.setTime(6000)
        expect(yield* vault.rotateKeys()).toEqual({ keyId: "k2", total: 0, rewrapped: 0, skipped: 0 })
        expect(yield* vault.keyStatus).toEqual(settled)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rotateKeys reports progress, and continues where it stopped", () =>
      Effect.gen(function* () {
        yield* fill(yield* SecretVault, 10)
        const vault = yield* vaultWith("k2", "k1")
        const first = yield* Stream.runCollect(Stream.take(vault.streamRotation({ batchSize: 3 }), 2))
        expect(Chunk.toReadonlyArray(first)).toEqual(
          [3, 6].map((rewrapped) => ({ keyId: "k2", total: 10, rewrapped, skipped: 0 }))
        )
        expect(yield* counts).toEqual({ "k1 inactive": 4, "k2 active": 6 })
        const rest = yield* Stream.runCollect(vault.streamRotation({ batchSize: 2 }))
        expect(Chunk.toReadonlyArray(rest).at(-1)).toEqual({ keyId: "k2", total: 4, rewrapped: 4, skipped: 0 })
        for (const batchSize of [0, -1, 1001, 1.5, Number.NaN]) {
          expect(yield* tagOf(vault.rotateKeys({ batchSize }))).toBe("InvalidInput")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("a process of the old configuration can write, and its key is kept until no version uses it", () =>
      Effect.gen(function* () {
        const old = yield* SecretVault
        const [secret] = yield* fill(old, 5)
        const secretId = secret?.id ?? ""
        const vault = yield* vaultWith("k2", "k1")
        // One that holds the old key only writes between all batches.
        yield* Stream.runForEach(vault.streamRotation({ batchSize: 1 }), ({ rewrapped }) =>
          put(old, secretId, `during ${rewrapped}`)
        )
        const late = yield* put(old, secretId, "after")
        expect(late.encryptionKeyId).toEqual(Option.some("k1"))
        expect(yield* revealed(vault, secretId)).toBe("after")
        expect(yield* revealed(old, secretId)).toBe("after")
        const newest = yield* put(vault, secretId, "newest")
        expect(newest.encryptionKeyId).toEqual(Option.some("k2"))
        expect(yield* refusalOf(Effect.asVoid(old.reveal({ ownerUserId: ada, secretId })))).toMatchObject({
          problem: "not-held",
          keyId: Option.some("k2")
        })

        // It cannot turn back what is active, nor retire what it still writes with.
        expect(yield* refusalOf(old.rotateKeys())).toMatchObject({
          _tag: "EncryptionKeyUnavailable",
          problem: "not-held",
          keyId: Option.some("k2")
        })
        expect(yield* refusalOf(vault.retireKey(k1))).toMatchObject({
          _tag: "EncryptionKeyInUse",
          keyId: "k1",
          reason: "versions"
        })
        expect(yield* vault.rotateKeys()).toEqual({ keyId: "k2", total: 6, rewrapped: 6, skipped: 0 })
        const retired = yield* vault.retireKey(k1)
        expect(retired).toMatchObject({ status: "retired", retiredAt: Option.some({ epochMillis: 0 }) })
        expect(yield* vault.retireKey(k1)).toEqual(retired)

        expect(yield* refusalOf(put(old, secretId, "too late"))).toMatchObject({
          _tag: "EncryptionKeyUnavailable",
          problem: "retired",
          keyId: Option.some("k1")
        })
        expect(yield* revealed(vault, secretId)).toBe("newest")
        expect(yield* revealed(vault, secretId, late.version)).toBe("after")
        const turned = yield* vaultWith("k1", "k2")
        expect((yield* put(turned, secretId, "by the active one")).encryptionKeyId).toEqual(Option.some("k2"))
        expect(yield* refusalOf(turned.rotateKeys())).toMatchObject({ problem: "retired", keyId: Option.some("k1") })
        expect(yield* tagOf(vault.retireKey(EncryptionKeyId.make("gone")))).toBe("NotFound")
        expect(yield* refusalOf(vault.retireKey(k2))).toMatchObject({ _tag: "EncryptionKeyInUse", reason: "active" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("rotateKeys skips versions that it cannot decrypt, and counts them", () =>
      Effect.gen(function* () {
        const vault = yield* vaultWith("k1", "k0", "k9")
        const secrets = yield* fill(vault, 6)
        yield* fill(yield* vaultWith("k9"), 2, "other")
        const idOf = (index: number) => secrets[index]?.id
        yield* shell("UPDATE secret_versions SET wrapped_data_key = 'AAAA' WHERE secret_id = ?", idOf(0))
        yield* shell("UPDATE secret_versions SET wrapped_data_key = NULL WHERE secret_id = ?", idOf(1))
        yield* shell(
          "UPDATE secret_versions SET wrapped_data_key = NULL, encryption_key_id = NULL WHERE secret_id = ?",
          idOf(2)
        )
        const next = yield* vaultWith("k2", "k1")
        const outcome = { keyId: "k2", total: 8, rewrapped: 3, skipped: 5 }
        for (const batchSize of [1, 2, 100]) {
          expect(yield* next.rotateKeys({ batchSize })).toEqual(outcome)
          outcome.total = 5
          outcome.rewrapped = 0
        }
        expect(yield* counts).toEqual({ "k1 inactive": 2, "k2 active": 3, "k9 inactive": 2 })
        expect(yield* tagOf(next.retireKey(k1))).toBe("EncryptionKeyInUse")
        for (const index of [3, 4, 5]) expect(yield* revealed(next, idOf(index) ?? "")).toBe(`s${index}`)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rotateKeys overwrites no version that changed since it was read", () =>
      Effect.gen(function* () {
        const [first, second] = yield* fill(yield* SecretVault, 2)
        const vault = yield* vaultWith("k2", "k1")
        let changed = 0
        const meddle = Statement.withTransformer((statement) => {
          const [text] = statement.compile()
          if (!text.includes("AS batch")) return Effect.succeed(statement)
          changed++
          return shell("UPDATE secret_versions SET wrapped_data_key = 'changed' WHERE secret_id = ?", first?.id).pipe(
            Statement.withTransformerDisabled,
            Effect.orDie,
            Effect.provideService(SqlClient.SqlClient, sql),
            Effect.as(statement)
          )
        })
        const sql = yield* SqlClient.SqlClient
        expect(yield* meddle(vault.rotateKeys())).toEqual({ keyId: "k2", total: 2, rewrapped: 1, skipped: 0 })
        expect(changed).toBe(1)
        expect(
          yield* shell(
            "SELECT encryption_key_id AS key, wrapped_data_key AS data FROM secret_versions WHERE secret_id = ?",
            first?.id
          )
        ).toEqual([{ key: "k1", data: "changed" }])
        expect(yield* revealed(vault, second?.id ?? "")).toBe("s1")
      }).pipe(Effect.provide(layer))
    )

    it.effect("rotateKeys runs concurrently with readers, writers and itself", () =>
      Effect.gen(function* () {
        const old = yield* SecretVault
        const count = name === "remote" ? volume(40, 12) : 40
        const secrets = yield* fill(old, count)
        const vault = yield* vaultWith("k2", "k1")
        const use = (index: number) =>
          Effect.gen(function* () {
            const { id, name } = secrets[index % count] ?? { id: "", name: "" }
            const { version } = yield* put(index % 2 === 0 ? old : vault, id, `${name} ${index}`)
            expect(yield* revealed(vault, id, version)).toBe(`${name} ${index}`)
            expect(yield* revealed(vault, id, 1)).toBe(name)
          })
        yield* Effect.all(
          [
            Effect.forEach(
              Array.from({ length: 2 * count }, (_, index) => index),
              use,
              { concurrency: 8 }
            ),
            vault.rotateKeys({ batchSize: 2 }),
            vault.rotateKeys({ batchSize: 3 })
          ],
          { concurrency: "unbounded" }
        )
        yield* vault.rotateKeys()
        expect(yield* counts).toEqual({ "k1 inactive": 0, "k2 active": 3 * count })
        for (const { id, name } of secrets) expect(yield* revealed(vault, id, 1)).toBe(name)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rotateKeys stops when another key is activated", () =>
      Effect.gen(function* () {
        yield* fill(yield* SecretVault, 6)
        const [second, third] = [yield* vaultWith("k2", "k1"), yield* vaultWith("k3", "k2", "k1")]
        const begin = Stream.runDrain(Stream.take(third.streamRotation({ batchSize: 1 }), 1))
        const turned = Stream.runForEach(second.streamRotation({ batchSize: 2 }), () => begin)
        expect(yield* refusalOf(turned)).toMatchObject({
          _tag: "EncryptionKeyUnavailable",
          keyId: Option.some("k2"),
          problem: "superseded"
        })
        expect(yield* counts).toEqual({ "k1 inactive": 3, "k2 inactive": 2, "k3 active": 1 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("an earlier configuration does not revert a rotation, even with all keys", () =>
      Effect.gen(function* () {
        yield* fill(yield* SecretVault, 3)
        yield* (yield* vaultWith("k2", "k1")).rotateKeys()
        const rotated = yield* counts
        expect(rotated).toEqual({ "k1 inactive": 0, "k2 active": 3 })
        for (const ring of [
          ["k1", "k2"],
          ["k1", "k2", "k3"]
        ]) {
          const earlier = yield* vaultWith(...ring)
          expect(yield* refusalOf(earlier.rotateKeys())).toMatchObject({
            _tag: "EncryptionKeyUnavailable",
            keyId: Option.some("k1"),
            problem: "superseded"
          })
        }
        expect(yield* counts).toEqual(rotated)
      }).pipe(Effect.provide(layer))
    )

    it.effect("a key is either retired or used for new versions, never both", () =>
      Effect.gen(function* () {
        const old = yield* SecretVault
        const [secret] = yield* fill(old, 1)
        const vault = yield* vaultWith("k2", "k1")
        yield* vault.rotateKeys()
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 30 }, (_, index) => index),
          (index) => (index === 15 ? tagOf(vault.retireKey(k1)) : tagOf(put(old, secret?.id ?? "", "x"))),
          { concurrency: "unbounded" }
        )
        const written = outcomes.filter((tag, index) => index !== 15 && tag === "ok").length
        const kept = yield* counts
        expect([
          { "k1 retired": 0, "k2 active": 1 },
          { "k1 inactive": written, "k2 active": 1 }
        ]).toContainEqual(kept)
        expect(outcomes[15]).toBe("k1 retired" in kept ? "ok" : "EncryptionKeyInUse")
      }).pipe(Effect.provide(layer))
    )

    it.effect("the database rejects undeclared transitions", () =>
      Effect.gen(function* () {
        const times = { active: "0, NULL", inactive: "NULL, NULL", retired: "NULL, 0" }
        for (const from of EncryptionKeyStatus.literals) {
          for (const to of EncryptionKeyStatus.literals) {
            yield* shell("DROP TRIGGER IF EXISTS encryption_keys_retired_stays")
            yield* shell("DELETE FROM encryption_keys")
            yield* shell(
              `INSERT INTO encryption_keys (id, status, created_at, activated_at, retired_at) VALUES ('k', '${from}', 0, ${times[from]})`
            )
            const moved = shell(
              `UPDATE encryption_keys SET status = '${to}', (activated_at, retired_at) = (SELECT ${times[to]})`
            )
            expect(yield* Effect.isSuccess(moved), `${from} → ${to}`).toBe(
              from === to || encryptionKeyTransitions.allows(from, to)
            )
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("the database keeps used keys and reserved key ids", () =>
      Effect.gen(function* () {
        const [secret] = yield* fill(yield* SecretVault, 1)
        const refused = (text: string) =>
          Effect.map(Effect.isFailure(shell(text)), (failed) => expect(failed, text).toBe(true))
        yield* refused("DELETE FROM encryption_keys")
        yield* refused("UPDATE encryption_keys SET key_check = 'x'")
        yield* refused("UPDATE encryption_keys SET key_check = NULL")
        yield* refused("UPDATE encryption_keys SET id = 'x'")
        yield* refused(
          "INSERT INTO encryption_keys (id, status, created_at, activated_at) VALUES ('x', 'active', 0, 0)"
        )
        yield* shell("UPDATE encryption_keys SET status = 'inactive'")
        yield* refused("UPDATE encryption_keys SET status = 'retired', retired_at = 0")
        yield* shell("INSERT INTO encryption_keys (id, status, created_at, retired_at) VALUES ('x', 'retired', 0, 0)")
        yield* refused("UPDATE secret_versions SET encryption_key_id = 'x'")
        yield* refused(
          "INSERT INTO secret_versions (id, secret_id, version, encrypted_value, encryption_key_id, created_at) SELECT 'x', secret_id, 2, 'x', 'x', 0 FROM secret_versions"
        )
        yield* refused("DELETE FROM encryption_keys WHERE id = 'x'")
        expect(yield* revealed(yield* SecretVault, secret?.id ?? "")).toBe("s0")
      }).pipe(Effect.provide(layer))
    )

    it.effect("a key that was imported by its id gets its check value on first use", () =>
      Effect.gen(function* () {
        const vault = yield* SecretVault
        yield* shell("INSERT INTO encryption_keys (id, status, created_at) VALUES ('k1', 'inactive', 0)")
        yield* fill(vault, 1)
        expect(yield* vault.keyStatus).toMatchObject([
          { key: { id: "k1", status: "active", keyCheck: { _tag: "Some" } }, versions: 1 }
        ])
        yield* shell("INSERT INTO encryption_keys (id, status, created_at) VALUES ('k2', 'inactive', 0)")
        yield* (yield* vaultWith("k2", "k1")).rotateKeys()
        expect(yield* counts).toEqual({ "k1 inactive": 0, "k2 active": 1 })
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("keys of SecretVault", () => {
  it.effect("lose no value with concurrent processes of several configurations", () =>
    Effect.gen(function* () {
      const rings = [["k1"], ["k1", "k2"], ["k2", "k1"], ["k2", "k3"], ["k3", "k2", "k1"]] as const
      const step = FastCheck.record({
        ring: FastCheck.nat(rings.length - 1),
        does: FastCheck.constantFrom("put", "put", "rotate", "rotate a little", "retire k1", "retire k2")
      })
      const follow = (steps: ReadonlyArray<{ readonly ring: number; readonly does: string }>) =>
        Effect.gen(function* () {
          const vaults = yield* Effect.forEach(rings, (ring) => vaultWith(...ring))
          const all = yield* vaultWith("k3", "k2", "k1")
          const [first] = yield* fill(vaults[0] ?? all, 1)
          const values = ["s0"]
          for (const { does, ring } of steps) {
            const vault = vaults[ring] ?? all
            const value = `value ${values.length + 1}`
            if (does === "put" && (yield* tagOf(put(vault, first?.id ?? "", value))) === "ok") values.push(value)
            if (does === "rotate") yield* tagOf(vault.rotateKeys())
            if (does === "rotate a little")
              yield* tagOf(Stream.runDrain(Stream.take(vault.streamRotation({ batchSize: 1 }), 1)))
            if (does.startsWith("retire")) yield* tagOf(vault.retireKey(EncryptionKeyId.make(does.slice(7))))
          }
          for (const [index, value] of values.entries())
            expect(yield* revealed(all, first?.id ?? "", index + 1)).toBe(value)
          const keys = yield* all.keyStatus
          expect(keys.filter(({ key }) => key.status === "active")).toHaveLength(1)
          expect(keys.filter(({ key, versions }) => key.status === "retired" && versions > 0)).toEqual([])
          expect(keys.reduce((sum, { versions }) => sum + versions, 0)).toBe(values.length)
        }).pipe(Effect.provide(layers.memory))
      yield* Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(FastCheck.array(step, { maxLength: 25 }), (steps) =>
            Effect.runPromise(follow(steps))
          ),
          { numRuns: volume(25, 8) }
        )
      )
    })
  )
})
