/**
 * The comparison of the flows of the inbox with its deliveries, and their repair. They differ only if a program wrote
 * the flows itself, or disabled triggers. The cost grows with the installations, not with their deliveries.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Effect } from "effect"
import { nextTurn } from "../libsql/eventLoop.js"
import { operations } from "../sql/operations.js"

/** The number of installations that one statement compares. */
const pageSize = 100

const { traced } = operations("WebhookInbox", "WebhookInboxFlow")

const received = `github_webhook_deliveries INDEXED BY github_webhook_deliveries_flows_idx
      WHERE status = 'received' AND coalesce(installation_external_id, '')`

const nextInstallation = (position: string) => `(
      SELECT coalesce(installation_external_id, '') AS installation FROM ${received} > ${position}
      ORDER BY installation LIMIT 1)`

/** Selects the next installations after ?1 with a flow or received deliveries, up to ?2. */
const installationsText = `
  WITH RECURSIVE waiting (installation) AS (
    SELECT ${nextInstallation("?1")}
    UNION ALL
    SELECT ${nextInstallation("waiting.installation")}
    FROM waiting WHERE waiting.installation IS NOT NULL LIMIT ?2)
  SELECT installation FROM (
    SELECT * FROM (SELECT installation FROM webhook_inbox_flows WHERE installation > ?1 ORDER BY installation LIMIT ?2)
    UNION
    SELECT installation FROM waiting WHERE installation IS NOT NULL)
  ORDER BY installation LIMIT ?2`.trim()

const current = `(
      SELECT virtual_time FROM webhook_inbox_flows WHERE is_open = 1 AND virtual_time >= 0 ORDER BY virtual_time LIMIT 1)`

// The installations of ?1, a JSON array, whose flows differ. An open flow is at most two turns after the next one: one
// because it was served, and one because a program of the previous release has claimed from it.
const differing = `
  FROM (
    SELECT value AS installation, (
      SELECT available_at FROM ${received} = +value ORDER BY available_at LIMIT 1) AS head
    FROM json_each(?1)) AS e
  WHERE NOT EXISTS (
    SELECT 1 FROM webhook_inbox_flows AS f
    WHERE f.installation = e.installation AND f.next_at IS e.head
      AND (f.is_open = 0 OR e.head IS NOT NULL AND f.virtual_time <= ${current} + 2))
  AND (e.head IS NOT NULL OR EXISTS (SELECT 1 FROM webhook_inbox_flows AS f WHERE f.installation = e.installation))`

const differingText = `SELECT e.installation ${differing}`

// The next claims open the flows.
const repairText = `
  INSERT INTO webhook_inbox_flows (installation, virtual_time, next_at, is_open)
  SELECT e.installation, coalesce(${current}, 0), e.head, 0 ${differing}
  ON CONFLICT (installation) DO UPDATE SET next_at = excluded.next_at, is_open = 0
  RETURNING installation`.trim()

interface Flow {
  readonly installation: string
}

/** Builds the comparison and the repair. */
export const makeInboxFlows = (sql: SqlClient.SqlClient) => {
  // The next call of `supervise` continues after this installation. `null`: it begins with the deliveries without one.
  let position: string | null = null

  const pageAfter = (installation: string | null): Effect.Effect<ReadonlyArray<Flow>, SqlError.SqlError> =>
    installation === null
      ? Effect.map(sql.unsafe<Flow>(installationsText, ["", pageSize - 1]), (flows) => [{ installation: "" }, ...flows])
      : sql.unsafe<Flow>(installationsText, [installation, pageSize])

  const over = (text: string, flows: ReadonlyArray<Flow>) =>
    Effect.map(
      sql.unsafe<Flow>(text, [JSON.stringify(flows.map(({ installation }) => installation))]),
      ({ length }) => length
    )

  return {
    /** Counts the installations whose flows differ from their deliveries. */
    drift: Effect.gen(function* () {
      let sum = 0
      let flows = yield* pageAfter(null)
      while (flows.length > 0) {
        sum += yield* over(differingText, flows)
        yield* nextTurn
        flows = yield* pageAfter(flows.at(-1)?.installation ?? "")
      }
      return sum
    }).pipe(traced("drift")),

    /**
     * Compares up to 100 installations, and repairs the flows that differ. Returns their number. The next call continues
     * with the next installations.
     */
    supervise: Effect.gen(function* () {
      const flows = yield* pageAfter(position)
      position = flows.length < pageSize ? null : (flows.at(-1)?.installation ?? null)
      return yield* over(repairText, flows)
    }).pipe(traced("supervise"))
  }
}
