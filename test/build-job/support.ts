/**
 * Helpers of the queue tests: the queue over each database, and jobs in each state.
 */
import type { SqlClient } from "@effect/sql"
import { DateTime, Effect, Option } from "effect"
import { Factories } from "@sealant/db/testing"
import {
  type ClaimedJob,
  type Lease,
  type WorkspaceBuildJob,
  WorkspaceBuildJobId
} from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { jobIsUnsettled } from "../../src/sandbox/leftBehind.js"
import { overDatabases } from "../support/database.js"
import { shell } from "../support/lists.js"

export { lossOf } from "../support/refusals.js"

export type Services = WorkspaceBuildJobRepo | SqlClient.SqlClient

/** The queue over each database. */
export const layers = overDatabases(WorkspaceBuildJobRepo.layer)

export const gone = WorkspaceBuildJobId.make("gone")

export const at = (millis: number) => DateTime.unsafeMake(millis)

export const millis = (instant: Option.Option<DateTime.Utc>) => Option.getOrNull(instant)?.epochMillis ?? null

/** A job to enqueue. */
export const request = {
  registryId: "registry",
  repository: "acme/app",
  tag: "latest",
  requestPayload: { source: "https://github.com/acme/app", harness: "opencode", env: { A: "1", B: "2" } }
} as const

export const success = {
  executorId: "executor",
  publishedReference: "registry/acme/app:latest",
  publishedDigestReference: "registry/acme/app@sha256:1",
  publishedDigest: "sha256:1"
} as const

export const failure = { errorMessage: "the build failed", errorCode: "build-failed" } as const

/** A claim of worker `one` for a minute. */
export const claimant = { workerId: "one", leaseDuration: "1 minute" } as const

/** Enqueues a job with this id, due at once. */
export const enqueue = (id: string, given: object = {}) =>
  Effect.flatMap(WorkspaceBuildJobRepo, (jobs) =>
    Effect.map(jobs.enqueue({ ...request, id, ...given }), ({ job }) => job)
  )

/** Claims the job with this id for a minute. Fails the test if it cannot be claimed. */
export const claim = (id: string, workerId = "one"): Effect.Effect<ClaimedJob, unknown, WorkspaceBuildJobRepo> =>
  Effect.flatMap(WorkspaceBuildJobRepo, (jobs) =>
    Effect.flatten(jobs.claimById({ ...claimant, workerId, id: WorkspaceBuildJobId.make(id) }))
  )

/** A job with this id under a new lease. */
export const leased = (id: string, given: object = {}) => Effect.zipRight(enqueue(id, given), claim(id))

/** All calls of a worker under a lease, by method name. */
export const underLease = (lease: Lease) =>
  Effect.map(WorkspaceBuildJobRepo, (jobs) => ({
    getByLease: jobs.getByLease(lease),
    heartbeat: jobs.heartbeat(lease, "1 minute"),
    succeed: jobs.succeed(lease, success),
    fail: jobs.fail(lease, failure),
    release: jobs.release(lease)
  }))

export const idsOf = (jobs: ReadonlyArray<{ readonly id: WorkspaceBuildJob["id"] }>): ReadonlyArray<string> =>
  jobs.map(({ id }) => id)

export { pages } from "../support/lists.js"

export { shell }

export const { make } = Factories

export { badNames, refusalOf, tagOf } from "../support/refusals.js"

/** The ids of ended jobs that are not yet reflected in their attempts, oldest first. */
export const unsettled = Effect.map(
  shell<{ readonly id: string }>(
    `SELECT id FROM oci_image_build_jobs WHERE ${jobIsUnsettled} ORDER BY finished_at, id`
  ),
  (rows) => rows.map(({ id }) => id)
)
