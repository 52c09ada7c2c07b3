/**
 * The tables of a program that uses drizzle, as a drizzle schema and as the SQL that drizzle-kit makes of such a schema.
 *
 * They have the columns of our tables and the indexes of the predecessor. They have no CHECKs, no triggers and no
 * foreign keys, so a write to them costs the engine less than a write to our tables.
 */
import {
  getTableConfig,
  index,
  integer,
  type SQLiteTable,
  sqliteTable,
  text,
  uniqueIndex
} from "drizzle-orm/sqlite-core"
import { v7 } from "uuid"
import type { UserWorkspaceSpec } from "../../src/payloads/UserWorkspaceSpec.js"

const instant = (name: string) => integer(name, { mode: "timestamp_ms" })
const flag = (name: string) => integer(name, { mode: "boolean" })
const newId = (prefix: string) => () => `${prefix}_${v7()}`
const times = { createdAt: instant("created_at").notNull(), updatedAt: instant("updated_at").notNull() }
const specOf = (name: string) => text(name, { mode: "json" }).$type<UserWorkspaceSpec>().notNull()

export const buildJobs = sqliteTable(
  "oci_image_build_jobs",
  {
    id: text("id").primaryKey().$defaultFn(newId("job")),
    attemptId: text("run_id"),
    status: text("status", { enum: ["queued", "running", "succeeded", "failed", "cancelled"] })
      .notNull()
      .default("queued"),
    registryId: text("registry_id").notNull(),
    repository: text("repository").notNull(),
    tag: text("tag").notNull(),
    requestPayload: specOf("request_payload"),
    requestFingerprint: text("request_fingerprint"),
    idempotencyKey: text("idempotency_key"),
    attemptCount: integer("attempt_count").notNull().default(0),
    maxAttempts: integer("max_attempts").notNull().default(3),
    availableAt: instant("available_at").notNull(),
    claimedAt: instant("claimed_at"),
    leaseExpiresAt: instant("lease_expires_at"),
    workerId: text("worker_id"),
    leaseToken: integer("lease_token").notNull().default(0),
    leaseOutcome: text("lease_outcome"),
    startedAt: instant("started_at"),
    finishedAt: instant("finished_at"),
    executorId: text("executor_id"),
    resultPayload: text("result_payload", { mode: "json" }),
    publishedReference: text("published_reference"),
    publishedDigestReference: text("published_digest_reference"),
    publishedDigest: text("published_digest"),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    cancelReason: text("cancel_reason"),
    runSettledAt: instant("run_settled_at"),
    ...times
  },
  (table) => [
    uniqueIndex("oci_image_build_jobs_idempotency_key_idx").on(table.idempotencyKey),
    index("oci_image_build_jobs_status_available_at_idx").on(table.status, table.availableAt),
    index("oci_image_build_jobs_status_claimed_at_idx").on(table.status, table.claimedAt),
    index("oci_image_build_jobs_created_at_idx").on(table.createdAt),
    index("oci_image_build_jobs_run_id_idx").on(table.attemptId)
  ]
)

const origin = {
  ownerUserId: text("owner_user_id").notNull(),
  repositoryId: text("repository_id"),
  repositoryProfileRevisionId: text("repository_profile_revision_id"),
  profileRevisionId: text("profile_revision_id"),
  requestedByUserId: text("requested_by_user_id"),
  status: text("status").notNull().default("queued"),
  ...times
}

export const sandboxes = sqliteTable(
  "sandboxes",
  {
    id: text("id").primaryKey().$defaultFn(newId("sbx")),
    name: text("name").notNull(),
    latestAttemptId: text("latest_run_id"),
    archivedAt: instant("archived_at"),
    ...origin
  },
  (table) => [
    uniqueIndex("sandboxes_latest_run_id_idx").on(table.latestAttemptId),
    index("sandboxes_owner_user_id_status_created_at_idx").on(table.ownerUserId, table.status, table.createdAt),
    index("sandboxes_repository_id_created_at_idx").on(table.repositoryId, table.createdAt)
  ]
)

export const attempts = sqliteTable(
  "sandbox_attempts",
  {
    id: text("id").primaryKey().$defaultFn(newId("run")),
    issueId: text("issue_id"),
    triggerType: text("trigger_type").notNull().default("manual"),
    triggerRef: text("trigger_ref"),
    retryOfAttemptId: text("retry_of_run_id"),
    cancelReason: text("cancel_reason"),
    queuedAt: instant("queued_at").notNull(),
    startedAt: instant("started_at"),
    finishedAt: instant("finished_at"),
    durationMs: integer("duration_ms"),
    ...origin
  },
  (table) => [
    index("sandbox_attempts_owner_user_id_status_created_at_idx").on(table.ownerUserId, table.status, table.createdAt),
    index("sandbox_attempts_repository_id_created_at_idx").on(table.repositoryId, table.createdAt),
    index("sandbox_attempts_profile_revision_id_created_at_idx").on(table.profileRevisionId, table.createdAt),
    index("sandbox_attempts_issue_id_created_at_idx").on(table.issueId, table.createdAt),
    index("sandbox_attempts_status_started_at_idx").on(table.status, table.startedAt)
  ]
)

export const attemptLinks = sqliteTable(
  "sandbox_run_links",
  {
    attemptId: text("run_id").primaryKey(),
    sandboxId: text("sandbox_id").notNull(),
    relation: text("relation").notNull(),
    linkedAt: instant("linked_at").notNull()
  },
  (table) => [index("sandbox_run_links_sandbox_id_linked_at_idx").on(table.sandboxId, table.linkedAt)]
)

export const attemptSnapshots = sqliteTable("sandbox_attempt_snapshots", {
  attemptId: text("run_id").primaryKey(),
  userSpecPayload: specOf("user_spec_payload"),
  resolvedSpecPayload: specOf("resolved_spec_payload"),
  blueprintPayload: text("blueprint_payload", { mode: "json" }).notNull(),
  createdAt: instant("created_at").notNull()
})

export const executionEvents = sqliteTable(
  "issue_workflow_execution_events",
  {
    id: text("id").primaryKey().$defaultFn(newId("evt")),
    executionId: text("execution_id").notNull(),
    sequence: integer("sequence").notNull(),
    phase: text("phase").notNull(),
    level: text("level").notNull().default("info"),
    eventType: text("event_type").notNull(),
    message: text("message").notNull(),
    payload: text("payload", { mode: "json" }),
    occurredAt: instant("occurred_at").notNull()
  },
  (table) => [
    uniqueIndex("execution_events_execution_id_sequence_idx").on(table.executionId, table.sequence),
    index("execution_events_execution_id_occurred_at_idx").on(table.executionId, table.occurredAt),
    index("execution_events_execution_id_level_idx").on(table.executionId, table.level)
  ]
)

export const repositories = sqliteTable(
  "repositories",
  {
    id: text("id").primaryKey().$defaultFn(newId("repo")),
    provider: text("provider").notNull(),
    externalId: text("external_id"),
    owner: text("owner").notNull(),
    name: text("name").notNull(),
    defaultBranch: text("default_branch").notNull().default("main"),
    isArchived: flag("is_archived").notNull(),
    lastSyncedAt: instant("last_synced_at"),
    ...times
  },
  (table) => [
    uniqueIndex("repositories_provider_owner_name_idx").on(table.provider, table.owner, table.name),
    uniqueIndex("repositories_provider_external_id_idx").on(table.provider, table.externalId),
    index("repositories_owner_name_idx").on(table.owner, table.name),
    index("repositories_last_synced_at_idx").on(table.lastSyncedAt)
  ]
)

export const installationRepositories = sqliteTable(
  "github_installation_repositories",
  {
    id: text("id").primaryKey().$defaultFn(newId("ghr")),
    installationId: text("installation_id").notNull(),
    repositoryId: text("repository_id").notNull(),
    externalRepositoryId: text("external_repository_id").notNull(),
    owner: text("owner").notNull(),
    name: text("name").notNull(),
    fullName: text("full_name").notNull(),
    defaultBranch: text("default_branch").notNull().default("main"),
    isPrivate: flag("is_private").notNull(),
    lastSyncedAt: instant("last_synced_at"),
    removedAt: instant("removed_at"),
    ...times
  },
  (table) => [
    uniqueIndex("installation_repositories_external_idx").on(table.installationId, table.externalRepositoryId),
    uniqueIndex("installation_repositories_repository_idx").on(table.installationId, table.repositoryId),
    index("installation_repositories_full_name_idx").on(table.fullName),
    index("installation_repositories_removed_at_idx").on(table.removedAt),
    index("installation_repositories_last_synced_at_idx").on(table.lastSyncedAt)
  ]
)

const literalOf = (value: unknown) => (typeof value === "string" ? `'${value}'` : String(value))

/** Returns the SQL that creates a table and its indexes. */
const createText = (table: SQLiteTable): string => {
  const { columns, indexes, name } = getTableConfig(table)
  const definitions = columns.map((column) => {
    const primary = column.primary ? " PRIMARY KEY" : ""
    const byDefault = column.default === undefined ? "" : ` DEFAULT ${literalOf(column.default)}`
    return `${column.name} ${column.getSQLType()}${primary}${byDefault}${column.notNull ? " NOT NULL" : ""}`
  })
  const indexTexts = indexes.map(({ config }) => {
    const names = config.columns.map((column) => ("name" in column ? column.name : ""))
    return `CREATE ${config.unique ? "UNIQUE " : ""}INDEX ${config.name} ON ${name} (${names.join(", ")});`
  })
  return [`CREATE TABLE ${name} (${definitions.join(", ")});`, ...indexTexts].join("\n")
}

/** The SQL that creates all tables. */
export const predecessorTables = [
  buildJobs,
  sandboxes,
  attempts,
  attemptLinks,
  attemptSnapshots,
  executionEvents,
  repositories,
  installationRepositories
]
  .map(createText)
  .join("\n")
