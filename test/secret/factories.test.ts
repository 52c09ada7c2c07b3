import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Option, Redacted } from "effect"
import { Factories, layerTest } from "@sealant/db/testing"
import { EncryptionKeyStatus } from "../../src/secret/EncryptionKey.js"
import { SecretRepo } from "../../src/secret/SecretRepo.js"
import { SecretVault } from "../../src/secret/SecretVault.js"
import { SshKeyRepo } from "../../src/secret/SshKeyRepo.js"
import { publicKeys } from "./publicKeys.js"
import { refusalOf, tagOf } from "./support.js"

const { make } = Factories

describe("factories of secrets", () => {
  for (const status of EncryptionKeyStatus.literals) {
    it.effect(`create a key that is ${status} and readable by the vault`, () =>
      Effect.gen(function* () {
        const key = yield* make.encryptionKey({ status })
        expect(yield* (yield* SecretVault).keyStatus).toEqual([{ key, versions: 0, held: false }])
        expect(key.status).toBe(status)
      }).pipe(Effect.provide(layerTest))
    )
  }

  it.effect("create a version that the vault reveals", () =>
    Effect.gen(function* () {
      const vault = yield* SecretVault
      const repo = yield* SecretRepo
      const secret = yield* make.secret({
        id: "s",
        ownerUserId: "ada",
        description: "d",
        archivedAt: DateTime.unsafeMake(5)
      })
      expect(secret).toMatchObject({
        id: "s",
        name: "s",
        ownerUserId: "ada",
        description: Option.some("d"),
        archivedAt: Option.some({ epochMillis: 5 })
      })
      expect(yield* repo.getById(secret.id)).toEqual(secret)
      const first = yield* make.secretVersion({ secretId: "s", value: "one" })
      const second = yield* make.secretVersion({ secretId: "s", createdByUserId: "bob" })
      expect([first.version, second.version]).toEqual([1, 2])
      expect(second.createdByUserId).toEqual(Option.some("bob"))
      const reveal = (version: number) =>
        Effect.map(vault.reveal({ ownerUserId: "ada", secretId: "s", version }), Redacted.value)
      expect([yield* reveal(1), yield* reveal(2)]).toEqual(["one", "value"])
      yield* vault.put({ ownerUserId: "ada", secretId: "s", value: Redacted.make("three") })
      expect(yield* vault.keyStatus).toMatchObject([{ key: { id: "test", status: "active" }, versions: 3, held: true }])
      expect(yield* vault.rotateKeys()).toMatchObject({ total: 0 })

      const carriedOver = yield* make.secretVersion({
        secretId: "s",
        encryptionKeyId: "old",
        encryptedValue: "abc",
        valueSha256: Redacted.make("f00")
      })
      expect(carriedOver).toMatchObject({ encryptedValue: "abc", wrappedDataKey: Option.none() })
      expect(Option.map(carriedOver.valueSha256, Redacted.value)).toEqual(Option.some("f00"))
      expect(yield* repo.findVersion({ secretId: secret.id })).toEqual(Option.some(carriedOver))
      expect(yield* tagOf(Effect.asVoid(reveal(4)))).toBe("SecretUnreadable")
      expect((yield* make.secretVersion()).version).toBe(1)
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("create an SSH key that its repository can read", () =>
    Effect.gen(function* () {
      const repo = yield* SshKeyRepo
      const small = yield* make.sshKey()
      expect(yield* repo.getById(small.id)).toEqual(small)
      const { name, ownerUserId, publicKey } = yield* make.sshKey({ id: "k", ownerUserId: "ada" })
      expect(yield* refusalOf(repo.create({ name, ownerUserId, publicKey }))).toMatchObject({ _tag: "AlreadyExists" })
      const full = yield* make.sshKey({
        publicKey: publicKeys.rsa2048.line,
        privateKeySecretId: "private",
        passphraseSecretId: "pass"
      })
      expect(full.fingerprint).toBe(publicKeys.rsa2048.fingerprint)
      const secret = yield* make.secret({ ownerUserId: "bob" })
      expect((yield* make.sshKey({ privateKeySecretId: secret.id })).ownerUserId).toBe("bob")
      expect(yield* refusalOf(make.sshKey({ privateKeySecretId: secret.id, ownerUserId: "ada" }))).toMatchObject({
        _tag: "ReferenceNotFound"
      })
    }).pipe(Effect.provide(layerTest))
  )
})
