/**
 * Factories of build jobs, in every status.
 */
import { DateTime, Effect, Option } from "effect"
import {
  type ClaimedJob,
  type LeaseOutcome,
  WorkspaceBuildJob,
  WorkspaceBuildJobId,
  type WorkspaceBuildJobStatus
} from "../build-job/WorkspaceBuildJob.js"
import { idOrNew } from "../sql/ids.js"
import { defined, asId, ensure, factory, type Given, insert, type Made } from "./rows.js"
import { attempt, exampleSpec } from "./sandboxes.js"

/**
 * Creates a job, by default `queued` and due now.
 *
 * The lease of a running job has the token `leaseToken`, belongs to `workerId`, and expires in a minute. `attemptCount`
 * defaults to 0 for a queued or cancelled job, and to 1 for all others; `leaseToken` defaults to `attemptCount`.
 */
export const buildJob = (given: Given<WorkspaceBuildJob> = {}): Made<WorkspaceBuildJob> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(WorkspaceBuildJobId, given.id), "job", WorkspaceBuildJobId.make)
    yield* ensure("sandbox_attempts", given.attemptId, (id) => attempt({ id }))
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("oci_image_build_jobs", WorkspaceBuildJob, {
      registryId: "registry",
      repository: "acme/app",
      tag: id,
      requestPayload: exampleSpec,
      availableAt: now,
      createdAt: now,
      updatedAt: now,
      ...columnsOf(given, now),
      ...defined(given),
      id
    })
  }).pipe(factory("buildJob"))

/** Creates a running job, and returns it with its lease. */
export const claimedJob = (given: Omit<Given<WorkspaceBuildJob>, "status"> = {}): Made<ClaimedJob> =>
  Effect.map(buildJob({ ...given, status: "running" }), (job) => ({
    job,
    lease: { jobId: job.id, workerId: Option.getOrElse(job.workerId, () => ""), token: job.leaseToken }
  }))

const leaseDuration = { minutes: 1 }

const outcomes: Readonly<Record<WorkspaceBuildJobStatus, LeaseOutcome | undefined>> = {
  queued: "retried",
  running: undefined,
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled"
}

/** Builds the columns that depend on the status. */
const columnsOf = (given: Given<WorkspaceBuildJob>, now: DateTime.Utc): Given<WorkspaceBuildJob> => {
  const status = given.status ?? "queued"
  const neverTried = status === "queued" || status === "cancelled"
  const attemptCount = given.attemptCount ?? (neverTried ? 0 : 1)
  const leaseToken = given.leaseToken ?? attemptCount
  const leaseOutcome = outcomes[status]
  const startedAt = given.startedAt ?? now
  return {
    status,
    attemptCount,
    maxAttempts: Math.max(3, status === "queued" ? attemptCount + 1 : attemptCount),
    leaseToken,
    ...(leaseToken > 0 ? { startedAt } : {}),
    ...(leaseToken > 0 && leaseOutcome !== undefined ? { leaseOutcome } : {}),
    ...(leaseToken > 0 && status !== "queued" ? { workerId: "worker", claimedAt: now } : {}),
    ...(status === "running" ? { leaseExpiresAt: DateTime.add(now, leaseDuration) } : {}),
    ...(status === "succeeded" || status === "failed" || status === "cancelled" ? { finishedAt: startedAt } : {}),
    ...(status === "succeeded" ? published : {}),
    ...(status === "failed" ? { errorMessage: "the build failed" } : {}),
    ...(status === "cancelled" ? { cancelReason: "not wanted any more" } : {})
  }
}

const published = {
  executorId: "executor",
  publishedReference: "registry.example.com/acme/app:latest",
  publishedDigestReference: "registry.example.com/acme/app@sha256:0",
  publishedDigest: "sha256:0"
}
