/**
 * Sandboxes, their attempts ("runs"), and what belongs to one attempt: the snapshot of its inputs and its runtime.
 *
 * Most references out of these tables are cleared when their target goes (SET NULL), and SQLite cannot clear one column
 * of a composite key; so that a sandbox and what it points at have one owner is the work of triggers here.
 */
export default `
-- issues comes with a later migration; SQLite looks for a foreign key's table when rows are written.
CREATE TABLE sandbox_attempts (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT sandbox_attempts_id CHECK (id <> ''),
  owner_user_id TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
  repository_id TEXT REFERENCES repositories (id) ON DELETE SET NULL,
  repository_profile_revision_id TEXT REFERENCES repository_profile_revisions (id) ON DELETE SET NULL,
  profile_revision_id TEXT REFERENCES profile_revisions (id) ON DELETE SET NULL,
  issue_id TEXT REFERENCES issues (id) ON DELETE SET NULL,
  status TEXT NOT NULL DEFAULT 'queued' CONSTRAINT sandbox_attempts_status
    CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  trigger_type TEXT NOT NULL DEFAULT 'manual' CONSTRAINT sandbox_attempts_trigger_type
    CHECK (trigger_type IN ('manual', 'issue', 'schedule', 'api', 'retry')),
  trigger_ref TEXT,
  requested_by_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  retry_of_run_id TEXT REFERENCES sandbox_attempts (id) ON DELETE SET NULL,
  cancel_reason TEXT,
  -- The intent to stop, kept apart from the status: it wins over whatever a worker reports afterwards.
  stop_requested_at INTEGER,
  queued_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  duration_ms INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT sandbox_attempts_timestamps CHECK (
    stop_requested_at >= 0 AND queued_at >= 0 AND started_at >= 0 AND finished_at >= 0 AND created_at >= 0
    AND updated_at >= 0
  ),
  CONSTRAINT sandbox_attempts_finished_after_started CHECK (finished_at >= started_at),
  CONSTRAINT sandbox_attempts_duration CHECK (
    duration_ms IS NULL OR (duration_ms >= 0 AND started_at IS NOT NULL AND finished_at IS NOT NULL)
  ),
  -- A finished attempt may never have started: cancelled while queued, or a row carried over that did not record it.
  CONSTRAINT sandbox_attempts_state CHECK (
    (status = 'queued' AND started_at IS NULL AND finished_at IS NULL)
    OR (status = 'running' AND started_at IS NOT NULL AND finished_at IS NULL)
    OR (status IN ('succeeded', 'failed', 'cancelled') AND finished_at IS NOT NULL)
  ),
  CONSTRAINT sandbox_attempts_cancel_reason CHECK (cancel_reason IS NULL OR status = 'cancelled'),
  CONSTRAINT sandbox_attempts_retry_of_run_id CHECK (retry_of_run_id <> id)
) STRICT;

CREATE INDEX sandbox_attempts_created_at_idx ON sandbox_attempts (created_at DESC, id DESC);
CREATE INDEX sandbox_attempts_status_created_at_idx ON sandbox_attempts (status, created_at DESC, id DESC);
CREATE INDEX sandbox_attempts_owner_user_id_created_at_idx
  ON sandbox_attempts (owner_user_id, created_at DESC, id DESC);
CREATE INDEX sandbox_attempts_owner_user_id_status_created_at_idx
  ON sandbox_attempts (owner_user_id, status, created_at DESC, id DESC);
CREATE INDEX sandbox_attempts_repository_id_created_at_idx
  ON sandbox_attempts (repository_id, created_at DESC, id DESC) WHERE repository_id IS NOT NULL;
CREATE INDEX sandbox_attempts_profile_revision_id_created_at_idx
  ON sandbox_attempts (profile_revision_id, created_at DESC, id DESC) WHERE profile_revision_id IS NOT NULL;
CREATE INDEX sandbox_attempts_repository_profile_revision_id_created_at_idx
  ON sandbox_attempts (repository_profile_revision_id, created_at DESC, id DESC)
  WHERE repository_profile_revision_id IS NOT NULL;
CREATE INDEX sandbox_attempts_issue_id_created_at_idx
  ON sandbox_attempts (issue_id, created_at DESC, id DESC) WHERE issue_id IS NOT NULL;
CREATE INDEX sandbox_attempts_requested_by_user_id_idx
  ON sandbox_attempts (requested_by_user_id) WHERE requested_by_user_id IS NOT NULL;
CREATE INDEX sandbox_attempts_retry_of_run_id_idx
  ON sandbox_attempts (retry_of_run_id) WHERE retry_of_run_id IS NOT NULL;

CREATE TRIGGER sandbox_attempts_status_transition BEFORE UPDATE OF status ON sandbox_attempts
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'queued' AND NEW.status IN ('running', 'cancelled'))
  OR (OLD.status = 'running' AND NEW.status IN ('succeeded', 'failed', 'cancelled'))
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: sandbox_attempts.status');
END;

CREATE TRIGGER sandbox_attempts_owner_immutable BEFORE UPDATE OF owner_user_id ON sandbox_attempts
WHEN NEW.owner_user_id <> OLD.owner_user_id
BEGIN
  SELECT RAISE(ABORT, 'sandbox_attempts: the owner is immutable');
END;

CREATE TRIGGER sandbox_attempts_stop_stands BEFORE UPDATE OF stop_requested_at ON sandbox_attempts
WHEN OLD.stop_requested_at IS NOT NULL AND NEW.stop_requested_at IS NULL
BEGIN
  SELECT RAISE(ABORT, 'sandbox_attempts: a requested stop stands');
END;

CREATE TRIGGER sandbox_attempts_stop_wins BEFORE UPDATE OF status ON sandbox_attempts
WHEN NEW.status = 'running' AND OLD.status <> 'running' AND NEW.stop_requested_at IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'sandbox_attempts: a stop was requested');
END;

CREATE TRIGGER sandbox_attempts_profile_owner_insert BEFORE INSERT ON sandbox_attempts
WHEN EXISTS (
  SELECT 1 FROM profile_revisions AS r JOIN profiles AS p ON p.id = r.profile_id
  WHERE r.id = NEW.profile_revision_id AND p.owner_user_id <> NEW.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'sandbox_attempts: a profile of another owner');
END;

CREATE TRIGGER sandbox_attempts_profile_owner_update BEFORE UPDATE OF profile_revision_id ON sandbox_attempts
WHEN EXISTS (
  SELECT 1 FROM profile_revisions AS r JOIN profiles AS p ON p.id = r.profile_id
  WHERE r.id = NEW.profile_revision_id AND p.owner_user_id <> NEW.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'sandbox_attempts: a profile of another owner');
END;

-- Both directions, since one INSERT of several rows may put the retry before what it retries.
CREATE TRIGGER sandbox_attempts_retry_owner_insert BEFORE INSERT ON sandbox_attempts
WHEN EXISTS (
  SELECT 1 FROM sandbox_attempts WHERE id = NEW.retry_of_run_id AND owner_user_id <> NEW.owner_user_id
) OR EXISTS (
  SELECT 1 FROM sandbox_attempts WHERE retry_of_run_id = NEW.id AND owner_user_id <> NEW.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'sandbox_attempts: a retry of an attempt of another owner');
END;

CREATE TRIGGER sandbox_attempts_retry_owner_update BEFORE UPDATE OF retry_of_run_id ON sandbox_attempts
WHEN EXISTS (
  SELECT 1 FROM sandbox_attempts WHERE id = NEW.retry_of_run_id AND owner_user_id <> NEW.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'sandbox_attempts: a retry of an attempt of another owner');
END;

CREATE TABLE sandbox_attempt_snapshots (
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES sandbox_attempts (id) ON DELETE CASCADE,
  user_spec_payload TEXT NOT NULL CONSTRAINT sandbox_attempt_snapshots_user_spec_payload
    CHECK (json_valid(user_spec_payload) AND json_type(user_spec_payload) = 'object'),
  resolved_spec_payload TEXT NOT NULL CONSTRAINT sandbox_attempt_snapshots_resolved_spec_payload
    CHECK (json_valid(resolved_spec_payload) AND json_type(resolved_spec_payload) = 'object'),
  blueprint_payload TEXT NOT NULL CONSTRAINT sandbox_attempt_snapshots_blueprint_payload
    CHECK (json_valid(blueprint_payload) AND json_type(blueprint_payload) = 'object'),
  profile_config_snapshot TEXT CONSTRAINT sandbox_attempt_snapshots_profile_config_snapshot
    CHECK (
      profile_config_snapshot IS NULL
      OR json_valid(profile_config_snapshot) AND json_type(profile_config_snapshot) = 'object'
    ),
  repository_profile_config_snapshot TEXT CONSTRAINT sandbox_attempt_snapshots_repository_profile_config_snapshot
    CHECK (
      repository_profile_config_snapshot IS NULL
      OR json_valid(repository_profile_config_snapshot) AND json_type(repository_profile_config_snapshot) = 'object'
    ),
  created_at INTEGER NOT NULL,
  CONSTRAINT sandbox_attempt_snapshots_timestamps CHECK (created_at >= 0)
) STRICT;

CREATE TRIGGER sandbox_attempt_snapshots_immutable BEFORE UPDATE ON sandbox_attempt_snapshots
BEGIN
  SELECT RAISE(ABORT, 'sandbox_attempt_snapshots: a snapshot is immutable');
END;

CREATE TABLE sandbox_runtime_instances (
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES sandbox_attempts (id) ON DELETE CASCADE,
  status TEXT NOT NULL DEFAULT 'pending' CONSTRAINT sandbox_runtime_instances_status
    CHECK (status IN ('pending', 'running', 'failed', 'stopped')),
  adapter TEXT CONSTRAINT sandbox_runtime_instances_adapter CHECK (adapter IN ('docker', 'k8s', 'k3s')),
  resource_id TEXT,
  reference TEXT,
  endpoint TEXT,
  error_code TEXT,
  error_message TEXT,
  launched_at INTEGER,
  finished_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT sandbox_runtime_instances_timestamps CHECK (
    launched_at >= 0 AND finished_at >= 0 AND created_at >= 0 AND updated_at >= 0
  ),
  CONSTRAINT sandbox_runtime_instances_finished_after_launched CHECK (finished_at >= launched_at),
  -- Not the other way round: rows carried over never recorded when a runtime ended.
  CONSTRAINT sandbox_runtime_instances_state CHECK (status IN ('failed', 'stopped') OR finished_at IS NULL)
) STRICT;

CREATE INDEX sandbox_runtime_instances_status_created_at_idx
  ON sandbox_runtime_instances (status, created_at DESC, run_id DESC);

CREATE TRIGGER sandbox_runtime_instances_status_transition BEFORE UPDATE OF status ON sandbox_runtime_instances
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'pending' AND NEW.status IN ('running', 'failed', 'stopped'))
  OR (OLD.status = 'running' AND NEW.status IN ('failed', 'stopped'))
  OR (OLD.status = 'failed' AND NEW.status IN ('pending', 'running', 'stopped'))
  OR (OLD.status = 'stopped' AND NEW.status IN ('pending', 'running'))
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: sandbox_runtime_instances.status');
END;

-- Fires for an upsert too, also where its conflict clause would have changed nothing.
CREATE TRIGGER sandbox_runtime_instances_stop_wins_insert BEFORE INSERT ON sandbox_runtime_instances
WHEN NEW.status IN ('pending', 'running') AND EXISTS (
  SELECT 1 FROM sandbox_attempts WHERE id = NEW.run_id AND stop_requested_at IS NOT NULL
)
BEGIN
  SELECT RAISE(ABORT, 'sandbox_runtime_instances: a stop was requested');
END;

CREATE TRIGGER sandbox_runtime_instances_stop_wins_update BEFORE UPDATE OF status ON sandbox_runtime_instances
WHEN NEW.status IN ('pending', 'running') AND EXISTS (
  SELECT 1 FROM sandbox_attempts WHERE id = NEW.run_id AND stop_requested_at IS NOT NULL
)
BEGIN
  SELECT RAISE(ABORT, 'sandbox_runtime_instances: a stop was requested');
END;

CREATE TABLE sandboxes (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT sandboxes_id CHECK (id <> ''),
  name TEXT NOT NULL DEFAULT '',
  owner_user_id TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
  repository_id TEXT REFERENCES repositories (id) ON DELETE SET NULL,
  repository_profile_revision_id TEXT REFERENCES repository_profile_revisions (id) ON DELETE SET NULL,
  profile_revision_id TEXT REFERENCES profile_revisions (id) ON DELETE SET NULL,
  requested_by_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  status TEXT NOT NULL DEFAULT 'queued'
    CONSTRAINT sandboxes_status CHECK (status IN ('queued', 'running', 'ready', 'failed', 'stopped')),
  latest_run_id TEXT REFERENCES sandbox_attempts (id) ON DELETE SET NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  archived_at INTEGER,
  CONSTRAINT sandboxes_timestamps CHECK (created_at >= 0 AND updated_at >= 0 AND archived_at >= 0)
) STRICT;

CREATE UNIQUE INDEX sandboxes_latest_run_id_idx ON sandboxes (latest_run_id) WHERE latest_run_id IS NOT NULL;
CREATE INDEX sandboxes_created_at_idx ON sandboxes (created_at DESC, id DESC);
CREATE INDEX sandboxes_status_created_at_idx ON sandboxes (status, created_at DESC, id DESC);
CREATE INDEX sandboxes_owner_user_id_created_at_idx ON sandboxes (owner_user_id, created_at DESC, id DESC);
CREATE INDEX sandboxes_owner_user_id_status_created_at_idx
  ON sandboxes (owner_user_id, status, created_at DESC, id DESC);
CREATE INDEX sandboxes_repository_id_created_at_idx
  ON sandboxes (repository_id, created_at DESC, id DESC) WHERE repository_id IS NOT NULL;
CREATE INDEX sandboxes_repository_profile_revision_id_idx
  ON sandboxes (repository_profile_revision_id) WHERE repository_profile_revision_id IS NOT NULL;
CREATE INDEX sandboxes_profile_revision_id_idx
  ON sandboxes (profile_revision_id) WHERE profile_revision_id IS NOT NULL;
CREATE INDEX sandboxes_requested_by_user_id_idx
  ON sandboxes (requested_by_user_id) WHERE requested_by_user_id IS NOT NULL;

CREATE TRIGGER sandboxes_status_transition BEFORE UPDATE OF status ON sandboxes
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'queued' AND NEW.status IN ('running', 'stopped', 'failed'))
  OR (OLD.status = 'running' AND NEW.status IN ('ready', 'stopped', 'failed'))
  OR (OLD.status = 'ready' AND NEW.status IN ('stopped', 'failed'))
  OR (OLD.status IN ('stopped', 'failed') AND NEW.status = 'queued')
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: sandboxes.status');
END;

CREATE TRIGGER sandboxes_owner_immutable BEFORE UPDATE OF owner_user_id ON sandboxes
WHEN NEW.owner_user_id <> OLD.owner_user_id
BEGIN
  SELECT RAISE(ABORT, 'sandboxes: the owner is immutable');
END;

CREATE TRIGGER sandboxes_profile_owner_insert BEFORE INSERT ON sandboxes
WHEN EXISTS (
  SELECT 1 FROM profile_revisions AS r JOIN profiles AS p ON p.id = r.profile_id
  WHERE r.id = NEW.profile_revision_id AND p.owner_user_id <> NEW.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'sandboxes: a profile of another owner');
END;

CREATE TRIGGER sandboxes_profile_owner_update BEFORE UPDATE OF profile_revision_id ON sandboxes
WHEN EXISTS (
  SELECT 1 FROM profile_revisions AS r JOIN profiles AS p ON p.id = r.profile_id
  WHERE r.id = NEW.profile_revision_id AND p.owner_user_id <> NEW.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'sandboxes: a profile of another owner');
END;

CREATE TRIGGER sandboxes_attempt_owner_insert BEFORE INSERT ON sandboxes
WHEN EXISTS (
  SELECT 1 FROM sandbox_attempts WHERE id = NEW.latest_run_id AND owner_user_id <> NEW.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'sandboxes: an attempt of another owner');
END;

CREATE TRIGGER sandboxes_attempt_owner_update BEFORE UPDATE OF latest_run_id ON sandboxes
WHEN EXISTS (
  SELECT 1 FROM sandbox_attempts WHERE id = NEW.latest_run_id AND owner_user_id <> NEW.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'sandboxes: an attempt of another owner');
END;

CREATE TABLE sandbox_run_links (
  sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
  run_id TEXT NOT NULL REFERENCES sandbox_attempts (id) ON DELETE CASCADE,
  relation TEXT NOT NULL DEFAULT 'launch'
    CONSTRAINT sandbox_run_links_relation CHECK (relation IN ('launch', 'rebuild', 'retry', 'resume')),
  linked_at INTEGER NOT NULL,
  PRIMARY KEY (sandbox_id, run_id),
  CONSTRAINT sandbox_run_links_timestamps CHECK (linked_at >= 0)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX sandbox_run_links_run_id_idx ON sandbox_run_links (run_id);
CREATE INDEX sandbox_run_links_sandbox_id_linked_at_idx
  ON sandbox_run_links (sandbox_id, linked_at DESC, run_id DESC);

CREATE TRIGGER sandbox_run_links_same_owner BEFORE INSERT ON sandbox_run_links
WHEN EXISTS (
  SELECT 1 FROM sandboxes AS s, sandbox_attempts AS a
  WHERE s.id = NEW.sandbox_id AND a.id = NEW.run_id AND s.owner_user_id <> a.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'sandbox_run_links: an attempt of another owner');
END;

CREATE TRIGGER sandbox_run_links_immutable BEFORE UPDATE OF sandbox_id, run_id ON sandbox_run_links
WHEN NEW.sandbox_id <> OLD.sandbox_id OR NEW.run_id <> OLD.run_id
BEGIN
  SELECT RAISE(ABORT, 'sandbox_run_links: an attempt stays with its sandbox');
END;
`
