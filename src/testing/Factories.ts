/**
 * Rows for tests: each factory stores a legal row and what it needs, and keeps what is given.
 *
 * What a row refers to is made when it is not there, with the id that was given. Columns that belong to a status are
 * filled as the repositories would have left them. Times are those of Effect's clock. A row that the database refuses
 * (a second user of an email, a profile of another owner) is an error of the domain, and then nothing is stored.
 *
 * @example
 * ```ts
 * import { expect, it } from "@effect/vitest"
 * import { Effect } from "effect"
 * import { WorkspaceBuildJobRepo } from "@sealant/db"
 * import { Factories, layerTest } from "@sealant/db/testing"
 *
 * const { make } = Factories
 *
 * it.effect("a job that is given back was not tried", () =>
 *   Effect.gen(function*() {
 *     const jobs = yield* WorkspaceBuildJobRepo
 *     const { lease } = yield* make.claimedJob({ workerId: "worker-1", attemptCount: 2 })
 *     const job = yield* jobs.release(lease)
 *     expect(job.attemptCount).toBe(1)
 *   }).pipe(Effect.provide(layerTest)))
 * ```
 */
import { account, session, user, verification } from "./auth.js"
import { buildJob, claimedJob } from "./buildJobs.js"
import {
  execution,
  executionArtifact,
  executionDiffFile,
  executionEvent,
  executionPullRequestLink,
  executionSummary,
  executionValidationResult
} from "./executions.js"
import { launch } from "./launches.js"
import { packageResolution } from "./packageCache.js"
import {
  issue,
  profile,
  profileRevision,
  repository,
  repositoryProfile,
  repositoryProfileRevision
} from "./references.js"
import { attempt, runtimeInstance, sandbox, snapshot } from "./sandboxes.js"

export type { FactoryError, Given, Made, Plain } from "./rows.js"
export type { GivenLaunch, MadeLaunch } from "./launches.js"
export { exampleSpec } from "./sandboxes.js"

/** The factories, by the name of what they make. */
export const make = {
  user,
  session,
  account,
  verification,
  repository,
  profile,
  profileRevision,
  repositoryProfile,
  repositoryProfileRevision,
  issue,
  sandbox,
  attempt,
  snapshot,
  runtimeInstance,
  buildJob,
  claimedJob,
  launch,
  execution,
  executionArtifact,
  executionDiffFile,
  executionEvent,
  executionPullRequestLink,
  executionSummary,
  executionValidationResult,
  packageResolution
} as const
