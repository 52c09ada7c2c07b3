/**
 * An issue, as its provider tells it.
 */
import { idOf } from "../../internal/columns.js"

/** The id of an issue. */
export const IssueId = idOf("IssueId")
export type IssueId = typeof IssueId.Type
