/**
 * The operation that launches sandboxes. It owns the table `sandbox_launch_keys`.
 */
import { Effect, Option, Schema } from "effect"
import { WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import { IdempotencyConflict, NotFound } from "../../Errors.js"
import { operationsOf } from "../../events/operation.js"
import type { Access } from "../../source/requireAccess.js"
import { fingerprint } from "../../sql/fingerprint.js"
import { resolveForeignKeyError } from "../../sql/references.js"
import { type JoinedRows, partColumnList, partOf } from "../../sql/rows.js"
import { toWrite } from "../../sql/writeAll.js"
import { Sandbox } from "../Sandbox.js"
import { SandboxAttempt, SandboxAttemptSnapshot } from "../SandboxAttempt.js"
import { LaunchSandbox } from "../SandboxViews.js"
import { type KeyRow, makeLaunchReads } from "./launchReads.js"
import { launchActor, type LaunchDecision, launchReferences, makeNewLaunch, type NewIds } from "./newLaunch.js"
import type { Repositories } from "./repositories.js"

const { decided, decodeInput } = operationsOf("SandboxLifecycle", "Sandbox")

const encodeRequest = Schema.encodeSync(LaunchSandbox)

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

export const makeLaunches = ({ sql }: Repositories, access: Access, rows: JoinedRows) => {
  const newLaunch = makeNewLaunch({ sql }, access)

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

  /** Decides on a launch: a new one, or the one that has its key. */
  const decide = (request: typeof LaunchSandbox.Type, now: number) =>
    Effect.gen(function* () {
      const { idempotencyKey, ownerUserId } = request
      const { before, resolvedSpec } = yield* read(request)
      const launchNew = Effect.flatMap(resolvedSpec, (resolvedSpec) => newLaunch({ ...request, resolvedSpec }, now))
      if (idempotencyKey === undefined) return (yield* launchNew).decision

      const requestFingerprint = fingerprint({ ...encodeRequest(request), idempotencyKey: undefined })
      if (Option.isNone(before)) {
        const { decision, ids } = yield* launchNew
        const key = toWrite(insertKey(ownerUserId, idempotencyKey, requestFingerprint, ids, now))
        return { ...decision, writes: [...decision.writes, key] }
      }
      if (before.value.requestFingerprint !== requestFingerprint) {
        return yield* new IdempotencyConflict({ key: idempotencyKey })
      }
      const launched = yield* replay(before.value)
      const decision: LaunchDecision = { writes: [], transitions: [], result: () => Effect.succeed(launched) }
      return decision
    })

  const launch = (request: typeof LaunchSandbox.Encoded) =>
    Effect.flatMap(decodeInput("launch", LaunchSandbox)(request), (decoded) => {
      const { idempotencyKey } = decoded
      const refusals = ["ReferenceNotFound", "AlreadyExists"] as const
      const run = decided(sql, "launch", {}, launchActor(decoded), refusals)((now) => decide(decoded, now))
      return run.pipe(
        // Another launch stored the key after this one looked for it.
        Effect.catchTag("AlreadyExists", (error) => (idempotencyKey === undefined ? Effect.die(error) : run)),
        Effect.catchTag("AlreadyExists", Effect.die),
        Effect.catchTag("ReferenceNotFound", resolveForeignKeyError(sql, launchReferences(decoded)))
      )
    })

  return { launch }
}

/** Returns the row of an earlier launch. Fails with `NotFound` if it was deleted since. */
const orGone = <A>(entity: string, id: string, row: Option.Option<A>): Effect.Effect<A, NotFound> =>
  Option.isSome(row) ? Effect.succeed(row.value) : Effect.fail(new NotFound({ entity, id }))
