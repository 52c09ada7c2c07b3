/**
 * Rows and an index for operators.
 *
 * Events of the journal about deliveries and the database: redeliveries and backups. The CHECK of `control_plane_events`
 * does not allow these subjects, and a new CHECK would copy the largest table. Programs of version 0.2 fail at a subject
 * that they do not know, so that their consumers would stop: they do not read the new table.
 */
export default `
-- Positions are those of the journal: each event of either table takes the next one.
CREATE TABLE control_plane_admin_events (
  position INTEGER PRIMARY KEY,
  subject_type TEXT NOT NULL CONSTRAINT control_plane_admin_events_subject_type
    CHECK (subject_type IN ('delivery', 'database')),
  subject_id TEXT NOT NULL CONSTRAINT control_plane_admin_events_subject_id CHECK (subject_id <> ''),
  sequence INTEGER NOT NULL CONSTRAINT control_plane_admin_events_sequence CHECK (sequence >= 1),
  event_type TEXT NOT NULL CONSTRAINT control_plane_admin_events_event_type CHECK (event_type <> ''),
  from_state TEXT,
  to_state TEXT,
  actor_type TEXT NOT NULL CONSTRAINT control_plane_admin_events_actor_type CHECK (actor_type <> ''),
  actor_id TEXT,
  owner_user_id TEXT,
  payload TEXT
    CONSTRAINT control_plane_admin_events_payload
      CHECK (payload IS NULL OR json_valid(payload) AND json_type(payload) = 'object'),
  occurred_at INTEGER NOT NULL,
  CONSTRAINT control_plane_admin_events_timestamps CHECK (occurred_at >= 0)
) STRICT;

CREATE UNIQUE INDEX control_plane_admin_events_subject_sequence_idx
  ON control_plane_admin_events (subject_type, subject_id, sequence);

CREATE TRIGGER control_plane_admin_events_append_only BEFORE UPDATE ON control_plane_admin_events
BEGIN
  SELECT RAISE(ABORT, 'control_plane_admin_events: events are append-only');
END;

CREATE TRIGGER control_plane_admin_events_sequence_gapless BEFORE INSERT ON control_plane_admin_events
WHEN NEW.sequence <> 1 + COALESCE((
  SELECT MAX(sequence) FROM control_plane_admin_events
  WHERE subject_type = NEW.subject_type AND subject_id = NEW.subject_id
), 0)
BEGIN
  SELECT RAISE(ABORT, 'control_plane_admin_events: sequences have no gaps');
END;

CREATE TRIGGER control_plane_admin_events_next_position BEFORE INSERT ON control_plane_admin_events
WHEN NEW.position <> 1 + COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'control_plane_events'), 0)
BEGIN
  SELECT RAISE(ABORT, 'control_plane_admin_events: the position is not the next one of the journal');
END;

-- The engine gives the next event of the other table the position after this one
-- (https://www.sqlite.org/autoinc.html). It adds the row of a table with its first event.
CREATE TRIGGER control_plane_admin_events_position_is_taken AFTER INSERT ON control_plane_admin_events
BEGIN
  UPDATE sqlite_sequence SET seq = NEW.position WHERE name = 'control_plane_events';
  INSERT INTO sqlite_sequence (name, seq) SELECT 'control_plane_events', NEW.position
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'control_plane_events');
END;

CREATE VIEW control_plane_all_events AS
  SELECT position, subject_type, subject_id, sequence, event_type, from_state, to_state, actor_type, actor_id,
    owner_user_id, payload, occurred_at
  FROM control_plane_events
  UNION ALL
  SELECT position, subject_type, subject_id, sequence, event_type, from_state, to_state, actor_type, actor_id,
    owner_user_id, payload, occurred_at
  FROM control_plane_admin_events;

-- A list of the sandboxes of all owners reads one range for each status, and counts read no row.
CREATE INDEX sandboxes_view_status_created_at_idx ON sandboxes (view_status, created_at DESC, id DESC)
  WHERE archived_at IS NULL;
`
