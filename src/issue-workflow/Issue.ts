/**
 * Issues as their provider reports them, and their links to pull requests.
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

/** The id of an issue. Generated ids are `issue_` and a UUIDv7. */
export const IssueId = idOf("IssueId")
export type IssueId = typeof IssueId.Type

/** The state of an issue at its provider. */
export const IssueState = enumeration("open", "closed")
export type IssueState = typeof IssueState.Type

/** Allowed transitions of an issue. A closed issue can be reopened. */
export const issueTransitions = stateMachine(
  IssueState.literals,
  { open: ["closed"], closed: ["open"] },
  {
    open: [{ by: "its provider", noDeadline: "the provider decides" }],
    closed: [{ by: "its provider", noDeadline: "the provider decides" }]
  }
)

/** One row of `issues`. */
export class Issue extends Model.Class<Issue>("Issue")(
  {
    id: IssueId,
    /** The current repository. A transfer changes it. */
    repositoryId: RepositoryId,
    provider: SourceProvider,
    /** The provider's id. GitHub gives a transferred issue a new one: see `IssueRepo.markTransferred`. */
    externalId: optional(Name),
    /** The number of the issue in its repository. */
    number: Count,
    /** Empty only in imported rows. */
    title: Label,
    state: IssueState,
    url: optional(Name),
    /** The author, if the author is a user of this database. */
    authorUserId: optional(UserId),
    assigneeUserId: optional(UserId),
    openedAt: OptionalTimestamp,
    closedAt: OptionalTimestamp,
    /** The time of the provider's report. */
    syncedAt: OptionalTimestamp,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "issues",
    service: "IssueRepo",
    purpose: "The issues of repositories, as last reported by their provider.",
    states: { state: issueTransitions }
  })
) {}

/** The relation of a pull request to an issue. */
export const IssuePullRequestRelation = enumeration("fixes", "relates_to")
export type IssuePullRequestRelation = typeof IssuePullRequestRelation.Type

/** One row of `issue_pull_request_links`. */
export class IssuePullRequestLink extends Model.Class<IssuePullRequestLink>("IssuePullRequestLink")(
  {
    issueId: IssueId,
    pullRequestId: PullRequestId,
    relation: IssuePullRequestRelation,
    linkedAt: Timestamp
  },
  table({
    name: "issue_pull_request_links",
    service: "IssueRepo",
    purpose: "The links of issues to pull requests that fix them or relate to them."
  })
) {}

const issueReport = {
  ...providerIdentity,
  title: Name,
  state: Schema.optional(IssueState),
  url: clearable(Name),
  authorUserId: clearable(UserId),
  assigneeUserId: clearable(UserId),
  openedAt: clearable(Schema.DateTimeUtcFromSelf),
  closedAt: clearable(Schema.DateTimeUtcFromSelf),
  syncedAt: clearable(Schema.DateTimeUtcFromSelf)
}

/**
 * A provider's report of an issue. Omitted fields keep their value, null clears a field. `provider` defaults to github,
 * and `state` to open for a new row. `id` is the first identity by which an existing row is found, and the id of a new
 * row.
 */
export const UpsertIssue = Schema.Struct({ id: Schema.optional(IssueId), ...issueReport })

/**
 * A provider's report that an issue was transferred: its former id, and the issue in its new repository, with the new
 * id. Omitted fields keep their value, null clears a field. `provider` defaults to github.
 */
export const TransferIssue = Schema.Struct({
  fromExternalId: Name,
  to: Schema.Struct({ ...issueReport, externalId: Name })
})

/** Request to mark an issue as deleted at its provider, with the time of the report. */
export const DeletedIssue = Schema.Struct({ ...ByExternalId.fields, at: Schema.DateTimeUtcFromSelf })

/** Filter for listing the issues of a repository, optionally those in one state. */
export const IssueFilter = Schema.Struct({ repositoryId: RepositoryId, state: Schema.optional(IssueState) })

/** Request to link a pull request to an issue. `relation` defaults to fixes. */
export const LinkIssuePullRequest = Schema.Struct({
  issueId: IssueId,
  pullRequestId: PullRequestId,
  relation: Schema.optionalWith(IssuePullRequestRelation, { default: () => "fixes" })
})

/** Filter for listing the links of an issue to pull requests. */
export const IssuePullRequestLinkFilter = Schema.Struct({ issueId: IssueId })
