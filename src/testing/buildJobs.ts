/**
 * Factories of build jobs, in every status.
 */
import { DateTime, Effect, Option } from "effect"
import {
  type ClaimedJob,
  WorkspaceBuildJob,
  WorkspaceBuildJobId,
  type WorkspaceBuildJobStatus
} from "../domain/build-job/WorkspaceBuildJob.js"
import { idOrNew } from "../internal/ids.js"
import type { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"
import { ensure, factory, type Given, insert, type Made } from "./rows.js"
import { attempt } from "./sandboxes.js"

/** A specification, as small as one can be. */
export const exampleSpec: UserWorkspaceSpec = { source: "https://github.com/acme/app", harness: "opencode" }

const leaseMs = 60_000

/**
 * A job in the status that is given, queued and due now if none is. A running one is under lease number `leaseToken`
 * of `workerId` for another minute; the leases that an ended or retried one had have ended accordingly.
 */
export const buildJob = (given: Given<WorkspaceBuildJob> = {}): Made<WorkspaceBuildJob> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(given.id, "job", WorkspaceBuildJobId.make)
    yield* ensure("sandbox_attempts", given.runId, (id) => attempt({ id }))
    const now = given.createdAt ?? (yield* DateTime.now)
    const base = {
      ...given,
      id,
      status: given.status ?? "queued",
      registryId: given.registryId ?? "registry",
      repository: given.repository ?? "acme/app",
      tag: given.tag ?? id,
      requestPayload: given.requestPayload ?? exampleSpec,
      availableAt: given.availableAt ?? now,
      createdAt: now,
      updatedAt: given.updatedAt ?? now
    }
    return yield* insert("oci_image_build_jobs", WorkspaceBuildJob, { ...leased(base, now), ...ended(base, now), ...base })
  }).pipe(factory("buildJob"))

/** A running job, and the lease that it is under. */
export const claimedJob = (given: Omit<Given<WorkspaceBuildJob>, "status"> = {}): Effect.Effect<
  ClaimedJob,
  Effect.Effect.Error<Made<never>>,
  Effect.Effect.Context<Made<never>>
> =>
  Effect.map(buildJob({ ...given, status: "running" }), (job) => ({
    job,
    lease: { jobId: job.id, workerId: Option.getOrElse(job.workerId, () => ""), token: job.leaseToken }
  }))
