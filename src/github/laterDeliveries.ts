/**
 * Queries for deliveries about an installation that were received after a given delivery, but processed before it.
 *
 * The statements read only the deliveries of the installation that were received since, which are few, by an index over
 * both columns. They read payloads only for removed repositories, for transferred issues, and for deliveries without a
 * stored action.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { DateTime, Duration, Effect, Option } from "effect"
import { operations } from "../sql/operations.js"
import type { GitHubWebhookDelivery } from "./GitHubWebhookDelivery.js"

const { traced } = operations("GitHubWebhooks", "GitHubWebhookDelivery")

/** The events and actions of later deliveries, without duplicates. */
export type Later = ReadonlyArray<{ readonly eventType: string; readonly action: Option.Option<string> }>

// ?1: GitHub's id of the installation, ?2: the instant at which the delivery was received.
const received = `
  FROM github_webhook_deliveries AS later
  WHERE installation_external_id = ?1 AND received_at > ?2 AND event_type`

const actionsText = `
  SELECT DISTINCT event_type, coalesce(action, payload ->> 'action') AS action
  ${received} IN ('installation', 'installation_repositories', 'organization', 'installation_target')
    AND status = 'processed'`

const removedText = `
  SELECT DISTINCT value ->> 'id' AS id FROM (
    SELECT payload ${received} = 'installation_repositories' AND status = 'processed'
  ) CROSS JOIN json_each(payload, '$.repositories_removed')`

// The reports of a transfer, from the old repository and from the new one. ?3: GitHub's former id of the issue.
const transferText = `
  SELECT 1 ${received} = 'issues' AND CASE coalesce(action, payload ->> 'action')
    WHEN 'transferred' THEN payload ->> '$.issue.id' = ?3
    WHEN 'opened' THEN payload ->> '$.changes.old_issue.id' = ?3
    ELSE 0 END
  LIMIT 1`

/** Reports of an issue may be received later than the report of its transfer, by at most this time. */
const transferWindow = Duration.hours(1)

/** Returns the events and actions of the later deliveries about the installation that were processed. */
export const laterThan = ({ receivedAt }: GitHubWebhookDelivery, installationId: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql.unsafe<{ readonly event_type: string; readonly action: string | null }>(actionsText, [
        installationId,
        DateTime.toEpochMillis(receivedAt)
      ]),
      (rows): Later =>
        rows.map(({ action, event_type }) => ({ eventType: event_type, action: Option.fromNullable(action) }))
    )
  ).pipe(traced("laterThan"))

/**
 * Returns the repositories of a delivery without those that a later delivery removed. The removal of a repository that
 * was never added leaves no row, so it is found only in the payload of its delivery.
 */
export const withoutLaterRemoved = <Ref extends { readonly id: string }>(
  { receivedAt }: GitHubWebhookDelivery,
  installationId: string,
  repositories: ReadonlyArray<Ref>
) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql.unsafe<{ readonly id: unknown }>(removedText, [installationId, DateTime.toEpochMillis(receivedAt)]),
      (rows) => {
        const removed = new Set(rows.map(({ id }) => String(id)))
        return repositories.filter(({ id }) => !removed.has(id))
      }
    )
  ).pipe(traced("withoutLaterRemoved"))

/**
 * Returns whether a delivery reported that the issue was transferred, so that it has another id now. Only for issues
 * that have no row: then the number of deliveries of the last hour does not matter. False for a delivery without an
 * installation, such as that of a webhook of a repository.
 */
export const wasTransferred = ({ installationExternalId, receivedAt }: GitHubWebhookDelivery, issueId: string) =>
  Option.match(installationExternalId, {
    onNone: () => Effect.succeed(false),
    onSome: (installationId) =>
      Effect.flatMap(SqlClient.SqlClient, (sql) =>
        Effect.map(
          sql.unsafe(transferText, [
            installationId,
            DateTime.toEpochMillis(DateTime.subtractDuration(receivedAt, transferWindow)),
            Number(issueId)
          ]),
          (rows) => rows.length > 0
        )
      )
  }).pipe(traced("wasTransferred"))
