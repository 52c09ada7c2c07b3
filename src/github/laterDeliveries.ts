/**
 * What deliveries about an installation have told that were received after another one, and took effect before it.
 *
 * The statements walk those of the installation that were received since, which are few: the index has both. Into payloads
 * they look only where the action was not given apart, and for what has left.
 */
import { SqlClient } from "@effect/sql"
import { DateTime, Effect, Option } from "effect"
import type { GitHubWebhookDelivery } from "./GitHubWebhookDelivery.js"
import { operations } from "../sql/operations.js"

const { read } = operations("GitHubWebhooks", "GitHubWebhookDelivery")

/** What later deliveries tell of an installation: each kind once. */
export type Later = ReadonlyArray<{ readonly eventType: string; readonly action: Option.Option<string> }>

// ?1: GitHub's id of the installation, ?2: since when.
const received = `
  FROM github_webhook_deliveries AS later
  WHERE installation_external_id = ?1 AND received_at > ?2 AND event_type`

const kindsText = `
  SELECT DISTINCT event_type, coalesce(action, payload ->> 'action') AS action ${received} IN ('installation', 'installation_repositories') AND status = 'processed'`

const leftText = `
  SELECT DISTINCT value ->> 'id' AS id FROM (
    SELECT payload ${received} = 'installation_repositories' AND status = 'processed'
  ) CROSS JOIN json_each(payload, '$.repositories_removed')`

/** The kinds of deliveries that tell of the installation itself, and have taken effect though they came after this one. */
export const laterThan = ({ receivedAt }: GitHubWebhookDelivery, installationId: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql.unsafe<{ readonly event_type: string; readonly action: string | null }>(kindsText, [installationId, DateTime.toEpochMillis(receivedAt)]),
      (rows): Later => rows.map(({ action, event_type }) => ({ eventType: event_type, action: Option.fromNullable(action) }))
    )).pipe(read("laterThan"))

/** What has come, but for what has left since: of that, no row may tell. */
export const stillThere = <Ref extends { readonly id: string }>(
  { receivedAt }: GitHubWebhookDelivery,
  installationId: string,
  repositories: ReadonlyArray<Ref>
) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql.unsafe<{ readonly id: unknown }>(leftText, [installationId, DateTime.toEpochMillis(receivedAt)]), (rows) => {
      const left = new Set(rows.map(({ id }) => String(id)))
      return repositories.filter(({ id }) => !left.has(id))
    })).pipe(read("stillThere"))
