/**
 * Where code comes from: repositories, GitHub App installations, what each installation can see and who may use it,
 * and the inbox of webhook deliveries.
 */
export default `
CREATE TABLE repositories (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT repositories_id CHECK (id <> ''),
  provider TEXT NOT NULL DEFAULT 'generic'
    CONSTRAINT repositories_provider CHECK (provider IN ('github', 'gitlab', 'generic')),
  external_id TEXT CONSTRAINT repositories_external_id CHECK (external_id <> ''),
  owner TEXT NOT NULL CONSTRAINT repositories_owner CHECK (owner <> ''),
  name TEXT NOT NULL CONSTRAINT repositories_name CHECK (name <> ''),
  default_branch TEXT NOT NULL DEFAULT 'main' CONSTRAINT repositories_default_branch CHECK (default_branch <> ''),
  url TEXT,
  is_archived INTEGER NOT NULL DEFAULT 0 CONSTRAINT repositories_is_archived CHECK (is_archived IN (0, 1)),
  last_synced_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT repositories_timestamps CHECK (last_synced_at >= 0 AND created_at >= 0 AND updated_at >= 0)
) STRICT;

-- Providers treat Acme/App and acme/app as one repository. A look-up or ON CONFLICT must say COLLATE NOCASE too.
CREATE UNIQUE INDEX repositories_provider_owner_name_idx
  ON repositories (provider, owner COLLATE NOCASE, name COLLATE NOCASE);
CREATE UNIQUE INDEX repositories_provider_external_id_idx ON repositories (provider, external_id);
CREATE INDEX repositories_created_at_idx ON repositories (created_at DESC, id DESC);

CREATE TABLE github_app_installations (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT github_app_installations_id CHECK (id <> ''),
  provider TEXT NOT NULL DEFAULT 'github'
    CONSTRAINT github_app_installations_provider CHECK (provider IN ('github', 'gitlab', 'generic')),
  external_installation_id TEXT NOT NULL
    CONSTRAINT github_app_installations_external_installation_id CHECK (external_installation_id <> ''),
  external_account_id TEXT,
  account_login TEXT NOT NULL CONSTRAINT github_app_installations_account_login CHECK (account_login <> ''),
  account_type TEXT NOT NULL
    CONSTRAINT github_app_installations_account_type CHECK (account_type IN ('organization', 'user')),
  target_type TEXT CONSTRAINT github_app_installations_target_type CHECK (target_type IN ('organization', 'user')),
  status TEXT NOT NULL DEFAULT 'active'
    CONSTRAINT github_app_installations_status CHECK (status IN ('active', 'suspended', 'deleted')),
  permissions TEXT NOT NULL DEFAULT '{}'
    CONSTRAINT github_app_installations_permissions
      CHECK (json_valid(permissions) AND json_type(permissions) = 'object'),
  repository_selection TEXT NOT NULL DEFAULT 'all'
    CONSTRAINT github_app_installations_repository_selection CHECK (repository_selection IN ('all', 'selected')),
  installed_at INTEGER,
  suspended_at INTEGER,
  last_synced_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT github_app_installations_timestamps CHECK (
    installed_at >= 0 AND suspended_at >= 0 AND last_synced_at >= 0 AND created_at >= 0 AND updated_at >= 0
  ),
  -- Not the other way round: rows carried over say that they are suspended, not since when.
  CONSTRAINT github_app_installations_state CHECK (status <> 'active' OR suspended_at IS NULL)
) STRICT;

CREATE UNIQUE INDEX github_app_installations_external_installation_id_idx
  ON github_app_installations (external_installation_id);
CREATE INDEX github_app_installations_status_created_at_idx
  ON github_app_installations (status, created_at DESC, id DESC);

-- deleted -> active is a reinstallation; that it is one only the caller can know.
CREATE TRIGGER github_app_installations_status_transition BEFORE UPDATE OF status ON github_app_installations
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'active' AND NEW.status IN ('suspended', 'deleted'))
  OR (OLD.status = 'suspended' AND NEW.status IN ('active', 'deleted'))
  OR (OLD.status = 'deleted' AND NEW.status = 'active')
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: github_app_installations.status');
END;

CREATE TABLE github_installation_repositories (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT github_installation_repositories_id CHECK (id <> ''),
  installation_id TEXT NOT NULL REFERENCES github_app_installations (id) ON DELETE CASCADE,
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  external_repository_id TEXT NOT NULL
    CONSTRAINT github_installation_repositories_external_repository_id CHECK (external_repository_id <> ''),
  owner TEXT NOT NULL CONSTRAINT github_installation_repositories_owner CHECK (owner <> ''),
  name TEXT NOT NULL CONSTRAINT github_installation_repositories_name CHECK (name <> ''),
  full_name TEXT NOT NULL CONSTRAINT github_installation_repositories_full_name CHECK (full_name <> ''),
  default_branch TEXT NOT NULL DEFAULT 'main'
    CONSTRAINT github_installation_repositories_default_branch CHECK (default_branch <> ''),
  is_private INTEGER NOT NULL DEFAULT 1
    CONSTRAINT github_installation_repositories_is_private CHECK (is_private IN (0, 1)),
  is_archived INTEGER NOT NULL DEFAULT 0
    CONSTRAINT github_installation_repositories_is_archived CHECK (is_archived IN (0, 1)),
  pushed_at INTEGER,
  last_synced_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  removed_at INTEGER,
  CONSTRAINT github_installation_repositories_timestamps CHECK (
    pushed_at >= 0 AND last_synced_at >= 0 AND created_at >= 0 AND updated_at >= 0 AND removed_at >= 0
  )
) STRICT;

CREATE UNIQUE INDEX github_installation_repositories_installation_external_repo_idx
  ON github_installation_repositories (installation_id, external_repository_id);
-- Rows that are removed stay where they are, also when their repository was made again under another external id.
CREATE UNIQUE INDEX github_installation_repositories_installation_repository_id_idx
  ON github_installation_repositories (installation_id, repository_id) WHERE removed_at IS NULL;
CREATE INDEX github_installation_repositories_installation_id_created_at_idx
  ON github_installation_repositories (installation_id, created_at DESC, id DESC);
CREATE INDEX github_installation_repositories_repository_id_created_at_idx
  ON github_installation_repositories (repository_id, created_at DESC, id DESC);

CREATE TABLE github_installation_user_grants (
  installation_id TEXT NOT NULL REFERENCES github_app_installations (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
  granted_by_user_id TEXT REFERENCES user (id) ON DELETE SET NULL,
  granted_at INTEGER NOT NULL,
  revoked_at INTEGER,
  PRIMARY KEY (installation_id, user_id),
  CONSTRAINT github_installation_user_grants_timestamps CHECK (granted_at >= 0 AND revoked_at >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX github_installation_user_grants_installation_id_granted_at_idx
  ON github_installation_user_grants (installation_id, granted_at DESC, user_id DESC);
CREATE INDEX github_installation_user_grants_user_id_granted_at_idx
  ON github_installation_user_grants (user_id, granted_at DESC, installation_id DESC);
CREATE INDEX github_installation_user_grants_granted_by_user_id_idx
  ON github_installation_user_grants (granted_by_user_id) WHERE granted_by_user_id IS NOT NULL;

-- A leased inbox. installation_external_id is no foreign key: a delivery may come before its installation is known.
CREATE TABLE github_webhook_deliveries (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT github_webhook_deliveries_id CHECK (id <> ''),
  delivery_id TEXT NOT NULL CONSTRAINT github_webhook_deliveries_delivery_id CHECK (delivery_id <> ''),
  event_type TEXT NOT NULL CONSTRAINT github_webhook_deliveries_event_type CHECK (event_type <> ''),
  action TEXT,
  installation_external_id TEXT,
  payload TEXT
    CONSTRAINT github_webhook_deliveries_payload
      CHECK (payload IS NULL OR json_valid(payload) AND json_type(payload) = 'object'),
  received_at INTEGER NOT NULL,
  processed_at INTEGER,
  status TEXT NOT NULL DEFAULT 'received' CONSTRAINT github_webhook_deliveries_status
    CHECK (status IN ('received', 'processing', 'processed', 'failed', 'ignored')),
  error_message TEXT,
  attempt_count INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL DEFAULT 5,
  available_at INTEGER NOT NULL,
  claimed_at INTEGER,
  lease_expires_at INTEGER,
  worker_id TEXT CONSTRAINT github_webhook_deliveries_worker_id CHECK (worker_id <> ''),
  lease_token INTEGER NOT NULL DEFAULT 0 CONSTRAINT github_webhook_deliveries_lease_token CHECK (lease_token >= 0),
  lease_outcome TEXT CONSTRAINT github_webhook_deliveries_lease_outcome
    CHECK (lease_outcome IN ('processed', 'ignored', 'failed', 'retried', 'released', 'expired')),
  updated_at INTEGER NOT NULL,
  CONSTRAINT github_webhook_deliveries_timestamps CHECK (
    received_at >= 0 AND processed_at >= 0 AND available_at >= 0 AND claimed_at >= 0 AND lease_expires_at >= 0
    AND updated_at >= 0
  ),
  CONSTRAINT github_webhook_deliveries_attempts CHECK (
    attempt_count >= 0 AND max_attempts >= 1 AND attempt_count <= max_attempts
  ),
  CONSTRAINT github_webhook_deliveries_lease CHECK ((status = 'processing') = (lease_expires_at IS NOT NULL)),
  CONSTRAINT github_webhook_deliveries_received CHECK (
    status <> 'received' OR (attempt_count < max_attempts AND worker_id IS NULL AND claimed_at IS NULL)
  ),
  CONSTRAINT github_webhook_deliveries_processing CHECK (
    status <> 'processing'
    OR (worker_id IS NOT NULL AND claimed_at IS NOT NULL AND attempt_count >= 1 AND lease_token >= 1)
  ),
  CONSTRAINT github_webhook_deliveries_finished CHECK (
    (status IN ('processed', 'failed', 'ignored')) = (processed_at IS NOT NULL)
  ),
  CONSTRAINT github_webhook_deliveries_failed CHECK (status <> 'failed' OR error_message IS NOT NULL),
  -- How the lease numbered lease_token ended; nothing while it is held, or before the first.
  CONSTRAINT github_webhook_deliveries_lease_ended CHECK (
    (lease_outcome IS NULL) = (status = 'processing' OR lease_token = 0)
  )
) STRICT;

CREATE UNIQUE INDEX github_webhook_deliveries_delivery_id_idx ON github_webhook_deliveries (delivery_id);
-- status stands in front although it is constant here: without it the planner takes the index of the list below,
-- and sorts the whole inbox at each claim.
CREATE INDEX github_webhook_deliveries_due_idx
  ON github_webhook_deliveries (status, available_at, id) WHERE status = 'received';
CREATE INDEX github_webhook_deliveries_leases_idx
  ON github_webhook_deliveries (status, lease_expires_at, id) WHERE status = 'processing';
CREATE INDEX github_webhook_deliveries_status_received_at_idx
  ON github_webhook_deliveries (status, received_at DESC, id DESC);
CREATE INDEX github_webhook_deliveries_received_at_idx ON github_webhook_deliveries (received_at DESC, id DESC);
CREATE INDEX github_webhook_deliveries_installation_external_id_received_at_idx
  ON github_webhook_deliveries (installation_external_id, received_at DESC, id DESC)
  WHERE installation_external_id IS NOT NULL;

-- Back to received: a retry from processing, a redelivery from the three ends.
CREATE TRIGGER github_webhook_deliveries_status_transition BEFORE UPDATE OF status ON github_webhook_deliveries
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'received' AND NEW.status = 'processing')
  OR (OLD.status = 'processing' AND NEW.status IN ('processed', 'ignored', 'received', 'failed'))
  OR (OLD.status IN ('processed', 'ignored', 'failed') AND NEW.status = 'received')
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: github_webhook_deliveries.status');
END;

-- The fence: a token is never given twice. claimed_at counts too, or a worker could claim again what it lost.
CREATE TRIGGER github_webhook_deliveries_lease_fence
BEFORE UPDATE OF status, worker_id, claimed_at, lease_token ON github_webhook_deliveries
WHEN NEW.lease_token < OLD.lease_token
  OR (NEW.status = 'processing' AND NEW.lease_token = OLD.lease_token AND (
    OLD.status <> 'processing' OR NEW.worker_id IS NOT OLD.worker_id OR NEW.claimed_at IS NOT OLD.claimed_at
  ))
BEGIN
  SELECT RAISE(ABORT, 'github_webhook_deliveries: a claim needs a new lease token');
END;

CREATE TRIGGER github_webhook_deliveries_lease_outcome_stands
BEFORE UPDATE OF lease_outcome ON github_webhook_deliveries
WHEN OLD.lease_outcome IS NOT NULL AND NEW.lease_token = OLD.lease_token
  AND NEW.lease_outcome IS NOT OLD.lease_outcome
BEGIN
  SELECT RAISE(ABORT, 'github_webhook_deliveries: the outcome of a lease stands');
END;
`
