/**
 * A profile: what a user brings into every sandbox, in numbered revisions.
 */
import { idOf } from "../../internal/columns.js"

/** The id of a revision of a profile. */
export const ProfileRevisionId = idOf("ProfileRevisionId")
export type ProfileRevisionId = typeof ProfileRevisionId.Type
