/**
 * Identity, in the shape that Better Auth reads and writes: user, session, account, verification.
 * `user` is the root of ownership: deleting one row takes with it what that person owned.
 */
export default `
CREATE TABLE user (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT user_id CHECK (id <> ''),
  name TEXT NOT NULL,
  email TEXT NOT NULL CONSTRAINT user_email CHECK (email <> ''),
  email_verified INTEGER NOT NULL DEFAULT 0 CONSTRAINT user_email_verified CHECK (email_verified IN (0, 1)),
  image TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT user_timestamps CHECK (created_at >= 0 AND updated_at >= 0)
) STRICT;

CREATE UNIQUE INDEX user_email_idx ON user (email);

CREATE TABLE session (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT session_id CHECK (id <> ''),
  user_id TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
  token TEXT NOT NULL CONSTRAINT session_token CHECK (token <> ''),
  expires_at INTEGER NOT NULL,
  ip_address TEXT,
  user_agent TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT session_timestamps CHECK (expires_at >= 0 AND created_at >= 0 AND updated_at >= 0)
) STRICT;

CREATE UNIQUE INDEX session_token_idx ON session (token);
CREATE INDEX session_user_id_created_at_idx ON session (user_id, created_at DESC, id DESC);
CREATE INDEX session_expires_at_idx ON session (expires_at);

CREATE TABLE account (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT account_id CHECK (id <> ''),
  user_id TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
  account_id TEXT NOT NULL CONSTRAINT account_account_id CHECK (account_id <> ''),
  provider_id TEXT NOT NULL CONSTRAINT account_provider_id CHECK (provider_id <> ''),
  access_token TEXT,
  refresh_token TEXT,
  access_token_expires_at INTEGER,
  refresh_token_expires_at INTEGER,
  scope TEXT,
  id_token TEXT,
  password TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT account_timestamps CHECK (
    access_token_expires_at >= 0 AND refresh_token_expires_at >= 0 AND created_at >= 0 AND updated_at >= 0
  )
) STRICT;

CREATE UNIQUE INDEX account_provider_account_idx ON account (provider_id, account_id);
CREATE INDEX account_user_id_created_at_idx ON account (user_id, created_at DESC, id DESC);

CREATE TABLE verification (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT verification_id CHECK (id <> ''),
  identifier TEXT NOT NULL CONSTRAINT verification_identifier CHECK (identifier <> ''),
  value TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT verification_timestamps CHECK (expires_at >= 0 AND created_at >= 0 AND updated_at >= 0)
) STRICT;

CREATE UNIQUE INDEX verification_identifier_value_idx ON verification (identifier, value);
CREATE INDEX verification_expires_at_idx ON verification (expires_at);
`
