/**
 * The operations that create attempts: launch, retry, rebuild. They own the table `sandbox_launch_keys`.
 */
import { Array, Clock, type DateTime, Effect, Option, Schema } from "effect"
import { enqueueWrite } from "../../build-job/enqueue.js"
import { encodeSpec } from "../../build-job/requestFingerprint.js"
import { defaultMaxAttempts, WorkspaceBuildJob, WorkspaceBuildJobId } from "../../build-job/WorkspaceBuildJob.js"
import { attemptTransition, jobTransition, sandboxTransition } from "../../events/transitions.js"
import { idOrNew } from "../../sql/ids.js"
import { resolveForeignKeyError } from "../../sql/references.js"
import { type CorruptRow, type JoinedRows, partColumnList, partOf, rowReader } from "../../sql/rows.js"
import { toWrite, type Write } from "../../sql/writeAll.js"
import { attemptStatements } from "../attemptStatements.js"
import { Sandbox, SandboxId } from "../Sandbox.js"
import { SandboxAttempt, SandboxAttemptId, SandboxAttemptSnapshot, SetSnapshot } from "../SandboxAttempt.js"
import { sandboxReferences, sandboxStatements } from "../sandboxStatements.js"
import { insertSnapshot } from "../snapshots.js"
import { IdempotencyConflict, InvalidTransition, NotFound, type ReferenceNotFound } from "../../Errors.js"
import { fingerprint } from "../../sql/fingerprint.js"
import { readingOf } from "../../sql/decoder.js"
import { type ById, targetOf } from "../../sql/ownerScope.js"
import { toBlueprint } from "../../payloads/normalize.js"
import type { UserWorkspaceSpec } from "../../payloads/UserWorkspaceSpec.js"
import { WorkspaceBlueprint } from "../../payloads/WorkspaceBlueprint.js"
import type { Access } from "../../source/requireAccess.js"
import { makeExecutionEndings, sandboxFailed, sandboxStopped } from "../../issue-workflow/lifecycle/executionEndings.js"
import { type KeyRow, makeLaunchReads } from "./launchReads.js"
import type { Repositories } from "./repositories.js"
import { type Decision, impossible, operationsOf } from "../../events/operation.js"
import { type Launch, LaunchSandbox } from "../SandboxViews.js"

const { decided, decodeInput, operation } = operationsOf("SandboxLifecycle", "Sandbox")

// Accepts any stored source, for retries; the repositories check it as an input.
const encodeBlueprint = Schema.encodeSync(readingOf(WorkspaceBlueprint))
const encodeRequest = Schema.encodeSync(LaunchSandbox)

const readers = {
  sandbox: rowReader(Sandbox),
  attempt: rowReader(SandboxAttempt),
  snapshot: rowReader(SandboxAttemptSnapshot)
}

/** Reads the rows of a launch by their ids. ?1: sandbox, ?2: attempt, ?3: job. */
const replayText = `
  SELECT ${[
    partColumnList(Sandbox, "s"),
    partColumnList(SandboxAttempt, "a"),
    partColumnList(SandboxAttemptSnapshot, "n"),
    partColumnList(WorkspaceBuildJob, "j")
  ].join(", ")}
  FROM sandboxes AS s
  LEFT JOIN sandbox_attempts AS a INDEXED BY sqlite_autoindex_sandbox_attempts_1 ON a.id = ?2
  LEFT JOIN sandbox_attempt_snapshots AS n INDEXED BY sqlite_autoindex_sandbox_attempt_snapshots_1 ON n.run_id = ?2
  LEFT JOIN oci_image_build_jobs AS j INDEXED BY sqlite_autoindex_oci_image_build_jobs_1 ON j.id = ?3
  WHERE s.id = ?1`.trim()

const sandboxPart = partOf(Sandbox, "s")
const attemptPart = partOf(SandboxAttempt, "a")
const snapshotPart = partOf(SandboxAttemptSnapshot, "n")
const jobPart = partOf(WorkspaceBuildJob, "j")

export const makeLaunches = (
  { attempts, executions, jobs, sandboxes, sql }: Repositories,
  { accessGuards, refuseAccess, requireAccess }: Access,
  rows: JoinedRows
) => {
  const { endExecution } = makeExecutionEndings(executions)
  const statements = { ...sandboxStatements(sql), attempt: attemptStatements(sql) }

  const read = makeLaunchReads(sql, rows)

  const insertKey = (ownerUserId: string, key: string, requestFingerprint: string, ids: NewIds, now: number) => sql`
    INSERT INTO sandbox_launch_keys (owner_user_id, idempotency_key, request_fingerprint, sandbox_id, run_id, job_id,
      created_at)
    VALUES (${ownerUserId}, ${key}, ${requestFingerprint}, ${ids.sandboxId}, ${ids.attemptId}, ${ids.jobId}, ${now})`

  /** Returns the current state of the launch with a key. Fails with `NotFound` if its attempt or job was deleted. */
  const replay = ({ jobId, attemptId, sandboxId }: KeyRow) =>
    Effect.gen(function* () {
      const [row] = yield* rows(sql.unsafe(replayText, [sandboxId, attemptId, jobId]))
      if (row === undefined) return yield* new NotFound({ entity: "Sandbox", id: sandboxId })
      return {
        sandbox: yield* orGone("Sandbox", sandboxId, yield* sandboxPart(row)),
        attempt: yield* orGone("SandboxAttempt", attemptId ?? sandboxId, yield* attemptPart(row)),
        job: yield* orGone("WorkspaceBuildJob", jobId ?? attemptId ?? sandboxId, yield* jobPart(row)),
        snapshot: yield* orGone("SandboxAttemptSnapshot", attemptId ?? sandboxId, yield* snapshotPart(row)),
        created: false
      }
    })

  /** Builds the decision of a new launch. `keyFingerprint` is that of the request, if it has a key. */
  const create = (
    request: typeof LaunchSandbox.Type,
    resolvedSpec: UserWorkspaceSpec,
    keyFingerprint: string | undefined,
    now: number
  ) =>
    Effect.gen(function* () {
      const { idempotencyKey, issueId, maxDuration, name, ownerUserId, registryId, repository, spec, tag } = request
      const { triggerType = "manual" } = request
      const { profileRevisionId, repositoryId, repositoryProfileRevisionId, requestedByUserId } = request
      const origin = { ownerUserId, repositoryId, profileRevisionId, repositoryProfileRevisionId, requestedByUserId }
      const blueprint = encodeBlueprint(toBlueprint(resolvedSpec))
      const blueprintPayload = yield* decodeInput("launch", SetSnapshot.fields.blueprintPayload)(blueprint)
      const ids = yield* newIds
      const { attemptId, jobId, sandboxId } = ids
      const destination = { registryId, repository, tag, maxDuration }
      const queued = enqueueWrite(
        { ...destination, id: jobId, attemptId, requestPayload: resolvedSpec, maxAttempts: defaultMaxAttempts },
        now
      )
      const link = { sandboxId, attemptId, relation: "launch" } as const
      const guards = accessGuards({ ...origin, issueId })
      const inserts = [
        statements.insert({ ...origin, id: sandboxId, name, status: "queued" }, now),
        statements.attempt.insert({ ...origin, id: attemptId, issueId, triggerType }, now),
        statements.link(link, now),
        statements.setLatest(link, now),
        insertSnapshot(
          sql,
          { attemptId, userSpecPayload: spec, resolvedSpecPayload: resolvedSpec, blueprintPayload },
          now
        )
      ]
      const keys =
        idempotencyKey === undefined || keyFingerprint === undefined
          ? []
          : [insertKey(ownerUserId, idempotencyKey, keyFingerprint, ids, now)]
      const decision: LaunchDecision = {
        writes: [...guards.map(({ write }) => write), ...inserts.map(toWrite), queued.write, ...keys.map(toWrite)],
        refusalOf: (failed: Write) =>
          Option.getOrUndefined(
            Option.map(
              Array.findFirst(guards, ({ write }) => write === failed),
              ({ field }) => refuseAccess("Sandbox", field, origin)
            )
          ),
        transitions: [
          attemptTransition({ id: attemptId, ownerUserId, status: "queued" }),
          sandboxTransition({ id: sandboxId, ownerUserId, status: "queued", latestAttemptId: Option.some(attemptId) }),
          jobTransition({
            id: jobId,
            attemptId: Option.some(attemptId),
            status: "queued",
            attemptCount: 0,
            leaseToken: 0
          })
        ],
        result: (rows) =>
          Effect.map(launchOf(rows.slice(guards.length)), (rows) => ({ ...rows, job: queued.row(), created: true }))
      }
      return decision
    })

  /** Decides on a launch: a new one, or the one that has its key. */
  const decide = (request: typeof LaunchSandbox.Type, now: number) =>
    Effect.gen(function* () {
      const { idempotencyKey } = request
      const { before, resolvedSpec } = yield* read(request)
      if (idempotencyKey === undefined) return yield* create(request, yield* resolvedSpec, undefined, now)

      const requestFingerprint = fingerprint({ ...encodeRequest(request), idempotencyKey: undefined })
      if (Option.isNone(before)) return yield* create(request, yield* resolvedSpec, requestFingerprint, now)
      if (before.value.requestFingerprint !== requestFingerprint) {
        return yield* new IdempotencyConflict({ key: idempotencyKey })
      }
      const launched = yield* replay(before.value)
      const decision: LaunchDecision = { writes: [], transitions: [], result: () => Effect.succeed(launched) }
      return decision
    })

  const launch = (request: typeof LaunchSandbox.Encoded) =>
    Effect.flatMap(decodeInput("launch", LaunchSandbox)(request), (decoded) => {
      const { idempotencyKey, issueId, ownerUserId, requestedByUserId = ownerUserId } = decoded
      const actor = { type: "user", id: requestedByUserId } as const
      const run = decided(sql, "launch", {}, actor, ["ReferenceNotFound", "AlreadyExists"])((now) =>
        decide(decoded, now)
      )
      const issue = { field: "issueId", table: "issues", id: Option.fromNullable(issueId) }
      return run.pipe(
        // Another launch stored the key after this one looked for it.
        Effect.catchTag("AlreadyExists", (error) => (idempotencyKey === undefined ? Effect.die(error) : run)),
        Effect.catchTag("AlreadyExists", Effect.die),
        Effect.catchTag("ReferenceNotFound", resolveForeignKeyError(sql, [...sandboxReferences(decoded), issue]))
      )
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
      if (Option.isNone(job)) return yield* missing("WorkspaceBuildJob", attempt.id)
      return { sandbox, attempt, snapshot: snapshot.value, job: job.value }
    })
  }
}

type Row = Readonly<Record<string, unknown>>

/** Returns the row of an earlier launch. Fails with `NotFound` if it was deleted since. */
const orGone = <A>(entity: string, id: string, row: Option.Option<A>): Effect.Effect<A, NotFound> =>
  Option.isSome(row) ? Effect.succeed(row.value) : Effect.fail(new NotFound({ entity, id }))

type LaunchDecision = Decision<Launch, CorruptRow | ReferenceNotFound>

/** The ids of the rows of a new launch. */
interface NewIds {
  readonly sandboxId: SandboxId
  readonly attemptId: SandboxAttemptId
  readonly jobId: WorkspaceBuildJobId
}

const newIds: Effect.Effect<NewIds> = Effect.all({
  sandboxId: idOrNew(undefined, "sbx", SandboxId.make),
  attemptId: idOrNew(undefined, "run", SandboxAttemptId.make),
  jobId: idOrNew(undefined, "job", WorkspaceBuildJobId.make)
})

/** Decodes the rows of the inserts of a launch. */
const launchOf = ([, attempt, , sandbox, snapshot]: ReadonlyArray<ReadonlyArray<Row>>) =>
  Effect.all({
    sandbox: readers.sandbox(written(sandbox)),
    attempt: readers.attempt(written(attempt)),
    snapshot: readers.snapshot(written(snapshot))
  })

const written = (rows: ReadonlyArray<Row> | undefined): Row => {
  const row = rows?.[0]
  if (row === undefined) throw new Error("an INSERT of a launch returned no row")
  return row
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
