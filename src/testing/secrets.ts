/**
 * Factories of secrets, encryption keys and SSH keys.
 */
import * as SqlClient from "@effect/sql/SqlClient"
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
import { defined, asId, ensure, factory, type Given, insert, type Made, next } from "./rows.js"

/** The key in the key ring of `layerTest`. A constant: it protects nothing. */
export const testKey = { id: "test", key: Redacted.make(new Uint8Array(32).fill(1)) }

/** Returns the test key with another id. */
const wrappingKey = (id: string) => ({ id, bytes: Redacted.value(testKey.key) })

/** Creates an encryption key, by default `inactive`. The id `test` is the key in the key ring of `layerTest`. */
export const encryptionKey = (given: Given<EncryptionKey> = {}): Made<EncryptionKey> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(EncryptionKeyId, given.id), "key", EncryptionKeyId.make)
    const now = given.createdAt ?? (yield* DateTime.now)
    const { status = "inactive" } = given
    return yield* insert("encryption_keys", EncryptionKey, {
      keyCheck: keyCheckOf(wrappingKey(id)),
      createdAt: now,
      ...(status === "active" ? { activatedAt: now } : status === "retired" ? { retiredAt: now } : {}),
      ...defined(given),
      id,
      status
    })
  }).pipe(factory("encryptionKey"))

/** Creates a secret without versions, by default of a new owner. The name is the id. */
export const secret = (given: Given<Secret> = {}): Made<Secret> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(SecretId, given.id), "sec", SecretId.make)
    const ownerUserId = yield* owner(given.ownerUserId)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("secrets", Secret, {
      name: id,
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      id,
      ownerUserId
    })
  }).pipe(factory("secret"))

/** Creates the key if it does not exist: `active` if no other key is, else `inactive`. */
const keyOf = (id: string) =>
  ensure("encryption_keys", id, (id) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const active = yield* sql`SELECT 1 FROM encryption_keys WHERE status = 'active'`
      return yield* encryptionKey({ id, status: active.length === 0 ? "active" : "inactive" })
    })
  )

/**
 * Creates the next version of a secret, by default of a new one. Encrypts `value`, which `SecretVault` of `layerTest`
 * can reveal. If `encryptedValue` is set, stores that instead.
 */
export const secretVersion = ({
  value = "value",
  ...given
}: Given<SecretVersion> & { readonly value?: string | undefined } = {}): Made<SecretVersion> =>
  Effect.gen(function* () {
    const versionId = yield* idOrNew(asId(SecretVersionId, given.id), "sev", SecretVersionId.make)
    yield* ensure("secrets", given.secretId, (id) => secret({ id }))
    const secretId = asId(SecretId, given.secretId) ?? (yield* secret()).id
    const { encryptionKeyId = testKey.id, version = yield* next("secret_versions", "version", "secret_id", secretId) } =
      given
    yield* keyOf(encryptionKeyId)
    if (given.createdByUserId !== undefined) yield* owner(given.createdByUserId)
    const identity = { ownerUserId: yield* ownerOf(secretId), secretId, versionId, version }
    return yield* insert("secret_versions", SecretVersion, {
      createdAt: yield* DateTime.now,
      ...(given.encryptedValue === undefined ? seal(value, wrappingKey(encryptionKeyId), identity) : {}),
      ...defined(given),
      id: versionId,
      secretId,
      version,
      encryptionKeyId
    })
  }).pipe(factory("secretVersion"))

const ownerOf = (secretId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{
      readonly owner: string
    }>`SELECT owner_user_id AS owner FROM secrets WHERE id = ${secretId}`
    return row?.owner ?? ""
  })

/** Returns an Ed25519 public key derived from the name. It has no known private key. */
const publicKeyOf = (name: string) => {
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
  const point = createHash("sha256").update(name).digest()
  return `ssh-ed25519 ${Buffer.concat([field(Buffer.from("ssh-ed25519")), field(point)]).toString("base64")}`
}

/**
 * Creates an SSH key, by default of the owner of its secrets, else of a new owner. The name is the id, the public key
 * is derived from the id, and the fingerprint from the public key.
 */
export const sshKey = (given: Given<SshKey> = {}): Made<SshKey> =>
  Effect.gen(function* () {
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
      ...defined(given),
      id,
      ownerUserId
    })
  }).pipe(factory("sshKey"))
