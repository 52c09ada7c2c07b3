/**
 * Pull requests as their provider reports them.
 */
import { Schema } from "effect"
import { Count, enumeration, idOf, Label, Name, optional, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { SourceProvider } from "../payloads/enumerations.js"
import { UserId } from "../auth/User.js"
import { RepositoryId } from "../source/Repository.js"
import { clearable, providerIdentity } from "./ProviderRow.js"

/** The id of a pull request. Generated ids are `pr_` and a UUIDv7. */
export const PullRequestId = idOf("PullRequestId")
export type PullRequestId = typeof PullRequestId.Type

/** The state of a pull request at its provider. */
export const PullRequestState = enumeration("draft", "open", "merged", "closed")
export type PullRequestState = typeof PullRequestState.Type

/**
 * Allowed transitions of a pull request; `merged` is final. closed → merged is allowed, because the report of the
 * reopening in between may be missing.
 */
export const pullRequestTransitions = stateMachine(
  PullRequestState.literals,
  {
    draft: ["open", "merged", "closed"],
    open: ["draft", "merged", "closed"],
    merged: [],
    closed: ["draft", "open", "merged"]
  },
  {
    draft: [{ by: "its provider", noDeadline: "the provider decides" }],
    open: [{ by: "its provider", noDeadline: "the provider decides" }],
    closed: [{ by: "its provider", noDeadline: "the provider decides" }]
  }
)

/** One row of `pull_requests`. */
export class PullRequest extends Model.Class<PullRequest>("PullRequest")(
  {
    id: PullRequestId,
    repositoryId: RepositoryId,
    provider: SourceProvider,
    /** The provider's id. */
    externalId: optional(Name),
    /** The number of the pull request in its repository. */
    number: Count,
    /** Empty only in imported rows. */
    title: Label,
    state: PullRequestState,
    headBranch: Name,
    baseBranch: Name,
    headSha: optional(Name),
    url: optional(Name),
    /** The author, if the author is a user of this database. */
    authorUserId: optional(UserId),
    openedAt: OptionalTimestamp,
    mergedAt: OptionalTimestamp,
    closedAt: OptionalTimestamp,
    /** The time of the provider's report. */
    syncedAt: OptionalTimestamp,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "pull_requests",
    service: "PullRequestRepo",
    purpose: "The pull requests of repositories, as last reported by their provider.",
    states: { state: pullRequestTransitions }
  })
) {}

/**
 * A provider's report of a pull request. Omitted fields keep their value, null clears a field. `provider` defaults to
 * github, and `state` to draft for a new row. `id` is the first identity by which an existing row is found, and the id
 * of a new row.
 */
export const UpsertPullRequest = Schema.Struct({
  id: Schema.optional(PullRequestId),
  ...providerIdentity,
  title: Name,
  state: Schema.optional(PullRequestState),
  headBranch: Name,
  baseBranch: Name,
  headSha: clearable(Name),
  url: clearable(Name),
  authorUserId: clearable(UserId),
  openedAt: clearable(Schema.DateTimeUtcFromSelf),
  mergedAt: clearable(Schema.DateTimeUtcFromSelf),
  closedAt: clearable(Schema.DateTimeUtcFromSelf),
  syncedAt: clearable(Schema.DateTimeUtcFromSelf)
})

/** Filter for listing the pull requests of a repository, optionally those in one state. */
export const PullRequestFilter = Schema.Struct({ repositoryId: RepositoryId, state: Schema.optional(PullRequestState) })
