/**
 * An issue, as its provider tells it, and its links to pull requests.
 */
import { Schema } from "effect"
import { Count, enumeration, idOf, Label, Name, optional, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { SourceProvider } from "../payloads/enumerations.js"
import { UserId } from "../auth/User.js"
import { RepositoryId } from "../source/Repository.js"
import { ByExternalId, clearable, providerIdentity } from "./ProviderRow.js"
import { PullRequestId } from "./PullRequest.js"

/** The id of an issue, `issue_` and a UUIDv7 when it is ours. */
export const IssueId = idOf("IssueId")
export type IssueId = typeof IssueId.Type

/** What an issue is at its provider. */
export const IssueState = enumeration("open", "closed")
export type IssueState = typeof IssueState.Type

/** Where an issue can go: it is closed, and opened again. */
export const issueTransitions = stateMachine(IssueState.literals, { open: ["closed"], closed: ["open"] })

/** One row of `issues`. */
export class Issue extends Model.Class<Issue>("Issue")({
  id: IssueId,
  /** Where it is now: a transfer moves it. */
  repositoryId: RepositoryId,
  provider: SourceProvider,
  /** The provider's id, which stays when the issue is transferred. */
  externalId: optional(Name),
  /** The number in its repository. */
  number: Count,
  /** Empty only in rows that were carried over. */
  title: Label,
  state: IssueState,
  url: optional(Name),
  /** The user of ours who wrote it, where it is one. */
  authorUserId: optional(UserId),
  assigneeUserId: optional(UserId),
  openedAt: OptionalTimestamp,
  closedAt: OptionalTimestamp,
  /** As of when the provider told this. */
  syncedAt: OptionalTimestamp,
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "issues",
  service: "IssueRepo",
  purpose: "The issues of repositories, as their provider told them last.",
  states: { state: issueTransitions }
})) {}

/** What a pull request does for an issue. */
export const IssuePullRequestRelation = enumeration("fixes", "relates_to")
export type IssuePullRequestRelation = typeof IssuePullRequestRelation.Type

/** One row of `issue_pull_request_links`. */
export class IssuePullRequestLink extends Model.Class<IssuePullRequestLink>("IssuePullRequestLink")({
  issueId: IssueId,
  pullRequestId: PullRequestId,
  relation: IssuePullRequestRelation,
  linkedAt: Timestamp
}, table({
  name: "issue_pull_request_links",
  service: "IssueRepo",
  purpose: "Which pull requests fix an issue, or have to do with it."
})) {}

/**
 * What a provider tells of an issue. What is left out stays as it is; null clears. Of a new issue, `provider` left out
 * means github, `state` open. An id that is given is that of a new row, and the first by which an old one is looked for.
 */
export const UpsertIssue = Schema.Struct({
  id: Schema.optional(IssueId),
  ...providerIdentity,
  title: Name,
  state: Schema.optional(IssueState),
  url: clearable(Name),
  authorUserId: clearable(UserId),
  assigneeUserId: clearable(UserId),
  openedAt: clearable(Schema.DateTimeUtcFromSelf),
  closedAt: clearable(Schema.DateTimeUtcFromSelf),
  syncedAt: clearable(Schema.DateTimeUtcFromSelf)
})

/** Request to mark an issue as deleted at its provider, with the time of the report. */
export const DeletedIssue = Schema.Struct({ ...ByExternalId.fields, at: Schema.DateTimeUtcFromSelf })

/** Which issues a list shows: those of a repository, in one state if it is given. */
export const IssueFilter = Schema.Struct({ repositoryId: RepositoryId, state: Schema.optional(IssueState) })

/** A pull request that has to do with an issue. `relation` left out means that it fixes it. */
export const LinkIssuePullRequest = Schema.Struct({
  issueId: IssueId,
  pullRequestId: PullRequestId,
  relation: Schema.optionalWith(IssuePullRequestRelation, { default: () => "fixes" })
})

/** Whose pull requests a list shows. */
export const IssuePullRequestLinkFilter = Schema.Struct({ issueId: IssueId })
