/**
 * Which tables grow for ever, what of them may go and when, and why the other tables stay.
 *
 * Each growing table is walked in an order that an index has, oldest first, and each row that is old enough is looked at:
 * what is not live goes. Conditions name columns of the table by its name; ?1 is the instant up to which rows are old.
 */

/** A way through a table. */
export interface Walk {
  /** The rows of it, where it is a part of the table: the columns that lead the index. */
  readonly part?: string
  /** The columns of the index, from the oldest row on; the last of them make each row's place its own. */
  readonly order: ReadonlyArray<string>
  /** Whether old rows may lie behind young ones: the order is another one than that of ages. Then it is walked to its end. */
  readonly mixed?: boolean
}

/** A table of which rows go. */
export interface Growing {
  readonly walks: ReadonlyArray<Walk>
  /** What names a row. */
  readonly key: ReadonlyArray<string>
  /** Old enough: the walk ends at the first row that is not, unless it is `mixed`. */
  readonly old: string
  /** Not live, and nobody's any more. */
  readonly ended?: string
  /** How long rows are kept when nothing else is said, in days. */
  readonly days: number
  /** What goes, for people: "`days` after ...". */
  readonly since: string
}

const byExpiry = (table: string): Pick<Growing, "walks" | "key" | "old"> => ({
  walks: [{ order: ["expires_at", "rowid"] }],
  key: ["rowid"],
  old: `${table}.expires_at <= ?1`
})

const byStatus = (statuses: ReadonlyArray<string>, order: string): ReadonlyArray<Walk> =>
  statuses.map((status) => ({ part: `status = '${status}'`, order: [order, "id"] }))

/** The newest event of a subject is what its next one follows, while there can be one. */
const subjectsThatGoOn: Readonly<Record<string, string>> = {
  sandbox: "SELECT 1 FROM sandboxes AS s WHERE s.id = subject_id",
  attempt: "SELECT 1 FROM sandbox_attempts AS s WHERE s.id = subject_id AND s.status IN ('queued', 'running')",
  job: "SELECT 1 FROM oci_image_build_jobs AS s WHERE s.id = subject_id",
  workflow: "SELECT 1 FROM issue_workflows AS s WHERE s.id = subject_id AND s.status = 'active'",
  execution: "SELECT 1 FROM issue_workflow_executions AS s WHERE s.id = subject_id AND s.status IN ('queued', 'running')"
}

const subjectHasEnded = `CASE subject_type ${
  Object.entries(subjectsThatGoOn).map(([type, text]) => `WHEN '${type}' THEN NOT EXISTS (${text})`).join(" ")
} ELSE 0 END`

export const growing = {
  session: { ...byExpiry("session"), days: 7, since: "they expired" },

  verification: { ...byExpiry("verification"), days: 1, since: "they expired" },

  // Some time after it has expired an entry may still be served where resolving fails.
  package_resolution_cache_entries: { ...byExpiry("package_resolution_cache_entries"), days: 30, since: "they expired" },

  // Longer than its provider delivers again what was delivered: a row that is gone is a delivery that is new.
  github_webhook_deliveries: {
    walks: byStatus(["processed", "ignored", "failed"], "received_at"),
    key: ["rowid"],
    old: "received_at <= ?1",
    ended: "processed_at <= ?1",
    days: 30,
    since: "they were processed, ignored or given up"
  },

  // Not the job that a sandbox is made again from, nor one whose end its run has not taken note of.
  oci_image_build_jobs: {
    walks: byStatus(["succeeded", "failed", "cancelled"], "created_at"),
    key: ["rowid"],
    old: "created_at <= ?1",
    ended: `finished_at <= ?1 AND (run_id IS NULL OR (
      run_settled_at IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM sandboxes AS s WHERE s.latest_run_id = run_id)
      AND NOT EXISTS (SELECT 1 FROM sandbox_attempts AS a WHERE a.id = run_id AND a.status IN ('queued', 'running'))
    ))`,
    days: 90,
    since: "they ended, unless a sandbox would be retried or rebuilt from them"
  },

  // Up to the job's own time: a key whose job is gone could not be answered. A key of what is live is what keeps it from
  // being launched twice.
  sandbox_launch_keys: {
    walks: [{ order: ["created_at", "owner_user_id", "idempotency_key"] }],
    key: ["owner_user_id", "idempotency_key"],
    old: "created_at <= ?1",
    ended: `NOT EXISTS (SELECT 1 FROM sandbox_attempts AS a WHERE a.id = sandbox_launch_keys.run_id AND a.status IN ('queued', 'running'))
      AND NOT EXISTS (SELECT 1 FROM oci_image_build_jobs AS j WHERE j.id = sandbox_launch_keys.job_id AND j.status IN ('queued', 'running'))`,
    days: 30,
    since: "the launch, unless what it launched is queued or runs"
  },

  issue_workflow_execution_keys: {
    walks: [{ order: ["created_at", "issue_workflow_id", "idempotency_key"] }],
    key: ["issue_workflow_id", "idempotency_key"],
    old: "created_at <= ?1",
    ended: `NOT EXISTS (
      SELECT 1 FROM issue_workflow_executions AS x
      WHERE x.id = issue_workflow_execution_keys.execution_id AND x.status IN ('queued', 'running')
    )`,
    days: 30,
    since: "the start of the execution, unless that is queued or runs"
  },

  issue_workflow_execution_events: {
    walks: [{ order: ["occurred_at", "rowid"] }],
    key: ["rowid"],
    old: "occurred_at <= ?1",
    ended: "EXISTS (SELECT 1 FROM issue_workflow_executions AS x WHERE x.id = execution_id AND x.finished_at <= ?1)",
    days: 90,
    since: "their execution ended"
  },

  // In the order of positions, and none behind a young one of its subject, so that what is left of a subject has no gaps. A
  // clock may have been wrong: one event that is dated in the future keeps those of its subject, and no others.
  control_plane_events: {
    walks: [{ order: ["position"], mixed: true }],
    key: ["position"],
    old: "occurred_at <= ?1",
    ended: `NOT EXISTS (SELECT 1 FROM control_plane_event_consumers AS c WHERE c.position < control_plane_events.position) AND NOT EXISTS (
      SELECT 1 FROM control_plane_events AS n
      WHERE n.subject_type = control_plane_events.subject_type AND n.subject_id = control_plane_events.subject_id
        AND n.sequence < control_plane_events.sequence AND n.occurred_at > ?1
    ) AND (
      EXISTS (
        SELECT 1 FROM control_plane_events AS n
        WHERE n.subject_type = control_plane_events.subject_type AND n.subject_id = control_plane_events.subject_id
          AND n.sequence > control_plane_events.sequence
      ) OR ${subjectHasEnded}
    )`,
    days: 90,
    since: "they happened, once every named consumer has acknowledged them; the newest of a subject that goes on stays"
  },

  import_rejects: {
    walks: [{ order: ["imported_at", "id"] }],
    key: ["id"],
    old: "imported_at <= ?1",
    days: 365,
    since: "the import"
  }
} as const satisfies Readonly<Record<string, Growing>>

const withTheirUser = "goes with its user, and is a few rows each"
const withTheirProfile = "a revision is immutable, and what was launched with it refers to it"
const withTheirExecution = "the report on an execution, which goes with its workflow"

/** The tables that stay, and why. */
export const kept: Readonly<Record<string, string>> = {
  user: "who there is; deleting one takes along what that person owned",
  account: withTheirUser,
  repositories: "what the provider has; grows with it and not with time",
  github_app_installations: "what the provider has; grows with it and not with time",
  github_installation_repositories: "what the provider has; grows with it and not with time",
  github_installation_user_grants: "who was granted what, and when that was taken back",
  encryption_keys: "names every key that anything was ever encrypted with",
  secrets: withTheirUser,
  secret_versions: "what was launched with a version refers to it; goes with its secret",
  ssh_keys: withTheirUser,
  profiles: withTheirUser,
  profile_revisions: withTheirProfile,
  profile_env_vars: withTheirProfile,
  profile_secret_bindings: withTheirProfile,
  profile_ssh_settings: withTheirProfile,
  profile_ssh_key_bindings: withTheirProfile,
  repository_profiles: "goes with its repository, and is a few rows each",
  repository_profile_revisions: withTheirProfile,
  repository_profile_profile_links: withTheirProfile,
  sandboxes: "what its owner sees, archived or not; goes when it is deleted",
  sandbox_attempts: "the history of a sandbox, which its owner sees",
  sandbox_attempt_snapshots: "what an attempt was made from; goes with the attempt",
  sandbox_runtime_instances: "one row of each attempt; goes with the attempt",
  sandbox_run_links: "the history of a sandbox; goes with it",
  issues: "what the provider has; grows with it and not with time",
  pull_requests: "what the provider has; grows with it and not with time",
  issue_pull_request_links: "what the provider has; grows with it and not with time",
  issue_workflows: "the history of an issue; goes with it",
  issue_workflow_executions: "the history of a workflow; goes with it",
  issue_workflow_execution_validation_results: withTheirExecution,
  issue_workflow_execution_artifacts: withTheirExecution,
  issue_workflow_execution_diff_files: withTheirExecution,
  issue_workflow_execution_summaries: withTheirExecution,
  issue_workflow_execution_pull_request_links: withTheirExecution,
  issue_workflow_execution_ends: "the newest 1,000: a trigger removes older rows",
  control_plane_journal: "one row, the epoch of the journal",
  control_plane_event_consumers: "a row for each reader of the journal, which is removed by hand with its reader",
  legacy_imports: "a row for each file of the predecessor that was taken over, which is one; the same file again must find it",
  sealant_migrations: "the ledger of the schema"
}
