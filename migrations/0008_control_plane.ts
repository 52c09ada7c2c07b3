/**
 * What the control plane keeps about itself: the idempotency keys of launches and executions, the journal of lifecycle
 * changes with its readers, and the rows an import could not accept.
 */
export default `
-- A key belongs to its owner. It outlives the attempt and the job it led to, so that a replay never launches twice.
CREATE TABLE sandbox_launch_keys (
  owner_user_id TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
  idempotency_key TEXT NOT NULL CONSTRAINT sandbox_launch_keys_idempotency_key CHECK (idempotency_key <> ''),
  request_fingerprint TEXT NOT NULL
    CONSTRAINT sandbox_launch_keys_request_fingerprint CHECK (request_fingerprint <> ''),
  sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
  run_id TEXT REFERENCES sandbox_attempts (id) ON DELETE SET NULL,
  job_id TEXT REFERENCES oci_image_build_jobs (id) ON DELETE SET NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (owner_user_id, idempotency_key),
  CONSTRAINT sandbox_launch_keys_timestamps CHECK (created_at >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX sandbox_launch_keys_sandbox_id_idx ON sandbox_launch_keys (sandbox_id);
CREATE INDEX sandbox_launch_keys_run_id_idx ON sandbox_launch_keys (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX sandbox_launch_keys_job_id_idx ON sandbox_launch_keys (job_id) WHERE job_id IS NOT NULL;
-- Keys only grow in number; retention deletes the oldest.
CREATE INDEX sandbox_launch_keys_created_at_idx ON sandbox_launch_keys (created_at);

CREATE TRIGGER sandbox_launch_keys_same_owner BEFORE INSERT ON sandbox_launch_keys
WHEN EXISTS (SELECT 1 FROM sandboxes WHERE id = NEW.sandbox_id AND owner_user_id <> NEW.owner_user_id)
  OR EXISTS (SELECT 1 FROM sandbox_attempts WHERE id = NEW.run_id AND owner_user_id <> NEW.owner_user_id)
BEGIN
  SELECT RAISE(ABORT, 'sandbox_launch_keys: a sandbox or attempt of another owner');
END;

-- What a key stands for stays; run_id and job_id may only be cleared, as deleting their rows does.
CREATE TRIGGER sandbox_launch_keys_immutable BEFORE UPDATE ON sandbox_launch_keys
WHEN NEW.owner_user_id <> OLD.owner_user_id OR NEW.idempotency_key <> OLD.idempotency_key
  OR NEW.request_fingerprint <> OLD.request_fingerprint OR NEW.sandbox_id <> OLD.sandbox_id
  OR NEW.created_at <> OLD.created_at
  OR (NEW.run_id IS NOT NULL AND NEW.run_id IS NOT OLD.run_id)
  OR (NEW.job_id IS NOT NULL AND NEW.job_id IS NOT OLD.job_id)
BEGIN
  SELECT RAISE(ABORT, 'sandbox_launch_keys: a launch key is immutable');
END;

-- A key belongs to its workflow, and so to the owner of that. A replay never starts twice.
CREATE TABLE issue_workflow_execution_keys (
  issue_workflow_id TEXT NOT NULL REFERENCES issue_workflows (id) ON DELETE CASCADE,
  idempotency_key TEXT NOT NULL CONSTRAINT issue_workflow_execution_keys_idempotency_key CHECK (idempotency_key <> ''),
  request_fingerprint TEXT NOT NULL
    CONSTRAINT issue_workflow_execution_keys_request_fingerprint CHECK (request_fingerprint <> ''),
  execution_id TEXT NOT NULL REFERENCES issue_workflow_executions (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (issue_workflow_id, idempotency_key),
  CONSTRAINT issue_workflow_execution_keys_timestamps CHECK (created_at >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX issue_workflow_execution_keys_execution_id_idx ON issue_workflow_execution_keys (execution_id);
CREATE INDEX issue_workflow_execution_keys_created_at_idx ON issue_workflow_execution_keys (created_at);

CREATE TRIGGER issue_workflow_execution_keys_same_workflow BEFORE INSERT ON issue_workflow_execution_keys
WHEN EXISTS (
  SELECT 1 FROM issue_workflow_executions WHERE id = NEW.execution_id AND issue_workflow_id <> NEW.issue_workflow_id
)
BEGIN
  SELECT RAISE(ABORT, 'issue_workflow_execution_keys: an execution of another workflow');
END;

CREATE TRIGGER issue_workflow_execution_keys_immutable BEFORE UPDATE ON issue_workflow_execution_keys
BEGIN
  SELECT RAISE(ABORT, 'issue_workflow_execution_keys: a key is immutable');
END;

-- AUTOINCREMENT: a position is never given again after retention has deleted the newest, so readers miss nothing.
-- subject_id, actor_id and owner_user_id are plain text on purpose: a journal outlives what it tells of, and clearing
-- an owner would be an update.
CREATE TABLE control_plane_events (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  subject_type TEXT NOT NULL CONSTRAINT control_plane_events_subject_type
    CHECK (subject_type IN ('sandbox', 'attempt', 'job', 'workflow', 'execution')),
  subject_id TEXT NOT NULL CONSTRAINT control_plane_events_subject_id CHECK (subject_id <> ''),
  sequence INTEGER NOT NULL CONSTRAINT control_plane_events_sequence CHECK (sequence >= 1),
  event_type TEXT NOT NULL CONSTRAINT control_plane_events_event_type CHECK (event_type <> ''),
  from_state TEXT,
  to_state TEXT,
  actor_type TEXT NOT NULL CONSTRAINT control_plane_events_actor_type CHECK (actor_type <> ''),
  actor_id TEXT,
  owner_user_id TEXT,
  payload TEXT
    CONSTRAINT control_plane_events_payload
      CHECK (payload IS NULL OR json_valid(payload) AND json_type(payload) = 'object'),
  occurred_at INTEGER NOT NULL,
  CONSTRAINT control_plane_events_timestamps CHECK (occurred_at >= 0)
) STRICT;

CREATE UNIQUE INDEX control_plane_events_subject_sequence_idx
  ON control_plane_events (subject_type, subject_id, sequence);

CREATE TRIGGER control_plane_events_append_only BEFORE UPDATE ON control_plane_events
BEGIN
  SELECT RAISE(ABORT, 'control_plane_events: events are append-only');
END;

-- A subject all of whose events are gone begins at 1 again.
CREATE TRIGGER control_plane_events_sequence_gapless BEFORE INSERT ON control_plane_events
WHEN NEW.sequence <> 1 + COALESCE((
  SELECT MAX(sequence) FROM control_plane_events
  WHERE subject_type = NEW.subject_type AND subject_id = NEW.subject_id
), 0)
BEGIN
  SELECT RAISE(ABORT, 'control_plane_events: sequences have no gaps');
END;

CREATE TABLE control_plane_event_consumers (
  name TEXT PRIMARY KEY NOT NULL CONSTRAINT control_plane_event_consumers_name CHECK (name <> ''),
  position INTEGER NOT NULL CONSTRAINT control_plane_event_consumers_position CHECK (position >= 0),
  updated_at INTEGER NOT NULL,
  CONSTRAINT control_plane_event_consumers_timestamps CHECK (updated_at >= 0)
) STRICT;

-- Retention asks for the one that has read least.
CREATE INDEX control_plane_event_consumers_position_idx ON control_plane_event_consumers (position);

CREATE TRIGGER control_plane_event_consumers_forward BEFORE UPDATE OF position ON control_plane_event_consumers
WHEN NEW.position < OLD.position
BEGIN
  SELECT RAISE(ABORT, 'control_plane_event_consumers: a position never goes back');
END;

-- Whole rows as they were found, so that nothing is lost; they may hold what the tables refused, secrets included.
CREATE TABLE import_rejects (
  id INTEGER PRIMARY KEY,
  source_table TEXT NOT NULL CONSTRAINT import_rejects_source_table CHECK (source_table <> ''),
  source_key TEXT NOT NULL,
  row_payload TEXT NOT NULL
    CONSTRAINT import_rejects_row_payload CHECK (json_valid(row_payload) AND json_type(row_payload) = 'object'),
  reason TEXT NOT NULL CONSTRAINT import_rejects_reason CHECK (reason <> ''),
  imported_at INTEGER NOT NULL,
  CONSTRAINT import_rejects_timestamps CHECK (imported_at >= 0)
) STRICT;

CREATE INDEX import_rejects_source_table_idx ON import_rejects (source_table, id);
CREATE INDEX import_rejects_imported_at_idx ON import_rejects (imported_at);
`
