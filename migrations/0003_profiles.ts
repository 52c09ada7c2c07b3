/**
 * What a launch is configured with: secrets and the keys that encrypt them, SSH keys, profiles of a user, profiles of a
 * repository, and the immutable revisions of both.
 *
 * Everything here except repository profiles has one owner, and nothing of one owner can point at another's: composite
 * foreign keys where a parent's delete permits them, triggers elsewhere. A trigger lets a missing parent pass, so that
 * the foreign key can name that fault.
 */
export default `
-- Keys are named here, never stored. What is active is the database's word, not each replica's configuration.
CREATE TABLE encryption_keys (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT encryption_keys_id CHECK (id <> ''),
  status TEXT NOT NULL CONSTRAINT encryption_keys_status CHECK (status IN ('active', 'inactive', 'retired')),
  -- Tells whether a process holds the same key under this id; NULL until one that holds it has used it.
  key_check TEXT CONSTRAINT encryption_keys_key_check CHECK (key_check <> ''),
  created_at INTEGER NOT NULL,
  activated_at INTEGER,
  retired_at INTEGER,
  CONSTRAINT encryption_keys_timestamps CHECK (created_at >= 0 AND activated_at >= 0 AND retired_at >= 0),
  CONSTRAINT encryption_keys_state CHECK (
    (status = 'retired') = (retired_at IS NOT NULL) AND (status <> 'active' OR activated_at IS NOT NULL)
  )
) STRICT;

CREATE UNIQUE INDEX encryption_keys_active_idx ON encryption_keys (status) WHERE status = 'active';

CREATE TRIGGER encryption_keys_status_transition BEFORE UPDATE OF status ON encryption_keys
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'active' AND NEW.status = 'inactive') OR
  (OLD.status = 'inactive' AND NEW.status IN ('active', 'retired'))
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: encryption_keys.status');
END;

-- Another key under the same name would open nothing of what is there. A name that was retired stays taken.
CREATE TRIGGER encryption_keys_identity_immutable BEFORE UPDATE OF id, key_check ON encryption_keys
WHEN NEW.id <> OLD.id OR (OLD.key_check IS NOT NULL AND NEW.key_check IS NOT OLD.key_check)
BEGIN
  SELECT RAISE(ABORT, 'encryption_keys: the identity of a key is immutable');
END;

CREATE TRIGGER encryption_keys_retired_stays BEFORE DELETE ON encryption_keys WHEN OLD.status = 'retired'
BEGIN
  SELECT RAISE(ABORT, 'encryption_keys: a retired key stays');
END;

CREATE TABLE secrets (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT secrets_id CHECK (id <> ''),
  owner_user_id TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
  name TEXT NOT NULL CONSTRAINT secrets_name CHECK (name <> ''),
  description TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  archived_at INTEGER,
  CONSTRAINT secrets_timestamps CHECK (created_at >= 0 AND updated_at >= 0 AND archived_at >= 0)
) STRICT;

CREATE UNIQUE INDEX secrets_owner_user_id_name_idx ON secrets (owner_user_id, name);
-- The target of composite foreign keys.
CREATE UNIQUE INDEX secrets_owner_user_id_id_idx ON secrets (owner_user_id, id);
CREATE INDEX secrets_owner_user_id_created_at_idx ON secrets (owner_user_id, created_at DESC, id DESC);

CREATE TRIGGER secrets_owner_immutable BEFORE UPDATE OF owner_user_id ON secrets
WHEN NEW.owner_user_id <> OLD.owner_user_id
BEGIN
  SELECT RAISE(ABORT, 'secrets: the owner is immutable');
END;

CREATE TABLE secret_versions (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT secret_versions_id CHECK (id <> ''),
  secret_id TEXT NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
  version INTEGER NOT NULL CONSTRAINT secret_versions_version CHECK (version >= 1),
  encrypted_value TEXT NOT NULL CONSTRAINT secret_versions_encrypted_value CHECK (encrypted_value <> ''),
  encryption_key_id TEXT REFERENCES encryption_keys (id),
  -- The data key, wrapped by the key named above. Rows carried over have none: one key encrypted the value itself.
  wrapped_data_key TEXT CONSTRAINT secret_versions_wrapped_data_key
    CHECK (wrapped_data_key <> '' AND (wrapped_data_key IS NULL OR encryption_key_id IS NOT NULL)),
  -- Only in rows carried over: a plain digest of a secret invites guessing.
  value_sha256 TEXT,
  created_by_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  created_at INTEGER NOT NULL,
  CONSTRAINT secret_versions_timestamps CHECK (created_at >= 0)
) STRICT;

CREATE UNIQUE INDEX secret_versions_secret_id_version_idx ON secret_versions (secret_id, version);
CREATE UNIQUE INDEX secret_versions_secret_id_id_idx ON secret_versions (secret_id, id);
CREATE INDEX secret_versions_secret_id_created_at_idx ON secret_versions (secret_id, created_at DESC, id DESC);
-- Rotation walks the versions of one key in batches.
CREATE INDEX secret_versions_encryption_key_id_idx ON secret_versions (encryption_key_id, id);
CREATE INDEX secret_versions_created_by_user_id_idx
  ON secret_versions (created_by_user_id) WHERE created_by_user_id IS NOT NULL;

-- Rotation may rewrap and re-encrypt; what a version is a version of stays.
CREATE TRIGGER secret_versions_identity_immutable BEFORE UPDATE OF secret_id, version, created_at ON secret_versions
WHEN NEW.secret_id <> OLD.secret_id OR NEW.version <> OLD.version OR NEW.created_at <> OLD.created_at
BEGIN
  SELECT RAISE(ABORT, 'secret_versions: the identity of a version is immutable');
END;

CREATE TRIGGER secret_versions_key_retired_insert BEFORE INSERT ON secret_versions
WHEN EXISTS (SELECT 1 FROM encryption_keys WHERE id = NEW.encryption_key_id AND status = 'retired')
BEGIN
  SELECT RAISE(ABORT, 'secret_versions: the encryption key is retired');
END;

CREATE TRIGGER secret_versions_key_retired_update
BEFORE UPDATE OF encrypted_value, encryption_key_id, wrapped_data_key ON secret_versions
WHEN EXISTS (SELECT 1 FROM encryption_keys WHERE id = NEW.encryption_key_id AND status = 'retired')
BEGIN
  SELECT RAISE(ABORT, 'secret_versions: the encryption key is retired');
END;

CREATE TRIGGER encryption_keys_in_use BEFORE UPDATE OF status ON encryption_keys
WHEN NEW.status = 'retired' AND OLD.status <> 'retired'
  AND EXISTS (SELECT 1 FROM secret_versions WHERE encryption_key_id = OLD.id)
BEGIN
  SELECT RAISE(ABORT, 'encryption_keys: a key in use cannot be retired');
END;

CREATE TABLE ssh_keys (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT ssh_keys_id CHECK (id <> ''),
  owner_user_id TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
  name TEXT NOT NULL CONSTRAINT ssh_keys_name CHECK (name <> ''),
  public_key TEXT NOT NULL CONSTRAINT ssh_keys_public_key CHECK (public_key <> ''),
  private_key_secret_id TEXT,
  passphrase_secret_id TEXT,
  fingerprint TEXT NOT NULL CONSTRAINT ssh_keys_fingerprint CHECK (fingerprint <> ''),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  archived_at INTEGER,
  -- NO ACTION is looked at when the statement ends, so deleting the owner takes both sides.
  FOREIGN KEY (private_key_secret_id, owner_user_id) REFERENCES secrets (id, owner_user_id),
  FOREIGN KEY (passphrase_secret_id, owner_user_id) REFERENCES secrets (id, owner_user_id),
  CONSTRAINT ssh_keys_timestamps CHECK (created_at >= 0 AND updated_at >= 0 AND archived_at >= 0)
) STRICT;

CREATE UNIQUE INDEX ssh_keys_owner_user_id_fingerprint_idx ON ssh_keys (owner_user_id, fingerprint);
CREATE INDEX ssh_keys_owner_user_id_created_at_idx ON ssh_keys (owner_user_id, created_at DESC, id DESC);
CREATE INDEX ssh_keys_private_key_secret_id_idx
  ON ssh_keys (private_key_secret_id) WHERE private_key_secret_id IS NOT NULL;
CREATE INDEX ssh_keys_passphrase_secret_id_idx
  ON ssh_keys (passphrase_secret_id) WHERE passphrase_secret_id IS NOT NULL;

CREATE TRIGGER ssh_keys_owner_immutable BEFORE UPDATE OF owner_user_id ON ssh_keys
WHEN NEW.owner_user_id <> OLD.owner_user_id
BEGIN
  SELECT RAISE(ABORT, 'ssh_keys: the owner is immutable');
END;

CREATE TABLE profiles (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT profiles_id CHECK (id <> ''),
  owner_user_id TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
  slug TEXT NOT NULL CONSTRAINT profiles_slug CHECK (slug <> ''),
  name TEXT NOT NULL CONSTRAINT profiles_name CHECK (name <> ''),
  description TEXT,
  status TEXT NOT NULL DEFAULT 'active' CONSTRAINT profiles_status CHECK (status IN ('active', 'archived')),
  -- A circle with profile_revisions: filled once the revision is there, and only with a revision of this profile.
  active_revision_id TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  archived_at INTEGER,
  FOREIGN KEY (active_revision_id, id) REFERENCES profile_revisions (id, profile_id),
  CONSTRAINT profiles_timestamps CHECK (created_at >= 0 AND updated_at >= 0 AND archived_at >= 0),
  CONSTRAINT profiles_state CHECK ((status = 'archived') = (archived_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX profiles_owner_user_id_slug_idx ON profiles (owner_user_id, slug);
CREATE INDEX profiles_owner_user_id_created_at_idx ON profiles (owner_user_id, created_at DESC, id DESC);
CREATE INDEX profiles_owner_user_id_status_created_at_idx
  ON profiles (owner_user_id, status, created_at DESC, id DESC);
CREATE INDEX profiles_active_revision_id_idx
  ON profiles (active_revision_id) WHERE active_revision_id IS NOT NULL;

CREATE TRIGGER profiles_owner_immutable BEFORE UPDATE OF owner_user_id ON profiles
WHEN NEW.owner_user_id <> OLD.owner_user_id
BEGIN
  SELECT RAISE(ABORT, 'profiles: the owner is immutable');
END;

CREATE TRIGGER profiles_status_transition BEFORE UPDATE OF status ON profiles
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'active' AND NEW.status = 'archived') OR (OLD.status = 'archived' AND NEW.status = 'active')
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: profiles.status');
END;

CREATE TABLE profile_revisions (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT profile_revisions_id CHECK (id <> ''),
  profile_id TEXT NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
  version INTEGER NOT NULL CONSTRAINT profile_revisions_version CHECK (version >= 1),
  created_by_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  change_summary TEXT,
  fingerprint TEXT NOT NULL CONSTRAINT profile_revisions_fingerprint CHECK (fingerprint <> ''),
  config_patch TEXT NOT NULL
    CONSTRAINT profile_revisions_config_patch CHECK (json_valid(config_patch) AND json_type(config_patch) = 'object'),
  created_at INTEGER NOT NULL,
  CONSTRAINT profile_revisions_timestamps CHECK (created_at >= 0)
) STRICT;

CREATE UNIQUE INDEX profile_revisions_profile_id_version_idx ON profile_revisions (profile_id, version);
CREATE UNIQUE INDEX profile_revisions_profile_id_fingerprint_idx ON profile_revisions (profile_id, fingerprint);
CREATE UNIQUE INDEX profile_revisions_profile_id_id_idx ON profile_revisions (profile_id, id);
CREATE INDEX profile_revisions_created_by_user_id_idx
  ON profile_revisions (created_by_user_id) WHERE created_by_user_id IS NOT NULL;

-- created_by_user_id is left out: deleting that user clears it.
CREATE TRIGGER profile_revisions_immutable
BEFORE UPDATE OF id, profile_id, version, change_summary, fingerprint, config_patch, created_at ON profile_revisions
BEGIN
  SELECT RAISE(ABORT, 'profile_revisions: a revision is immutable');
END;

CREATE TABLE profile_env_vars (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT profile_env_vars_id CHECK (id <> ''),
  profile_revision_id TEXT NOT NULL REFERENCES profile_revisions (id) ON DELETE CASCADE,
  key TEXT NOT NULL CONSTRAINT profile_env_vars_key CHECK (key <> ''),
  value TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  CONSTRAINT profile_env_vars_timestamps CHECK (created_at >= 0)
) STRICT;

CREATE UNIQUE INDEX profile_env_vars_profile_revision_id_key_idx ON profile_env_vars (profile_revision_id, key);

CREATE TRIGGER profile_env_vars_immutable BEFORE UPDATE ON profile_env_vars
BEGIN
  SELECT RAISE(ABORT, 'profile_env_vars: a revision is immutable');
END;

CREATE TABLE profile_secret_bindings (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT profile_secret_bindings_id CHECK (id <> ''),
  profile_revision_id TEXT NOT NULL REFERENCES profile_revisions (id) ON DELETE CASCADE,
  target_key TEXT NOT NULL CONSTRAINT profile_secret_bindings_target_key CHECK (target_key <> ''),
  secret_id TEXT NOT NULL REFERENCES secrets (id),
  -- NULL is the latest version.
  secret_version_id TEXT,
  is_required INTEGER NOT NULL DEFAULT 1
    CONSTRAINT profile_secret_bindings_is_required CHECK (is_required IN (0, 1)),
  created_at INTEGER NOT NULL,
  FOREIGN KEY (secret_version_id, secret_id) REFERENCES secret_versions (id, secret_id),
  CONSTRAINT profile_secret_bindings_timestamps CHECK (created_at >= 0)
) STRICT;

CREATE UNIQUE INDEX profile_secret_bindings_profile_revision_id_target_key_idx
  ON profile_secret_bindings (profile_revision_id, target_key);
CREATE INDEX profile_secret_bindings_secret_id_idx ON profile_secret_bindings (secret_id);
CREATE INDEX profile_secret_bindings_secret_version_id_idx
  ON profile_secret_bindings (secret_version_id) WHERE secret_version_id IS NOT NULL;

CREATE TRIGGER profile_secret_bindings_same_owner BEFORE INSERT ON profile_secret_bindings
WHEN EXISTS (
  SELECT 1 FROM profile_revisions AS r JOIN profiles AS p ON p.id = r.profile_id, secrets AS s
  WHERE r.id = NEW.profile_revision_id AND s.id = NEW.secret_id AND s.owner_user_id <> p.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'profile_secret_bindings: a secret of another owner');
END;

CREATE TRIGGER profile_secret_bindings_immutable BEFORE UPDATE ON profile_secret_bindings
BEGIN
  SELECT RAISE(ABORT, 'profile_secret_bindings: a revision is immutable');
END;

CREATE TABLE profile_ssh_settings (
  profile_revision_id TEXT PRIMARY KEY NOT NULL REFERENCES profile_revisions (id) ON DELETE CASCADE,
  enabled INTEGER NOT NULL DEFAULT 0 CONSTRAINT profile_ssh_settings_enabled CHECK (enabled IN (0, 1)),
  listen_port INTEGER NOT NULL DEFAULT 2222
    CONSTRAINT profile_ssh_settings_listen_port CHECK (listen_port BETWEEN 1 AND 65535),
  host_allowlist TEXT NOT NULL DEFAULT '[]' CONSTRAINT profile_ssh_settings_host_allowlist
    CHECK (json_valid(host_allowlist) AND json_type(host_allowlist) = 'array'),
  session_timeout_minutes INTEGER
    CONSTRAINT profile_ssh_settings_session_timeout_minutes CHECK (session_timeout_minutes >= 0),
  authorized_keys_ref TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT profile_ssh_settings_timestamps CHECK (created_at >= 0 AND updated_at >= 0)
) STRICT;

CREATE TRIGGER profile_ssh_settings_immutable BEFORE UPDATE ON profile_ssh_settings
BEGIN
  SELECT RAISE(ABORT, 'profile_ssh_settings: a revision is immutable');
END;

CREATE TABLE profile_ssh_key_bindings (
  profile_revision_id TEXT NOT NULL REFERENCES profile_revisions (id) ON DELETE CASCADE,
  ssh_key_id TEXT NOT NULL REFERENCES ssh_keys (id),
  purpose TEXT NOT NULL DEFAULT 'login'
    CONSTRAINT profile_ssh_key_bindings_purpose CHECK (purpose IN ('login', 'git-auth', 'git-signing')),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (profile_revision_id, ssh_key_id, purpose),
  CONSTRAINT profile_ssh_key_bindings_timestamps CHECK (created_at >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX profile_ssh_key_bindings_ssh_key_id_idx ON profile_ssh_key_bindings (ssh_key_id);

CREATE TRIGGER profile_ssh_key_bindings_same_owner BEFORE INSERT ON profile_ssh_key_bindings
WHEN EXISTS (
  SELECT 1 FROM profile_revisions AS r JOIN profiles AS p ON p.id = r.profile_id, ssh_keys AS k
  WHERE r.id = NEW.profile_revision_id AND k.id = NEW.ssh_key_id AND k.owner_user_id <> p.owner_user_id
)
BEGIN
  SELECT RAISE(ABORT, 'profile_ssh_key_bindings: an SSH key of another owner');
END;

CREATE TRIGGER profile_ssh_key_bindings_immutable BEFORE UPDATE ON profile_ssh_key_bindings
BEGIN
  SELECT RAISE(ABORT, 'profile_ssh_key_bindings: a revision is immutable');
END;

CREATE TABLE repository_profiles (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT repository_profiles_id CHECK (id <> ''),
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  name TEXT NOT NULL CONSTRAINT repository_profiles_name CHECK (name <> ''),
  description TEXT,
  status TEXT NOT NULL DEFAULT 'active' CONSTRAINT repository_profiles_status CHECK (status IN ('active', 'archived')),
  active_revision_id TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  archived_at INTEGER,
  FOREIGN KEY (active_revision_id, id) REFERENCES repository_profile_revisions (id, repository_profile_id),
  CONSTRAINT repository_profiles_timestamps CHECK (created_at >= 0 AND updated_at >= 0 AND archived_at >= 0),
  CONSTRAINT repository_profiles_state CHECK ((status = 'archived') = (archived_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX repository_profiles_repository_id_name_idx ON repository_profiles (repository_id, name);
CREATE INDEX repository_profiles_repository_id_created_at_idx
  ON repository_profiles (repository_id, created_at DESC, id DESC);
CREATE INDEX repository_profiles_repository_id_status_created_at_idx
  ON repository_profiles (repository_id, status, created_at DESC, id DESC);
CREATE INDEX repository_profiles_active_revision_id_idx
  ON repository_profiles (active_revision_id) WHERE active_revision_id IS NOT NULL;

CREATE TRIGGER repository_profiles_status_transition BEFORE UPDATE OF status ON repository_profiles
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'active' AND NEW.status = 'archived') OR (OLD.status = 'archived' AND NEW.status = 'active')
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: repository_profiles.status');
END;

CREATE TABLE repository_profile_revisions (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT repository_profile_revisions_id CHECK (id <> ''),
  repository_profile_id TEXT NOT NULL REFERENCES repository_profiles (id) ON DELETE CASCADE,
  version INTEGER NOT NULL CONSTRAINT repository_profile_revisions_version CHECK (version >= 1),
  created_by_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  change_summary TEXT,
  fingerprint TEXT NOT NULL CONSTRAINT repository_profile_revisions_fingerprint CHECK (fingerprint <> ''),
  run_template TEXT NOT NULL CONSTRAINT repository_profile_revisions_run_template
    CHECK (json_valid(run_template) AND json_type(run_template) = 'object'),
  policy_config TEXT CONSTRAINT repository_profile_revisions_policy_config
    CHECK (policy_config IS NULL OR json_valid(policy_config) AND json_type(policy_config) = 'object'),
  created_at INTEGER NOT NULL,
  CONSTRAINT repository_profile_revisions_timestamps CHECK (created_at >= 0)
) STRICT;

CREATE UNIQUE INDEX repository_profile_revisions_repository_profile_id_version_idx
  ON repository_profile_revisions (repository_profile_id, version);
CREATE UNIQUE INDEX repository_profile_revisions_repository_profile_id_fingerprint_idx
  ON repository_profile_revisions (repository_profile_id, fingerprint);
CREATE UNIQUE INDEX repository_profile_revisions_repository_profile_id_id_idx
  ON repository_profile_revisions (repository_profile_id, id);
CREATE INDEX repository_profile_revisions_created_by_user_id_idx
  ON repository_profile_revisions (created_by_user_id) WHERE created_by_user_id IS NOT NULL;

CREATE TRIGGER repository_profile_revisions_immutable
BEFORE UPDATE OF
  id, repository_profile_id, version, change_summary, fingerprint, run_template, policy_config, created_at
ON repository_profile_revisions
BEGIN
  SELECT RAISE(ABORT, 'repository_profile_revisions: a revision is immutable');
END;

-- The one part of a revision that is replaced as a set, so updates are allowed.
CREATE TABLE repository_profile_profile_links (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT repository_profile_profile_links_id CHECK (id <> ''),
  repository_profile_revision_id TEXT NOT NULL REFERENCES repository_profile_revisions (id) ON DELETE CASCADE,
  profile_revision_id TEXT NOT NULL REFERENCES profile_revisions (id),
  precedence INTEGER NOT NULL DEFAULT 0,
  is_required INTEGER NOT NULL DEFAULT 1
    CONSTRAINT repository_profile_profile_links_is_required CHECK (is_required IN (0, 1)),
  created_at INTEGER NOT NULL,
  CONSTRAINT repository_profile_profile_links_timestamps CHECK (created_at >= 0)
) STRICT;

CREATE UNIQUE INDEX repository_profile_profile_links_repository_profile_revision_id_profile_revision_id_idx
  ON repository_profile_profile_links (repository_profile_revision_id, profile_revision_id);
CREATE INDEX repository_profile_profile_links_profile_revision_id_idx
  ON repository_profile_profile_links (profile_revision_id);

-- A linked profile cannot be deleted by itself (NO ACTION); a person can leave, and then the links to theirs go too.
CREATE TRIGGER user_profile_links_leave BEFORE DELETE ON user
BEGIN
  DELETE FROM repository_profile_profile_links WHERE profile_revision_id IN (
    SELECT r.id FROM profiles AS p JOIN profile_revisions AS r ON r.profile_id = p.id WHERE p.owner_user_id = OLD.id
  );
END;
`
