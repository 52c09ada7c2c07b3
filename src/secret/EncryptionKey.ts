/**
 * The keys that data keys are wrapped with: their names and where they stand. Their material is in no row: see `KeyRing`.
 */
import { Schema } from "effect"
import { enumeration, idOf, Name, optional, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"

/** The id of a key, as the key ring names it. */
export const EncryptionKeyId = idOf("EncryptionKeyId")
export type EncryptionKeyId = typeof EncryptionKeyId.Type

/**
 * `active`: what is written from now on is written with it; `inactive`: opens what was written with it, and is written
 * with only by who does not hold the active one; `retired`: nothing uses it, and nothing ever will.
 */
export const EncryptionKeyStatus = enumeration("active", "inactive", "retired")
export type EncryptionKeyStatus = typeof EncryptionKeyStatus.Type

/** Where a key can go. One that is active makes place for another before it is retired; only one that never was becomes active. */
export const encryptionKeyTransitions = stateMachine(EncryptionKeyStatus.literals, {
  active: ["inactive"],
  inactive: ["active", "retired"],
  retired: []
})

/** One row of `encryption_keys`. */
export class EncryptionKey extends Model.Class<EncryptionKey>("EncryptionKey")({
  id: EncryptionKeyId,
  status: EncryptionKeyStatus,
  /**
   * What tells whether a process holds the same key under this id, and nothing else of it. None until a process that
   * holds the key has used it.
   */
  keyCheck: optional(Name),
  createdAt: Timestamp,
  /** When it became active. */
  activatedAt: OptionalTimestamp,
  retiredAt: OptionalTimestamp
}, table({
  name: "encryption_keys",
  service: "SecretVault",
  purpose: "Which keys secrets are encrypted with, by name, and which one is active. The keys themselves are not here.",
  states: { status: encryptionKeyTransitions }
})) {}

/** A key, how many versions of secrets are under it, and whether this process holds it. */
export interface KeyStatus {
  readonly key: EncryptionKey
  readonly versions: number
  readonly held: boolean
}

/** How far a rotation has come. */
export interface KeyRotation {
  /** The key that versions are brought under: the active one. */
  readonly keyId: EncryptionKeyId
  /** How many versions were under other keys when it began. */
  readonly total: number
  /** How many of them it has brought under the active key. */
  readonly rewrapped: number
  /** How many of them stay as they are: under a key that this process does not hold, damaged, or carried over. */
  readonly skipped: number
}

const maxBatchSize = 1000
const defaultBatchSize = 200

/** How a rotation goes: `batchSize` versions at a time, 1 to 1,000, by default 200. */
export const RotateKeys = Schema.Struct({
  batchSize: Schema.optionalWith(
    Schema.Int.pipe(Schema.between(1, maxBatchSize, { message: () => `must be a whole number from 1 to ${maxBatchSize}` })),
    { default: () => defaultBatchSize }
  )
})
