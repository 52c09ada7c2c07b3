/**
 * Errors of secrets and encryption keys. They contain no values, and of keys only the id.
 */
// Imported from its module, because the index of the package loads all of it, which adds a second to each start.
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/**
 * The reason why a key cannot be used:
 *
 * - `no-keys`: the key ring of this process is empty.
 * - `not-held`: the key ring does not contain this key.
 * - `different`: the key ring contains another key under this id than the one that encrypted secrets.
 * - `retired`: the key is retired.
 * - `superseded`: the key was active, and another key was activated after it, before or during a rotation to it.
 */
export const EncryptionKeyProblem = Schema.Literal("no-keys", "not-held", "different", "retired", "superseded")
export type EncryptionKeyProblem = typeof EncryptionKeyProblem.Type

/**
 * The required key cannot be used in this process. Nothing was read or written. `keyId` is absent for `no-keys`. HTTP
 * 503.
 */
export class EncryptionKeyUnavailable extends Schema.TaggedError<EncryptionKeyUnavailable>(
  "@sealant/db/EncryptionKeyUnavailable"
)(
  "EncryptionKeyUnavailable",
  { keyId: Schema.optionalWith(Schema.String, { as: "Option" }), problem: EncryptionKeyProblem },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return this.keyId._tag === "Some"
      ? `encryption key ${this.keyId.value} cannot be used (${this.problem})`
      : `there is no encryption key (${this.problem}); set SEALANT_ENCRYPTION_KEYS, or pass one to KeyRing.layer`
  }
}

/** The key cannot be retired, because it is active or wraps data keys of versions (rotate first). HTTP 409. */
export class EncryptionKeyInUse extends Schema.TaggedError<EncryptionKeyInUse>("@sealant/db/EncryptionKeyInUse")(
  "EncryptionKeyInUse",
  { keyId: Schema.String, reason: Schema.Literal("active", "versions") },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `encryption key ${this.keyId} is in use (${this.reason})`
  }
}

/**
 * The stored version cannot be decrypted: it was modified, moved or truncated, belongs to another key or owner, or was
 * imported in another format. The error does not contain which of these. HTTP 500.
 */
export class SecretUnreadable extends Schema.TaggedError<SecretUnreadable>("@sealant/db/SecretUnreadable")(
  "SecretUnreadable",
  { secretId: Schema.String, version: Schema.Number },
  HttpApiSchema.annotations({ status: 500 })
) {
  override get message() {
    return `version ${this.version} of secret ${this.secretId} cannot be read`
  }
}

/** The secret cannot be deleted, because a profile or an SSH key refers to it. HTTP 409. */
export class SecretInUse extends Schema.TaggedError<SecretInUse>("@sealant/db/SecretInUse")(
  "SecretInUse",
  { secretId: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `secret ${this.secretId} is in use`
  }
}
