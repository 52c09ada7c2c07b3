/**
 * An idempotency key of a launch, and what it led to.
 */
import { Name, optional, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { WorkspaceBuildJobId } from "../build-job/WorkspaceBuildJob.js"
import { SandboxId } from "./Sandbox.js"
import { SandboxAttemptId } from "./SandboxAttempt.js"

/** One row of `sandbox_launch_keys`. A key belongs to its owner: two owners can use the same one. */
export class SandboxLaunchKey extends Model.Class<SandboxLaunchKey>("SandboxLaunchKey")({
  ownerUserId: UserId,
  idempotencyKey: Name,
  /** Of the request that the key was first used for: another request under the key is a conflict. */
  requestFingerprint: Name,
  sandboxId: SandboxId,
  runId: optional(SandboxAttemptId),
  jobId: optional(WorkspaceBuildJobId),
  createdAt: Timestamp
}, table({
  name: "sandbox_launch_keys",
  service: "SandboxLifecycle",
  purpose: "What each idempotency key of a launch led to, so that a repeated launch gives the first one's result."
})) {}
