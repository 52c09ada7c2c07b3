/**
 * The indexes of lists of sandboxes that filter by repository or by a text in the name.
 */
export default `
-- A page of the sandboxes of an owner in a repository reads one range for each status.
CREATE INDEX sandboxes_owner_user_id_repository_id_view_status_created_at_idx
  ON sandboxes (owner_user_id, repository_id, view_status, created_at DESC, id DESC) WHERE repository_id IS NOT NULL;

-- A search reads the entries of its owner. The columns after the key are those of the filters, so that it reads the
-- table only for the rows of its page.
DROP INDEX sandboxes_owner_user_id_created_at_idx;
CREATE INDEX sandboxes_owner_user_id_created_at_idx
  ON sandboxes (owner_user_id, created_at DESC, id DESC, name, view_status, repository_id, archived_at);
`
