/**
 * The reason of a cancelled workflow.
 */
export default `
-- NULL for a workflow that was cancelled by an earlier release.
ALTER TABLE issue_workflows ADD COLUMN cancel_reason TEXT
  CONSTRAINT issue_workflows_cancel_reason CHECK (cancel_reason IS NULL OR status = 'cancelled');
`
