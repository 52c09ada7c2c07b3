/**
 * The schema of the database, as the steps that build it: a static record, so that a bundler, a test and the migrator
 * all see the same steps in the same order. A key is `<four digits>_<name>`; the text under it is plain SQL statements,
 * each closed by a semicolon. A step that has been released is never edited: what it said is in databases out there.
 *
 * Habits of the text: every table is STRICT; timestamps are epoch milliseconds that the application gives (no SQL
 * clock, no default); every CHECK is named `<table>_<rule>`, and a trigger that refuses says `<table>: <rule>` or
 * `invalid transition: <table>.<column>`, never a value. An index that serves a list ends in the page's key
 * (`created_at DESC, id DESC`); its name leaves the closing id out. Indexes of nullable references are partial: `x = ?`
 * implies `x IS NOT NULL`, so look-ups and foreign keys find them, and rows without the reference do not pay.
 */
import auth from "./0001_auth.js"
import source from "./0002_source.js"
import profiles from "./0003_profiles.js"
import sandboxes from "./0004_sandboxes.js"
import buildJobs from "./0005_build_jobs.js"
import issueWorkflows from "./0006_issue_workflows.js"
import packageCache from "./0007_package_cache.js"
import controlPlane from "./0008_control_plane.js"
import legacyImports from "./0009_legacy_imports.js"
import jobsGoWithTheirRun from "./0010_jobs_go_with_their_run.js"
import openRepositories from "./0011_open_repositories.js"
import events from "./0012_events.js"
import derivedStatusAndEndings from "./0013_derived_status_and_endings.js"
import jobMaxDuration from "./0014_job_max_duration.js"
import workflowCancelReason from "./0015_workflow_cancel_reason.js"
import workflowEndReasons from "./0016_workflow_end_reasons.js"
import runtimeEnd from "./0017_runtime_end.js"
import sandboxLists from "./0018_sandbox_lists.js"
import jobPlanHash from "./0019_job_plan_hash.js"
import queuedRowsFail from "./0020_queued_rows_fail.js"
import sandboxDeadlines from "./0021_sandbox_deadlines.js"
import runtimeTeardowns from "./0022_runtime_teardowns.js"
import fairQueue from "./0023_fair_queue.js"
import fairInbox from "./0024_fair_inbox.js"
import operators from "./0025_operators.js"

export const migrations: Record<string, string> = {
  "0001_auth": auth,
  "0002_source": source,
  "0003_profiles": profiles,
  "0004_sandboxes": sandboxes,
  "0005_build_jobs": buildJobs,
  "0006_issue_workflows": issueWorkflows,
  "0007_package_cache": packageCache,
  "0008_control_plane": controlPlane,
  "0009_legacy_imports": legacyImports,
  "0010_jobs_go_with_their_run": jobsGoWithTheirRun,
  "0011_open_repositories": openRepositories,
  "0012_events": events,
  "0013_derived_status_and_endings": derivedStatusAndEndings,
  "0014_job_max_duration": jobMaxDuration,
  "0015_workflow_cancel_reason": workflowCancelReason,
  "0016_workflow_end_reasons": workflowEndReasons,
  "0017_runtime_end": runtimeEnd,
  "0018_sandbox_lists": sandboxLists,
  "0019_job_plan_hash": jobPlanHash,
  "0020_queued_rows_fail": queuedRowsFail,
  "0021_sandbox_deadlines": sandboxDeadlines,
  "0022_runtime_teardowns": runtimeTeardowns,
  "0023_fair_queue": fairQueue,
  "0024_fair_inbox": fairInbox,
  "0025_operators": operators
}
