/**
 * The reason of a workflow that ends with its owner.
 */
export default `
-- The trigger of 0013, with the reason of the workflow. Workflows that were cancelled before this migration keep NULL:
-- the database does not record whether their owner was deleted before or after the cancellation.
DROP TRIGGER issue_workflows_owner_lost;

-- An active workflow without its owner would block its issue for every other user.
CREATE TRIGGER issue_workflows_owner_lost AFTER UPDATE OF owner_user_id ON issue_workflows
WHEN NEW.owner_user_id IS NULL AND OLD.owner_user_id IS NOT NULL
BEGIN
  UPDATE issue_workflow_executions SET
    status = 'cancelled', cancel_reason = 'the owner was deleted', finished_at = max(updated_at, coalesce(started_at, 0)),
    duration_ms = max(updated_at, started_at) - started_at
  WHERE issue_workflow_id = NEW.id AND +status IN ('queued', 'running');
  UPDATE issue_workflows SET status = 'cancelled', cancel_reason = 'the owner was deleted'
  WHERE id = NEW.id AND status = 'active';
END;
`
