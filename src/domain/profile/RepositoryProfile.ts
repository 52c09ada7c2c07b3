/**
 * A repository profile: how sandboxes of one repository are run, in numbered revisions.
 */
import { idOf } from "../../internal/columns.js"

/** The id of a revision of a repository profile. */
export const RepositoryProfileRevisionId = idOf("RepositoryProfileRevisionId")
export type RepositoryProfileRevisionId = typeof RepositoryProfileRevisionId.Type
