/**
 * A pull request, as its provider tells it.
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

/** The id of a pull request, `pr_` and a UUIDv7 when it is ours. */
export const PullRequestId = idOf("PullRequestId")
export type PullRequestId = typeof PullRequestId.Type

/** What a pull request is at its provider. */
export const PullRequestState = enumeration("draft", "open", "merged", "closed")
export type PullRequestState = typeof PullRequestState.Type

/** Where a pull request can go: what is merged stays. Closed → merged: that it was open in between was not told. */
export const pullRequestTransitions = stateMachine(PullRequestState.literals, {
  draft: ["open", "merged", "closed"],
  open: ["draft", "merged", "closed"],
  merged: [],
  closed: ["draft", "open", "merged"]
})

/** One row of `pull_requests`. */
export class PullRequest extends Model.Class<PullRequest>("PullRequest")({
  id: PullRequestId,
  repositoryId: RepositoryId,
  provider: SourceProvider,
  /** The provider's id. */
  externalId: optional(Name),
  /** The number in its repository. */
  number: Count,
  /** Empty only in rows that were carried over. */
  title: Label,
  state: PullRequestState,
  headBranch: Name,
  baseBranch: Name,
  headSha: optional(Name),
  url: optional(Name),
  /** The user of ours who wrote it, where it is one. */
  authorUserId: optional(UserId),
  openedAt: OptionalTimestamp,
  mergedAt: OptionalTimestamp,
  closedAt: OptionalTimestamp,
  /** As of when the provider told this. */
  syncedAt: OptionalTimestamp,
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "pull_requests",
  service: "PullRequestRepo",
  purpose: "The pull requests of repositories, as their provider told them last.",
  states: { state: pullRequestTransitions }
})) {}

/**
 * What a provider tells of a pull request. What is left out stays as it is; null clears. Of a new one, `provider` left out
 * means github, `state` draft. An id that is given is that of a new row, and the first by which an old one is looked for.
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

/** Which pull requests a list shows: those of a repository, in one state if it is given. */
export const PullRequestFilter = Schema.Struct({ repositoryId: RepositoryId, state: Schema.optional(PullRequestState) })
