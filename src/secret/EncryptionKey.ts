/**
 * Encryption keys, which wrap data keys: row model, states and inputs. Rows contain the id and the status of a key. The
 * key itself is only in `KeyRing`.
 */
import { Schema } from "effect"
import { Count, enumeration, existing, idOf, Name, optional, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import { Limit } from "../sql/inputLimits.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"

/** The id of an encryption key. The key ring uses the same id. */
export const EncryptionKeyId = idOf("EncryptionKeyId")
export type EncryptionKeyId = typeof EncryptionKeyId.Type

/**
 * The status of an encryption key:
 *
 * - `active`: encrypts new versions.
 * - `inactive`: decrypts existing versions. Encrypts new ones only in processes that do not hold the active key.
 * - `retired`: is not used any more. Final.
 */
export const EncryptionKeyStatus = enumeration("active", "inactive", "retired")
export type EncryptionKeyStatus = typeof EncryptionKeyStatus.Type

/**
 * The state machine of an encryption key. An active key becomes inactive, by the activation of another key, before it
 * can be retired. `rotateKeys` activates only keys that never were active.
 */
export const encryptionKeyTransitions = stateMachine(
  EncryptionKeyStatus.literals,
  {
    active: ["inactive"],
    inactive: ["active", "retired"],
    retired: []
  },
  {
    active: [{ by: "an operator: `rotateKeys` to another key", noDeadline: "it is in use" }],
    inactive: [{ by: "an operator: `rotateKeys`, `retireKey`", noDeadline: "it decrypts stored values" }]
  }
)

/** One row of `encryption_keys`. */
export class EncryptionKey extends Model.Class<EncryptionKey>("EncryptionKey")(
  {
    id: EncryptionKeyId,
    status: EncryptionKeyStatus,
    /**
     * Check value that detects a different key under the same id. It does not reveal the key. None until a process that
     * holds the key has used it.
     */
    keyCheck: optional(Name),
    createdAt: Timestamp,
    /** The time of the activation. */
    activatedAt: OptionalTimestamp,
    retiredAt: OptionalTimestamp
  },
  table({
    name: "encryption_keys",
    service: "SecretVault",
    purpose: "Ids and states of the keys that encrypt secrets. The keys themselves are not stored.",
    states: { status: encryptionKeyTransitions }
  })
) {}

/** An encryption key, with its use. */
export const KeyStatus = Schema.Struct({
  key: Model.Row(EncryptionKey),
  /** The number of versions of secrets and of tokens of accounts that are encrypted with the key. */
  versions: Count,
  /** Whether the key ring of this process contains the key. */
  held: Schema.Boolean
})
export interface KeyStatus extends Schema.Schema.Type<typeof KeyStatus> {}

/** The progress of a key rotation. */
export const KeyRotation = Schema.Struct({
  /** The active key, which wraps the data keys after the rotation. */
  keyId: existing(EncryptionKeyId),
  /** The number of versions and tokens that were not under the active key at the start of the rotation. */
  total: Count,
  /** The number of versions and tokens that the rotation has moved to the active key. */
  rewrapped: Count,
  /** The number of those that stay unchanged: their key is not in the key ring, or they are damaged or imported. */
  skipped: Count
})
export interface KeyRotation extends Schema.Schema.Type<typeof KeyRotation> {}

const defaultBatchSize = 200

/**
 * Options of a key rotation. `batchSize` is the number of versions or accounts for each statement: 1 to 1,000, default
 * 200.
 */
export const RotateKeys = Schema.Struct({
  batchSize: Schema.optionalWith(Limit, { default: () => defaultBatchSize })
})
