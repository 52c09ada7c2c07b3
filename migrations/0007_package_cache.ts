/**
 * What a package query resolved to, per target system ("fedora:ripgrep"), until it expires.
 */
export default `
CREATE TABLE package_resolution_cache_entries (
  query TEXT PRIMARY KEY NOT NULL CONSTRAINT package_resolution_cache_entries_query CHECK (query <> ''),
  resolution_payload TEXT NOT NULL CONSTRAINT package_resolution_cache_entries_resolution_payload
    CHECK (json_valid(resolution_payload) AND json_type(resolution_payload) = 'object'),
  fetched_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  -- No index on it: every hit would have to move its entry.
  last_used_at INTEGER NOT NULL,
  hit_count INTEGER NOT NULL DEFAULT 0
    CONSTRAINT package_resolution_cache_entries_hit_count CHECK (hit_count >= 0),
  CONSTRAINT package_resolution_cache_entries_timestamps CHECK (
    fetched_at >= 0 AND expires_at >= 0 AND last_used_at >= 0
  )
) STRICT;

CREATE INDEX package_resolution_cache_entries_expires_at_idx ON package_resolution_cache_entries (expires_at);
`
