/**
 * What follows from a delivery of GitHub: installations of the app, the repositories that they see, issues and pull
 * requests are kept as GitHub tells them. A handler for `WebhookInbox`, so that each delivery takes effect exactly once.
 *
 * Deliveries come twice, late and in any order. What a later one has told stands:
 * - of an issue or a pull request, by the instant that GitHub gives it (`updated_at`);
 * - of a repository, by that instant, too;
 * - of an installation and of what it sees, for which GitHub gives none, by the moment at which deliveries were received.
 */
import type { SqlClient } from "@effect/sql"
import { DateTime, Effect, Either, Option, ParseResult, type Schema } from "effect"
import type { GitHubAccountType, GitHubInstallationStatus } from "./GitHubInstallation.js"
import { GitHubInstallationRepo } from "./GitHubInstallationRepo.js"
import { GitHubInstallationRepositoryRepo } from "./GitHubInstallationRepositoryRepo.js"
import type { GitHubWebhookDelivery } from "./GitHubWebhookDelivery.js"
import type { Repository } from "../source/Repository.js"
import { RepositoryRepo } from "../source/RepositoryRepo.js"
import { IssueRepo } from "../issue-workflow/IssueRepo.js"
import { PullRequestRepo } from "../issue-workflow/PullRequestRepo.js"
import type { AlreadyExists, InvalidInput, InvalidTransition, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import {
  type Installation,
  InstallationPayload,
  InstallationRepositoriesPayload,
  IssuesPayload,
  PullRequestPayload,
  RepositoryPayload,
  type RepositoryRef
} from "./payloads.js"
import { type Later, laterThan, stillThere } from "./laterDeliveries.js"
import { WebhookFailure, type WebhookHandler, WebhookOutcome } from "./WebhookHandler.js"

/** What the handler writes through. */
export type Services =
  | GitHubInstallationRepo
  | GitHubInstallationRepositoryRepo
  | RepositoryRepo
  | IssueRepo
  | PullRequestRepo
  | SqlClient.SqlClient

/** Why a delivery may fail, and be tried again while it has attempts left; a payload out of shape is not. */
export type Failure =
  | WebhookFailure
  | AlreadyExists
  | InvalidInput
  | InvalidTransition
  | NotFound
  | PersistenceError
  | ReferenceNotFound

/** The payload as far as it is used. One that is out of shape will be so at each try; where, is said, and not what stood there. */
const payloadOf = <A, I>(delivery: GitHubWebhookDelivery, schema: Schema.Schema<A, I>): Effect.Effect<A, WebhookFailure> =>
  Either.mapLeft(ParseResult.decodeUnknownEither(schema)(Option.getOrUndefined(delivery.payload)), (issue) => {
    const paths = ParseResult.ArrayFormatter.formatIssueSync(issue).map(({ path }) => path.map(String).join(".") || "the payload")
    return new WebhookFailure({ errorMessage: `out of shape: ${[...new Set(paths)].join(", ")}`, retryable: false })
  })

const older = WebhookOutcome.ignored("something later is known")
const unheeded = (action: string) => WebhookOutcome.ignored(`nothing follows from ${action}`)

const kindOf = (type: string): GitHubAccountType => type === "Organization" ? "organization" : "user"

/** What is said of an installation, but for its status. */
const told = ({ account, created_at, id, permissions, repository_selection, target_type }: Installation) => ({
  externalInstallationId: id,
  externalAccountId: account.id,
  accountLogin: account.login,
  accountType: kindOf(account.type),
  ...(typeof target_type === "string" ? { targetType: kindOf(target_type) } : {}),
  ...(permissions === undefined ? {} : { permissions }),
  ...(repository_selection === undefined ? {} : { repositorySelection: repository_selection }),
  ...(created_at === undefined || created_at === null ? {} : { installedAt: created_at })
} as const)

const seen = ({ full_name, id, private: isPrivate }: RepositoryRef) => {
  const [owner = "", name = ""] = full_name.split("/")
  return { externalRepositoryId: id, owner, name, ...(isPrivate === undefined ? {} : { isPrivate }) }
}

/** The status that an action leaves an installation in; none where it says nothing of it. */
const statuses = new Map<string, { readonly status?: GitHubInstallationStatus }>(Object.entries({
  created: { status: "active" },
  unsuspend: { status: "active" },
  suspend: { status: "suspended" },
  deleted: { status: "deleted" },
  new_permissions_accepted: {}
}))

// The actions of `installation` that tell its status.
const toldStatus = (later: Later) => later.some(({ action, eventType }) =>
  eventType === "installation" && Option.exists(action, (name) => statuses.get(name)?.status !== undefined))

/** The installation as it is said to be, but for what something later has told: its status, and all else. */
const keep = (said: Installation, later: Later, status: { readonly status?: GitHubInstallationStatus; readonly suspendedAt?: DateTime.Utc }) =>
  Effect.gen(function*() {
    const installations = yield* GitHubInstallationRepo
    const known = yield* installations.findByExternalId(said.id)
    const isLate = later.length > 0
    return yield* installations.upsert({
      ...Option.match(Option.filter(known, () => isLate), {
        onNone: () => told(said),
        onSome: ({ accountLogin, accountType }) => ({ externalInstallationId: said.id, accountLogin, accountType })
      }),
      ...status
    })
  })

const installation = (delivery: GitHubWebhookDelivery) =>
  Effect.gen(function*() {
    const { action, installation, repositories = [] } = yield* payloadOf(delivery, InstallationPayload)
    const status = statuses.get(action)
    if (status === undefined) return unheeded(action)
    const later = yield* laterThan(delivery, installation.id)
    // That it was deleted is the last word whenever it comes: GitHub gives a new installation a new id.
    const saysStatus = status.status !== undefined && (action === "deleted" || !toldStatus(later))
    if (later.length > 0 && !saysStatus && action !== "created") return older
    const { suspended_at } = installation
    const { id: installationId, status: now } = yield* keep(installation, later, {
      ...(saysStatus ? status : {}),
      ...(saysStatus && action === "suspend" && suspended_at !== undefined && suspended_at !== null ? { suspendedAt: suspended_at } : {})
    })
    if (action === "created" && now !== "deleted") {
      const added = yield* stillThere(delivery, installation.id, repositories)
      yield* (yield* GitHubInstallationRepositoryRepo).apply({ installationId, added: added.map(seen), removed: [], at: delivery.receivedAt })
    }
    return WebhookOutcome.processed
  })

const installationRepositories = (delivery: GitHubWebhookDelivery) =>
  Effect.gen(function*() {
    const { installation, repositories_added, repositories_removed } = yield* payloadOf(delivery, InstallationRepositoriesPayload)
    const known = yield* (yield* GitHubInstallationRepo).findByExternalId(installation.id)
    // Its `installation` delivery may be on the way.
    if (Option.isNone(known)) return yield* new WebhookFailure({ errorMessage: "the installation is not known yet" })
    yield* keep(installation, yield* laterThan(delivery, installation.id), {})
    const added = yield* stillThere(delivery, installation.id, repositories_added)
    yield* (yield* GitHubInstallationRepositoryRepo).apply({
      installationId: known.value.id,
      added: added.map(seen),
      removed: repositories_removed.map(({ id }) => id),
      at: delivery.receivedAt
    })
    return WebhookOutcome.processed
  })

/** The repository that a delivery is about, if anything here is about it. */
const followed = (externalId: string) =>
  Effect.flatMap(RepositoryRepo, (repositories) => repositories.findByExternalId({ provider: "github", externalId }))

const whenFollowed = <E, R>(externalId: string, then: (repository: Repository) => Effect.Effect<WebhookOutcome, E, R>) =>
  Effect.flatMap(followed(externalId), Option.match({
    onNone: () => Effect.succeed(WebhookOutcome.ignored("no installation has shown this repository")),
    onSome: then
  }))

const repositoryActions = new Set(["archived", "edited", "publicized", "privatized", "renamed", "transferred", "unarchived"])

const repository = (delivery: GitHubWebhookDelivery) =>
  Effect.gen(function*() {
    const { action, repository } = yield* payloadOf(delivery, RepositoryPayload)
    if (!repositoryActions.has(action)) return unheeded(action)
    return yield* whenFollowed(repository.id, (known) =>
      Effect.gen(function*() {
        const { archived, default_branch, full_name, html_url, id, updated_at } = repository
        const toldAt = updated_at ?? delivery.receivedAt
        if (Option.exists(known.lastSyncedAt, DateTime.greaterThan(toldAt))) return older
        const [owner = "", name = ""] = full_name.split("/")
        yield* (yield* RepositoryRepo).upsert({
          provider: "github",
          externalId: id,
          owner,
          name,
          defaultBranch: default_branch,
          isArchived: archived,
          url: html_url,
          lastSyncedAt: toldAt
        })
        return WebhookOutcome.processed
      }))
  })

// A transfer is told by the repository that gets it, as one that was opened there.
const ticketActions = new Set(["closed", "converted_to_draft", "edited", "opened", "ready_for_review", "reopened", "synchronize"])

const issueDeleted = (delivery: GitHubWebhookDelivery, externalId: string) =>
  Effect.flatMap(IssueRepo, (issues) => issues.markDeleted({ provider: "github", externalId, at: delivery.receivedAt })).pipe(
    Effect.map(Option.match({
      onNone: () => WebhookOutcome.ignored("the issue is not known"),
      onSome: () => WebhookOutcome.processed
    }))
  )

const issues = (delivery: GitHubWebhookDelivery) =>
  Effect.gen(function*() {
    const { action, issue, repository } = yield* payloadOf(delivery, IssuesPayload)
    if (action === "deleted") return yield* issueDeleted(delivery, issue.id)
    if (!ticketActions.has(action)) return unheeded(action)
    return yield* whenFollowed(repository.id, ({ id: repositoryId }) =>
      Effect.gen(function*() {
        const { closed_at, created_at, html_url, id, number, state, title, updated_at } = issue
        yield* (yield* IssueRepo).upsert({
          provider: "github",
          externalId: id,
          repositoryId,
          number,
          title,
          state,
          url: html_url,
          openedAt: created_at,
          closedAt: closed_at,
          syncedAt: updated_at
        })
        return WebhookOutcome.processed
      }))
  })

const pullRequest = (delivery: GitHubWebhookDelivery) =>
  Effect.gen(function*() {
    const { action, pull_request, repository } = yield* payloadOf(delivery, PullRequestPayload)
    if (!ticketActions.has(action)) return unheeded(action)
    return yield* whenFollowed(repository.id, ({ id: repositoryId }) =>
      Effect.gen(function*() {
        const { base, closed_at, created_at, draft = false, head, html_url, id, merged_at, number, state, title, updated_at } = pull_request
        const isMerged = merged_at !== undefined && merged_at !== null
        yield* (yield* PullRequestRepo).upsert({
          provider: "github",
          externalId: id,
          repositoryId,
          number,
          title,
          state: isMerged ? "merged" : state === "closed" ? "closed" : draft ? "draft" : "open",
          headBranch: head.ref,
          baseBranch: base.ref,
          headSha: head.sha,
          url: html_url,
          openedAt: created_at,
          mergedAt: merged_at,
          closedAt: closed_at,
          syncedAt: updated_at
        })
        return WebhookOutcome.processed
      }))
  })

const byEvent = new Map(Object.entries({
  installation,
  installation_repositories: installationRepositories,
  repository,
  issues,
  pull_request: pullRequest
}))

/**
 * Keeps what GitHub tells: `inbox.run({ workerId }, GitHubWebhooks.handler)`.
 *
 * - `installation`: created, deleted, suspend, unsuspend, new_permissions_accepted. One that was deleted stays so.
 * - `installation_repositories`: what came and what left. Tried again while the installation is not known.
 * - `repository`: renamed, transferred, archived, unarchived, edited, publicized, privatized. One that was deleted there
 *   stays here, for what refers to it.
 * - `issues`, `pull_request`: of repositories that an installation has shown. A merge is never taken back. An issue that
 *   was deleted is closed here, and its active workflow and executions are cancelled.
 *
 * All else is ignored, with a reason. Fails with `WebhookFailure` for a payload out of shape, which is not tried again, and
 * as the repositories do.
 */
export const handler: WebhookHandler<Failure, Services> = (delivery) =>
  byEvent.get(delivery.eventType)?.(delivery) ?? Effect.succeed(unheeded(delivery.eventType))
