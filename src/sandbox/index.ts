/**
 * One layer for the services of sandboxes, attempts, runtimes and build jobs, and the lifecycle over them.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import * as BuildJobs from "../build-job/index.js"
import { RuntimeTeardownRepo } from "./RuntimeTeardownRepo.js"
import { SandboxAttemptRepo } from "./SandboxAttemptRepo.js"
import { SandboxRepo } from "./SandboxRepo.js"
import { SandboxRuntimeInstanceRepo } from "./SandboxRuntimeInstanceRepo.js"
import { SandboxLifecycle } from "./SandboxLifecycle.js"

export { environmentOf } from "./buildEnvironment.js"
export {
  AttemptLinkFilter,
  CreateSandbox,
  LinkAttempt,
  RenameSandbox,
  Sandbox,
  SandboxId,
  SandboxAttemptLink,
  SandboxAttemptRelation,
  SandboxStatus,
  sandboxTransitions,
  SetSandboxStatus
} from "./Sandbox.js"
export {
  AttemptCancellation,
  AttemptEnd,
  AttemptStart,
  QueueAttempt,
  SandboxAttempt,
  SandboxAttemptId,
  SandboxAttemptSnapshot,
  SandboxAttemptStatus,
  sandboxAttemptTransitions,
  SandboxAttemptTriggerType,
  SetSnapshot
} from "./SandboxAttempt.js"
export {
  ClaimedTeardown,
  RuntimeTeardown,
  RuntimeTeardownId,
  RuntimeTeardownStatus,
  runtimeTeardownTransitions,
  TeardownFailed,
  TeardownLease,
  TeardownLeaseOutcome,
  TeardownStats
} from "./RuntimeTeardown.js"
export { RuntimeTeardownRepo, type RuntimeTeardownService } from "./RuntimeTeardownRepo.js"
export { SandboxAttemptRepo, type SandboxAttemptService } from "./SandboxAttemptRepo.js"
export { SandboxLaunchKey } from "./SandboxLaunchKey.js"
export { SandboxLifecycle, type SandboxLifecycleService } from "./SandboxLifecycle.js"
export { SandboxRepo, type SandboxService } from "./SandboxRepo.js"
export {
  RuntimeReport,
  SandboxRuntimeAdapter,
  SandboxRuntimeInstance,
  SandboxRuntimeStatus,
  sandboxRuntimeTransitions,
  SandboxStopReason
} from "./SandboxRuntimeInstance.js"
export { SandboxRuntimeInstanceRepo, type SandboxRuntimeInstanceService } from "./SandboxRuntimeInstanceRepo.js"
export {
  Build,
  BuildFailed,
  BuildFinished,
  BuildPublished,
  CancelSandbox,
  DeleteSandbox,
  EndRuntime,
  runtimeEndReasons,
  FindLaunch,
  ExtendSandbox,
  Launch,
  LaunchSandbox,
  type RetrySandbox,
  AllSandboxFilter,
  SandboxAttemptSummary,
  SandboxAttemptView,
  SandboxDetail,
  SandboxOfOwner,
  SandboxProblem,
  SandboxRuntimeSummary,
  SandboxStats,
  SandboxStatusView,
  SandboxViewFilter,
  SandboxView,
  Supervision,
  TouchSandbox
} from "./SandboxViews.js"
export { SandboxAttemptFilter, SandboxFilter } from "./filters.js"

/** The services that `layer` provides. */
export type Services =
  | SandboxLifecycle
  | SandboxRepo
  | SandboxAttemptRepo
  | SandboxRuntimeInstanceRepo
  | RuntimeTeardownRepo
  | BuildJobs.Services

/** Provides all services of sandboxes over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = SandboxLifecycle.layer.pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      SandboxRepo.layer,
      SandboxAttemptRepo.layer,
      SandboxRuntimeInstanceRepo.layer,
      RuntimeTeardownRepo.layer,
      BuildJobs.layer
    )
  )
)
export type { LeaseMethods } from "../leasing/LeaseMethods.js"
