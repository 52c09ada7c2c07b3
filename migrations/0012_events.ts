/**
 * Columns and tables for readers of events: the epoch of the journal, the ends of executions in the order of their commits, and a
 * mark on events whose text was changed when it was stored.
 */
export default `
-- A restore changes the epoch: a position of a reader means something in its own epoch only.
CREATE TABLE control_plane_journal (
  id INTEGER PRIMARY KEY CONSTRAINT control_plane_journal_one_row CHECK (id = 1),
  epoch TEXT NOT NULL CONSTRAINT control_plane_journal_epoch CHECK (epoch <> '')
) STRICT;

INSERT INTO control_plane_journal (id, epoch) VALUES (1, lower(hex(randomblob(16))));

-- The epoch in which the consumer read last; NULL where it was not recorded.
ALTER TABLE control_plane_event_consumers ADD COLUMN epoch TEXT;

ALTER TABLE issue_workflow_execution_events ADD COLUMN sanitized INTEGER NOT NULL DEFAULT 0
  CONSTRAINT issue_workflow_execution_events_sanitized CHECK (sanitized IN (0, 1));

-- Wakes the tails of executions that end or are deleted. Programs read a row within milliseconds, so the newest 1,000 are
-- kept; one that finds its place gone wakes all its tails. AUTOINCREMENT: a position is never given again.
CREATE TABLE issue_workflow_execution_ends (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  execution_id TEXT NOT NULL CONSTRAINT issue_workflow_execution_ends_execution_id CHECK (execution_id <> '')
) STRICT;

CREATE TRIGGER issue_workflow_execution_ends_keep_newest AFTER INSERT ON issue_workflow_execution_ends
BEGIN
  DELETE FROM issue_workflow_execution_ends WHERE position <= NEW.position - 1000;
END;

CREATE TRIGGER issue_workflow_executions_record_end AFTER UPDATE OF finished_at ON issue_workflow_executions
WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL
BEGIN
  INSERT INTO issue_workflow_execution_ends (execution_id) VALUES (NEW.id);
END;

CREATE TRIGGER issue_workflow_executions_record_deletion AFTER DELETE ON issue_workflow_executions
BEGIN
  INSERT INTO issue_workflow_execution_ends (execution_id) VALUES (OLD.id);
END;
`
