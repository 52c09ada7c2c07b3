/**
 * Filters for listing sandboxes and attempts.
 */
import { Schema } from "effect"
import { ownerScopeField } from "../sql/columns.js"
import { UserId } from "../auth/User.js"
import { IssueId } from "../issue-workflow/Issue.js"
import { RepositoryId } from "../source/Repository.js"
import { SandboxId, SandboxStatus } from "./Sandbox.js"
import { SandboxAttemptStatus } from "./SandboxAttempt.js"

/**
 * Filter for listing sandboxes. Rows must match every field that is set, and one of `statuses`; an empty list of
 * statuses matches no row. `includeArchived` defaults to false. `ownerUserId: undefined` is invalid.
 */
export const SandboxFilter = Schema.Struct({
  ownerUserId: ownerScopeField(UserId),
  repositoryId: Schema.optional(RepositoryId),
  statuses: Schema.optional(Schema.Array(SandboxStatus)),
  includeArchived: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/**
 * Filter for listing attempts. Rows must match every field that is set, and one of `statuses`; an empty list of
 * statuses matches no row. `ownerUserId: undefined` and `sandboxId: undefined` are invalid.
 */
export const SandboxAttemptFilter = Schema.Struct({
  ownerUserId: ownerScopeField(UserId),
  repositoryId: Schema.optional(RepositoryId),
  issueId: Schema.optional(IssueId),
  sandboxId: ownerScopeField(SandboxId),
  statuses: Schema.optional(Schema.Array(SandboxAttemptStatus))
})
