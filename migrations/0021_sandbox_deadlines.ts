/**
 * The deadlines of a sandbox: an absolute one, and one after a time without activity.
 */
export default `
-- In milliseconds; NULL is without limit. A new attempt of a sandbox has a deadline of its own, lifetime_ms after it.
ALTER TABLE sandboxes ADD COLUMN lifetime_ms INTEGER CONSTRAINT sandboxes_lifetime_ms CHECK (lifetime_ms >= 1);
ALTER TABLE sandboxes ADD COLUMN expires_at INTEGER;
ALTER TABLE sandboxes ADD COLUMN idle_timeout_ms INTEGER
  CONSTRAINT sandboxes_idle_timeout_ms CHECK (idle_timeout_ms >= 1);
ALTER TABLE sandboxes ADD COLUMN last_active_at INTEGER;

-- Supervision reads the sandboxes whose deadline has passed. Sandboxes without a deadline have no entry.
CREATE INDEX sandboxes_expires_at_idx ON sandboxes (expires_at, id)
  WHERE expires_at IS NOT NULL AND status IN ('queued', 'running', 'ready');

-- The earliest instant at which a ready sandbox may be idle. It was ready later than it was created; the attempt has
-- that instant.
CREATE INDEX sandboxes_idle_idx ON sandboxes (coalesce(last_active_at, created_at) + idle_timeout_ms, id)
  WHERE idle_timeout_ms IS NOT NULL AND status = 'ready';
`
