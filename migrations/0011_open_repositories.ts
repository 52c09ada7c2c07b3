/**
 * The mark of repositories without an installation that every user may use.
 */
export default `
-- Closed by default: a repository of an existing database is used through grants, or once a program opens it.
ALTER TABLE repositories ADD COLUMN open_to_all INTEGER NOT NULL DEFAULT 0
  CONSTRAINT repositories_open_to_all CHECK (open_to_all IN (0, 1));
`
