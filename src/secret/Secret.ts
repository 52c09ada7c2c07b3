/**
 * A secret of a user, its versions, and what callers give.
 *
 * A value stands in a version, encrypted; what is not a value is plain. See docs/encryption.md.
 */
import { Schema } from "effect"
import { confinedTo, idOf, integerOf, Name, optional, OptionalTimestamp, Prose, Sensitive, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { EncryptionKeyId } from "./EncryptionKey.js"

/** The id of a secret, `sec_` and a UUIDv7 when it is ours. */
export const SecretId = idOf("SecretId")
export type SecretId = typeof SecretId.Type

/** The id of a version of a secret, `sev_` and a UUIDv7. */
export const SecretVersionId = idOf("SecretVersionId")
export type SecretVersionId = typeof SecretVersionId.Type

/** One row of `secrets`. */
export class Secret extends Model.Class<Secret>("Secret")({
  id: SecretId,
  ownerUserId: UserId,
  /** Unique among the secrets of its owner, archived ones too. */
  name: Name,
  description: optional(Prose),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  /** Put away: lists leave it out. What refers to it still finds it. */
  archivedAt: OptionalTimestamp
}, table({
  name: "secrets",
  service: "SecretRepo",
  purpose: "The secrets of a user, by name. Their values are in their versions."
})) {}

const greatestVersion = Number.MAX_SAFE_INTEGER

/** The number of a version, 1 for the first. */
export const SecretVersionNumber = integerOf(
  Schema.Int.pipe(Schema.between(1, greatestVersion, { message: () => "must be a whole number, 1 or more" })),
  (value) => value >= 1
)

/** Text that is of no use to who reads JSON: absent there. */
const stored = Model.Field({ select: Prose, insert: Prose, update: Prose })
const { select: storedOrNone } = optional(Prose).schemas
const { select: redactedOrNone } = optional(Sensitive.schemas.select).schemas

const metadata = {
  id: SecretVersionId,
  secretId: SecretId,
  version: SecretVersionNumber,
  /** The key that its data key is wrapped with. */
  encryptionKeyId: optional(EncryptionKeyId),
  createdByUserId: optional(UserId),
  createdAt: Timestamp
}

/** One row of `secret_versions`: a value, encrypted. */
export class SecretVersion extends Model.Class<SecretVersion>("SecretVersion")({
  ...metadata,
  /** The value under its data key, in base64. */
  encryptedValue: stored,
  /** The data key under the key that is named, in base64. None in rows carried over, which nothing here opens. */
  wrappedDataKey: Model.Field({ select: storedOrNone, insert: storedOrNone, update: storedOrNone }),
  /** Only in rows carried over. Who sees it can try out values: redacted, and absent in JSON. */
  valueSha256: Model.Field({ select: redactedOrNone, insert: redactedOrNone, update: redactedOrNone })
}, table({
  name: "secret_versions",
  service: "SecretVault",
  purpose: "The values of secrets, encrypted, each under a key of its own. A new value is a new version."
})) {}

/** What is known of a version beside its value. */
export class SecretVersionMetadata extends Model.Class<SecretVersionMetadata>("SecretVersionMetadata")(metadata) {}

/** The most that a value may have, in bytes of UTF-8. */
export const maxSecretBytes = 65_536

const isValue = (value: string) =>
  value.length <= maxSecretBytes && Buffer.byteLength(value) <= maxSecretBytes && !/[\uD800-\uDFFF]/u.test(value)

/** The value of a secret: up to 65,536 bytes of UTF-8. Prints as nothing. */
export const SecretValue = Schema.RedactedFromSelf(
  Schema.String.pipe(Schema.filter(isValue, { message: () => `must be up to ${maxSecretBytes} bytes, without lone surrogates` }))
).annotations({ message: () => ({ message: `must be redacted text of up to ${maxSecretBytes} bytes, without lone surrogates`, override: true }) })

/** What a caller gives to store a secret. */
export const CreateSecret = Schema.Struct({
  id: Schema.optional(SecretId),
  ownerUserId: UserId,
  name: Name,
  description: Schema.optional(Prose),
  value: SecretValue,
  createdByUserId: Schema.optional(UserId)
})

/** A new value of a secret. */
export const PutSecret = Schema.Struct({
  ownerUserId: UserId,
  secretId: SecretId,
  value: SecretValue,
  createdByUserId: Schema.optional(UserId)
})

/** Which version of a secret: the latest if none is given. */
export const RevealSecret = Schema.Struct({
  ownerUserId: UserId,
  secretId: SecretId,
  version: Schema.optional(SecretVersionNumber)
})

/** A secret and its new name. */
export const RenameSecret = Schema.Struct({ id: SecretId, ownerUserId: confinedTo(UserId), name: Name })

/** A version of a secret: the latest if `version` is left out. */
export const FindSecretVersion = Schema.Struct({
  secretId: SecretId,
  ownerUserId: confinedTo(UserId),
  version: Schema.optional(SecretVersionNumber)
})

/** Filter for listing the versions of a secret. */
export const SecretVersionFilter = Schema.Struct({ secretId: SecretId, ownerUserId: confinedTo(UserId) })

/** Which secrets a list shows: those of an owner. `includeArchived` left out means false. */
export const SecretFilter = Schema.Struct({
  ownerUserId: UserId,
  includeArchived: Schema.optionalWith(Schema.Boolean, { default: () => false })
})
