/**
 * Errors that all services share.
 *
 * All are `Schema.TaggedError`, so HTTP and RPC layers can encode them. Each is annotated with the HTTP status that
 * `@effect/platform` responds with. They contain entities, ids, fields and rules, and no rejected values.
 */
// The package's index would load every module of it, which adds a second to the start of each process.
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/**
 * No row of `entity` has this id, or the row belongs to another owner. For a row that was looked up by its parent (the
 * attempt of a sandbox, a version of a secret, a grant on an installation), `id` is the id of the parent. HTTP 404.
 */
export class NotFound extends Schema.TaggedError<NotFound>("@sealant/db/NotFound")(
  "NotFound",
  { entity: Schema.String, id: Schema.String },
  HttpApiSchema.annotations({ status: 404 })
) {
  override get message() {
    return `${this.entity} ${this.id} was not found`
  }
}

/**
 * Another row of `entity` has the same unique values. `constraint` contains the columns in the form of the engine:
 * `table.column, table.column`. HTTP 409.
 */
export class AlreadyExists extends Schema.TaggedError<AlreadyExists>("@sealant/db/AlreadyExists")(
  "AlreadyExists",
  { entity: Schema.String, constraint: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `${this.entity} already exists (${this.constraint})`
  }
}

/** A row that `entity` refers to does not exist or belongs to another owner. `reference` is the field. HTTP 409. */
export class ReferenceNotFound extends Schema.TaggedError<ReferenceNotFound>("@sealant/db/ReferenceNotFound")(
  "ReferenceNotFound",
  { entity: Schema.String, reference: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `${this.entity} refers to a row that does not exist (${this.reference})`
  }
}

/** The state machine of `entity` has no transition from `from` to `to`. HTTP 409. */
export class InvalidTransition extends Schema.TaggedError<InvalidTransition>("@sealant/db/InvalidTransition")(
  "InvalidTransition",
  {
    entity: Schema.String,
    id: Schema.String,
    from: Schema.String,
    to: Schema.String,
    /** The remedy. Absent when it is obvious. */
    remedy: Schema.optionalWith(Schema.String, { exact: true })
  },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    const refusal = `${this.entity} ${this.id} cannot go from ${this.from} to ${this.to}`
    return this.remedy === undefined ? refusal : `${refusal}: ${this.remedy}`
  }
}

/** The reason why a lease is not the current one of its row; see `LeaseLost`. */
export const LeaseLostReason = Schema.Literal("expired", "superseded", "released", "finished", "cancelled", "not-found")
export type LeaseLostReason = typeof LeaseLostReason.Type

/**
 * The worker no longer holds the lease on the job or delivery with this id. Nothing was written, and the worker must
 * stop its work on the row.
 *
 * - `expired`: the lease has expired, and another worker can claim the row at any time.
 * - `superseded`: the row has a newer lease.
 * - `released`: the row was released under this lease.
 * - `finished`: the outcome of the row was already recorded under this lease.
 * - `cancelled`: the job was cancelled.
 * - `not-found`: the row does not exist.
 *
 * HTTP 409.
 */
export class LeaseLost extends Schema.TaggedError<LeaseLost>("@sealant/db/LeaseLost")(
  "LeaseLost",
  {
    entity: Schema.Literal("WorkspaceBuildJob", "GitHubWebhookDelivery", "RuntimeTeardown"),
    id: Schema.String,
    workerId: Schema.String,
    reason: LeaseLostReason
  },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `worker ${this.workerId} no longer owns ${this.entity} ${this.id} (${this.reason})`
  }
}

/** The idempotency key was already used for a different request. HTTP 409. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>("@sealant/db/IdempotencyConflict")(
  "IdempotencyConflict",
  { key: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return "the idempotency key was used before for another request"
  }
}

/** The quotas of an owner; see `OwnerLimitsRepo`. */
export const Quota = Schema.Literal("maxQueuedBuilds", "maxLiveSandboxes")
export type Quota = typeof Quota.Type

/**
 * The owner has used `used` of at most `limit`, and nothing was stored. Remedy: repeat the request after a build has
 * been claimed or a sandbox has ended, or raise the limit with `OwnerLimitsRepo`. HTTP 429.
 */
export class QuotaExceeded extends Schema.TaggedError<QuotaExceeded>("@sealant/db/QuotaExceeded")(
  "QuotaExceeded",
  { quota: Quota, limit: Schema.Number, used: Schema.Number },
  HttpApiSchema.annotations({ status: 429 })
) {
  override get message() {
    return `${this.quota}: ${this.used} of ${this.limit} are in use; repeat the request later, or raise the limit of the owner`
  }
}

/** The execution already has a different event with this sequence number. HTTP 409. */
export class SequenceConflict extends Schema.TaggedError<SequenceConflict>("@sealant/db/SequenceConflict")(
  "SequenceConflict",
  { executionId: Schema.String, sequence: Schema.Number },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `execution ${this.executionId} has another event at sequence ${this.sequence}`
  }
}

/**
 * The position belongs to another epoch of the journal: the database was restored from a backup, and the events after
 * that backup no longer exist. `epoch` is the current one. Remedy: compare the data derived from events with the
 * tables, then continue from the current end or from the first event. HTTP 409.
 */
export class JournalReset extends Schema.TaggedError<JournalReset>("@sealant/db/JournalReset")(
  "JournalReset",
  { epoch: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `the position is from another epoch of the journal: the database was restored; reconcile, and continue in epoch ${this.epoch}`
  }
}

/**
 * The input is invalid or violates a constraint of the table. `issues` contains items of the form `path: rule`, or the
 * name of the violated constraint, and no rejected values. HTTP 400.
 */
export class InvalidInput extends Schema.TaggedError<InvalidInput>("@sealant/db/InvalidInput")(
  "InvalidInput",
  { operation: Schema.String, issues: Schema.Array(Schema.String) },
  HttpApiSchema.annotations({ status: 400 })
) {
  override get message() {
    return `${this.operation}: ${this.issues.join("; ")}`
  }
}

/** The reason of a `PersistenceError`, which describes each. */
export const PersistenceErrorReason = Schema.Literal(
  "Busy",
  "Unavailable",
  "CorruptRow",
  "SchemaMismatch",
  "TooLarge",
  "Unauthorized",
  "Unknown"
)
export type PersistenceErrorReason = typeof PersistenceErrorReason.Type

/**
 * The database could not complete the operation. Every method can fail with it.
 *
 * - `Busy`: another process held the write lock for the whole busy timeout, or a server rolled back a transaction that
 *   took too long. Nothing was written, so a retry is safe.
 * - `Unavailable`: the disk, the file or the server cannot be reached or written, or the database was closed. After the
 *   file or its log was removed or replaced (`SEALANT_FILE_REPLACED`), every call fails with this reason until the
 *   program is restarted. With a server, only the response may be lost, and the operation may have been applied: retry
 *   only idempotent operations. `HRANA_WRITES_STALLED`: the server answers reads, but not writes; restart the server.
 * - `CorruptRow`: a stored row is invalid. `cause` contains its entity and column.
 * - `SchemaMismatch`: a table or column is missing, and `cause` contains its name. The database was not migrated, was
 *   migrated by another version, or lacks tables or columns of a plugin of Better Auth.
 * - `TooLarge`: a value, a row or a response is beyond the limit of the database, which `cause` contains if the client
 *   has checked it. With a server, a write whose response is too large (`SERVER_RESPONSE_TOO_LARGE`) may have been
 *   applied; in all other cases nothing was written.
 * - `Unauthorized`: the server refused the token, or the token does not permit the operation, and `cause` contains the
 *   setting to change. `SEALANT_TOKEN`: the effect that returns the token has failed.
 * - `Unknown`: any other failure. `cause` describes it without values.
 *
 * HTTP 503.
 */
export class PersistenceError extends Schema.TaggedError<PersistenceError>("@sealant/db/PersistenceError")(
  "PersistenceError",
  { operation: Schema.String, reason: PersistenceErrorReason, cause: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return `${this.operation}: ${this.reason} (${this.cause})`
  }
}
