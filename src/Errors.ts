/**
 * The errors that every service shares.
 *
 * All are `Schema.TaggedError`, so that they cross HTTP and RPC as they are, and each carries the status that
 * `@effect/platform` answers with. None carries a rejected value: they name entities, ids, fields and rules.
 */
// Not from the package's index, which loads all of it: a second of start for each process.
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/** No row of `entity` has this id, or none that the caller may see. HTTP 404. */
export class NotFound extends Schema.TaggedError<NotFound>()(
  "NotFound",
  { entity: Schema.String, id: Schema.String },
  HttpApiSchema.annotations({ status: 404 })
) {
  override get message() {
    return `${this.entity} ${this.id} was not found`
  }
}

/**
 * A row of `entity` already holds what must be unique. `constraint` names the columns as the engine does, as
 * `table.column, table.column`. HTTP 409.
 */
export class AlreadyExists extends Schema.TaggedError<AlreadyExists>()(
  "AlreadyExists",
  { entity: Schema.String, constraint: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `${this.entity} already exists (${this.constraint})`
  }
}

/** A row that `entity` refers to does not exist, or is another owner's. `reference` names the field. HTTP 409. */
export class ReferenceNotFound extends Schema.TaggedError<ReferenceNotFound>()(
  "ReferenceNotFound",
  { entity: Schema.String, reference: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `${this.entity} refers to a row that does not exist (${this.reference})`
  }
}

/** The state machine of `entity` has no way from `from` to `to`. HTTP 409. */
export class InvalidTransition extends Schema.TaggedError<InvalidTransition>()(
  "InvalidTransition",
  {
    entity: Schema.String,
    id: Schema.String,
    from: Schema.String,
    to: Schema.String,
    /** The remedy, unless it is obvious. */
    remedy: Schema.optionalWith(Schema.String, { exact: true })
  },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    const refusal = `${this.entity} ${this.id} cannot go from ${this.from} to ${this.to}`
    return this.remedy === undefined ? refusal : `${refusal}: ${this.remedy}`
  }
}

/** Why a lease is not, or no longer, the current one of its job or delivery. */
export const LeaseLostReason = Schema.Literal("expired", "superseded", "released", "finished", "cancelled", "not-found")
export type LeaseLostReason = typeof LeaseLostReason.Type

/**
 * The worker no longer owns the job: nothing was written, and its work must stop. For a webhook delivery, `jobId` is the
 * id of its row.
 *
 * `expired`: another worker may take it at any moment; `superseded`: another lease was given; `released`: this lease
 * gave the job back; `finished`: this lease has reported how its work ended; `cancelled`: somebody cancelled it; `not-found`: no such job.
 * HTTP 409.
 */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()(
  "LeaseLost",
  { jobId: Schema.String, workerId: Schema.String, reason: LeaseLostReason },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `worker ${this.workerId} no longer owns job ${this.jobId} (${this.reason})`
  }
}

/** The idempotency key was used before, for another request. HTTP 409. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()(
  "IdempotencyConflict",
  { key: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return "the idempotency key was used before for another request"
  }
}

/** Another event stands at this sequence number of the execution. HTTP 409. */
export class SequenceConflict extends Schema.TaggedError<SequenceConflict>()(
  "SequenceConflict",
  { executionId: Schema.String, sequence: Schema.Number },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return `execution ${this.executionId} has another event at sequence ${this.sequence}`
  }
}

/**
 * The position belongs to another epoch of the journal: the database was restored from a backup, and events after the backup
 * are gone. `epoch` is the current one. Remedy: compare the data derived from events with the tables, then continue from the
 * current end, or from the first event. HTTP 409.
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
 * The caller's input is not of the declared shape, or breaks a rule of the table. `issues` says where and what rule,
 * as `path: rule`, never what stood there. HTTP 400.
 */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()(
  "InvalidInput",
  { operation: Schema.String, issues: Schema.Array(Schema.String) },
  HttpApiSchema.annotations({ status: 400 })
) {
  override get message() {
    return `${this.operation}: ${this.issues.join("; ")}`
  }
}

/**
 * The row exists and may be seen, but this caller may not do this to it. HTTP 403. No method of this package fails with it:
 * another's row is `NotFound` to them. It is for APIs on top of it that show a row to more people than may change it.
 */
export class Forbidden extends Schema.TaggedError<Forbidden>()(
  "Forbidden",
  { entity: Schema.String, id: Schema.String },
  HttpApiSchema.annotations({ status: 403 })
) {
  override get message() {
    return `not allowed on ${this.entity} ${this.id}`
  }
}

/** What kept the store from answering: wait (`Busy`), mend (`Unavailable`, `CorruptRow`, `SchemaMismatch`), or ask. */
export const PersistenceErrorReason = Schema.Literal("Busy", "Unavailable", "CorruptRow", "SchemaMismatch", "Unknown")
export type PersistenceErrorReason = typeof PersistenceErrorReason.Type

/**
 * The store could not answer. Can occur in every method.
 *
 * - `Busy`: another process held the write lock for the whole busy timeout, or a server took back a transaction that lasted
 *   too long. Nothing was written: trying again is safe.
 * - `Unavailable`: the disk, the file or the server cannot be reached or written, or the database was closed. After the file or
 *   its log was removed or replaced (`SEALANT_FILE_REPLACED`), every call fails so until the program is restarted. Of a server
 *   the answer may be all that was lost, and what was asked may have been done: repeat what does no harm when it is done twice.
 * - `CorruptRow`: a stored row is not of its declared shape.
 * - `SchemaMismatch`: a table or column is missing, and `cause` names it. The database was not migrated, was migrated by another
 *   version, or lacks tables or columns of a plugin of Better Auth.
 * - `Unknown`: anything else; `cause` says what, as far as it can be told without values.
 *
 * HTTP 503.
 */
export class PersistenceError extends Schema.TaggedError<PersistenceError>()(
  "PersistenceError",
  { operation: Schema.String, reason: PersistenceErrorReason, cause: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return `${this.operation}: ${this.reason} (${this.cause})`
  }
}
