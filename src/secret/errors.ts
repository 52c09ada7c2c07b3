/**
 * What only secrets fail with. None says anything of a value or of a key beside its id.
 */
// Not from the package's index, which loads all of it: a second of start for each process.
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/**
 * Why a key cannot be used.
 *
 * `no-keys`: this process was given none; `not-held`: it was not given this one; `different`: it was given another key
 * under this id than the one that secrets are under; `retired`: nothing is written with it any more; `superseded`: it
 * was active, and another key was made active after it, before a rotation to it or meanwhile.
 */
export const EncryptionKeyProblem = Schema.Literal("no-keys", "not-held", "different", "retired", "superseded")
export type EncryptionKeyProblem = typeof EncryptionKeyProblem.Type

/** The key that is needed cannot be used here: nothing was read or written. `keyId` is absent for `no-keys`. HTTP 503. */
export class EncryptionKeyUnavailable extends Schema.TaggedError<EncryptionKeyUnavailable>()(
  "EncryptionKeyUnavailable",
  { keyId: Schema.optionalWith(Schema.String, { as: "Option" }), problem: EncryptionKeyProblem },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return this.keyId._tag === "Some"
      ? `encryption key ${this.keyId.value} cannot be used (${this.problem})`
      : `there is no encryption key (${this.problem}); set SEALANT_ENCRYPTION_KEYS, or give one to KeyRing.layer`
  }
}

/** The key cannot be retired: it is the active one, or versions are under it (rotate first). HTTP 409. */
export class EncryptionKeyInUse extends Schema.TaggedError<EncryptionKeyInUse>()(
  "EncryptionKeyInUse",
  { keyId: Schema.String, reason: Schema.Literal("active", "versions") },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `encryption key ${this.keyId} is in use (${this.reason})`
  }
}

/**
 * The stored version does not open, and nothing more is said: it was changed, moved or cut, or belongs to another key or
 * another owner, or was carried over from a store with another format. HTTP 500.
 */
export class SecretUnreadable extends Schema.TaggedError<SecretUnreadable>()(
  "SecretUnreadable",
  { secretId: Schema.String, version: Schema.Number },
  HttpApiSchema.annotations({ status: 500 })
) {
  override get message() {
    return `version ${this.version} of secret ${this.secretId} cannot be read`
  }
}

/** The secret cannot be deleted: a profile or an SSH key refers to it. HTTP 409. */
export class SecretInUse extends Schema.TaggedError<SecretInUse>()(
  "SecretInUse",
  { secretId: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `secret ${this.secretId} is in use`
  }
}
