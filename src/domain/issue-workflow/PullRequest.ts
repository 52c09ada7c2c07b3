/**
 * A pull request, as its provider tells it.
 */
import { idOf } from "../../internal/columns.js"

/** The id of a pull request. */
export const PullRequestId = idOf("PullRequestId")
export type PullRequestId = typeof PullRequestId.Type
