/**
 * The tables that grow without limit, the rules for purging them, and the reasons for keeping the rows of all other
 * tables.
 *
 * Each growing table is scanned in the order of an index, oldest first. A row that is old enough is purged unless it
 * is live. Conditions qualify columns by the name of the table where needed. ?1 is the instant up to which rows are
 * old.
 */

/** A scan of a table. */
export interface Scan {
  /** The condition of a scan that covers a part of the table, on the leading columns of the index. */
  readonly part?: string
  /** The columns of the index, from the oldest row on. The last ones make the position of each row unique. */
  readonly order: ReadonlyArray<string>
  /**
   * Whether old rows may follow young ones, because the order is not by age. If so, the scan covers the whole table.
   */
  readonly mixed?: boolean
  /** A value below those of each column. Default -1. */
  readonly below?: string
}

/** A table whose rows are purged. */
export interface Growing {
  readonly scans: ReadonlyArray<Scan>
  /** The columns that identify a row. */
  readonly key: ReadonlyArray<string>
  /** The condition for a row that is old enough. The scan ends at the first row that is not, unless it is `mixed`. */
  readonly old: string
  /** The condition for a row that is not live and that no live row needs. */
  readonly ended?: string
  /** The columns of documents, which may be megabytes long, and of messages. */
  readonly longTexts?: ReadonlyArray<string>
  /** The default retention, in days. */
  readonly days: number
  /** The start of the retention, for people: "`days` after ...". */
  readonly since: string
}

const byExpiry = (table: string): Pick<Growing, "scans" | "key" | "old"> => ({
  scans: [{ order: ["expires_at", "rowid"] }],
  key: ["rowid"],
  old: `${table}.expires_at <= ?1`
})

const byStatus = (statuses: ReadonlyArray<string>, order: string): ReadonlyArray<Scan> =>
  statuses.map((status) => ({ part: `status = '${status}'`, order: [order, "id"] }))

/** The newest event of a subject stays while the subject can have another event, which continues its sequence. */
const activeSubjects: Readonly<Record<string, string>> = {
  sandbox: "SELECT 1 FROM sandboxes AS s WHERE s.id = subject_id",
  attempt: "SELECT 1 FROM sandbox_attempts AS s WHERE s.id = subject_id AND s.status IN ('queued', 'running')",
  job: "SELECT 1 FROM oci_image_build_jobs AS s WHERE s.id = subject_id",
  workflow: "SELECT 1 FROM issue_workflows AS s WHERE s.id = subject_id AND s.status = 'active'",
  execution:
    "SELECT 1 FROM issue_workflow_executions AS s WHERE s.id = subject_id AND s.status IN ('queued', 'running')"
}

const subjectHasEnded = `CASE subject_type ${Object.entries(activeSubjects)
  .map(([type, text]) => `WHEN '${type}' THEN NOT EXISTS (${text})`)
  .join(" ")} ELSE 0 END`

/**
 * A table of the journal. Scanned by position. An event stays while an earlier event of its subject is young, so that the
 * events of a subject have no gaps. When a wrong clock dated an event in the future, only the events of its subject stay.
 */
const journal = (table: string, subjectHasEnded: string) =>
  ({
    scans: [{ order: ["position"], mixed: true }],
    key: ["position"],
    old: "occurred_at <= ?1",
    ended: `NOT EXISTS (SELECT 1 FROM control_plane_event_consumers AS c WHERE c.position < ${table}.position) AND NOT EXISTS (
      SELECT 1 FROM ${table} AS n
      WHERE n.subject_type = ${table}.subject_type AND n.subject_id = ${table}.subject_id
        AND n.sequence < ${table}.sequence AND n.occurred_at > ?1
    ) AND (
      EXISTS (
        SELECT 1 FROM ${table} AS n
        WHERE n.subject_type = ${table}.subject_type AND n.subject_id = ${table}.subject_id
          AND n.sequence > ${table}.sequence
      ) OR ${subjectHasEnded}
    )`,
    longTexts: ["payload"],
    days: 90,
    since: "they happened, once every named consumer has acknowledged them; the newest event of an active subject stays"
  }) as const satisfies Growing

export const growing = {
  session: { ...byExpiry("session"), days: 7, since: "they expired" },

  verification: { ...byExpiry("verification"), days: 1, since: "they expired" },

  // An expired entry may still be served for some time when resolving fails.
  package_resolution_cache_entries: {
    ...byExpiry("package_resolution_cache_entries"),
    longTexts: ["resolution_payload"],
    days: 30,
    since: "they expired"
  },

  // Longer than GitHub redelivers, because a delivery whose row was purged counts as new.
  github_webhook_deliveries: {
    scans: byStatus(["processed", "ignored", "failed"], "received_at"),
    key: ["rowid"],
    old: "received_at <= ?1",
    ended: "processed_at <= ?1",
    longTexts: ["payload", "error_message"],
    days: 30,
    since: "they were processed, ignored or failed"
  },

  // Jobs from which a sandbox can be rebuilt stay, and so do jobs whose end is not yet recorded in their attempt.
  oci_image_build_jobs: {
    scans: byStatus(["succeeded", "failed", "cancelled"], "created_at"),
    key: ["rowid"],
    old: "created_at <= ?1",
    ended: `finished_at <= ?1 AND (run_id IS NULL OR (
      run_settled_at IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM sandboxes AS s WHERE s.latest_run_id = run_id)
      AND NOT EXISTS (SELECT 1 FROM sandbox_attempts AS a WHERE a.id = run_id AND a.status IN ('queued', 'running'))
    ))`,
    longTexts: ["request_payload", "result_payload", "error_message"],
    days: 90,
    since: "they ended, unless a sandbox would be retried or rebuilt from them"
  },

  // Only a key with a rate limit outlives its jobs. The rate of a key that was not used for a minute is that of a new key.
  build_queue_keys: {
    scans: [{ order: ["bucket", "concurrency_key"], mixed: true, below: "" }],
    key: ["bucket", "concurrency_key"],
    old: "empty_until_us <= ?1 * 1000",
    ended: "queued = 0 AND running = 0",
    days: 1,
    since: "the last start of a job with the key, unless jobs with it are queued or running"
  },

  // A queued teardown is claimed within seconds if there is a worker. The sandbox of a settled one does not wait for it.
  runtime_teardowns: {
    scans: byStatus(["succeeded", "failed", "queued"], "created_at"),
    key: ["rowid"],
    old: "created_at <= ?1",
    ended: "settled_at <= ?1",
    longTexts: ["error_message"],
    days: 30,
    since: "they ended, or no worker claimed them in time"
  },

  // Not longer than jobs, because a key whose job is purged cannot be answered. Keys of active launches stay, because
  // they prevent a second launch.
  sandbox_launch_keys: {
    scans: [{ order: ["created_at", "owner_user_id", "idempotency_key"] }],
    key: ["owner_user_id", "idempotency_key"],
    old: "created_at <= ?1",
    ended: `NOT EXISTS (SELECT 1 FROM sandbox_attempts AS a WHERE a.id = sandbox_launch_keys.run_id AND a.status IN ('queued', 'running'))
      AND NOT EXISTS (SELECT 1 FROM oci_image_build_jobs AS j WHERE j.id = sandbox_launch_keys.job_id AND j.status IN ('queued', 'running'))`,
    days: 30,
    since: "the launch, unless its attempt or job is queued or running"
  },

  issue_workflow_execution_keys: {
    scans: [{ order: ["created_at", "issue_workflow_id", "idempotency_key"] }],
    key: ["issue_workflow_id", "idempotency_key"],
    old: "created_at <= ?1",
    ended: `NOT EXISTS (
      SELECT 1 FROM issue_workflow_executions AS x
      WHERE x.id = issue_workflow_execution_keys.execution_id AND x.status IN ('queued', 'running')
    )`,
    days: 30,
    since: "the start of the execution, unless it is queued or running"
  },

  issue_workflow_execution_events: {
    scans: [{ order: ["occurred_at", "rowid"] }],
    key: ["rowid"],
    old: "occurred_at <= ?1",
    ended: "EXISTS (SELECT 1 FROM issue_workflow_executions AS x WHERE x.id = execution_id AND x.finished_at <= ?1)",
    longTexts: ["payload", "message"],
    days: 90,
    since: "their execution ended"
  },

  control_plane_events: journal("control_plane_events", subjectHasEnded),

  control_plane_admin_events: journal(
    "control_plane_admin_events",
    "subject_type = 'delivery' AND NOT EXISTS (SELECT 1 FROM github_webhook_deliveries AS s WHERE s.id = subject_id)"
  ),

  import_rejects: {
    scans: [{ order: ["imported_at", "id"] }],
    key: ["id"],
    old: "imported_at <= ?1",
    longTexts: ["row_payload"],
    days: 365,
    since: "the import"
  }
} as const satisfies Readonly<Record<string, Growing>>

const withTheirUser = "deleted with its user, and a few rows for each"
const withTheirProfile = "a revision is immutable, and launches refer to it"
const withTheirExecution = "the report on an execution, deleted with its workflow"
const ofProvider = "a mirror of the provider, which grows with it and not with time"

/** The tables whose rows are kept, and the reasons. */
export const kept: Readonly<Record<string, string>> = {
  user: "all users; deleting one deletes everything that the user owns",
  account: withTheirUser,
  repositories: ofProvider,
  github_app_installations: ofProvider,
  github_installation_repositories: ofProvider,
  github_installation_user_grants: "the grants of users, and the times of their revocation",
  encryption_keys: "every key that was ever used for encryption",
  secrets: withTheirUser,
  secret_versions: "launches refer to their version; deleted with its secret",
  ssh_keys: withTheirUser,
  profiles: withTheirUser,
  profile_revisions: withTheirProfile,
  profile_env_vars: withTheirProfile,
  profile_secret_bindings: withTheirProfile,
  profile_ssh_settings: withTheirProfile,
  profile_ssh_key_bindings: withTheirProfile,
  repository_profiles: "deleted with its repository, and a few rows for each",
  repository_profile_revisions: withTheirProfile,
  repository_profile_profile_links: withTheirProfile,
  sandboxes: "visible to its owner, archived or not, until it is deleted",
  sandbox_attempts: "the history of a sandbox, visible to its owner",
  sandbox_attempt_snapshots: "the input of an attempt; deleted with the attempt",
  sandbox_runtime_instances: "one row for each attempt; deleted with the attempt",
  sandbox_run_links: "the history of a sandbox; deleted with it",
  owner_limits: withTheirUser,
  owner_limit_defaults: "one row: the limits of owners without their own",
  build_queue_pauses: "one row for each pause, removed when it ends",
  build_queue_flows: "one row for each owner and priority that had a build; deleted with the owner",
  webhook_inbox_flows: "one row for each installation; deleted with its last delivery",
  build_queue_lanes: "one row for each registry of a flow, and for each concurrency key with queued jobs",
  issues: ofProvider,
  pull_requests: ofProvider,
  issue_pull_request_links: ofProvider,
  issue_workflows: "the history of an issue; deleted with it",
  issue_workflow_executions: "the history of a workflow; deleted with it",
  issue_workflow_execution_validation_results: withTheirExecution,
  issue_workflow_execution_artifacts: withTheirExecution,
  issue_workflow_execution_diff_files: withTheirExecution,
  issue_workflow_execution_summaries: withTheirExecution,
  issue_workflow_execution_pull_request_links: withTheirExecution,
  issue_workflow_execution_ends: "the newest 1,000: a trigger removes older rows",
  control_plane_journal: "one row with the epoch of the journal",
  control_plane_event_consumers: "one row for each reader of the journal, removed by hand with its reader",
  legacy_imports: "one row for each imported file of the predecessor, usually one; a repeated import must find it",
  sealant_migrations: "the ledger of the schema"
}
