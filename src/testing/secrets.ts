/**
 * Factories of secrets, of the keys that they are under, and of SSH keys.
 */
import { SqlClient } from "@effect/sql"
import { DateTime, Effect, Either, Redacted } from "effect"
import { createHash } from "node:crypto"
import { UserId } from "../auth/User.js"
import { EncryptionKey, EncryptionKeyId } from "../secret/EncryptionKey.js"
import { keyCheckOf, seal } from "../secret/envelope.js"
import { parsePublicKey } from "../secret/publicKey.js"
import { Secret, SecretId, SecretVersion, SecretVersionId } from "../secret/Secret.js"
import { SshKey, SshKeyId } from "../secret/SshKey.js"
import { idOrNew } from "../sql/ids.js"
import { owner } from "./auth.js"
import { asId, ensure, factory, type Given, insert, type Made, next } from "./rows.js"

/** The key that `layerTest` holds. It has the length that keys have, and everybody knows it. */
export const testKey = { id: "test", key: Redacted.make(new Uint8Array(32).fill(1)) }

/** The test key, under the id that is given. */
const wrappingKey = (id: string) => ({ id, bytes: Redacted.value(testKey.key) })

/** A key in the status that is given, `inactive` if none is: by the name `test`, the one that `layerTest` holds. */
export const encryptionKey = (given: Given<EncryptionKey> = {}): Made<EncryptionKey> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(EncryptionKeyId, given.id), "key", EncryptionKeyId.make)
    const now = given.createdAt ?? (yield* DateTime.now)
    const { status = "inactive" } = given
    return yield* insert("encryption_keys", EncryptionKey, {
      keyCheck: keyCheckOf(wrappingKey(id)),
      createdAt: now,
      ...(status === "active" ? { activatedAt: now } : status === "retired" ? { retiredAt: now } : {}),
      ...given,
      id,
      status
    })
  }).pipe(factory("encryptionKey"))

/** A secret without a version, of the owner that is given, of a new one if none is. Its name is made from the id. */
export const secret = (given: Given<Secret> = {}): Made<Secret> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(SecretId, given.id), "sec", SecretId.make)
    const ownerUserId = yield* owner(given.ownerUserId)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("secrets", Secret, { name: id, createdAt: now, updatedAt: now, ...given, id, ownerUserId })
  }).pipe(factory("secret"))

/** The key of this id, made when missing: active, if no other is. */
const keyOf = (id: string) =>
  ensure("encryption_keys", id, (id) =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const active = yield* sql`SELECT 1 FROM encryption_keys WHERE status = 'active'`
      return yield* encryptionKey({ id, status: active.length === 0 ? "active" : "inactive" })
    }))

/**
 * The next version of a secret, of a new one if none is given. Its value is the `value` that is given, and `SecretVault` of
 * `layerTest` reveals it. One whose ciphertext is given instead is stored as it is given.
 */
export const secretVersion = (
  { value = "value", ...given }: Given<SecretVersion> & { readonly value?: string } = {}
): Made<SecretVersion> =>
  Effect.gen(function*() {
    const versionId = yield* idOrNew(asId(SecretVersionId, given.id), "sev", SecretVersionId.make)
    yield* ensure("secrets", given.secretId, (id) => secret({ id }))
    const secretId = asId(SecretId, given.secretId) ?? (yield* secret()).id
    const { encryptionKeyId = testKey.id, version = yield* next("secret_versions", "version", "secret_id", secretId) } = given
    yield* keyOf(encryptionKeyId)
    if (given.createdByUserId !== undefined) yield* owner(given.createdByUserId)
    const identity = { ownerUserId: yield* ownerOf(secretId), secretId, versionId, version }
    return yield* insert("secret_versions", SecretVersion, {
      createdAt: yield* DateTime.now,
      ...(given.encryptedValue === undefined ? seal(value, wrappingKey(encryptionKeyId), identity) : {}),
      ...given,
      id: versionId,
      secretId,
      version,
      encryptionKeyId
    })
  }).pipe(factory("secretVersion"))

const ownerOf = (secretId: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly owner: string }>`SELECT owner_user_id AS owner FROM secrets WHERE id = ${secretId}`
    return row?.owner ?? ""
  })

/** An Ed25519 public key that is another for each name: nobody has its private half. */
const publicKeyOf = (name: string) => {
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
  const point = createHash("sha256").update(name).digest()
  return `ssh-ed25519 ${Buffer.concat([field(Buffer.from("ssh-ed25519")), field(point)]).toString("base64")}`
}

/**
 * An SSH key of the owner that is given, else of the owner of its secrets, else of a new one. Its name and its public
 * key are made from the id, its fingerprint from the public key.
 */
export const sshKey = (given: Given<SshKey> = {}): Made<SshKey> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(SshKeyId, given.id), "ssh", SshKeyId.make)
    const secretIds = [given.privateKeySecretId, given.passphraseSecretId].flatMap((id) => id ?? [])
    const [known] = (yield* Effect.forEach(secretIds, ownerOf)).filter((id) => id !== "")
    const ownerUserId = UserId.make(yield* owner(given.ownerUserId ?? known))
    for (const secretId of secretIds) yield* ensure("secrets", secretId, (id) => secret({ id, ownerUserId }))
    const parsed = parsePublicKey(given.publicKey ?? publicKeyOf(id))
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("ssh_keys", SshKey, {
      name: id,
      publicKey: publicKeyOf(id),
      fingerprint: Either.match(parsed, { onLeft: () => id, onRight: ({ fingerprint }) => fingerprint }),
      createdAt: now,
      updatedAt: now,
      ...given,
      id,
      ownerUserId
    })
  }).pipe(factory("sshKey"))
