/**
 * A sentinel in every input that may hold a secret: it is stored encrypted, given back to who asks for it, and appears
 * nowhere else. So with the keys, and with private keys that are given by mistake.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Layer, Redacted, Stream } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { EncryptionKeyId } from "../../src/secret/EncryptionKey.js"
import { KeyRing } from "../../src/secret/KeyRing.js"
import { SecretRepo } from "../../src/secret/SecretRepo.js"
import { SecretVault } from "../../src/secret/SecretVault.js"
import { SshKeyRepo } from "../../src/secret/SshKeyRepo.js"
import { textOf, collectOutput } from "../support/outputCollector.js"
import { publicKeys } from "./publicKeys.js"
import { ada, badNames, eve, layers, redacted, refusalOf, shell, testKey, vaultWith } from "./support.js"

const sentinel = "correct-horse-battery-staple"
const value = redacted(sentinel)

/** The sentinel and the keys, in whatever form they may show. */
const forms = [
  ...["utf8", "base64", "base64url", "hex"].map((encoding) => Buffer.from(sentinel).toString(encoding as "hex")),
  ...["k1", "k2"].flatMap((id) => {
    const bytes = Buffer.from(Redacted.value(testKey(id).key))
    return [
      bytes.toString("base64"),
      bytes.toString("base64url"),
      bytes.toString("hex"),
      [...bytes.subarray(0, 8)].join(", ")
    ]
  })
]

/** The lines of a private key that are long enough to be unique. */
const linesOf = (pem: string) => pem.split("\n").filter((line) => line.length > 20 && !line.startsWith("-----"))

describe("secrets", () => {
  for (const [name, layer] of Object.entries(layers)) {
    it.effect(`are in no error, span, log or row (${name})`, () => {
      const { layer: watched, record, output } = collectOutput()
      return Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const vault = yield* SecretVault
        const repo = yield* SecretRepo
        const sshKeys = yield* SshKeyRepo
        let failures = 0
        const refused = <A, E>(effect: Effect.Effect<A, E>) =>
          Effect.gen(function* () {
            const error = yield* refusalOf(Effect.asVoid(effect))
            failures++
            const cause = Cause.fail(error)
            record(
              error,
              String(error),
              JSON.stringify(error),
              error instanceof Error ? error.stack : "",
              Cause.pretty(cause),
              JSON.stringify(cause)
            )
          })
        const own = { ownerUserId: ada, name: "TOKEN", value }

        // Stored, revealed, refused.
        const secret = yield* vault.create({ ...own, description: "of the registry" })
        const secretId = secret.id
        record(secret, JSON.stringify(secret))
        record(yield* vault.put({ ownerUserId: ada, secretId, value }))
        const shown = yield* vault.reveal({ ownerUserId: ada, secretId })
        expect(Redacted.value(shown)).toBe(sentinel)
        record(shown, JSON.stringify(shown), String(shown))
        record(
          yield* vault.list({ ownerUserId: ada }),
          yield* vault.listVersions({ ownerUserId: ada, secretId }),
          yield* vault.keyStatus
        )
        record(
          yield* repo.findVersion({ secretId }),
          yield* repo.list({ ownerUserId: ada }),
          yield* repo.listVersions({ secretId })
        )
        yield* refused(vault.create(own))
        yield* refused(vault.create({ ...own, ownerUserId: "nobody" }))
        yield* refused(vault.create({ ...own, name: badNames.nul }))
        yield* refused(vault.create({ ...own, name: "LONG", value: redacted(sentinel.repeat(5000)) }))
        yield* refused(vault.create({ ...own, name: "HALF", value: redacted(`${sentinel}\uD800`) }))
        yield* refused(vault.create({ ...own, name: "BARE", value: sentinel as unknown as Redacted.Redacted }))
        yield* refused(
          vault.create({ ...own, name: "NUMBER", value: Redacted.make([sentinel]) as unknown as Redacted.Redacted })
        )
        yield* refused(vault.put({ ownerUserId: eve, secretId, value }))
        yield* refused(vault.put({ ownerUserId: ada, secretId, value, createdByUserId: "nobody" }))
        yield* refused(vault.put({ ownerUserId: ada, secretId, value: redacted(sentinel.repeat(5000)) }))
        yield* refused(vault.put({ ownerUserId: ada, secretId, value: { sentinel } as unknown as Redacted.Redacted }))
        yield* refused(vault.reveal({ ownerUserId: eve, secretId }))
        yield* refused(vault.reveal({ ownerUserId: ada, secretId, version: 9 }))

        // With no key, another one, and another under the same name.
        for (const other of [yield* vaultWith(), yield* vaultWith("k3"), yield* vaultWith(testKey("k1", "another"))]) {
          yield* refused(other.reveal({ ownerUserId: ada, secretId }))
          yield* refused(other.rotateKeys())
        }
        yield* refused((yield* vaultWith()).create({ ...own, name: "B" }))
        const next = yield* vaultWith("k2", "k1")
        record(next, yield* Stream.runCollect(next.streamRotation({ batchSize: 1 })), yield* next.keyStatus)
        yield* refused(next.retireKey(EncryptionKeyId.make("k2")))
        record(yield* next.retireKey(EncryptionKeyId.make("k1")))
        yield* refused(vault.put({ ownerUserId: ada, secretId, value }))

        // Invalid keys.
        const key = Buffer.from(Redacted.value(testKey("k1").key)).toString("base64")
        for (const configured of [
          key,
          `k1:${key},k1:${key}`,
          `${key}:k1`,
          `k1:${key.slice(1)}`,
          `k1:${key},${key}`,
          `k1:${sentinel}`
        ]) {
          const provider = ConfigProvider.fromMap(new Map([["SEALANT_ENCRYPTION_KEYS", configured]]))
          yield* refused(Effect.provide(KeyRing, KeyRing.layerConfig).pipe(Effect.withConfigProvider(provider)))
        }
        record(yield* Effect.provide(KeyRing, KeyRing.layer([testKey("k1"), testKey("k2")])))

        // A private key where the public one should be, and a secret where a name should be none.
        const pem = String(generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }))
        const rsa = String(
          generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "pem", type: "pkcs1" })
        )
        const mistakes = [
          pem,
          rsa,
          linesOf(rsa).join(""),
          `ssh-rsa ${linesOf(rsa).join("")}`,
          `ssh-ed25519 ${sentinel}`,
          sentinel
        ]
        for (const publicKey of mistakes)
          yield* refused(sshKeys.create({ ownerUserId: ada, name: "laptop", publicKey }))
        yield* refused(sshKeys.create({ ownerUserId: "nobody", name: "laptop", publicKey: publicKeys.ed25519.line }))

        // A row that is not what it should be, and a database that refuses.
        yield* shell("UPDATE secret_versions SET wrapped_data_key = ?", sentinel)
        yield* refused(next.reveal({ ownerUserId: ada, secretId }))
        yield* shell("UPDATE secret_versions SET wrapped_data_key = 'x'")
        yield* sql`CREATE TRIGGER refuse BEFORE INSERT ON secret_versions BEGIN SELECT RAISE(ABORT, 'refused'); END`
        yield* refused(next.put({ ownerUserId: ada, secretId, value }))
        yield* refused(next.create({ ...own, name: "C" }))
        yield* sql`DROP TABLE ssh_keys`
        yield* refused(sshKeys.create({ ownerUserId: ada, name: "laptop", publicKey: publicKeys.ed25519.line }))
        yield* sql`DROP TABLE secret_versions`
        yield* refused(next.put({ ownerUserId: ada, secretId, value }))
        yield* refused(next.reveal({ ownerUserId: ada, secretId }))
        yield* Effect.logDebug("done")

        expect(failures).toBe(41)
        expect(output.some((text) => text.includes("SecretVault.create"))).toBe(true)
        expect(output.some((text) => text.includes("SshKeyRepo.create"))).toBe(true)
        expect(output.some((text) => text.includes("done"))).toBe(true)
        const sentinels = [...forms, ...linesOf(pem), ...linesOf(rsa)]
        expect(
          output.flatMap((text) =>
            sentinels.filter((form) => text.includes(form)).map((form) => [form, text.slice(0, 200)])
          )
        ).toEqual([])
      }).pipe(Effect.provide(Layer.provideMerge(SshKeyRepo.layer, layer)), Effect.provide(watched))
    })
  }

  it.effect("are stored in no table as plain text", () =>
    Effect.gen(function* () {
      const vault = yield* SecretVault
      const { id: secretId } = yield* vault.create({ ownerUserId: ada, name: "TOKEN", value })
      yield* (yield* vaultWith("k2", "k1")).rotateKeys()
      const tables = yield* shell("SELECT * FROM secrets, secret_versions, encryption_keys")
      expect(textOf(tables)).toContain(secretId)
      expect(forms.filter((form) => textOf(tables).includes(form))).toEqual([])
    }).pipe(Effect.provide(layers.memory))
  )
})
