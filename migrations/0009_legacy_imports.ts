/**
 * Which files of the predecessor were taken over, and what came of it.
 */
export default `
-- By content: the same file again is the same import, whatever it is called.
CREATE TABLE legacy_imports (
  source_sha256 TEXT PRIMARY KEY NOT NULL CONSTRAINT legacy_imports_source_sha256 CHECK (source_sha256 <> ''),
  report TEXT NOT NULL CONSTRAINT legacy_imports_report CHECK (json_valid(report) AND json_type(report) = 'object'),
  imported_at INTEGER NOT NULL,
  CONSTRAINT legacy_imports_timestamps CHECK (imported_at >= 0)
) STRICT;
`
