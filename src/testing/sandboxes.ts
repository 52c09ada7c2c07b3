/**
 * Factories of sandboxes, their attempts, and what belongs to those.
 */
import { SqlClient } from "@effect/sql"
import { DateTime, Effect } from "effect"
import { Sandbox, SandboxId } from "../sandbox/Sandbox.js"
import { SandboxAttempt, SandboxAttemptId, SandboxAttemptSnapshot } from "../sandbox/SandboxAttempt.js"
import { isEnded, SandboxRuntimeInstance } from "../sandbox/SandboxRuntimeInstance.js"
import { idOrNew } from "../sql/ids.js"
import { toBlueprint } from "../payloads/normalize.js"
import type { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"
import { issue } from "./issues.js"
import { profileRevision, repositoryProfileRevision } from "./profiles.js"
import { owner } from "./auth.js"
import { asId, ensure, factory, type Given, insert, type Made } from "./rows.js"
import { repository } from "./source.js"
import { timesOf } from "./times.js"

/** A specification of a workspace, as small as one can be. */
export const exampleSpec: UserWorkspaceSpec = { source: "https://github.com/acme/app", harness: "opencode" }

/** What a sandbox and an attempt both refer to, and the owner of it all. */
const references = (given: {
  readonly ownerUserId?: string
  readonly requestedByUserId?: string
  readonly repositoryId?: string
  readonly profileRevisionId?: string
  readonly repositoryProfileRevisionId?: string
}) =>
  Effect.gen(function*() {
    const ownerUserId = yield* owner(given.ownerUserId)
    if (given.requestedByUserId !== undefined) yield* owner(given.requestedByUserId)
    yield* ensure("repositories", given.repositoryId, (id) => repository({ id }))
    yield* ensure("profile_revisions", given.profileRevisionId, (id) => profileRevision({ id, ownerUserId }))
    yield* ensure("repository_profile_revisions", given.repositoryProfileRevisionId, (id) => repositoryProfileRevision({ id }))
    return ownerUserId
  })

/**
 * A sandbox in the status that is given, `queued` if none is, of the owner that is given, of a new one if none is. The
 * attempt that is given as `latestRunId` is linked to it.
 */
export const sandbox = (given: Given<Sandbox> = {}): Made<Sandbox> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(SandboxId, given.id), "sbx", SandboxId.make)
    const ownerUserId = yield* references(given)
    yield* ensure("sandbox_attempts", given.latestRunId, (id) => attempt({ id, ownerUserId }))
    const now = given.createdAt ?? (yield* DateTime.now)
    const row = yield* insert("sandboxes", Sandbox, {
      name: "sandbox",
      status: "queued",
      createdAt: now,
      updatedAt: now,
      ...given,
      id,
      ownerUserId
    })
    if (given.latestRunId !== undefined) yield* link(id, given.latestRunId, now)
    return row
  }).pipe(factory("sandbox"))

const link = (sandboxId: string, runId: string, now: DateTime.Utc) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`
    INSERT INTO sandbox_run_links (sandbox_id, run_id, linked_at) VALUES (${sandboxId}, ${runId}, ${DateTime.toEpochMillis(now)})`)

/** An attempt in the status that is given, `queued` if none is. One that ended had started, unless it was cancelled. */
export const attempt = (given: Given<SandboxAttempt> = {}): Made<SandboxAttempt> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(SandboxAttemptId, given.id), "run", SandboxAttemptId.make)
    const ownerUserId = yield* references(given)
    const repositoryOfIt = given.repositoryId === undefined ? {} : { repositoryId: given.repositoryId }
    yield* ensure("issues", given.issueId, (id) => issue({ id, ...repositoryOfIt }))
    yield* ensure("sandbox_attempts", given.retryOfRunId, (id) => attempt({ id, ownerUserId }))
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("sandbox_attempts", SandboxAttempt, {
      status: "queued",
      triggerType: "manual",
      queuedAt: now,
      createdAt: now,
      updatedAt: now,
      ...timesOf(given, now),
      ...given,
      id,
      ownerUserId
    })
  }).pipe(factory("attempt"))

/** The snapshot of an attempt, of a new one if none is given: by default `exampleSpec`, and what it comes to. */
export const snapshot = (given: Given<SandboxAttemptSnapshot> = {}): Made<SandboxAttemptSnapshot> =>
  Effect.gen(function*() {
    const runId = yield* attemptOf(given.runId)
    const userSpecPayload = given.userSpecPayload ?? exampleSpec
    const resolvedSpecPayload = given.resolvedSpecPayload ?? userSpecPayload
    const createdAt = yield* DateTime.now
    return yield* insert("sandbox_attempt_snapshots", SandboxAttemptSnapshot, {
      userSpecPayload,
      resolvedSpecPayload,
      blueprintPayload: toBlueprint(resolvedSpecPayload),
      createdAt,
      ...given,
      runId
    })
  }).pipe(factory("snapshot"))

/** The runtime of an attempt, of a new running one if none is given, in the status that is given, or `pending`. */
export const runtimeInstance = (given: Given<SandboxRuntimeInstance> = {}): Made<SandboxRuntimeInstance> =>
  Effect.gen(function*() {
    const runId = yield* attemptOf(given.runId)
    const now = given.createdAt ?? (yield* DateTime.now)
    const status = given.status ?? "pending"
    const launchedAt = given.launchedAt ?? now
    return yield* insert("sandbox_runtime_instances", SandboxRuntimeInstance, {
      adapter: "docker",
      createdAt: now,
      updatedAt: now,
      ...(status === "pending" ? {} : { launchedAt, resourceId: "container", reference: "docker:container" }),
      ...(status === "running" ? { endpoint: "ssh://localhost:2222" } : {}),
      ...(status === "failed" ? { errorCode: "launch-failed", errorMessage: "the launch failed" } : {}),
      ...(isEnded(status) ? { finishedAt: launchedAt } : {}),
      ...given,
      status,
      runId
    })
  }).pipe(factory("runtimeInstance"))

/** The attempt of this id, made when missing; a new one that is running when none is given. */
const attemptOf = (given: string | undefined) =>
  Effect.gen(function*() {
    yield* ensure("sandbox_attempts", given, (id) => attempt({ id, status: "running" }))
    return given === undefined ? (yield* attempt({ status: "running" })).id : SandboxAttemptId.make(given)
  })
