/**
 * The subject of an event of the journal.
 */
import type { JournalEvent } from "../lib/queries.js"
import { IdLink } from "./IdLink.js"

/** The kind of the subject, and its id as a link. */
export const SubjectLink = ({ event: { subjectId, subjectType } }: { readonly event: JournalEvent }) => (
  <span className="subject">
    <span className="faint">{subjectType}</span> <IdLink id={subjectId} kind={subjectType} />
  </span>
)
