/**
 * The operation that launches sandboxes. It owns the table `sandbox_launch_keys`.
 */
import { Effect, Option } from "effect"
import { IdempotencyConflict } from "../../Errors.js"
import { noChange, operationsOf } from "../../events/operation.js"
import type { Access } from "../../source/requireAccess.js"
import { resolveForeignKeyError } from "../../sql/references.js"
import type { JoinedRows } from "../../sql/rows.js"
import { toWrite } from "../../sql/writeAll.js"
import { FindLaunch, type Launch, LaunchSandbox } from "../SandboxViews.js"
import { launchFingerprints } from "./launchFingerprints.js"
import { keyColumns, keyOf, type KeyRow, makeLaunchReads } from "./launchReads.js"
import { launchColumns, launchParts, orMissing } from "./launchRows.js"
import { launchActor, type LaunchDecision, launchReferences, makeNewLaunch, type NewIds } from "./newLaunch.js"
import type { Repositories } from "./repositories.js"
import { encoderOf } from "../../sql/decoder.js"

const { decided, decodeInput, traced } = operationsOf("SandboxLifecycle", "Sandbox")

const encodeRequest = encoderOf(LaunchSandbox)

/** Reads the launch with a key. ?1: owner, ?2: idempotency key. */
const replayText = `
  SELECT ${keyColumns}, ${launchColumns}
  FROM sandbox_launch_keys AS k
  LEFT JOIN sandboxes AS s INDEXED BY sqlite_autoindex_sandboxes_1 ON s.id = k.sandbox_id
  LEFT JOIN sandbox_attempts AS a INDEXED BY sqlite_autoindex_sandbox_attempts_1 ON a.id = k.run_id
  LEFT JOIN sandbox_attempt_snapshots AS n INDEXED BY sqlite_autoindex_sandbox_attempt_snapshots_1 ON n.run_id = k.run_id
  LEFT JOIN oci_image_build_jobs AS j INDEXED BY sqlite_autoindex_oci_image_build_jobs_1 ON j.id = k.job_id
  WHERE k.owner_user_id = ?1 AND k.idempotency_key = ?2`.trim()

export const makeLaunches = ({ sql }: Repositories, access: Access, rows: JoinedRows) => {
  const newLaunch = makeNewLaunch({ sql }, access)

  const read = makeLaunchReads(sql, access, rows)

  const insertKey = (ownerUserId: string, key: string, requestFingerprint: string, ids: NewIds, now: number) => sql`
    INSERT INTO sandbox_launch_keys (owner_user_id, idempotency_key, request_fingerprint, sandbox_id, run_id, job_id,
      created_at)
    VALUES (${ownerUserId}, ${key}, ${requestFingerprint}, ${ids.sandboxId}, ${ids.attemptId}, ${ids.jobId}, ${now})`

  /**
   * Returns the current state of the launch with a key, if there is one. Fails with `NotFound` if its attempt or job was
   * deleted.
   */
  const replay = ({ idempotencyKey, ownerUserId }: typeof FindLaunch.Type) =>
    Effect.gen(function* () {
      const [row] = yield* rows(sql.unsafe(replayText, [ownerUserId, idempotencyKey]))
      const key = row === undefined ? Option.none<KeyRow>() : keyOf(row)
      if (row === undefined || Option.isNone(key)) return Option.none<Launch>()
      const { attemptId, jobId, sandboxId } = key.value
      return Option.some<Launch>({
        sandbox: yield* orMissing("Sandbox", sandboxId, yield* launchParts.sandbox(row)),
        attempt: yield* orMissing("SandboxAttempt", attemptId ?? sandboxId, yield* launchParts.attempt(row)),
        job: yield* orMissing("WorkspaceBuildJob", jobId ?? attemptId ?? sandboxId, yield* launchParts.job(row)),
        snapshot: yield* orMissing("SandboxAttemptSnapshot", attemptId ?? sandboxId, yield* launchParts.snapshot(row)),
        created: false
      })
    })

  /** Decides on a launch: a new one, or the one that has its key. */
  const decide = (request: typeof LaunchSandbox.Type, now: number) =>
    Effect.gen(function* () {
      const { idempotencyKey, ownerUserId } = request
      const { before, last, resolvedSpec } = yield* read(request)
      const launchNew = Effect.gen(function* () {
        const { decision, ids } = yield* newLaunch({ ...request, resolvedSpec: yield* resolvedSpec }, now)
        return { decision: { ...decision, writes: [...decision.writes, ...last] }, ids }
      })
      if (idempotencyKey === undefined) return (yield* launchNew).decision

      const fingerprints = launchFingerprints(encodeRequest(request))
      if (Option.isNone(before)) {
        const { decision, ids } = yield* launchNew
        const key = toWrite(insertKey(ownerUserId, idempotencyKey, fingerprints.current, ids, now))
        return { ...decision, writes: [...decision.writes, key] }
      }
      if (!fingerprints.accepted.includes(before.value.requestFingerprint)) {
        return yield* new IdempotencyConflict({ key: idempotencyKey })
      }
      const found = yield* replay({ ownerUserId, idempotencyKey })
      const launched = yield* orMissing("Sandbox", before.value.sandboxId, found)
      const decision: LaunchDecision = noChange(launched)
      return decision
    })

  const launch = (request: typeof LaunchSandbox.Encoded) =>
    Effect.flatMap(decodeInput("launch", LaunchSandbox)(request), (decoded) => {
      const { id, idempotencyKey } = decoded
      const refusals = ["ReferenceNotFound", "AlreadyExists"] as const
      const run = decided(sql, "launch", {}, launchActor(decoded), refusals)((now) => decide(decoded, now))
      return run.pipe(
        // Another launch stored the key after this one looked for it, possibly with the same id.
        Effect.catchTag("AlreadyExists", (error) => (idempotencyKey === undefined ? Effect.fail(error) : run)),
        Effect.catchTag("AlreadyExists", (error) => (id === undefined ? Effect.die(error) : Effect.fail(error))),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => launchReferences(decoded))
        )
      )
    })

  const findLaunch = (request: typeof FindLaunch.Encoded) =>
    decodeInput(
      "findLaunch",
      FindLaunch
    )(request).pipe(
      Effect.flatMap(replay),
      Effect.catchTag("NotFound", () => Effect.succeedNone),
      traced("findLaunch")
    )

  return { launch, findLaunch }
}
