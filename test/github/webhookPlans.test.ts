/**
 * What the planner makes of every statement of the inbox: nothing that grows is scanned or sorted, and a claim walks the
 * first entries of its two indexes at any depth.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { shell } from "../support/lists.js"
import { splitStatements } from "../../src/libsql/sqlText.js"
import { planIssues, planOf, recordStatements } from "../support/plans.js"
import { claimant, delivery, failure, gone, layers } from "./webhookSupport.js"

const lease = { deliveryId: gone, workerId: "one", token: 1 }

const methods = Effect.map(
  GitHubWebhookDeliveryRepo,
  (inbox): Readonly<Record<string, Effect.Effect<unknown, unknown>>> => ({
    record: Effect.all([inbox.record(delivery), inbox.record(delivery)]),
    claimNext: inbox.claimNext(claimant),
    claimById: inbox.claimById({ ...claimant, id: "gone" }),
    heartbeat: inbox.heartbeat(lease, "1 minute"),
    markProcessed: inbox.markProcessed(lease),
    markIgnored: inbox.markIgnored(lease),
    markFailed: inbox.markFailed(lease, failure),
    release: inbox.release(lease),
    getByLease: inbox.getByLease(lease),
    redeliver: inbox.redeliver(gone),
    reapExpired: inbox.reapExpired(1000),
    findById: inbox.findById(gone),
    getById: inbox.getById(gone),
    findByDeliveryId: inbox.findByDeliveryId("guid"),
    list: Effect.all([
      inbox.list(),
      inbox.list({ status: "received" }),
      inbox.list({ status: "processing" }),
      inbox.list({ installationExternalId: "42" }),
      inbox.list({ installationExternalId: "42", status: "received" })
    ]),
    listSummaries: Effect.all([
      inbox.listSummaries(),
      inbox.listSummaries({ statuses: ["received", "failed"] }),
      inbox.listSummaries({ installationExternalId: "42", statuses: ["received"], eventType: "push" })
    ]),
    getDetail: inbox.getDetail("gone"),
    listChanges: inbox.listChanges("gone"),
    stream: Stream.runDrain(inbox.stream({ status: "failed" })),
    stats: inbox.stats
  })
)

const claimPlan = Effect.flatMap(GitHubWebhookDeliveryRepo, (inbox) =>
  Effect.map(
    Effect.flatMap(
      recordStatements(inbox.claimNext(claimant)),
      Effect.forEach((statement) => planOf(statement))
    ),
    (plans) => plans.flat()
  )
)

/** Adds so many deliveries, due at different moments: one in ten to come, one in a hundred under a lease, half of those expired. */
const fill = (count: number) =>
  shell(
    `
  INSERT INTO github_webhook_deliveries (id, delivery_id, status, event_type, installation_external_id, payload, received_at, available_at,
    updated_at, attempt_count, lease_token, worker_id, claimed_at, lease_expires_at)
  SELECT 'row-' || n, n, iif(leased, 'processing', 'received'), 'push', n % 50, '{}', n, iif(n % 10 = 0, 1000000000 + n, 0),
    0, iif(leased, 1, 0), iif(leased, 1, 0), iif(leased, 'w', NULL), iif(leased, 0, NULL), iif(leased, (n % 200) * 1000000, NULL)
  FROM (
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
    SELECT n, n % 100 = 7 AS leased FROM numbers)`,
    count
  )

/** What else a statement may cost: the position of an event, and the counts for people. */
const known: Readonly<Record<string, RegExp>> = {
  // One row for each table with AUTOINCREMENT, and the one row of the event.
  redeliver: /^SCAN (sqlite_sequence|CONSTANT ROW) /,
  stats: /^SCAN github_webhook_deliveries USING COVERING INDEX .* GROUP BY status$/
}

const noScans = Effect.gen(function* () {
  for (const [method, effect] of Object.entries(yield* methods)) {
    const issues = yield* planIssues(Effect.ignore(effect))
    expect(
      issues.filter((issue) => known[method]?.test(issue) !== true),
      method
    ).toEqual([])
  }
})

describe("webhook delivery query plans", () => {
  it.effect("every statement uses an index, with and without statistics", () =>
    Effect.gen(function* () {
      expect(new Set(Object.keys(yield* methods))).toEqual(new Set(Object.keys(yield* GitHubWebhookDeliveryRepo)))
      yield* noScans
      yield* fill(10_000)
      yield* shell("ANALYZE")
      yield* noScans
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("a claim reads the first entries of partial indexes on flows and deliveries, and sorts nothing", () =>
    Effect.gen(function* () {
      const plan = yield* claimPlan
      const first = "SEARCH d USING INDEX github_webhook_deliveries_flows_idx (<expr>=?)"
      expect(plan.filter((line) => line.startsWith("SEARCH"))).toEqual([
        expect.stringMatching(
          /^SEARCH github_webhook_deliveries USING .*sqlite_autoindex_github_webhook_deliveries_1 \(id=\?\)$/
        ),
        "SEARCH github_webhook_deliveries USING COVERING INDEX github_webhook_deliveries_leases_idx (status=? AND lease_expires_at<?)",
        "SEARCH f USING COVERING INDEX webhook_inbox_flows_open_idx (virtual_time>?)",
        first,
        first,
        "SEARCH f USING COVERING INDEX webhook_inbox_flows_waiting_idx (next_at<?)",
        first,
        first
      ])
      expect(plan.filter((line) => line.startsWith("SCAN") || line.includes("TEMP B-TREE"))).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("the triggers of the inbox read the first entries of indexes", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const triggers = yield* sql<{ readonly name: string; readonly sql: string }>`
        SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'github_webhook_deliveries_flow_*'`
      expect(triggers).toHaveLength(4)
      yield* fill(1000)
      for (const { name, sql: text } of triggers) {
        for (const statement of splitStatements(text.slice(text.indexOf("BEGIN") + 5, text.lastIndexOf("END")))) {
          // The rows of the trigger are parameters here.
          const plan = yield* planOf({ text: statement.replaceAll(/\b(?:OLD|NEW)\.\w+/g, "?1"), params: [1] })
          expect(
            plan.filter(
              (line) => line.includes("TEMP B-TREE") || /^SCAN (?!CONSTANT ROW$|\(subquery-\d+\)$)/.test(line)
            ),
            name
          ).toEqual([])
        }
      }
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("the indexes are in the order of the claim", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const columnsOf = (index: string) =>
        Effect.map(
          sql<{ readonly name: string }>`
        SELECT name FROM pragma_index_info(${index}) ORDER BY seqno`,
          (columns) => columns.map(({ name }) => name)
        )
      // The first column is an expression.
      expect(yield* columnsOf("github_webhook_deliveries_flows_idx")).toEqual([null, "available_at", "id"])
      expect(yield* columnsOf("webhook_inbox_flows_open_idx")).toEqual(["virtual_time", "installation"])
      expect(yield* columnsOf("github_webhook_deliveries_leases_idx")).toEqual(["status", "lease_expires_at", "id"])
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("a claim has the same plan at 100 and at 100,000 deliveries, with and without statistics", () =>
    Effect.gen(function* () {
      const empty = yield* claimPlan
      for (const count of [100, 100_000]) {
        yield* shell("DELETE FROM github_webhook_deliveries")
        yield* fill(count)
        expect(yield* claimPlan).toEqual(empty)
        yield* shell("ANALYZE")
        expect(yield* claimPlan).toEqual(empty)
      }
    }).pipe(Effect.provide(layers.file))
  )
})
