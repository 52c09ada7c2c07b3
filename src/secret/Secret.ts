/**
 * Secrets of users and their versions: row models and inputs.
 *
 * Versions contain the values, encrypted. All other columns are plain text. See docs/encryption.md.
 */
import { Schema } from "effect"
import {
  ownerScopeField,
  idOf,
  integerOf,
  Name,
  optional,
  OptionalTimestamp,
  Prose,
  Sensitive,
  Timestamp
} from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { EncryptionKeyId } from "./EncryptionKey.js"

/** The id of a secret. Generated ids are `sec_` and a UUIDv7. */
export const SecretId = idOf("SecretId")
export type SecretId = typeof SecretId.Type

/** The id of a version of a secret: `sev_` and a UUIDv7. */
export const SecretVersionId = idOf("SecretVersionId")
export type SecretVersionId = typeof SecretVersionId.Type

/** One row of `secrets`. */
export class Secret extends Model.Class<Secret>("Secret")(
  {
    id: SecretId,
    ownerUserId: UserId,
    /** Unique among the secrets of the owner, including archived ones. */
    name: Name,
    description: optional(Prose),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    /** Set while the secret is archived. Lists omit archived secrets; references to them stay valid. */
    archivedAt: OptionalTimestamp
  },
  table({
    name: "secrets",
    service: "SecretRepo",
    purpose: "Named secrets of users. `secret_versions` contains their values."
  })
) {}

const greatestVersion = Number.MAX_SAFE_INTEGER

/** The number of a version. The first version has number 1. */
export const SecretVersionNumber = integerOf(
  Schema.Int.pipe(Schema.between(1, greatestVersion, { message: () => "must be a whole number, 1 or more" })),
  (value) => value >= 1
)

/** Text column that the JSON variant of the model omits. */
const stored = Model.Field({ select: Prose, insert: Prose, update: Prose })
const { select: storedOrNone } = optional(Prose).schemas
const { select: redactedOrNone } = optional(Sensitive.schemas.select).schemas

const metadata = {
  id: SecretVersionId,
  secretId: SecretId,
  version: SecretVersionNumber,
  /** The key that wraps the data key. */
  encryptionKeyId: optional(EncryptionKeyId),
  createdByUserId: optional(UserId),
  createdAt: Timestamp
}

/** One row of `secret_versions`: an encrypted value. */
export class SecretVersion extends Model.Class<SecretVersion>("SecretVersion")(
  {
    ...metadata,
    /** The value, encrypted with the data key, in base64. */
    encryptedValue: stored,
    /**
     * The data key, wrapped by the key `encryptionKeyId`, in base64. None in imported rows, which cannot be decrypted.
     */
    wrappedDataKey: Model.Field({ select: storedOrNone, insert: storedOrNone, update: storedOrNone }),
    /** Only in imported rows. Redacted and absent in JSON, because a hash allows guesses of the value. */
    valueSha256: Model.Field({ select: redactedOrNone, insert: redactedOrNone, update: redactedOrNone })
  },
  table({
    name: "secret_versions",
    service: "SecretVault",
    purpose: "Encrypted values of secrets, each with its own data key. A new value is a new version."
  })
) {}

/** A version without its value. */
export class SecretVersionMetadata extends Model.Class<SecretVersionMetadata>("SecretVersionMetadata")(metadata) {}

/** The maximum size of a value, in bytes of UTF-8. */
export const maxSecretBytes = 65_536

const isValue = (value: string) =>
  value.length <= maxSecretBytes && Buffer.byteLength(value) <= maxSecretBytes && !/[\uD800-\uDFFF]/u.test(value)

/** The value of a secret: up to 65,536 bytes of UTF-8. Redacted in output. */
export const SecretValue = Schema.RedactedFromSelf(
  Schema.String.pipe(
    Schema.filter(isValue, { message: () => `must be up to ${maxSecretBytes} bytes, without lone surrogates` })
  )
).annotations({
  message: () => ({
    message: `must be redacted text of up to ${maxSecretBytes} bytes, without lone surrogates`,
    override: true
  })
})

/** Input for creating a secret. */
export const CreateSecret = Schema.Struct({
  id: Schema.optional(SecretId),
  ownerUserId: UserId,
  name: Name,
  description: Schema.optional(Prose),
  value: SecretValue,
  createdByUserId: Schema.optional(UserId)
})

/** Input for storing a new value of a secret. */
export const PutSecret = Schema.Struct({
  ownerUserId: UserId,
  secretId: SecretId,
  value: SecretValue,
  createdByUserId: Schema.optional(UserId)
})

/**
 * Input for revealing a version of a secret: the version with the number `version`, or with the id `versionId`. Default:
 * the latest version. With both, the version must have both.
 */
export const RevealSecret = Schema.Struct({
  ownerUserId: UserId,
  secretId: SecretId,
  version: Schema.optional(SecretVersionNumber),
  versionId: Schema.optional(SecretVersionId)
})

/** Input for renaming a secret. */
export const RenameSecret = Schema.Struct({ id: SecretId, ownerUserId: ownerScopeField(UserId), name: Name })

/** Input for finding a version of a secret. `version` defaults to the latest. */
export const FindSecretVersion = Schema.Struct({
  secretId: SecretId,
  ownerUserId: ownerScopeField(UserId),
  version: Schema.optional(SecretVersionNumber)
})

/** Filter for listing the versions of a secret. */
export const SecretVersionFilter = Schema.Struct({ secretId: SecretId, ownerUserId: ownerScopeField(UserId) })

/** Filter for listing the secrets of an owner. `includeArchived` defaults to false. */
export const SecretFilter = Schema.Struct({
  ownerUserId: UserId,
  includeArchived: Schema.optionalWith(Schema.Boolean, { default: () => false })
})
