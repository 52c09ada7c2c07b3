/**
 * A world in which every method of every service has something to do: what belongs to Ada, and Eve, who has nothing.
 */
import { SqlClient } from "@effect/sql"
import { DateTime, Effect, Option, Redacted } from "effect"
import { SandboxLifecycle, SessionRepo } from "@sealant/db"
import { Factories } from "@sealant/db/testing"

const { make } = Factories

/** Whom a workflow belongs to. */
const ownerOf = (workflowId: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql<{ readonly owner: string }>`SELECT owner_user_id AS owner FROM issue_workflows WHERE id = ${workflowId}`, ([row]) => row?.owner ?? ""))

export const makeWorld = Effect.gen(function*() {
  const ada = (yield* make.user({ id: "ada" })).id
  yield* make.user({ id: "eve" })
  const ofAda = { ownerUserId: ada }
  const repository = yield* make.repository({ id: "app" })
  const profileRevision = yield* make.profileRevision(ofAda)
  const launched = yield* make.launch({ sandbox: { ...ofAda, status: "stopped" }, job: { status: "failed" } })
  const queued = yield* make.launch({ sandbox: ofAda })
  const launchedBuild = yield* make.launch({ sandbox: ofAda, job: { status: "running" } })
  const building = { jobId: launchedBuild.job.id, workerId: Option.getOrThrow(launchedBuild.job.workerId), token: launchedBuild.job.leaseToken }
  const attempt = yield* make.attempt(ofAda)
  const running = yield* make.attempt({ ...ofAda, status: "running" })
  const started = yield* make.attempt({ ...ofAda, status: "running" })
  yield* make.snapshot({ runId: started.id })
  yield* make.runtimeInstance({ runId: started.id, status: "running" })
  const job = yield* make.buildJob({ idempotencyKey: "enqueued" })
  const { lease } = yield* make.claimedJob({ workerId: "worker-1" })
  const cancelled = yield* make.buildJob({ status: "cancelled" })
  const execution = yield* make.execution({ status: "running" })
  const ownAttempt = yield* make.attempt({ id: "of-workflow", ownerUserId: yield* ownerOf(execution.issueWorkflowId) })
  const waiting = yield* make.execution({ issueWorkflowId: execution.issueWorkflowId })
  const artifact = yield* make.executionArtifact({ executionId: execution.id })
  yield* make.executionEvent({ executionId: execution.id })
  const { pullRequestId } = yield* make.executionPullRequestLink({ executionId: execution.id })
  yield* (yield* SessionRepo).create({ id: "signed-in", userId: ada, token: Redacted.make("signed-in"), expiresAt: DateTime.unsafeMake(1000) })
  // What the journal tells of.
  const lifecycle = yield* SandboxLifecycle
  yield* lifecycle.launch({ ownerUserId: ada, name: "told", spec: Factories.exampleSpec, registryId: "main", repository: "acme/app", tag: "latest" })
  const resolution = yield* make.packageResolution({ query: "nix:fd" })
  return { ada, eve: "eve", repository, profileRevision, launched, queued, building, attempt, running, started, job, lease, cancelled, execution, ownAttempt, waiting, artifact, pullRequestId, resolution }
}).pipe(Effect.orDie)

export type World = Effect.Effect.Success<typeof makeWorld>

/** The ids of what has an owner, and of what belongs to it: a stranger's answer must hold none of them. */
export const privateIds = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const owned = yield* sql<{ readonly name: string }>`
    SELECT t.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
    WHERE t.type = 'table' AND c.name = 'owner_user_id' AND t.name NOT IN ('control_plane_events', 'sandbox_launch_keys')`
  const ids = yield* Effect.forEach(owned, ({ name }) => sql<{ readonly id: string }>`SELECT id FROM ${sql(name)} WHERE owner_user_id = 'ada'`)
  return ids.flat().map(({ id }) => id)
}).pipe(Effect.orDie)
