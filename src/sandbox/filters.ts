/**
 * What the lists of sandboxes and attempts can be narrowed to.
 */
import { Schema } from "effect"
import { confinedTo } from "../sql/columns.js"
import { UserId } from "../auth/User.js"
import { IssueId } from "../issue-workflow/Issue.js"
import { RepositoryId } from "../source/Repository.js"
import { SandboxId, SandboxStatus } from "./Sandbox.js"
import { SandboxAttemptStatus } from "./SandboxAttempt.js"

/**
 * Which sandboxes a list shows: those that match all that is given. Several statuses mean any of them, an empty list of
 * them none. `includeArchived` left out means false. An owner given as `undefined` is refused.
 */
export const SandboxFilter = Schema.Struct({
  ownerUserId: confinedTo(UserId),
  repositoryId: Schema.optional(RepositoryId),
  statuses: Schema.optional(Schema.Array(SandboxStatus)),
  includeArchived: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/**
 * Which attempts a list shows: those that match all that is given. Several statuses mean any of them, an empty list of
 * them none. An owner or a sandbox given as `undefined` is refused.
 */
export const SandboxAttemptFilter = Schema.Struct({
  ownerUserId: confinedTo(UserId),
  repositoryId: Schema.optional(RepositoryId),
  issueId: Schema.optional(IssueId),
  sandboxId: confinedTo(SandboxId),
  statuses: Schema.optional(Schema.Array(SandboxAttemptStatus))
})
