/**
 * An SSH key of a user.
 */
import { idOf } from "../../internal/columns.js"

/** The id of an SSH key. */
export const SshKeyId = idOf("SshKeyId")
export type SshKeyId = typeof SshKeyId.Type
