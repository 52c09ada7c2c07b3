/**
 * Factories of rows for tests. A factory stores a valid row with the fields of its argument, and default values for the
 * others.
 *
 * - Referenced rows that do not exist are created with the id in the argument.
 * - Columns that depend on a status have the values that the repositories write.
 * - Times come from Effect's `Clock`.
 * - A row that the database refuses, for example a second user with the same email, is a domain error, and nothing is
 *   stored.
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
 * it.effect("a released job has its attempt uncounted", () =>
 *   Effect.gen(function* () {
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
import { issue, issuePullRequestLink, pullRequest, workflow } from "./issues.js"
import { launch } from "./launches.js"
import { packageResolution } from "./packageCache.js"
import {
  profile,
  profileEnvVar,
  profileRevision,
  profileSecretBinding,
  profileSshKeyBinding,
  profileSshSettings,
  repositoryProfile,
  repositoryProfileLink,
  repositoryProfileRevision
} from "./profiles.js"
import { attempt, runtimeInstance, sandbox, snapshot } from "./sandboxes.js"
import { claimedTeardown, runtimeTeardown } from "./teardowns.js"
import { claimedDelivery, webhookDelivery } from "./webhooks.js"
import { installation, installationGrant, installationRepository, repository } from "./source.js"
import { encryptionKey, secret, secretVersion, sshKey } from "./secrets.js"

export type { FactoryError, Given, Made, Plain } from "./rows.js"
export type { GivenLaunch, MadeLaunch } from "./launches.js"
export { exampleSpec } from "./sandboxes.js"

/** The factories, by the name of the row. */
export const make = {
  user,
  session,
  account,
  verification,
  repository,
  installation,
  installationRepository,
  installationGrant,
  profile,
  profileRevision,
  profileEnvVar,
  profileSecretBinding,
  profileSshSettings,
  profileSshKeyBinding,
  repositoryProfile,
  repositoryProfileRevision,
  repositoryProfileLink,
  issue,
  pullRequest,
  issuePullRequestLink,
  sandbox,
  attempt,
  snapshot,
  runtimeInstance,
  runtimeTeardown,
  claimedTeardown,
  buildJob,
  claimedJob,
  launch,
  workflow,
  execution,
  executionArtifact,
  executionDiffFile,
  executionEvent,
  executionPullRequestLink,
  executionSummary,
  executionValidationResult,
  packageResolution,
  webhookDelivery,
  claimedDelivery,
  encryptionKey,
  secret,
  secretVersion,
  sshKey
} as const
