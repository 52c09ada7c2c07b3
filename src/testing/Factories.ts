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
import { claimedDelivery, webhookDelivery } from "./webhooks.js"
import { installation, installationGrant, installationRepository, repository } from "./source.js"
import { encryptionKey, secret, secretVersion, sshKey } from "./secrets.js"

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
