/**
 * A repository of source code.
 */
import { idOf } from "../../internal/columns.js"

/** The id of a repository. */
export const RepositoryId = idOf("RepositoryId")
export type RepositoryId = typeof RepositoryId.Type
