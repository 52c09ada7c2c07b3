/**
 * Row model of the idempotency keys of launches.
 */
import { Name, optional, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { WorkspaceBuildJobId } from "../build-job/WorkspaceBuildJob.js"
import { SandboxId } from "./Sandbox.js"
import { SandboxAttemptId } from "./SandboxAttempt.js"

/** One row of `sandbox_launch_keys`. Keys are unique for each owner: two owners can use the same key. */
export class SandboxLaunchKey extends Model.Class<SandboxLaunchKey>("SandboxLaunchKey")(
  {
    ownerUserId: UserId,
    idempotencyKey: Name,
    /** The fingerprint of the first request with the key. A different request with the key is a conflict. */
    requestFingerprint: Name,
    sandboxId: SandboxId,
    attemptId: optional(SandboxAttemptId),
    jobId: optional(WorkspaceBuildJobId),
    createdAt: Timestamp
  },
  table({
    name: "sandbox_launch_keys",
    service: "SandboxLifecycle",
    purpose: "The result of the launch with each idempotency key, so that a repeated launch returns the first result."
  })
) {}
