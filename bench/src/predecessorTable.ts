/**
 * The job table as a drizzle schema, and the SQL that drizzle-kit makes of such a schema.
 *
 * The same columns as ours. Indexes are the predecessor's. There are no CHECKs, no triggers and no foreign key, which
 * its users did not have: writes to this table cost the engine less than writes to ours.
 */
import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core"
import { v7 } from "uuid"
import type { UserWorkspaceSpec } from "../../src/payloads/UserWorkspaceSpec.js"

const instant = (name: string) => integer(name, { mode: "timestamp_ms" })

export const buildJobs = sqliteTable(
  "oci_image_build_jobs",
  {
    id: text("id")
      .primaryKey()
      .$defaultFn(() => `job_${v7()}`),
    attemptId: text("run_id"),
    status: text("status", { enum: ["queued", "running", "succeeded", "failed", "cancelled"] })
      .notNull()
      .default("queued"),
    registryId: text("registry_id").notNull(),
    repository: text("repository").notNull(),
    tag: text("tag").notNull(),
    requestPayload: text("request_payload", { mode: "json" }).$type<UserWorkspaceSpec>().notNull(),
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
    createdAt: instant("created_at").notNull(),
    updatedAt: instant("updated_at").notNull()
  },
  (table) => [
    uniqueIndex("oci_image_build_jobs_idempotency_key_idx").on(table.idempotencyKey),
    index("oci_image_build_jobs_status_available_at_idx").on(table.status, table.availableAt),
    index("oci_image_build_jobs_status_claimed_at_idx").on(table.status, table.claimedAt),
    index("oci_image_build_jobs_created_at_idx").on(table.createdAt),
    index("oci_image_build_jobs_run_id_idx").on(table.attemptId)
  ]
)

export const predecessorTable = `
CREATE TABLE oci_image_build_jobs (
  id text PRIMARY KEY NOT NULL,
  run_id text,
  status text DEFAULT 'queued' NOT NULL,
  registry_id text NOT NULL,
  repository text NOT NULL,
  tag text NOT NULL,
  request_payload text NOT NULL,
  request_fingerprint text,
  idempotency_key text,
  attempt_count integer DEFAULT 0 NOT NULL,
  max_attempts integer DEFAULT 3 NOT NULL,
  available_at integer NOT NULL,
  claimed_at integer,
  lease_expires_at integer,
  worker_id text,
  lease_token integer DEFAULT 0 NOT NULL,
  lease_outcome text,
  started_at integer,
  finished_at integer,
  executor_id text,
  result_payload text,
  published_reference text,
  published_digest_reference text,
  published_digest text,
  error_code text,
  error_message text,
  cancel_reason text,
  run_settled_at integer,
  created_at integer NOT NULL,
  updated_at integer NOT NULL
);
CREATE UNIQUE INDEX oci_image_build_jobs_idempotency_key_idx ON oci_image_build_jobs (idempotency_key);
CREATE INDEX oci_image_build_jobs_status_available_at_idx ON oci_image_build_jobs (status, available_at);
CREATE INDEX oci_image_build_jobs_status_claimed_at_idx ON oci_image_build_jobs (status, claimed_at);
CREATE INDEX oci_image_build_jobs_created_at_idx ON oci_image_build_jobs (created_at);
CREATE INDEX oci_image_build_jobs_run_id_idx ON oci_image_build_jobs (run_id);
`
