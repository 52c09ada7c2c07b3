/**
 * A secret of a user, and its versions.
 */
import { idOf } from "../../internal/columns.js"

/** The id of a secret. */
export const SecretId = idOf("SecretId")
export type SecretId = typeof SecretId.Type

/** The id of a version of a secret. */
export const SecretVersionId = idOf("SecretVersionId")
export type SecretVersionId = typeof SecretVersionId.Type
