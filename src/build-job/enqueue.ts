/**
 * The INSERT of a build job, and the row that it stores. All columns are known from the input, so the statement does
 * not return them: reading and decoding them would cost as much as storing them.
 */
import { DateTime, Option } from "effect"
import { UserId } from "../auth/User.js"
import { frozen } from "../sql/json.js"
import { instancesOf } from "../sql/rows.js"
import type { Write } from "../sql/writeAll.js"
import { mayUse } from "./quotas.js"
import { encodeSpec, requestFingerprint } from "./requestFingerprint.js"
import { defaultPriority, type EnqueueJob, WorkspaceBuildJob, type WorkspaceBuildJobId } from "./WorkspaceBuildJob.js"
import { onFirstUse } from "../sql/decoder.js"

const columns = `id, run_id, status, registry_id, repository, tag, request_payload,
    request_fingerprint, idempotency_key, max_attempts, max_duration_ms, available_at, created_at, updated_at, plan_hash,
    owner_user_id, priority, concurrency_key, concurrency_limit, starts_per_minute`

/**
 * Stores a job; returns no row if its idempotency key exists or its owner may not queue another job. Its owner is that of
 * the attempt: a trigger refuses another one. ?1: id, ?2: attempt, ?3: registry, ?4: repository, ?5: tag, ?6:
 * specification, ?7: fingerprint, ?8: key, ?9: maximum number of attempts, ?10: maximum duration, ?11: the earliest time
 * of the first claim, ?12: now, ?13: hash of the plan, ?14: owner, ?15: priority, ?16: concurrency key, ?17: its limit,
 * ?18: its starts in a minute.
 */
const insertText = `
  INSERT INTO oci_image_build_jobs (${columns})
  SELECT ?1, ?2, 'queued', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?13, owner, ?15, ?16, ?17, ?18
  FROM (SELECT coalesce(?14, (SELECT owner_user_id FROM sandbox_attempts WHERE id = ?2)) AS owner)
  WHERE ${mayUse("maxQueuedBuilds", "owner")}
  ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
  RETURNING owner_user_id AS "ownerUserId"`.trim()

/** Stores several jobs, except those whose idempotency key exists. ?1: JSON array of the parameters of `insertText`. */
export const insertManyText = `
  INSERT INTO oci_image_build_jobs (${columns})
  SELECT value ->> 0, value ->> 1, 'queued', value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 11, value ->> 12,
    coalesce(value ->> 13, (SELECT owner_user_id FROM sandbox_attempts WHERE id = value ->> 1)), value ->> 14,
    value ->> 15, value ->> 16, value ->> 17
  FROM json_each(?1) WHERE true
  ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
  RETURNING id, owner_user_id AS "ownerUserId"`.trim()

interface NewJob extends Omit<typeof EnqueueJob.Type, "id"> {
  readonly id: WorkspaceBuildJobId
}

/** Builds the INSERT of a job, the fingerprint of its request, and the row that it stores. */
export const enqueueWrite = (job: NewJob, now: number) => {
  const { attemptId = null, availableAt = DateTime.unsafeMake(now), id, idempotencyKey, maxAttempts } = job
  const { maxDuration: maxDurationMs, registryId, repository, tag } = job
  const requestPayload = encodeSpec(job.requestPayload)
  const fingerprint = requestFingerprint({ attemptId, registryId, repository, tag, requestPayload, maxDurationMs })
  const write: Write = {
    sql: insertText,
    values: [
      id,
      attemptId,
      registryId,
      repository,
      tag,
      JSON.stringify(requestPayload),
      fingerprint,
      idempotencyKey ?? null,
      maxAttempts,
      maxDurationMs ?? null,
      availableAt.epochMillis,
      now,
      job.planHash ?? null,
      job.ownerUserId ?? null,
      job.priority ?? defaultPriority,
      job.concurrencyKey ?? null,
      job.concurrencyKey === undefined ? null : (job.concurrencyLimit ?? 1),
      job.concurrencyKey === undefined ? null : (job.startsPerMinute ?? null)
    ]
  }
  return {
    write,
    fingerprint,
    row: (ownerUserId: UserId | undefined) => queuedJob({ ...job, ownerUserId, availableAt, fingerprint, now })
  }
}

/** Returns the owner in the row that `insertText` returns. */
export const ownerOf = ({ ownerUserId }: Readonly<Record<string, unknown>>): UserId | undefined =>
  typeof ownerUserId === "string" ? UserId.make(ownerUserId) : undefined

interface QueuedJob extends Omit<NewJob, "availableAt"> {
  readonly availableAt: DateTime.Utc
  readonly fingerprint: string
  readonly now: number
}

const instance = onFirstUse(() => instancesOf(WorkspaceBuildJob))

/** Builds the row that `insertText` stores. */
const queuedJob = ({ availableAt, fingerprint, id, now, ...job }: QueuedJob): WorkspaceBuildJob => {
  const createdAt = DateTime.unsafeMake(now)
  const none = Option.none()
  return instance({
    id,
    attemptId: Option.fromNullable(job.attemptId),
    status: "queued",
    registryId: job.registryId,
    repository: job.repository,
    tag: job.tag,
    requestPayload: frozen(job.requestPayload),
    requestFingerprint: Option.some(fingerprint),
    idempotencyKey: Option.fromNullable(job.idempotencyKey),
    attemptCount: 0,
    maxAttempts: job.maxAttempts,
    maxDurationMs: Option.fromNullable(job.maxDuration),
    availableAt,
    claimedAt: none,
    leaseExpiresAt: none,
    leaseToken: 0,
    leaseOutcome: none,
    workerId: none,
    startedAt: none,
    finishedAt: none,
    executorId: none,
    resultPayload: none,
    publishedReference: none,
    publishedDigestReference: none,
    publishedDigest: none,
    errorCode: none,
    errorMessage: none,
    cancelReason: none,
    planHash: Option.fromNullable(job.planHash),
    runSettledAt: none,
    ownerUserId: Option.fromNullable(job.ownerUserId),
    priority: job.priority ?? defaultPriority,
    concurrencyKey: Option.fromNullable(job.concurrencyKey),
    concurrencyLimit: job.concurrencyKey === undefined ? none : Option.some(job.concurrencyLimit ?? 1),
    startsPerMinute: job.concurrencyKey === undefined ? none : Option.fromNullable(job.startsPerMinute),
    createdAt,
    updatedAt: createdAt
  })
}
