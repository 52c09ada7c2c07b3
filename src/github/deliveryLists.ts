/**
 * The lists of webhook deliveries without their payloads, for operators, and the rows that a delivery has changed.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { DateTime, Effect, Option } from "effect"
import type { InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import { conditionsOf, unionByStatus } from "../sql/filters.js"
import { operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { columnList, joinedRows, rowsOf } from "../sql/rows.js"
import { type DeliveryChange, DeliveryDetail, DeliverySummary, DeliverySummaryFilter } from "./deliveryViews.js"

/** Lists of `GitHubWebhookDeliveryService`. Internal: for operators, not for request handlers. */
export interface DeliveryListMethods {
  /**
   * Lists the deliveries that match a filter, newest first, without their payloads. With a filter by event type, or by
   * installation and status, a call examines up to 10,000 deliveries, so a page may have few items or none although there
   * is a next one. Fails with `InvalidInput` if a field is invalid, the cursor is
   * malformed or the limit is out of range.
   */
  readonly listSummaries: (
    request?: Page.PageRequest & typeof DeliverySummaryFilter.Encoded
  ) => Effect.Effect<Page.Page<DeliverySummary>, InvalidInput | PersistenceError>

  /** Returns a delivery without its payload. Fails with `NotFound`. */
  readonly getDetail: (id: string) => Effect.Effect<DeliveryDetail, NotFound | PersistenceError>

  /**
   * Returns the installation, the repository, the issue and the pull request that the payload of a delivery names, and
   * whether the delivery has changed them. A row that was last written from the claim to the end of the delivery counts
   * as changed by it. Returns no rows for an unknown delivery.
   */
  readonly listChanges: (id: string) => Effect.Effect<ReadonlyArray<DeliveryChange>, PersistenceError>
}

const { decodeFilter, orNotFound, traced } = operations("GitHubWebhookDeliveryRepo", "GitHubWebhookDelivery")

/** The objects of a payload, and their rows. The ids of GitHub are numbers. */
const named = [
  {
    kind: "installation",
    object: "installation",
    table: "github_app_installations",
    column: "external_installation_id",
    name: "account_login"
  },
  {
    kind: "repository",
    object: "repository",
    table: "repositories",
    column: "external_id",
    name: "owner || '/' || name"
  },
  { kind: "issue", object: "issue", table: "issues", column: "external_id", name: "title" },
  { kind: "pullRequest", object: "pull_request", table: "pull_requests", column: "external_id", name: "title" }
] as const

const ofGitHub = (table: string) => (table === "github_app_installations" ? "" : " AND r.provider = 'github'")

const changesText = named
  .map(
    ({ column, kind, name, object, table }) => `
  SELECT '${kind}' AS kind, d.claimed_at AS claimed, d.processed_at AS processed,
    CAST(d.payload ->> '$.${object}.id' AS TEXT) AS external, r.id AS id, r.updated_at AS updated,
    (SELECT ${name} FROM ${table} WHERE id = r.id) AS name
  FROM github_webhook_deliveries AS d
  LEFT JOIN ${table} AS r ON r.${column} = CAST(d.payload ->> '$.${object}.id' AS TEXT)${ofGitHub(table)}
  WHERE d.id = ?1 AND d.payload ->> '$.${object}.id' IS NOT NULL`
  )
  .join(" UNION ALL ")

type Row = Readonly<Record<string, unknown>>

const outcomeOf = ({ claimed, id, processed, updated }: Row): DeliveryChange["outcome"] => {
  if (id === null) return "missing"
  if (claimed === null || Number(updated) < Number(claimed)) return "unchanged"
  return processed === null || Number(updated) <= Number(processed) ? "changed" : "changed-later"
}

const changeOf = (kind: DeliveryChange["kind"], row: Row): DeliveryChange => ({
  kind,
  externalId: String(row["external"]),
  outcome: outcomeOf(row),
  ...(typeof row["id"] === "string" ? { id: row["id"] } : {}),
  ...(typeof row["name"] === "string" ? { name: row["name"] } : {}),
  ...(typeof row["updated"] === "number" ? { updatedAt: DateTime.unsafeMake(row["updated"]) } : {})
})

/** Builds the lists. `DeliveryListMethods` documents them. */
export const makeDeliveryLists = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* joinedRows
  const summaries = yield* rowsOf(DeliverySummary)
  const details = yield* rowsOf(DeliveryDetail)
  const { indexedBy, unindexed, unindexedIn } = conditionsOf(sql)

  const listSummaries: DeliveryListMethods["listSummaries"] = (request = {}) =>
    Effect.gen(function* () {
      const filter = yield* decodeFilter("listSummaries", DeliverySummaryFilter)(request)
      const { eventType, installationExternalId, statuses } = filter
      const start = yield* Page.start("GitHubWebhookDeliveryRepo.listSummaries", request)
      if (statuses?.length === 0) return { items: [], nextCursor: Option.none() }
      const ranges =
        installationExternalId === undefined
          ? unionByStatus(sql, statuses, [])
          : [indexedBy("installation_external_id", installationExternalId)]
      const matching = [
        ...(installationExternalId === undefined ? [] : unindexedIn("status", statuses)),
        ...unindexed("event_type", eventType)
      ]
      const after = Page.afterCursor(sql, start, "received_at")
      const sources = ranges.map((range) => sql`FROM github_webhook_deliveries WHERE ${sql.and([...range, after])}`)
      const floor = matching.length === 0 ? Option.none() : yield* Page.floorOf(sql, sources, "received_at", "id")
      const examined = Page.untilFloor(sql, floor, "received_at")
      const branches = ranges.map(
        (range) => sql`
          SELECT ${sql.literal(columnList(DeliverySummary))} FROM github_webhook_deliveries
          WHERE ${sql.and([...range, ...matching, after, examined])}`
      )
      const found = yield* summaries.findPage(sql`
        ${sql.join(" UNION ALL ", false)(branches)}
        ORDER BY "receivedAt" DESC, id DESC LIMIT ${start.limit + 1}`)
      return Page.makeExamined(found, start, floor, ({ id, receivedAt }) => [receivedAt, id])
    }).pipe(traced("listSummaries"))

  const getDetail: DeliveryListMethods["getDetail"] = (id) =>
    details
      .findOne(sql`SELECT ${sql.literal(columnList(DeliveryDetail))} FROM github_webhook_deliveries WHERE id = ${id}`)
      .pipe(Effect.flatMap(orNotFound(id)), traced("getDetail", { "delivery.id": id }))

  const listChanges: DeliveryListMethods["listChanges"] = (id) =>
    Effect.map(rows(sql.unsafe(changesText, [id])), (found) =>
      found.flatMap((row) => named.filter(({ kind }) => kind === row["kind"]).map(({ kind }) => changeOf(kind, row)))
    ).pipe(traced("listChanges", { "delivery.id": id }))

  return { listSummaries, getDetail, listChanges }
})
