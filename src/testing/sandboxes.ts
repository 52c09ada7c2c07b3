/**
 * Factories of sandboxes, attempts, snapshots and runtime instances.
 */
import * as SqlClient from "@effect/sql/SqlClient"
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
import { defined, asId, ensure, factory, type Given, insert, type Made } from "./rows.js"
import { repository } from "./source.js"
import { timesOf } from "./times.js"

/** A minimal workspace specification. */
export const exampleSpec: UserWorkspaceSpec = { source: "https://github.com/acme/app", harness: "opencode" }

/** Creates the rows that both a sandbox and an attempt refer to, if they do not exist. Returns the id of the owner. */
const references = (given: {
  readonly ownerUserId?: string | undefined
  readonly requestedByUserId?: string | undefined
  readonly repositoryId?: string | undefined
  readonly profileRevisionId?: string | undefined
  readonly repositoryProfileRevisionId?: string | undefined
}) =>
  Effect.gen(function* () {
    const ownerUserId = yield* owner(given.ownerUserId)
    if (given.requestedByUserId !== undefined) yield* owner(given.requestedByUserId)
    yield* ensure("repositories", given.repositoryId, (id) => repository({ id }))
    yield* ensure("profile_revisions", given.profileRevisionId, (id) => profileRevision({ id, ownerUserId }))
    yield* ensure("repository_profile_revisions", given.repositoryProfileRevisionId, (id) =>
      repositoryProfileRevision({ id })
    )
    return ownerUserId
  })

/**
 * Creates a sandbox, by default `queued` and of a new owner. Links the attempt `latestAttemptId` to it.
 */
export const sandbox = (given: Given<Sandbox> = {}): Made<Sandbox> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(SandboxId, given.id), "sbx", SandboxId.make)
    const ownerUserId = yield* references(given)
    yield* ensure("sandbox_attempts", given.latestAttemptId, (id) => attempt({ id, ownerUserId }))
    const now = given.createdAt ?? (yield* DateTime.now)
    const row = yield* insert("sandboxes", Sandbox, {
      name: "sandbox",
      status: "queued",
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      id,
      ownerUserId
    })
    if (given.latestAttemptId !== undefined) yield* link(id, given.latestAttemptId, now)
    return row
  }).pipe(factory("sandbox"))

const link = (sandboxId: string, attemptId: string, now: DateTime.Utc) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
    INSERT INTO sandbox_run_links (sandbox_id, run_id, linked_at)
    VALUES (${sandboxId}, ${attemptId}, ${DateTime.toEpochMillis(now)})`
  )

/** Creates an attempt, by default `queued`. An ended attempt has a start time, unless it was cancelled. */
export const attempt = (given: Given<SandboxAttempt> = {}): Made<SandboxAttempt> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(SandboxAttemptId, given.id), "run", SandboxAttemptId.make)
    const ownerUserId = yield* references(given)
    const ofRepository = given.repositoryId === undefined ? {} : { repositoryId: given.repositoryId }
    yield* ensure("issues", given.issueId, (id) => issue({ id, ...ofRepository }))
    yield* ensure("sandbox_attempts", given.retryOfAttemptId, (id) => attempt({ id, ownerUserId }))
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("sandbox_attempts", SandboxAttempt, {
      status: "queued",
      triggerType: "manual",
      queuedAt: now,
      createdAt: now,
      updatedAt: now,
      ...timesOf(given, now),
      ...defined(given),
      id,
      ownerUserId
    })
  }).pipe(factory("attempt"))

/** Creates the snapshot of an attempt, by default of a new one, with `exampleSpec` and its blueprint. */
export const snapshot = (given: Given<SandboxAttemptSnapshot> = {}): Made<SandboxAttemptSnapshot> =>
  Effect.gen(function* () {
    const attemptId = yield* attemptOf(given.attemptId)
    const userSpecPayload = given.userSpecPayload ?? exampleSpec
    const resolvedSpecPayload = given.resolvedSpecPayload ?? userSpecPayload
    const createdAt = yield* DateTime.now
    return yield* insert("sandbox_attempt_snapshots", SandboxAttemptSnapshot, {
      userSpecPayload,
      resolvedSpecPayload,
      blueprintPayload: toBlueprint(resolvedSpecPayload),
      createdAt,
      ...defined(given),
      attemptId
    })
  }).pipe(factory("snapshot"))

/** Creates the runtime instance of an attempt, by default `pending` and of a new, running attempt. */
export const runtimeInstance = (given: Given<SandboxRuntimeInstance> = {}): Made<SandboxRuntimeInstance> =>
  Effect.gen(function* () {
    const attemptId = yield* attemptOf(given.attemptId)
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
      ...defined(given),
      status,
      attemptId
    })
  }).pipe(factory("runtimeInstance"))

/** Returns the id of an attempt, and creates the attempt if it does not exist. By default a new, running one. */
const attemptOf = (given: string | undefined) =>
  Effect.gen(function* () {
    yield* ensure("sandbox_attempts", given, (id) => attempt({ id, status: "running" }))
    return given === undefined ? (yield* attempt({ status: "running" })).id : SandboxAttemptId.make(given)
  })
