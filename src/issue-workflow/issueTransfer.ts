/**
 * The statements that record the transfer of an issue to another repository, where its provider gave it a new id.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, Effect } from "effect"
import { endWithTransfer } from "../events/deletions.js"
import type { TransferIssue } from "./Issue.js"
import { defaultProvider } from "./ProviderRow.js"

type Transfer = typeof TransferIssue.Type

interface Target {
  readonly id: string
  /** Whether both the issue and its new row have an active workflow. */
  readonly both: number
}

const active = "status = 'active' AND archived_at IS NULL"

/** The columns of a provider's report, apart from the identity of the issue. */
const reported = "title, state, url, author_user_id, assignee_user_id, opened_at, closed_at, synced_at"

// ?1: the issue, ?2: its new row.
const targetText = `
  SELECT t.id, EXISTS (SELECT 1 FROM issue_workflows WHERE issue_id = ?1 AND ${active})
    AND EXISTS (SELECT 1 FROM issue_workflows WHERE issue_id = t.id AND ${active}) AS both
  FROM issues AS t WHERE t.id = ?2 AND t.id <> ?1`

// An issue was reported under its new id before its transfer was. ?1: the issue, ?2: its new row.
const mergeTexts = [
  "UPDATE issue_workflows SET issue_id = ?1 WHERE issue_id = ?2",
  "UPDATE sandbox_attempts SET issue_id = ?1 WHERE issue_id = ?2",
  "UPDATE OR IGNORE issue_pull_request_links SET issue_id = ?1 WHERE issue_id = ?2",
  `UPDATE issues SET (${reported}) = (SELECT ${reported} FROM issues WHERE id = ?2) WHERE id = ?1`,
  "DELETE FROM issues WHERE id = ?2 AND id <> ?1"
]

/**
 * Moves the row with the former id to the new identity, and merges the row that has that identity into it. Does nothing
 * if no row has the former id. Must run in a transaction.
 */
export const moveIssue = (sql: SqlClient.SqlClient, { fromExternalId, to }: Transfer) =>
  Effect.gen(function* () {
    const { externalId, number, provider = defaultProvider, repositoryId } = to
    const now = yield* Clock.currentTimeMillis
    // The first statement is a write, so that no other one comes between the reads and the writes.
    const [from] = yield* sql<{ readonly id: string }>`
      UPDATE issues SET external_id = NULL, updated_at = ${now}
      WHERE provider = ${provider} AND external_id = ${fromExternalId}
      RETURNING id`
    if (from === undefined) return
    const [identity] = yield* sql<{ readonly id: string | null }>`
      SELECT coalesce(
        (SELECT id FROM issues WHERE provider = ${provider} AND external_id = ${externalId}),
        (SELECT id FROM issues
         WHERE provider = ${provider} AND repository_id = ${repositoryId} AND number = ${number})) AS id`
    const [target] = yield* sql.unsafe<Target>(targetText, [from.id, identity?.id ?? null])
    if (target !== undefined) {
      if (target.both === 1) yield* endWithTransfer(sql, target.id)
      for (const text of mergeTexts) yield* sql.unsafe(text, [from.id, target.id])
    }
    yield* sql`
      UPDATE issues SET external_id = ${externalId}, repository_id = ${repositoryId}, number = ${number}, updated_at = ${now}
      WHERE id = ${from.id}`
  })
