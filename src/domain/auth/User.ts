/**
 * A user: the root of what is owned.
 */
import { idOf } from "../../internal/columns.js"

/** The id of a user. */
export const UserId = idOf("UserId")
export type UserId = typeof UserId.Type
