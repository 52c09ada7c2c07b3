/**
 * The operations that create attempts: launch, retry, rebuild. They own the table `sandbox_launch_keys`.
 */
import { Clock, type DateTime, Effect, Option, Schema } from "effect"
import type { WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import { encodeSpec } from "../../build-job/requestFingerprint.js"
import type { Sandbox } from "../Sandbox.js"
import type { SandboxAttempt, SandboxAttemptSnapshot } from "../SandboxAttempt.js"
import { IdempotencyConflict, InvalidTransition, NotFound } from "../../Errors.js"
import { fingerprint } from "../../sql/fingerprint.js"
import { readingOf } from "../../sql/decoder.js"
import { type ById, targetOf } from "../../sql/ownerScope.js"
import { toBlueprint } from "../../payloads/normalize.js"
import { WorkspaceBlueprint } from "../../payloads/WorkspaceBlueprint.js"
import type { Access } from "../../source/requireAccess.js"
import { makeExecutionEndings, sandboxFailed, sandboxStopped } from "../../issue-workflow/lifecycle/executionEndings.js"
import type { Repositories } from "./repositories.js"
import { impossible, operationsOf } from "../../events/operation.js"
import { type Launch, LaunchSandbox } from "../SandboxViews.js"

const { decodeInput, operation } = operationsOf("SandboxLifecycle", "Sandbox")

// Accepts any stored source, for retries; the repositories check it as an input.
const encodeBlueprint = Schema.encodeSync(readingOf(WorkspaceBlueprint))
const encodeRequest = Schema.encodeSync(LaunchSandbox)

interface KeyRow {
  readonly requestFingerprint: string
  readonly sandboxId: string
  readonly attemptId: string | null
  readonly jobId: string | null
}

export const makeLaunches = (
  { attempts, executions, jobs, sandboxes, sql }: Repositories,
  { requireAccess }: Access
) => {
  const { endExecution } = makeExecutionEndings(executions)

  const findKey = (ownerUserId: string, key: string) =>
    Effect.map(
      sql<KeyRow>`
        SELECT request_fingerprint AS "requestFingerprint", sandbox_id AS "sandboxId", run_id AS "attemptId",
          job_id AS "jobId"
        FROM sandbox_launch_keys WHERE owner_user_id = ${ownerUserId} AND idempotency_key = ${key}`,
      ([row]) => Option.fromNullable(row)
    )

  const storeKey = (ownerUserId: string, key: string, requestFingerprint: string, { attempt, job, sandbox }: Launch) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (now) =>
        sql`
        INSERT INTO sandbox_launch_keys (owner_user_id, idempotency_key, request_fingerprint, sandbox_id, run_id, job_id,
          created_at)
        VALUES (${ownerUserId}, ${key}, ${requestFingerprint}, ${sandbox.id}, ${attempt.id}, ${job.id}, ${now})`
    )

  /** Returns the current state of the launch with a key. Fails with `NotFound` if its attempt or job was deleted. */
  const replay = ({ jobId, attemptId, sandboxId }: KeyRow) =>
    Effect.gen(function* () {
      const sandbox = yield* sandboxes.getById(sandboxId)
      const gone = (entity: string, id = sandboxId) => new NotFound({ entity, id })
      if (attemptId === null) return yield* gone("SandboxAttempt")
      if (jobId === null) return yield* gone("WorkspaceBuildJob")
      const attempt = yield* attempts.getById(attemptId)
      const job = yield* jobs.getById(jobId)
      const snapshot = yield* Effect.flatMap(
        attempts.findSnapshot(attempt.id),
        Option.match({
          onNone: () => gone("SandboxAttemptSnapshot", attempt.id),
          onSome: Effect.succeed
        })
      )
      return { sandbox, attempt, job, snapshot, created: false }
    })

  const create = (request: typeof LaunchSandbox.Type) =>
    Effect.gen(function* () {
      const { issueId, maxDuration, name, ownerUserId, registryId, repository, spec, tag, triggerType } = request
      const { resolvedSpec = spec } = request
      const { profileRevisionId, repositoryId, repositoryProfileRevisionId, requestedByUserId } = request
      const origin = { ownerUserId, repositoryId, profileRevisionId, repositoryProfileRevisionId, requestedByUserId }
      yield* requireAccess("Sandbox", { ...origin, issueId })
      const { id: sandboxId } = yield* sandboxes.create({ ...origin, name })
      const attempt = yield* attempts.createQueued({ ...origin, issueId, triggerType })
      const sandbox = yield* sandboxes.linkAttempt({ sandboxId, attemptId: attempt.id, relation: "launch" })
      const snapshot = yield* attempts.setSnapshot({
        attemptId: attempt.id,
        userSpecPayload: encodeSpec(spec),
        resolvedSpecPayload: encodeSpec(resolvedSpec),
        blueprintPayload: encodeBlueprint(toBlueprint(resolvedSpec))
      })
      const { job } = yield* jobs.enqueue({
        attemptId: attempt.id,
        registryId,
        repository,
        tag,
        requestPayload: encodeSpec(resolvedSpec),
        maxDuration
      })
      return { sandbox, attempt, snapshot, job, created: true }
    }).pipe(impossible("AlreadyExists", "NotFound", "IdempotencyConflict"))

  const launchOnce = (request: typeof LaunchSandbox.Type) =>
    Effect.gen(function* () {
      const { idempotencyKey, ownerUserId } = request
      if (idempotencyKey === undefined) return yield* create(request)

      const requestFingerprint = fingerprint({ ...encodeRequest(request), idempotencyKey: undefined })
      // A read before a write is safe: the transaction took the write lock with its first statement.
      const before = yield* findKey(ownerUserId, idempotencyKey)
      if (Option.isSome(before)) {
        return before.value.requestFingerprint === requestFingerprint
          ? yield* replay(before.value)
          : yield* new IdempotencyConflict({ key: idempotencyKey })
      }
      const launched = yield* create(request)
      yield* storeKey(ownerUserId, idempotencyKey, requestFingerprint, launched)
      return launched
    })

  const launch = (request: typeof LaunchSandbox.Encoded) =>
    Effect.flatMap(decodeInput("launch", LaunchSandbox)(request), (decoded) => {
      const { ownerUserId, requestedByUserId = ownerUserId } = decoded
      return launchOnce(decoded).pipe(operation(sql, "launch", {}, { type: "user", id: requestedByUserId }))
    })

  return { launch, retry: launchAgain("retry"), rebuild: launchAgain("rebuild") }

  /** Creates a new attempt of a stopped or failed sandbox, from the inputs of its latest one. */
  function launchAgain(relation: "retry" | "rebuild") {
    return (by: ById) =>
      Effect.gen(function* () {
        const latest = yield* latestLaunch(by)
        const { attempt, sandbox } = latest
        if (sandbox.status !== "stopped" && sandbox.status !== "failed") {
          return yield* new InvalidTransition({ entity: "Sandbox", id: sandbox.id, from: sandbox.status, to: "queued" })
        }
        const origin = {
          ownerUserId: sandbox.ownerUserId,
          repositoryId: Option.getOrUndefined(sandbox.repositoryId),
          profileRevisionId: Option.getOrUndefined(sandbox.profileRevisionId),
          repositoryProfileRevisionId: Option.getOrUndefined(sandbox.repositoryProfileRevisionId),
          requestedByUserId: Option.getOrUndefined(sandbox.requestedByUserId),
          issueId: Option.getOrUndefined(attempt.issueId)
        }
        // A grant may have been revoked since the sandbox was launched.
        yield* requireAccess("Sandbox", origin)
        yield* endExecutionsIn(sandbox)
        return yield* relaunch(latest, relation, origin)
      }).pipe(operation(sql, relation, { "sandbox.id": targetOf(by).id }))
  }

  /**
   * Ends the executions of an ended sandbox: they belong to its previous attempt, and must not continue in the next
   * one.
   */
  function endExecutionsIn({ id, status }: Sandbox) {
    return Effect.gen(function* () {
      const active = yield* sql<{ readonly id: string }>`
        SELECT id FROM issue_workflow_executions WHERE sandbox_id = ${id} AND +status IN ('queued', 'running')`
      for (const { id } of active) {
        const execution = yield* executions.getById(id)
        yield* endExecution(execution, status === "failed" ? sandboxFailed : sandboxStopped)
      }
    })
  }

  function relaunch(
    latest: Effect.Effect.Success<ReturnType<typeof latestLaunch>>,
    relation: "retry" | "rebuild",
    origin: Omit<Parameters<typeof attempts.createQueued>[0], "id" | "triggerType" | "retryOfAttemptId">
  ) {
    return Effect.gen(function* () {
      const {
        job,
        sandbox: { id },
        snapshot
      } = latest
      const attempt = yield* attempts
        .createQueued({
          ...origin,
          triggerType: "retry",
          retryOfAttemptId: latest.attempt.id
        })
        .pipe(withClockAfter(latest.attempt.createdAt))
      yield* sandboxes.linkAttempt({ sandboxId: id, attemptId: attempt.id, relation })
      const queued = yield* sandboxes.setStatus({ id, status: "queued" })
      const copied = yield* attempts.setSnapshot({ ...copyOf(snapshot), attemptId: attempt.id })
      const { registryId, repository, requestPayload, tag } = job
      const maxDuration = Option.getOrUndefined(job.maxDurationMs)
      const next = yield* jobs.enqueue({
        attemptId: attempt.id,
        registryId,
        repository,
        tag,
        requestPayload: encodeSpec(requestPayload),
        maxDuration
      })
      return { sandbox: queued, attempt, snapshot: copied, job: next.job, created: true }
    }).pipe(impossible("AlreadyExists", "NotFound", "InvalidTransition", "ReferenceNotFound", "IdempotencyConflict"))
  }

  function latestLaunch(by: ById) {
    return Effect.gen(function* () {
      const sandbox: Sandbox = yield* sandboxes.getById(by)
      const missing = (entity: string, id: string = sandbox.id) => new NotFound({ entity, id })
      const attempt: SandboxAttempt = yield* Option.match(sandbox.latestAttemptId, {
        onNone: () => missing("SandboxAttempt"),
        onSome: attempts.getById
      })
      const snapshot: Option.Option<SandboxAttemptSnapshot> = yield* attempts.findSnapshot(attempt.id)
      const job: Option.Option<WorkspaceBuildJob> = yield* jobs.findLatestByAttemptId(attempt.id)
      if (Option.isNone(snapshot)) return yield* missing("SandboxAttemptSnapshot", attempt.id)
      if (Option.isNone(job)) return yield* missing("WorkspaceBuildJob")
      return { sandbox, attempt, snapshot: snapshot.value, job: job.value }
    })
  }
}

/**
 * Runs `effect` with a clock that is later than `instant`, so that the new attempt is the newest one of its sandbox,
 * also if the clock was set back or differs between machines.
 */
const withClockAfter =
  (instant: DateTime.Utc) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.clockWith((clock) => {
      const notBefore = (millis: number) => Math.max(millis, instant.epochMillis + 1)
      return Effect.withClock(effect, {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, notBefore),
        unsafeCurrentTimeMillis: () => notBefore(clock.unsafeCurrentTimeMillis()),
        currentTimeNanos: clock.currentTimeNanos,
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        sleep: (duration) => clock.sleep(duration)
      })
    })

const copyOf = (snapshot: SandboxAttemptSnapshot) => ({
  userSpecPayload: encodeSpec(snapshot.userSpecPayload),
  resolvedSpecPayload: encodeSpec(snapshot.resolvedSpecPayload),
  blueprintPayload: encodeBlueprint(snapshot.blueprintPayload),
  profileConfigSnapshot: Option.getOrUndefined(snapshot.profileConfigSnapshot),
  repositoryProfileConfigSnapshot: Option.getOrUndefined(snapshot.repositoryProfileConfigSnapshot)
})
