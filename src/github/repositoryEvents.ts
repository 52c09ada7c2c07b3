/**
 * The event `repository`: the only report of a rename, a new visibility, an archiving or a deletion. So it also changes
 * the rows of all installations that contain the repository.
 */
import { DateTime, Effect, Option } from "effect"
import type { Repository } from "../source/Repository.js"
import { RepositoryRepo } from "../source/RepositoryRepo.js"
import { GitHubInstallationRepositoryRepo } from "./GitHubInstallationRepositoryRepo.js"
import { type ReportedRepository, RepositoryPayload } from "./payloads.js"
import { superseded, webhookEvent, whenStored } from "./webhookEvent.js"
import { WebhookOutcome } from "./WebhookHandler.js"

const storeReport = (known: Repository, reported: ReportedRepository, receivedAt: DateTime.Utc) =>
  Effect.gen(function* () {
    const { archived, default_branch, full_name, html_url, id, private: isPrivate, updated_at } = reported
    const confirmedAt = updated_at ?? receivedAt
    if (Option.exists(known.lastSyncedAt, DateTime.greaterThan(confirmedAt))) return superseded
    const [owner = "", name = ""] = full_name.split("/")
    const fields = { owner, name, defaultBranch: default_branch, isArchived: archived }
    yield* (yield* RepositoryRepo).upsert({
      provider: "github",
      externalId: id,
      ...fields,
      url: html_url,
      lastSyncedAt: confirmedAt
    })
    yield* (yield* GitHubInstallationRepositoryRepo).update({ repositoryId: known.id, ...fields, isPrivate })
    return WebhookOutcome.processed
  })

export const repository = webhookEvent(
  ["archived", "deleted", "edited", "privatized", "publicized", "renamed", "transferred", "unarchived"],
  RepositoryPayload,
  ({ action, repository }, { receivedAt }) =>
    whenStored(repository.id, (known) =>
      action === "deleted"
        ? Effect.as(
            Effect.flatMap(GitHubInstallationRepositoryRepo, (installed) =>
              installed.markDeleted({ repositoryId: known.id, at: receivedAt })
            ),
            WebhookOutcome.processed
          )
        : storeReport(known, repository, receivedAt)
    )
)
