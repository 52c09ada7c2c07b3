/**
 * An SSH key of a user: the public half, and which secrets have the other one.
 */
import { Schema } from "effect"
import { confinedTo, idOf, Name, optional, OptionalTimestamp, Prose, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { PublicKey } from "./publicKey.js"
import { SecretId } from "./Secret.js"

/** The id of an SSH key, `ssh_` and a UUIDv7 when it is ours. */
export const SshKeyId = idOf("SshKeyId")
export type SshKeyId = typeof SshKeyId.Type

/** One row of `ssh_keys`. */
export class SshKey extends Model.Class<SshKey>("SshKey")({
  id: SshKeyId,
  ownerUserId: UserId,
  name: Name,
  /** In the format of OpenSSH: type, base64 and comment, in one line. */
  publicKey: Prose,
  /** The secret that is the private key. */
  privateKeySecretId: optional(SecretId),
  /** The secret that is the passphrase of the private key. */
  passphraseSecretId: optional(SecretId),
  /** `SHA256:` and base64, as OpenSSH prints it. Unique among the keys of its owner. */
  fingerprint: Name,
  createdAt: Timestamp,
  updatedAt: Timestamp,
  /** Put away: lists leave it out. What refers to it still finds it. */
  archivedAt: OptionalTimestamp
}, table({
  name: "ssh_keys",
  service: "SshKeyRepo",
  purpose: "The SSH keys of a user: public halves, and which secrets have the private ones."
})) {}

/** What a caller gives to store an SSH key. */
export const CreateSshKey = Schema.Struct({
  id: Schema.optional(SshKeyId),
  ownerUserId: UserId,
  name: Name,
  publicKey: PublicKey,
  privateKeySecretId: Schema.optional(SecretId),
  passphraseSecretId: Schema.optional(SecretId)
})

/** An SSH key and its new name. */
export const RenameSshKey = Schema.Struct({ id: SshKeyId, ownerUserId: confinedTo(UserId), name: Name })

/** Which SSH keys a list shows: those of an owner. `includeArchived` left out means false. */
export const SshKeyFilter = Schema.Struct({
  ownerUserId: UserId,
  includeArchived: Schema.optionalWith(Schema.Boolean, { default: () => false })
})
