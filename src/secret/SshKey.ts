/**
 * SSH keys of users: row model and inputs. A row contains the public key and the ids of the secrets with the private
 * key and its passphrase.
 */
import { Schema } from "effect"
import { ownerScopeField, idOf, Name, optional, OptionalTimestamp, Prose, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { PublicKey } from "./publicKey.js"
import { SecretId } from "./Secret.js"

/** The id of an SSH key. Generated ids are `ssh_` and a UUIDv7. */
export const SshKeyId = idOf("SshKeyId")
export type SshKeyId = typeof SshKeyId.Type

/** One row of `ssh_keys`. */
export class SshKey extends Model.Class<SshKey>("SshKey")(
  {
    id: SshKeyId,
    ownerUserId: UserId,
    name: Name,
    /** The public key in the format of OpenSSH: type, base64 and comment, in one line. */
    publicKey: Prose,
    /** The secret that contains the private key. */
    privateKeySecretId: optional(SecretId),
    /** The secret that contains the passphrase of the private key. */
    passphraseSecretId: optional(SecretId),
    /** `SHA256:` and base64, as OpenSSH prints it. Unique among the keys of the owner. */
    fingerprint: Name,
    createdAt: Timestamp,
    updatedAt: Timestamp,
    /** Set while the key is archived. Lists omit archived keys; references to them stay valid. */
    archivedAt: OptionalTimestamp
  },
  table({
    name: "ssh_keys",
    service: "SshKeyRepo",
    purpose: "SSH public keys of users, with references to the secrets that contain the private keys."
  })
) {}

/** Input for creating an SSH key. */
export const CreateSshKey = Schema.Struct({
  id: Schema.optional(SshKeyId),
  ownerUserId: UserId,
  name: Name,
  publicKey: PublicKey,
  privateKeySecretId: Schema.optional(SecretId),
  passphraseSecretId: Schema.optional(SecretId)
})

/** Input for renaming an SSH key. */
export const RenameSshKey = Schema.Struct({ id: SshKeyId, ownerUserId: ownerScopeField(UserId), name: Name })

/** Filter for listing the SSH keys of an owner. `includeArchived` defaults to false. */
export const SshKeyFilter = Schema.Struct({
  ownerUserId: UserId,
  includeArchived: Schema.optionalWith(Schema.Boolean, { default: () => false })
})
