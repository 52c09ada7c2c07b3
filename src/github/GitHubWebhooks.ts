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
import { DateTime, Effect, Either, Option, ParseResult, type Schema } from "effect"
import type {
  AlreadyExists,
  InvalidInput,
  InvalidTransition,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import { IssueRepo } from "../issue-workflow/IssueRepo.js"
import { PullRequestRepo } from "../issue-workflow/PullRequestRepo.js"
import type { Repository } from "../source/Repository.js"
import { RepositoryRepo } from "../source/RepositoryRepo.js"
import type { GitHubAccountType, GitHubInstallationStatus } from "./GitHubInstallation.js"
import { GitHubInstallationRepo } from "./GitHubInstallationRepo.js"
import { GitHubInstallationRepositoryRepo } from "./GitHubInstallationRepositoryRepo.js"
import type { GitHubWebhookDelivery } from "./GitHubWebhookDelivery.js"
import { type Later, laterThan, withoutLaterRemoved } from "./laterDeliveries.js"
import {
  type Installation,
  InstallationPayload,
  InstallationRepositoriesPayload,
  IssuesPayload,
  PullRequestPayload,
  RepositoryPayload,
  type RepositoryRef
} from "./payloads.js"
import { WebhookFailure, type WebhookHandler, WebhookOutcome } from "./WebhookHandler.js"

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

/**
 * Decodes the fields of the payload that are used. An invalid payload is not retried. The error contains the paths of
 * the invalid fields, never their values.
 */
const payloadOf = <A, I>(
  delivery: GitHubWebhookDelivery,
  schema: Schema.Schema<A, I>
): Effect.Effect<A, WebhookFailure> =>
  Either.mapLeft(ParseResult.decodeUnknownEither(schema)(Option.getOrUndefined(delivery.payload)), (issue) => {
    const paths = ParseResult.ArrayFormatter.formatIssueSync(issue).map(
      ({ path }) => path.map(String).join(".") || "the payload"
    )
    return new WebhookFailure({ errorMessage: `invalid payload: ${[...new Set(paths)].join(", ")}`, retryable: false })
  })

const superseded = WebhookOutcome.ignored("newer information is already stored")
const unhandled = (name: string) => WebhookOutcome.ignored(`not handled: ${name}`)

const accountTypeOf = (type: string): GitHubAccountType => (type === "Organization" ? "organization" : "user")

/** Builds the fields of an installation, without its status. */
const fieldsOf = ({ account, created_at, id, permissions, repository_selection, target_type }: Installation) =>
  ({
    externalInstallationId: id,
    externalAccountId: account.id,
    accountLogin: account.login,
    accountType: accountTypeOf(account.type),
    ...(typeof target_type === "string" ? { targetType: accountTypeOf(target_type) } : {}),
    ...(permissions === undefined ? {} : { permissions }),
    ...(repository_selection === undefined ? {} : { repositorySelection: repository_selection }),
    ...(created_at === undefined || created_at === null ? {} : { installedAt: created_at })
  }) as const

const syncedRepositoryOf = ({ full_name, id, private: isPrivate }: RepositoryRef) => {
  const [owner = "", name = ""] = full_name.split("/")
  return { externalRepositoryId: id, owner, name, ...(isPrivate === undefined ? {} : { isPrivate }) }
}

/** The handled actions of `installation`, and the status that each sets, if any. */
const statuses = new Map<string, { readonly status?: GitHubInstallationStatus }>(
  Object.entries({
    created: { status: "active" },
    unsuspend: { status: "active" },
    suspend: { status: "suspended" },
    deleted: { status: "deleted" },
    new_permissions_accepted: {}
  })
)

/** Returns whether a later delivery set the status of the installation. */
const hasLaterStatus = (later: Later) =>
  later.some(
    ({ action, eventType }) =>
      eventType === "installation" && Option.exists(action, (name) => statuses.get(name)?.status !== undefined)
  )

/** Stores the installation. Of a known one, only the status is stored if a later delivery was processed before. */
const storeInstallation = (
  reported: Installation,
  later: Later,
  status: { readonly status?: GitHubInstallationStatus; readonly suspendedAt?: DateTime.Utc }
) =>
  Effect.gen(function* () {
    const installations = yield* GitHubInstallationRepo
    const known = yield* installations.findByExternalId(reported.id)
    const isLate = later.length > 0
    return yield* installations.upsert({
      ...Option.match(
        Option.filter(known, () => isLate),
        {
          onNone: () => fieldsOf(reported),
          onSome: ({ accountLogin, accountType }) => ({
            externalInstallationId: reported.id,
            accountLogin,
            accountType
          })
        }
      ),
      ...status
    })
  })

const installation = (delivery: GitHubWebhookDelivery) =>
  Effect.gen(function* () {
    const { action, installation, repositories = [] } = yield* payloadOf(delivery, InstallationPayload)
    const status = statuses.get(action)
    if (status === undefined) return unhandled(action)
    const later = yield* laterThan(delivery, installation.id)
    // A deletion is always the final status: GitHub gives a new installation a new id.
    const setsStatus = status.status !== undefined && (action === "deleted" || !hasLaterStatus(later))
    if (later.length > 0 && !setsStatus && action !== "created") return superseded
    const { suspended_at } = installation
    const { id: installationId, status: now } = yield* storeInstallation(installation, later, {
      ...(setsStatus ? status : {}),
      ...(setsStatus && action === "suspend" && suspended_at !== undefined && suspended_at !== null
        ? { suspendedAt: suspended_at }
        : {})
    })
    if (action === "created" && now !== "deleted") {
      const added = yield* withoutLaterRemoved(delivery, installation.id, repositories)
      yield* (yield* GitHubInstallationRepositoryRepo).apply({
        installationId,
        added: added.map(syncedRepositoryOf),
        removed: [],
        at: delivery.receivedAt
      })
    }
    return WebhookOutcome.processed
  })

const installationRepositories = (delivery: GitHubWebhookDelivery) =>
  Effect.gen(function* () {
    const { installation, repositories_added, repositories_removed } = yield* payloadOf(
      delivery,
      InstallationRepositoriesPayload
    )
    const known = yield* (yield* GitHubInstallationRepo).findByExternalId(installation.id)
    // A retry succeeds after the `installation` delivery was processed.
    if (Option.isNone(known)) return yield* new WebhookFailure({ errorMessage: "the installation is not known yet" })
    yield* storeInstallation(installation, yield* laterThan(delivery, installation.id), {})
    const added = yield* withoutLaterRemoved(delivery, installation.id, repositories_added)
    yield* (yield* GitHubInstallationRepositoryRepo).apply({
      installationId: known.value.id,
      added: added.map(syncedRepositoryOf),
      removed: repositories_removed.map(({ id }) => id),
      at: delivery.receivedAt
    })
    return WebhookOutcome.processed
  })

/** Handles a delivery if its repository is stored, and ignores it otherwise. */
const whenStored = <E, R>(
  externalId: string,
  handle: (repository: Repository) => Effect.Effect<WebhookOutcome, E, R>
) =>
  Effect.gen(function* () {
    const repository = yield* (yield* RepositoryRepo).findByExternalId({ provider: "github", externalId })
    return Option.isSome(repository)
      ? yield* handle(repository.value)
      : WebhookOutcome.ignored("the repository is not known")
  })

const repositoryActions = new Set([
  "archived",
  "edited",
  "publicized",
  "privatized",
  "renamed",
  "transferred",
  "unarchived"
])

const repository = (delivery: GitHubWebhookDelivery) =>
  Effect.gen(function* () {
    const { action, repository } = yield* payloadOf(delivery, RepositoryPayload)
    if (!repositoryActions.has(action)) return unhandled(action)
    return yield* whenStored(repository.id, (known) =>
      Effect.gen(function* () {
        const { archived, default_branch, full_name, html_url, id, updated_at } = repository
        const confirmedAt = updated_at ?? delivery.receivedAt
        if (Option.exists(known.lastSyncedAt, DateTime.greaterThan(confirmedAt))) return superseded
        const [owner = "", name = ""] = full_name.split("/")
        yield* (yield* RepositoryRepo).upsert({
          provider: "github",
          externalId: id,
          owner,
          name,
          defaultBranch: default_branch,
          isArchived: archived,
          url: html_url,
          lastSyncedAt: confirmedAt
        })
        return WebhookOutcome.processed
      })
    )
  })

/**
 * The handled actions of issues and pull requests. GitHub reports a transferred issue as `opened` in its new
 * repository.
 */
const ticketActions = new Set([
  "closed",
  "converted_to_draft",
  "edited",
  "opened",
  "ready_for_review",
  "reopened",
  "synchronize"
])

const issueDeleted = (delivery: GitHubWebhookDelivery, externalId: string) =>
  Effect.flatMap(IssueRepo, (issues) =>
    issues.markDeleted({ provider: "github", externalId, at: delivery.receivedAt })
  ).pipe(
    Effect.map(
      Option.match({
        onNone: () => WebhookOutcome.ignored("the issue is not known"),
        onSome: () => WebhookOutcome.processed
      })
    )
  )

const issues = (delivery: GitHubWebhookDelivery) =>
  Effect.gen(function* () {
    const { action, issue, repository } = yield* payloadOf(delivery, IssuesPayload)
    if (action === "deleted") return yield* issueDeleted(delivery, issue.id)
    if (!ticketActions.has(action)) return unhandled(action)
    return yield* whenStored(repository.id, ({ id: repositoryId }) =>
      Effect.gen(function* () {
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
      })
    )
  })

const pullRequest = (delivery: GitHubWebhookDelivery) =>
  Effect.gen(function* () {
    const { action, pull_request, repository } = yield* payloadOf(delivery, PullRequestPayload)
    if (!ticketActions.has(action)) return unhandled(action)
    return yield* whenStored(repository.id, ({ id: repositoryId }) =>
      Effect.gen(function* () {
        const {
          base,
          closed_at,
          created_at,
          draft = false,
          head,
          html_url,
          id,
          merged_at,
          number,
          state,
          title,
          updated_at
        } = pull_request
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
      })
    )
  })

const byEvent = new Map(
  Object.entries({
    installation,
    installation_repositories: installationRepositories,
    repository,
    issues,
    pull_request: pullRequest
  })
)

/**
 * Stores the information of a delivery: `inbox.run({ workerId }, GitHubWebhooks.handler)`. It handles these events and
 * actions:
 *
 * - `installation`: created, deleted, suspend, unsuspend, new_permissions_accepted. A deleted installation stays
 *   deleted.
 * - `installation_repositories`: added and removed repositories. Retried while the installation is not known.
 * - `repository`: renamed, transferred, archived, unarchived, edited, publicized, privatized. A repository that was
 *   deleted at GitHub stays stored, because other rows refer to it.
 * - `issues` and `pull_request` of stored repositories: opened, edited, closed, reopened and similar. A merged pull
 *   request stays merged. A deleted issue is closed, and its active workflow and executions are cancelled.
 *
 * Other events and actions are ignored, with a reason. Fails with `WebhookFailure` if the payload is invalid, which is
 * not retried, or the installation is not known yet. Otherwise fails as the repository services do.
 */
export const handler: WebhookHandler<Failure, Services> = (delivery) =>
  byEvent.get(delivery.eventType)?.(delivery) ?? Effect.succeed(unhandled(delivery.eventType))
