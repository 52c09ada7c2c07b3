/**
 * The layer of the queue of workspace builds.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { BuildQueueRepo } from "./BuildQueueRepo.js"
import { OwnerLimitsRepo } from "./OwnerLimitsRepo.js"
import { WorkspaceBuildJobRepo } from "./WorkspaceBuildJobRepo.js"

export {
  BlockedBy,
  BuildQueueFlow,
  BuildQueueKey,
  BuildQueueLane,
  BuildQueuePause,
  OwnerLoad,
  PauseScope,
  PriorityLoad,
  QueueLoad,
  QueuePart,
  QueueSummary
} from "./BuildQueue.js"
export { BuildQueueRepo, type BuildQueueService } from "./BuildQueueRepo.js"
export * as BuildWorker from "./BuildWorker.js"
export { EffectiveLimits, OwnerLimitDefaults, OwnerLimits, SetDefaultLimits, SetOwnerLimits } from "./OwnerLimits.js"
export { OwnerLimitsRepo, type OwnerLimitsService } from "./OwnerLimitsRepo.js"
export type { JobOutcome } from "./JobBatches.js"
export {
  JobAttempt,
  JobCount,
  JobDetail,
  JobDetailView,
  JobFilter,
  JobSandbox,
  JobSummary,
  JobView,
  RedriveJobs,
  RedrivenJobs
} from "./JobViews.js"
export {
  EnqueuedJob,
  attemptsExhausted,
  ClaimedJob,
  defaultMaxAttempts,
  defaultPriority,
  JobState,
  EnqueueJob,
  EnqueueJobs,
  JobByPlanHash,
  JobFailure,
  JobPriority,
  JobResult,
  QueuedJobFailure,
  JobSuccess,
  Lease,
  Priority,
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
export type Services = BuildQueueRepo | OwnerLimitsRepo | WorkspaceBuildJobRepo

/** Provides the queue of workspace builds over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(
  BuildQueueRepo.layer,
  OwnerLimitsRepo.layer,
  WorkspaceBuildJobRepo.layer
)
