/**
 * The contract that the services of all leased tables share: claims, heartbeats and counts.
 */
import { type DateTime, type Duration, type Effect, type Option, Schema } from "effect"
import type { InvalidInput, LeaseLost, PersistenceError } from "../Errors.js"
import { Count } from "../sql/columns.js"

/** Request of a worker for a lease. Without a heartbeat within `leaseDuration` another worker may claim the row. */
export interface ClaimRequest {
  readonly workerId: string
  readonly leaseDuration: Duration.DurationInput
}

/** Counts of the rows of a leased table. */
export interface LeaseStats<Status extends string> {
  readonly byStatus: Readonly<Record<Status, number>>
  /** The number of rows that can be claimed now. */
  readonly due: number
  /** The time since when the oldest of them has been due. */
  readonly oldestDueAt: Option.Option<DateTime.Utc>
}

/** Builds the schema of the counts of a leased table. */
export const LeaseStats = <Status extends string>(status: Schema.Schema<Status>) =>
  Schema.Struct({
    byStatus: Schema.Record({ key: status, value: Count }),
    due: Count,
    oldestDueAt: Schema.optionalWith(Schema.DateTimeUtc, { as: "Option" })
  })

/**
 * Methods that the services of all leased tables have. A row waits for a worker (`queued`, `received`) or is under a
 * lease (`running`, `processing`).
 */
export interface LeaseMethods<Lease, Row, Claimed, Stats> {
  /**
   * Claims the row that has been due longest: waiting and available, or under an expired lease. Returns `None` if no
   * row is due. Due rows without attempts left, and rows that cannot be decoded, are marked as failed and not returned.
   *
   * Fails with `InvalidInput` if the worker id is invalid, or if the lease is shorter than 1 ms or longer than 100
   * years.
   */
  readonly claimNext: (request: ClaimRequest) => Effect.Effect<Option.Option<Claimed>, InvalidInput | PersistenceError>

  /**
   * Extends the lease to `duration` from now, but for a job at most to its `maxDuration` after the claim. An expired
   * lease remains the current one until another worker claims the row or the lease is reaped.
   *
   * Fails with `LeaseLost` if the lease is not the current one (the work must stop), with `InvalidInput` if `duration`
   * is shorter than 1 ms or longer than 100 years.
   */
  readonly heartbeat: (
    lease: Lease,
    duration: Duration.DurationInput
  ) => Effect.Effect<Row, LeaseLost | InvalidInput | PersistenceError>

  /**
   * Releases a row, which then waits for a worker again. The attempt does not count. A repeat by the same lease changes
   * nothing and returns the row. Fails with `LeaseLost` if the lease is not the current one.
   */
  readonly release: (lease: Lease) => Effect.Effect<Row, LeaseLost | PersistenceError>

  /** Returns the row of a lease. Fails with `LeaseLost` if the lease is not the current one. */
  readonly getByLease: (lease: Lease) => Effect.Effect<Row, LeaseLost | PersistenceError>

  /**
   * Ends up to `limit` (1 to 1,000) expired leases, the longest expired first. Their rows wait again if attempts are
   * left, else they fail. Returns the updated rows, except those that cannot be decoded. Fails
   * with `InvalidInput` if `limit` is out of range.
   */
  readonly reapExpired: (limit: number) => Effect.Effect<ReadonlyArray<Row>, InvalidInput | PersistenceError>

  /**
   * Counts the rows in each status and the due rows, and returns since when the oldest one is due. Counts all rows, so
   * the cost grows with the table: for operators and metrics, not for frequent polling.
   */
  readonly stats: Effect.Effect<Stats, PersistenceError>
}
