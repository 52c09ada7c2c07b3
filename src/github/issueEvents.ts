/**
 * The events `issues` and `pull_request`, of stored repositories. The later report is the one with the later
 * `updated_at`.
 *
 * A transferred issue has a new id and a new number. GitHub sends `transferred` for the old repository, and `opened` for
 * the new one, in any order. Each contains both ids, so the row of the issue follows whichever is processed first.
 */
import { Effect, Option } from "effect"
import { IssueRepo } from "../issue-workflow/IssueRepo.js"
import { PullRequestRepo } from "../issue-workflow/PullRequestRepo.js"
import type { Repository } from "../source/Repository.js"
import type { GitHubWebhookDelivery } from "./GitHubWebhookDelivery.js"
import { wasTransferred } from "./laterDeliveries.js"
import { IssuesPayload, PullRequestPayload, type Ticket } from "./payloads.js"
import { findRepository, superseded, webhookEvent, whenStored } from "./webhookEvent.js"
import { WebhookOutcome } from "./WebhookHandler.js"

/** The actions that both events have. */
const ticketActions = ["assigned", "closed", "edited", "labeled", "opened", "reopened", "unassigned", "unlabeled"]

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

const reportOf = (
  { closed_at, created_at, html_url, id, number, state, title, updated_at }: Ticket,
  { id: repositoryId }: Repository
) =>
  ({
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
  }) as const

/** Stores an issue, unless it is the former state of a transferred one that arrived late. */
const storeIssue = (delivery: GitHubWebhookDelivery, issue: Ticket, repository: Repository) =>
  Effect.gen(function* () {
    const issues = yield* IssueRepo
    const report = reportOf(issue, repository)
    const known = yield* issues.findByExternalId({ externalId: issue.id })
    if (Option.isNone(known) && (yield* wasTransferred(delivery, issue.id))) return superseded
    yield* issues.upsert(report)
    return WebhookOutcome.processed
  })

/** Gives the row of the old issue the identity and the fields of the new one. */
const transferIssue = (fromExternalId: string, issue: Ticket, repository: Repository) =>
  Effect.as(
    Effect.flatMap(IssueRepo, (issues) => issues.markTransferred({ fromExternalId, to: reportOf(issue, repository) })),
    WebhookOutcome.processed
  )

export const issues = webhookEvent(
  [...ticketActions, "deleted", "transferred"],
  IssuesPayload,
  ({ action, changes, issue, repository }, delivery) =>
    Effect.gen(function* () {
      if (action === "deleted") return yield* issueDeleted(delivery, issue.id)
      if (action === "transferred") {
        const { new_issue, new_repository } = changes ?? {}
        const target = yield* new_repository === undefined ? Effect.succeedNone : findRepository(new_repository.id)
        // An issue in a repository that is not stored cannot be worked on any more.
        return yield* new_issue === undefined || Option.isNone(target)
          ? issueDeleted(delivery, issue.id)
          : transferIssue(issue.id, new_issue, target.value)
      }
      return yield* whenStored(repository.id, (known) =>
        action === "opened" && changes?.old_issue
          ? transferIssue(changes.old_issue.id, issue, known)
          : storeIssue(delivery, issue, known)
      )
    })
)

export const pullRequest = webhookEvent(
  [...ticketActions, "converted_to_draft", "ready_for_review", "synchronize"],
  PullRequestPayload,
  ({ pull_request, repository }) =>
    whenStored(repository.id, (known) =>
      Effect.gen(function* () {
        const { base, draft = false, head, merged_at, state } = pull_request
        const isMerged = merged_at !== undefined && merged_at !== null
        yield* (yield* PullRequestRepo).upsert({
          ...reportOf(pull_request, known),
          state: isMerged ? "merged" : state === "closed" ? "closed" : draft ? "draft" : "open",
          headBranch: head.ref,
          baseBranch: base.ref,
          headSha: head.sha,
          mergedAt: merged_at
        })
        return WebhookOutcome.processed
      })
    )
)
