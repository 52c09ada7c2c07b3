/**
 * The handler of `WebhookInbox` for deliveries of GitHub. It stores installations of the app, their repositories,
 * issues and pull requests as GitHub reports them. Each delivery takes effect exactly once.
 *
 * Deliveries can be repeated, late and out of order. The later information wins:
 * - of an issue or a pull request, by GitHub's `updated_at`;
 * - of a repository, by GitHub's `updated_at`, or else by the instant at which the delivery was received;
 * - of an installation and its repositories, whose payloads have no such instant, by the instant at which the
 *   deliveries were received.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import type {
  AlreadyExists,
  InvalidInput,
  InvalidTransition,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import type { IssueRepo } from "../issue-workflow/IssueRepo.js"
import type { PullRequestRepo } from "../issue-workflow/PullRequestRepo.js"
import type { RepositoryRepo } from "../source/RepositoryRepo.js"
import type { GitHubInstallationRepo } from "./GitHubInstallationRepo.js"
import type { GitHubInstallationRepositoryRepo } from "./GitHubInstallationRepositoryRepo.js"
import { installation, installationRepositories, installationTarget, organization } from "./installationEvents.js"
import { issues, pullRequest } from "./issueEvents.js"
import { repository } from "./repositoryEvents.js"
import { actionOf, unhandled, type WebhookEvent } from "./webhookEvent.js"
import type { WebhookFailure, WebhookHandler } from "./WebhookHandler.js"

/** The services that the handler needs. */
export type Services =
  | GitHubInstallationRepo
  | GitHubInstallationRepositoryRepo
  | RepositoryRepo
  | IssueRepo
  | PullRequestRepo
  | SqlClient.SqlClient

/**
 * The errors of the handler. A delivery that failed is retried while it has attempts left, unless its payload is
 * invalid.
 */
export type Failure =
  | WebhookFailure
  | AlreadyExists
  | InvalidInput
  | InvalidTransition
  | NotFound
  | PersistenceError
  | ReferenceNotFound

const events = new Map<string, WebhookEvent<Failure, Services>>(
  Object.entries({
    installation,
    installation_repositories: installationRepositories,
    installation_target: installationTarget,
    issues,
    organization,
    pull_request: pullRequest,
    repository
  })
)

/**
 * Stores the information of a delivery: `inbox.run({ workerId }, GitHubWebhooks.handler)`. It handles these events and
 * actions:
 *
 * - `installation`: created, deleted, suspend, unsuspend, new_permissions_accepted. A deleted installation stays
 *   deleted.
 * - `installation_repositories`: added and removed repositories. Also stores an unknown installation.
 * - `organization` and `installation_target`: renamed. The installation gets the new login, or the slug of an
 *   enterprise; its repositories get their new owner by their own deliveries or by the next sync.
 * - `repository`: renamed, transferred, archived, unarchived, edited, publicized, privatized; these change its rows in
 *   installations, too. A repository that was deleted at GitHub is removed from all installations, and stays stored,
 *   because other rows refer to it.
 * - `issues` and `pull_request` of stored repositories: opened, edited, closed, reopened, labeled, unlabeled, assigned,
 *   unassigned and similar. A merged pull request stays merged. A deleted issue is closed, and its active workflow and
 *   executions are cancelled.
 * - `issues`: transferred. The row of the issue takes its new id, number and repository, whether GitHub's report from
 *   the old or from the new repository is processed first. An issue that was transferred to a repository that is not
 *   stored is treated as deleted.
 *
 * Other events and actions are ignored, with a reason, whatever their payload is. Fails with `WebhookFailure` if the
 * payload is invalid, which is not retried. Otherwise fails as the repository services do.
 */
export const handler: WebhookHandler<Failure, Services> = (delivery) => {
  const event = events.get(delivery.eventType)
  if (event === undefined) return Effect.succeed(unhandled(delivery.eventType))
  const action = actionOf(delivery)
  return Option.isSome(action) && !event.actions.has(action.value)
    ? Effect.succeed(unhandled(action.value))
    : event.handle(delivery)
}
