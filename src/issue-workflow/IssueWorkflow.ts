/**
 * Workflows: the work on one issue, with any number of executions.
 */
import { Schema } from "effect"
import {
  enumeration,
  existing,
  idOf,
  optional,
  OptionalTimestamp,
  ownerScopeField,
  Prose,
  Timestamp
} from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { UserId } from "../auth/User.js"
import { RepositoryId } from "../source/Repository.js"
import { IssueId } from "./Issue.js"

/** The id of an issue workflow. Generated ids are `wf_` and a UUIDv7. */
export const IssueWorkflowId = idOf("IssueWorkflowId")
export type IssueWorkflowId = typeof IssueWorkflowId.Type

/** The status of a workflow. All except `active` are final. */
export const IssueWorkflowStatus = enumeration("active", "completed", "failed", "cancelled")
export type IssueWorkflowStatus = typeof IssueWorkflowStatus.Type

/** Allowed transitions of a workflow. More work on the issue after the end needs a new workflow. */
export const issueWorkflowTransitions = stateMachine(
  IssueWorkflowStatus.literals,
  {
    active: ["completed", "failed", "cancelled"],
    completed: [],
    failed: [],
    cancelled: []
  },
  {
    active: [
      {
        by: "`finish`, `cancel`",
        noDeadline: "an issue may stay open for long; `doctor` lists workflows without an owner"
      }
    ]
  }
)

/** One row of `issue_workflows`. */
export class IssueWorkflow extends Model.Class<IssueWorkflow>("IssueWorkflow")(
  {
    id: IssueWorkflowId,
    issueId: IssueId,
    /** The repository of the issue when the workflow was created. */
    repositoryId: RepositoryId,
    /** None if the user was deleted. */
    ownerUserId: optional(UserId),
    status: IssueWorkflowStatus,
    /** The user who requested the workflow, if it was recorded. */
    requestedByUserId: optional(UserId),
    /** The reason of the cancellation, if it was recorded. */
    cancelReason: optional(Prose),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    /**
     * The time of archiving. Lists omit archived workflows by default, and the issue accepts a new workflow.
     * Independent of the status.
     */
    archivedAt: OptionalTimestamp
  },
  table({
    name: "issue_workflows",
    service: "IssueWorkflowRepo",
    purpose:
      "The work on an issue, with any number of executions. An issue has at most one active, unarchived workflow.",
    states: { status: issueWorkflowTransitions }
  })
) {}

/** Request to create a workflow. `repositoryId` defaults to the repository of the issue. */
export const CreateIssueWorkflow = Schema.Struct({
  id: Schema.optional(IssueWorkflowId),
  issueId: IssueId,
  repositoryId: Schema.optional(RepositoryId),
  ownerUserId: Schema.optional(UserId),
  requestedByUserId: Schema.optional(UserId)
})

/** Request to cancel a workflow. */
export const CancelWorkflow = Schema.Struct({
  id: existing(IssueWorkflowId),
  /** Limits the request to workflows of this user. */
  ownerUserId: ownerScopeField(UserId),
  reason: Prose
})

/**
 * Filter for listing workflows. A workflow must match every field that is set, and one of `statuses`; an empty list of
 * statuses matches no workflow. `includeArchived` defaults to false. `ownerUserId: undefined` is invalid.
 */
export const IssueWorkflowFilter = Schema.Struct({
  issueId: Schema.optional(IssueId),
  repositoryId: Schema.optional(RepositoryId),
  ownerUserId: ownerScopeField(UserId),
  statuses: Schema.optional(Schema.Array(IssueWorkflowStatus)),
  includeArchived: Schema.optionalWith(Schema.Boolean, { default: () => false })
})
