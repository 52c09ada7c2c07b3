/**
 * The fixture of the contract tests: rows of Ada for every method of every service, and Eve, who owns nothing.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import { OwnerLimitsRepo, ProfileRepo, RepositoryProfileRepo, SandboxLifecycle } from "@sealant/db"
import { Factories } from "@sealant/db/testing"

const { make } = Factories

export const makeFixture = Effect.gen(function* () {
  const ada = (yield* make.user({ id: "ada" })).id
  yield* make.user({ id: "eve" })
  const ofAda = { ownerUserId: ada }
  yield* make.session({ id: "signed-in", userId: ada })
  yield* make.account({ id: "linked", userId: ada, providerId: "github", accountId: "7" })

  yield* (yield* OwnerLimitsRepo).set({ ...ofAda, weight: 2 })

  const repository = yield* make.repository({ id: "app", owner: "acme", name: "app" })
  const installation = yield* make.installation({ id: "acme" })
  yield* make.installationGrant({ installationId: installation.id, userId: ada })
  const installed = yield* make.installationRepository({ installationId: installation.id, repositoryId: repository.id })
  const delivery = yield* make.webhookDelivery()
  const { lease: deliveryLease } = yield* make.claimedDelivery({ workerId: "worker-1" })
  const failedDelivery = yield* make.webhookDelivery({ status: "failed" })
  const issue = yield* make.issue({ repositoryId: repository.id })
  const otherIssue = yield* make.issue({ repositoryId: repository.id })
  const pullRequest = yield* make.pullRequest({ repositoryId: repository.id })
  yield* make.issuePullRequestLink({ issueId: issue.id, pullRequestId: pullRequest.id })
  const workflow = yield* make.workflow({ issueId: issue.id, ...ofAda })

  const secret = yield* make.secret(ofAda)
  const version = yield* make.secretVersion({ secretId: secret.id })
  const retirable = yield* make.encryptionKey({ id: "old" })
  const sshKey = yield* make.sshKey(ofAda)
  const profile = yield* make.profile(ofAda)
  const profileRevision = yield* make.profileRevision({ profileId: profile.id })
  const repositoryProfile = yield* make.repositoryProfile({ repositoryId: repository.id })
  const repositoryProfileRevision = yield* make.repositoryProfileRevision({ repositoryProfileId: repositoryProfile.id })
  yield* (yield* ProfileRepo).setActiveRevision({ profileId: profile.id, revisionId: profileRevision.id })
  yield* (yield* RepositoryProfileRepo).setActiveRevision({
    repositoryProfileId: repositoryProfile.id,
    revisionId: repositoryProfileRevision.id
  })

  const launched = yield* make.launch({ sandbox: { ...ofAda, status: "stopped" }, job: { status: "failed" } })
  const queued = yield* make.launch({ sandbox: ofAda })
  const { job: built } = yield* make.launch({ sandbox: ofAda, job: { status: "running" } })
  const building = { jobId: built.id, workerId: Option.getOrThrow(built.workerId), token: built.leaseToken }
  const attempt = yield* make.attempt(ofAda)
  const running = yield* make.attempt({ ...ofAda, status: "running" })
  const started = yield* make.attempt({ ...ofAda, status: "running" })
  yield* make.snapshot({ attemptId: started.id })
  yield* make.runtimeInstance({ attemptId: started.id, status: "running" })
  const job = yield* make.buildJob({ idempotencyKey: "enqueued" })
  const { lease } = yield* make.claimedJob({ workerId: "worker-1" })
  const cancelled = yield* make.buildJob({ status: "cancelled" })

  const teardown = yield* make.runtimeTeardown()
  const tearing = yield* make.attempt({ ...ofAda, status: "running" })
  yield* make.runtimeInstance({ attemptId: tearing.id, status: "running" })
  const { lease: teardownLease } = yield* make.claimedTeardown({ attemptId: tearing.id, workerId: "worker-1" })

  const execution = yield* make.execution({ issueWorkflowId: workflow.id, status: "running" })
  const waiting = yield* make.execution({ issueWorkflowId: workflow.id })
  const artifact = yield* make.executionArtifact({ executionId: execution.id })
  const event = yield* make.executionEvent({ executionId: execution.id })
  const { pullRequestId } = yield* make.executionPullRequestLink({ executionId: execution.id })
  const resolution = yield* make.packageResolution({ query: "nix:fd" })

  // Rows with events in the journal.
  const lifecycle = yield* SandboxLifecycle
  yield* lifecycle.launch({
    ...ofAda,
    name: "told",
    spec: Factories.exampleSpec,
    registryId: "main",
    repository: "acme/app",
    tag: "latest",
    idempotencyKey: "launched"
  })
  return {
    ada,
    artifact,
    attempt,
    building,
    cancelled,
    delivery,
    deliveryLease,
    event,
    execution,
    failedDelivery,
    installation,
    installed,
    issue,
    job,
    launched,
    lease,
    otherIssue,
    profile,
    profileRevision,
    pullRequest,
    pullRequestId,
    queued,
    repository,
    repositoryProfile,
    repositoryProfileRevision,
    resolution,
    retirable,
    running,
    secret,
    sshKey,
    started,
    teardown,
    teardownLease,
    version,
    waiting,
    workflow
  }
}).pipe(Effect.orDie)

export type Fixture = Effect.Effect.Success<typeof makeFixture>

/** The ids of rows with an owner and of their dependants. No response to another owner may contain one. */
export const privateIds = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const owned = yield* sql<{ readonly name: string }>`
    SELECT t.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
    WHERE t.type = 'table' AND c.name = 'owner_user_id'
      AND t.name NOT IN ('control_plane_admin_events', 'control_plane_events', 'owner_limits', 'sandbox_launch_keys')`
  const ids = yield* Effect.forEach(
    owned,
    ({ name }) => sql<{ readonly id: string }>`SELECT id FROM ${sql(name)} WHERE owner_user_id = 'ada'`
  )
  const below = yield* sql<{ readonly id: string }>`
    SELECT id FROM issue_workflow_executions UNION ALL SELECT id FROM issue_workflow_execution_artifacts
    UNION ALL SELECT id FROM issue_workflow_execution_events UNION ALL SELECT id FROM secret_versions
    UNION ALL SELECT id FROM profile_revisions UNION ALL SELECT id FROM repository_profiles
    UNION ALL SELECT id FROM repository_profile_revisions UNION ALL SELECT id FROM session UNION ALL SELECT id FROM account`
  return [...ids.flat(), ...below].map(({ id }) => id)
}).pipe(Effect.orDie)
