/**
 * Issues and pull requests as their provider tells them, the workflows that work on an issue, and all that one
 * execution of a workflow reports: events, validation results, diff files, artifacts, summary, pull requests.
 */
export default `
CREATE TABLE issues (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT issues_id CHECK (id <> ''),
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  provider TEXT NOT NULL DEFAULT 'github' CONSTRAINT issues_provider
    CHECK (provider IN ('github', 'gitlab', 'generic')),
  external_id TEXT CONSTRAINT issues_external_id CHECK (external_id <> ''),
  number INTEGER NOT NULL CONSTRAINT issues_number CHECK (number >= 0),
  title TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'open' CONSTRAINT issues_state CHECK (state IN ('open', 'closed')),
  url TEXT,
  author_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  assignee_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  opened_at INTEGER,
  closed_at INTEGER,
  synced_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT issues_timestamps CHECK (
    opened_at >= 0 AND closed_at >= 0 AND synced_at >= 0 AND created_at >= 0 AND updated_at >= 0
  )
) STRICT;

CREATE UNIQUE INDEX issues_provider_repository_id_number_idx ON issues (provider, repository_id, number);
CREATE UNIQUE INDEX issues_provider_external_id_idx ON issues (provider, external_id);
CREATE INDEX issues_repository_id_created_at_idx ON issues (repository_id, created_at DESC, id DESC);
CREATE INDEX issues_repository_id_state_created_at_idx ON issues (repository_id, state, created_at DESC, id DESC);
CREATE INDEX issues_author_user_id_idx ON issues (author_user_id) WHERE author_user_id IS NOT NULL;
CREATE INDEX issues_assignee_user_id_state_idx ON issues (assignee_user_id, state) WHERE assignee_user_id IS NOT NULL;

CREATE TABLE pull_requests (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT pull_requests_id CHECK (id <> ''),
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  provider TEXT NOT NULL DEFAULT 'github'
    CONSTRAINT pull_requests_provider CHECK (provider IN ('github', 'gitlab', 'generic')),
  external_id TEXT CONSTRAINT pull_requests_external_id CHECK (external_id <> ''),
  number INTEGER NOT NULL CONSTRAINT pull_requests_number CHECK (number >= 0),
  title TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'draft' CONSTRAINT pull_requests_state
    CHECK (state IN ('draft', 'open', 'merged', 'closed')),
  head_branch TEXT NOT NULL CONSTRAINT pull_requests_head_branch CHECK (head_branch <> ''),
  base_branch TEXT NOT NULL CONSTRAINT pull_requests_base_branch CHECK (base_branch <> ''),
  head_sha TEXT,
  url TEXT,
  author_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  opened_at INTEGER,
  merged_at INTEGER,
  closed_at INTEGER,
  synced_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT pull_requests_timestamps CHECK (
    opened_at >= 0 AND merged_at >= 0 AND closed_at >= 0 AND synced_at >= 0 AND created_at >= 0 AND updated_at >= 0
  )
) STRICT;

CREATE UNIQUE INDEX pull_requests_provider_repository_id_number_idx ON pull_requests (provider, repository_id, number);
CREATE UNIQUE INDEX pull_requests_provider_external_id_idx ON pull_requests (provider, external_id);
CREATE INDEX pull_requests_repository_id_created_at_idx ON pull_requests (repository_id, created_at DESC, id DESC);
CREATE INDEX pull_requests_repository_id_state_created_at_idx
  ON pull_requests (repository_id, state, created_at DESC, id DESC);
CREATE INDEX pull_requests_author_user_id_idx ON pull_requests (author_user_id) WHERE author_user_id IS NOT NULL;

CREATE TRIGGER pull_requests_state_transition BEFORE UPDATE OF state ON pull_requests
WHEN OLD.state <> NEW.state AND NOT (
  (OLD.state = 'draft' AND NEW.state IN ('open', 'closed', 'merged'))
  OR (OLD.state = 'open' AND NEW.state IN ('draft', 'closed', 'merged'))
  -- closed to merged: a provider sync may have missed the moment in which it was open again.
  OR (OLD.state = 'closed' AND NEW.state IN ('open', 'draft', 'merged'))
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: pull_requests.state');
END;

CREATE TABLE issue_pull_request_links (
  issue_id TEXT NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
  pull_request_id TEXT NOT NULL REFERENCES pull_requests (id) ON DELETE CASCADE,
  relation TEXT NOT NULL DEFAULT 'fixes'
    CONSTRAINT issue_pull_request_links_relation CHECK (relation IN ('fixes', 'relates_to')),
  linked_at INTEGER NOT NULL,
  PRIMARY KEY (issue_id, pull_request_id),
  CONSTRAINT issue_pull_request_links_timestamps CHECK (linked_at >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX issue_pull_request_links_issue_id_linked_at_idx
  ON issue_pull_request_links (issue_id, linked_at DESC, pull_request_id DESC);
CREATE INDEX issue_pull_request_links_pull_request_id_relation_idx
  ON issue_pull_request_links (pull_request_id, relation);

CREATE TABLE issue_workflows (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT issue_workflows_id CHECK (id <> ''),
  issue_id TEXT NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  owner_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  status TEXT NOT NULL DEFAULT 'active'
    CONSTRAINT issue_workflows_status CHECK (status IN ('active', 'completed', 'failed', 'cancelled')),
  requested_by_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  archived_at INTEGER,
  CONSTRAINT issue_workflows_timestamps CHECK (created_at >= 0 AND updated_at >= 0 AND archived_at >= 0)
) STRICT;

CREATE UNIQUE INDEX issue_workflows_active_issue_id_idx
  ON issue_workflows (issue_id) WHERE status = 'active' AND archived_at IS NULL;
CREATE INDEX issue_workflows_created_at_idx ON issue_workflows (created_at DESC, id DESC);
CREATE INDEX issue_workflows_status_created_at_idx ON issue_workflows (status, created_at DESC, id DESC);
CREATE INDEX issue_workflows_issue_id_created_at_idx ON issue_workflows (issue_id, created_at DESC, id DESC);
CREATE INDEX issue_workflows_repository_id_created_at_idx
  ON issue_workflows (repository_id, created_at DESC, id DESC);
CREATE INDEX issue_workflows_repository_id_status_created_at_idx
  ON issue_workflows (repository_id, status, created_at DESC, id DESC);
CREATE INDEX issue_workflows_owner_user_id_created_at_idx
  ON issue_workflows (owner_user_id, created_at DESC, id DESC) WHERE owner_user_id IS NOT NULL;
CREATE INDEX issue_workflows_owner_user_id_status_created_at_idx
  ON issue_workflows (owner_user_id, status, created_at DESC, id DESC) WHERE owner_user_id IS NOT NULL;
CREATE INDEX issue_workflows_requested_by_user_id_idx
  ON issue_workflows (requested_by_user_id) WHERE requested_by_user_id IS NOT NULL;

CREATE TRIGGER issue_workflows_status_transition BEFORE UPDATE OF status ON issue_workflows
WHEN OLD.status <> NEW.status AND NOT (OLD.status = 'active' AND NEW.status IN ('completed', 'failed', 'cancelled'))
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: issue_workflows.status');
END;

-- It may only be cleared, as deleting that user does.
CREATE TRIGGER issue_workflows_owner_immutable BEFORE UPDATE OF owner_user_id ON issue_workflows
WHEN NEW.owner_user_id IS NOT NULL AND NEW.owner_user_id IS NOT OLD.owner_user_id
BEGIN
  SELECT RAISE(ABORT, 'issue_workflows: the owner is immutable');
END;

CREATE TABLE issue_workflow_executions (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT issue_workflow_executions_id CHECK (id <> ''),
  issue_workflow_id TEXT NOT NULL REFERENCES issue_workflows (id) ON DELETE CASCADE,
  sandbox_id TEXT REFERENCES sandboxes (id) ON DELETE SET NULL,
  sandbox_attempt_id TEXT REFERENCES sandbox_attempts (id) ON DELETE SET NULL,
  status TEXT NOT NULL DEFAULT 'queued' CONSTRAINT issue_workflow_executions_status
    CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  trigger_type TEXT NOT NULL DEFAULT 'manual'
    CONSTRAINT issue_workflow_executions_trigger_type CHECK (trigger_type IN ('manual', 'api', 'retry')),
  requested_by_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  cancel_reason TEXT,
  queued_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  duration_ms INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT issue_workflow_executions_timestamps CHECK (
    queued_at >= 0 AND started_at >= 0 AND finished_at >= 0 AND created_at >= 0 AND updated_at >= 0
  ),
  CONSTRAINT issue_workflow_executions_finished_after_started CHECK (finished_at >= started_at),
  CONSTRAINT issue_workflow_executions_duration CHECK (
    duration_ms IS NULL OR (duration_ms >= 0 AND started_at IS NOT NULL AND finished_at IS NOT NULL)
  ),
  -- As in sandbox_attempts: a finished one may never have started.
  CONSTRAINT issue_workflow_executions_state CHECK (
    (status = 'queued' AND started_at IS NULL AND finished_at IS NULL)
    OR (status = 'running' AND started_at IS NOT NULL AND finished_at IS NULL)
    OR (status IN ('succeeded', 'failed', 'cancelled') AND finished_at IS NOT NULL)
  ),
  CONSTRAINT issue_workflow_executions_cancel_reason CHECK (cancel_reason IS NULL OR status = 'cancelled')
) STRICT;

CREATE UNIQUE INDEX issue_workflow_executions_sandbox_attempt_id_idx
  ON issue_workflow_executions (sandbox_attempt_id) WHERE sandbox_attempt_id IS NOT NULL;
CREATE INDEX issue_workflow_executions_workflow_id_created_at_idx
  ON issue_workflow_executions (issue_workflow_id, created_at DESC, id DESC);
CREATE INDEX issue_workflow_executions_status_created_at_idx
  ON issue_workflow_executions (status, created_at DESC, id DESC);
CREATE INDEX issue_workflow_executions_sandbox_id_created_at_idx
  ON issue_workflow_executions (sandbox_id, created_at DESC, id DESC) WHERE sandbox_id IS NOT NULL;
CREATE INDEX issue_workflow_executions_requested_by_user_id_idx
  ON issue_workflow_executions (requested_by_user_id) WHERE requested_by_user_id IS NOT NULL;

CREATE TRIGGER issue_workflow_executions_status_transition BEFORE UPDATE OF status ON issue_workflow_executions
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'queued' AND NEW.status IN ('running', 'cancelled'))
  OR (OLD.status = 'running' AND NEW.status IN ('succeeded', 'failed', 'cancelled'))
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: issue_workflow_executions.status');
END;

CREATE TRIGGER issue_workflow_executions_workflow_immutable
BEFORE UPDATE OF issue_workflow_id ON issue_workflow_executions
WHEN NEW.issue_workflow_id <> OLD.issue_workflow_id
BEGIN
  SELECT RAISE(ABORT, 'issue_workflow_executions: an execution stays with its workflow');
END;

-- A workflow may have lost its owner; sandbox and attempt must then still agree with each other.
CREATE TRIGGER issue_workflow_executions_same_owner_insert BEFORE INSERT ON issue_workflow_executions
WHEN EXISTS (
  SELECT 1 FROM issue_workflows AS w, sandboxes AS s
  WHERE w.id = NEW.issue_workflow_id AND s.id = NEW.sandbox_id AND s.owner_user_id <> w.owner_user_id
) OR EXISTS (
  SELECT 1 FROM issue_workflows AS w, sandbox_attempts AS a
  WHERE w.id = NEW.issue_workflow_id AND a.id = NEW.sandbox_attempt_id AND a.owner_user_id <> w.owner_user_id
) OR EXISTS (
  SELECT 1 FROM sandboxes AS s, sandbox_attempts AS a
  WHERE s.id = NEW.sandbox_id AND a.id = NEW.sandbox_attempt_id AND a.owner_user_id <> s.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'issue_workflow_executions: a sandbox or attempt of another owner');
END;

CREATE TRIGGER issue_workflow_executions_same_owner_update
BEFORE UPDATE OF sandbox_id, sandbox_attempt_id ON issue_workflow_executions
WHEN EXISTS (
  SELECT 1 FROM issue_workflows AS w, sandboxes AS s
  WHERE w.id = NEW.issue_workflow_id AND s.id = NEW.sandbox_id AND s.owner_user_id <> w.owner_user_id
) OR EXISTS (
  SELECT 1 FROM issue_workflows AS w, sandbox_attempts AS a
  WHERE w.id = NEW.issue_workflow_id AND a.id = NEW.sandbox_attempt_id AND a.owner_user_id <> w.owner_user_id
) OR EXISTS (
  SELECT 1 FROM sandboxes AS s, sandbox_attempts AS a
  WHERE s.id = NEW.sandbox_id AND a.id = NEW.sandbox_attempt_id AND a.owner_user_id <> s.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'issue_workflow_executions: a sandbox or attempt of another owner');
END;

CREATE TABLE issue_workflow_execution_events (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT issue_workflow_execution_events_id CHECK (id <> ''),
  execution_id TEXT NOT NULL REFERENCES issue_workflow_executions (id) ON DELETE CASCADE,
  sequence INTEGER NOT NULL CONSTRAINT issue_workflow_execution_events_sequence CHECK (sequence >= 0),
  phase TEXT NOT NULL CONSTRAINT issue_workflow_execution_events_phase CHECK (phase <> ''),
  level TEXT NOT NULL DEFAULT 'info'
    CONSTRAINT issue_workflow_execution_events_level CHECK (level IN ('debug', 'info', 'warn', 'error')),
  event_type TEXT NOT NULL CONSTRAINT issue_workflow_execution_events_event_type CHECK (event_type <> ''),
  message TEXT NOT NULL,
  payload TEXT
    CONSTRAINT issue_workflow_execution_events_payload
      CHECK (payload IS NULL OR json_valid(payload) AND json_type(payload) = 'object'),
  occurred_at INTEGER NOT NULL,
  CONSTRAINT issue_workflow_execution_events_timestamps CHECK (occurred_at >= 0)
) STRICT;

-- The order of events is their sequence: clocks of workers differ.
CREATE UNIQUE INDEX issue_workflow_execution_events_execution_id_sequence_idx
  ON issue_workflow_execution_events (execution_id, sequence);
-- Retention walks them by their age.
CREATE INDEX issue_workflow_execution_events_occurred_at_idx ON issue_workflow_execution_events (occurred_at);

CREATE TABLE issue_workflow_execution_validation_results (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT issue_workflow_execution_validation_results_id CHECK (id <> ''),
  execution_id TEXT NOT NULL REFERENCES issue_workflow_executions (id) ON DELETE CASCADE,
  check_key TEXT NOT NULL CONSTRAINT issue_workflow_execution_validation_results_check_key CHECK (check_key <> ''),
  status TEXT NOT NULL CONSTRAINT issue_workflow_execution_validation_results_status
    CHECK (status IN ('pass', 'warn', 'fail', 'skip')),
  duration_ms INTEGER CONSTRAINT issue_workflow_execution_validation_results_duration CHECK (duration_ms >= 0),
  message TEXT,
  details TEXT CONSTRAINT issue_workflow_execution_validation_results_details
    CHECK (details IS NULL OR json_valid(details) AND json_type(details) = 'object'),
  created_at INTEGER NOT NULL,
  CONSTRAINT issue_workflow_execution_validation_results_timestamps CHECK (created_at >= 0)
) STRICT;

CREATE UNIQUE INDEX issue_workflow_execution_validation_results_execution_id_check_key_idx
  ON issue_workflow_execution_validation_results (execution_id, check_key);

CREATE TABLE issue_workflow_execution_artifacts (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT issue_workflow_execution_artifacts_id CHECK (id <> ''),
  execution_id TEXT NOT NULL REFERENCES issue_workflow_executions (id) ON DELETE CASCADE,
  kind TEXT NOT NULL DEFAULT 'other' CONSTRAINT issue_workflow_execution_artifacts_kind
    CHECK (kind IN ('log', 'trace', 'diff', 'summary', 'validation-report', 'compiled-spec', 'other')),
  storage_backend TEXT NOT NULL DEFAULT 'inline' CONSTRAINT issue_workflow_execution_artifacts_storage_backend
    CHECK (storage_backend IN ('inline', 'database', 's3', 'gcs', 'azure-blob', 'filesystem')),
  storage_key TEXT,
  content_type TEXT,
  byte_size INTEGER CONSTRAINT issue_workflow_execution_artifacts_byte_size CHECK (byte_size >= 0),
  checksum TEXT,
  inline_json TEXT CONSTRAINT issue_workflow_execution_artifacts_inline_json
    CHECK (inline_json IS NULL OR json_valid(inline_json) AND json_type(inline_json) = 'object'),
  created_at INTEGER NOT NULL,
  CONSTRAINT issue_workflow_execution_artifacts_timestamps CHECK (created_at >= 0),
  CONSTRAINT issue_workflow_execution_artifacts_stored CHECK (
    storage_backend IN ('inline', 'database') OR storage_key IS NOT NULL
  )
) STRICT;

CREATE INDEX issue_workflow_execution_artifacts_execution_id_created_at_idx
  ON issue_workflow_execution_artifacts (execution_id, created_at DESC, id DESC);
CREATE INDEX issue_workflow_execution_artifacts_execution_id_kind_created_at_idx
  ON issue_workflow_execution_artifacts (execution_id, kind, created_at DESC, id DESC);

CREATE TRIGGER issue_workflow_execution_artifacts_execution_immutable
BEFORE UPDATE OF execution_id ON issue_workflow_execution_artifacts
WHEN NEW.execution_id <> OLD.execution_id
BEGIN
  SELECT RAISE(ABORT, 'issue_workflow_execution_artifacts: an artifact stays with its execution');
END;

CREATE TABLE issue_workflow_execution_diff_files (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT issue_workflow_execution_diff_files_id CHECK (id <> ''),
  execution_id TEXT NOT NULL REFERENCES issue_workflow_executions (id) ON DELETE CASCADE,
  change_type TEXT NOT NULL CONSTRAINT issue_workflow_execution_diff_files_change_type
    CHECK (change_type IN ('added', 'modified', 'deleted', 'renamed')),
  path TEXT NOT NULL CONSTRAINT issue_workflow_execution_diff_files_path CHECK (path <> ''),
  old_path TEXT,
  additions INTEGER NOT NULL DEFAULT 0,
  deletions INTEGER NOT NULL DEFAULT 0,
  is_binary INTEGER NOT NULL DEFAULT 0
    CONSTRAINT issue_workflow_execution_diff_files_is_binary CHECK (is_binary IN (0, 1)),
  patch_artifact_id TEXT REFERENCES issue_workflow_execution_artifacts (id) ON DELETE SET NULL,
  created_at INTEGER NOT NULL,
  CONSTRAINT issue_workflow_execution_diff_files_counts CHECK (additions >= 0 AND deletions >= 0),
  CONSTRAINT issue_workflow_execution_diff_files_timestamps CHECK (created_at >= 0)
) STRICT;

CREATE UNIQUE INDEX issue_workflow_execution_diff_files_execution_id_path_idx
  ON issue_workflow_execution_diff_files (execution_id, path);
CREATE INDEX issue_workflow_execution_diff_files_patch_artifact_id_idx
  ON issue_workflow_execution_diff_files (patch_artifact_id) WHERE patch_artifact_id IS NOT NULL;

CREATE TRIGGER issue_workflow_execution_diff_files_same_execution_insert
BEFORE INSERT ON issue_workflow_execution_diff_files
WHEN EXISTS (
  SELECT 1 FROM issue_workflow_execution_artifacts
  WHERE id = NEW.patch_artifact_id AND execution_id <> NEW.execution_id
)
BEGIN
  SELECT RAISE(ABORT, 'issue_workflow_execution_diff_files: an artifact of another execution');
END;

CREATE TRIGGER issue_workflow_execution_diff_files_same_execution_update
BEFORE UPDATE OF execution_id, patch_artifact_id ON issue_workflow_execution_diff_files
WHEN EXISTS (
  SELECT 1 FROM issue_workflow_execution_artifacts
  WHERE id = NEW.patch_artifact_id AND execution_id <> NEW.execution_id
)
BEGIN
  SELECT RAISE(ABORT, 'issue_workflow_execution_diff_files: an artifact of another execution');
END;

CREATE TABLE issue_workflow_execution_summaries (
  execution_id TEXT PRIMARY KEY NOT NULL REFERENCES issue_workflow_executions (id) ON DELETE CASCADE,
  objective TEXT,
  linked_issue_ref TEXT,
  files_changed INTEGER NOT NULL DEFAULT 0,
  additions INTEGER NOT NULL DEFAULT 0,
  deletions INTEGER NOT NULL DEFAULT 0,
  assumptions TEXT NOT NULL DEFAULT '[]' CONSTRAINT issue_workflow_execution_summaries_assumptions
    CHECK (json_valid(assumptions) AND json_type(assumptions) = 'array'),
  warnings TEXT NOT NULL DEFAULT '[]' CONSTRAINT issue_workflow_execution_summaries_warnings
    CHECK (json_valid(warnings) AND json_type(warnings) = 'array'),
  summary_markdown TEXT,
  generated_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT issue_workflow_execution_summaries_counts CHECK (
    files_changed >= 0 AND additions >= 0 AND deletions >= 0
  ),
  CONSTRAINT issue_workflow_execution_summaries_timestamps CHECK (generated_at >= 0 AND updated_at >= 0)
) STRICT;

CREATE TABLE issue_workflow_execution_pull_request_links (
  execution_id TEXT NOT NULL REFERENCES issue_workflow_executions (id) ON DELETE CASCADE,
  pull_request_id TEXT NOT NULL REFERENCES pull_requests (id) ON DELETE CASCADE,
  relation TEXT NOT NULL DEFAULT 'created' CONSTRAINT issue_workflow_execution_pull_request_links_relation
    CHECK (relation IN ('created', 'updated', 'referenced')),
  linked_at INTEGER NOT NULL,
  PRIMARY KEY (execution_id, pull_request_id),
  CONSTRAINT issue_workflow_execution_pull_request_links_timestamps CHECK (linked_at >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX issue_workflow_execution_pull_request_links_execution_id_linked_at_idx
  ON issue_workflow_execution_pull_request_links (execution_id, linked_at DESC, pull_request_id DESC);
CREATE INDEX issue_workflow_execution_pull_request_links_pull_request_id_relation_idx
  ON issue_workflow_execution_pull_request_links (pull_request_id, relation);
`
