/**
 * A workflow: the work on one issue, through as many executions as it takes.
 */
import { Schema } from "effect"
import { confinedTo, enumeration, idOf, optional, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { UserId } from "../auth/User.js"
import { RepositoryId } from "../source/Repository.js"
import { IssueId } from "./Issue.js"

/** The id of an issue workflow, `wf_` and a UUIDv7 when it is ours. */
export const IssueWorkflowId = idOf("IssueWorkflowId")
export type IssueWorkflowId = typeof IssueWorkflowId.Type

/** `active`: is being worked on; `completed`, `failed`, `cancelled`: ended, for good. */
export const IssueWorkflowStatus = enumeration("active", "completed", "failed", "cancelled")
export type IssueWorkflowStatus = typeof IssueWorkflowStatus.Type

/** Where a workflow can go. What has ended stays: more work on the issue is another workflow. */
export const issueWorkflowTransitions = stateMachine(IssueWorkflowStatus.literals, {
  active: ["completed", "failed", "cancelled"],
  completed: [],
  failed: [],
  cancelled: []
})

/** One row of `issue_workflows`. */
export class IssueWorkflow extends Model.Class<IssueWorkflow>("IssueWorkflow")({
  id: IssueWorkflowId,
  issueId: IssueId,
  /** Where the issue was when the work on it began. */
  repositoryId: RepositoryId,
  /** None when that user is gone. */
  ownerUserId: optional(UserId),
  status: IssueWorkflowStatus,
  /** Who asked for it, where that is not the owner alone. */
  requestedByUserId: optional(UserId),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  /** Put away: lists leave it out, and its issue is free for another. Says nothing of the status. */
  archivedAt: OptionalTimestamp
}, table({
  name: "issue_workflows",
  service: "IssueWorkflowRepo",
  purpose: "The work on an issue, through as many executions as it takes. An issue has one that is active at most.",
  states: { status: issueWorkflowTransitions }
})) {}

/** What a caller gives to begin a workflow. `repositoryId` left out means that of the issue. */
export const CreateIssueWorkflow = Schema.Struct({
  id: Schema.optional(IssueWorkflowId),
  issueId: IssueId,
  repositoryId: Schema.optional(RepositoryId),
  ownerUserId: Schema.optional(UserId),
  requestedByUserId: Schema.optional(UserId)
})

/**
 * Which workflows a list shows: those that match all that is given. Several statuses mean any of them, an empty list of
 * them none. `includeArchived` left out means false. An owner given as `undefined` is refused.
 */
export const IssueWorkflowFilter = Schema.Struct({
  issueId: Schema.optional(IssueId),
  repositoryId: Schema.optional(RepositoryId),
  ownerUserId: confinedTo(UserId),
  statuses: Schema.optional(Schema.Array(IssueWorkflowStatus)),
  includeArchived: Schema.optionalWith(Schema.Boolean, { default: () => false })
})
