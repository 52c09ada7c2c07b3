/**
 * The layer of the queue of workspace builds.
 */
import type { SqlClient } from "@effect/sql"
import type { Layer } from "effect"
import { WorkspaceBuildJobRepo } from "./WorkspaceBuildJobRepo.js"

export * as BuildWorker from "./BuildWorker.js"
export {
  EnqueuedJob,
  attemptsExhausted,
  ClaimedJob,
  defaultMaxAttempts,
  JobState,
  EnqueueJob,
  JobByPlanHash,
  JobFailure,
  QueuedJobFailure,
  JobSuccess,
  Lease,
  LeaseOutcome,
  QueueStats,
  unreadableJob,
  WorkspaceBuildJob,
  WorkspaceBuildJobId,
  WorkspaceBuildJobStatus,
  workspaceBuildJobTransitions
} from "./WorkspaceBuildJob.js"
export { type ClaimRequest, WorkspaceBuildJobRepo, type WorkspaceBuildJobService } from "./WorkspaceBuildJobRepo.js"

/** The services that `layer` provides. */
export type Services = WorkspaceBuildJobRepo

/** Provides the queue of workspace builds over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = WorkspaceBuildJobRepo.layer
