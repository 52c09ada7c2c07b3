/**
 * The statements of tables whose rows are leased to workers. They are constant texts with numbered parameters, because
 * they run thousands of times a second, and building a statement from a template costs as much as running it.
 *
 * A leased table has the columns `id`, `status`, `attempt_count`, `max_attempts`, `available_at`, `claimed_at`,
 * `lease_expires_at`, `lease_token`, `lease_outcome`, `worker_id` and `updated_at`, and a status `failed`.
 */

/** The properties of one leased table. */
export interface LeasedTable {
  readonly name: string
  /** The status of a row that waits for a worker. */
  readonly waiting: string
  /** The status of a row that is under a lease. */
  readonly held: string
  /** The partial index of waiting rows: status, available_at, id. */
  readonly dueIndex: string
  /** The partial index of rows under a lease: status, lease_expires_at, id. */
  readonly leasesIndex: string
  /** Additional assignments of a claim. ?1: now. */
  readonly whenClaimed: ReadonlyArray<string>
  /** The nullable column with the maximum duration of a lease since its claim, in milliseconds. */
  readonly maxDurationColumn?: string
  /** Additional assignments of a release. */
  readonly whenReleased: ReadonlyArray<string>
  /** Additional columns of a failed row. ?1: now. */
  readonly failed: {
    /** The column with the end of the row, and its SQL expression. */
    readonly at: readonly [column: string, value: string]
    /** The SQL expression of the status after the last lease has expired. Default: `'failed'`. */
    readonly exhaustedStatus?: string
    /** The error columns of a row whose last lease has expired. */
    readonly exhausted: Readonly<Record<string, string>>
    /** The error columns of a row that was claimed and cannot be decoded. */
    readonly unreadable: Readonly<Record<string, string>>
  }
}

/**
 * The number of rows without attempts left that one claim fails, besides the claimed rows. It bounds the cost of a
 * claim.
 */
const exhaustedPerClaim = 10

// The pause before a retry: 1 s after the first attempt, doubled after each further one, at most 5 min. Half of it is
// random, so that rows that failed together are not retried together.
const firstBackoffMs = 1000
const longestBackoffMs = 5 * 60_000

const attemptsLeft = "attempt_count < max_attempts"

/** Builds the statements of one table. `columns` are the columns of its model. */
export const leaseTexts = (table: LeasedTable, columns: string) => {
  const { dueIndex, failed, held, leasesIndex, maxDurationColumn, name, waiting } = table
  const [endColumn, end] = failed.at
  const { exhaustedStatus = "'failed'" } = failed

  /** The end of a lease: `requested`, but at most the maximum duration after `claimedAt`. */
  const leaseEnd = (requested: string, claimedAt: string) =>
    maxDurationColumn === undefined
      ? requested
      : `iif(${maxDurationColumn} IS NULL, ${requested}, min(${requested}, ${claimedAt} + ${maxDurationColumn}))`

  /** Sets the end and the error of a row if it has no attempts left; clears the end otherwise. ?1: now. */
  const failedWhenExhausted = [
    `${endColumn} = iif(${attemptsLeft}, NULL, ${end})`,
    ...Object.entries(failed.exhausted).map(
      ([column, value]) => `${column} = iif(${attemptsLeft}, ${column}, '${value}')`
    ),
    "updated_at = ?1"
  ].join(",\n    ")

  /** A due row: waiting and available, or under a lease that has expired. ?1: now. */
  const dueCondition = `(status = '${waiting}' AND available_at <= ?1 OR status = '${held}' AND lease_expires_at <= ?1)`

  const expired = `status = '${held}' AND lease_expires_at <= ?1`

  // Each branch reads a prefix of one partial index, so the cost does not depend on the depth of the queue. Without
  // INDEXED BY the planner chooses the index that begins with the status and sorts the whole queue.
  const due = `
  SELECT id FROM (
    SELECT id, due FROM (
      SELECT id, available_at AS due FROM ${name} INDEXED BY ${dueIndex}
      WHERE status = '${waiting}' AND available_at <= ?1
      ORDER BY available_at, id LIMIT ?4)
    UNION ALL
    SELECT id, due FROM (
      SELECT id, lease_expires_at AS due FROM ${name} INDEXED BY ${leasesIndex}
      WHERE ${expired} AND ${attemptsLeft}
      ORDER BY lease_expires_at, id LIMIT ?4)
    ORDER BY due, id LIMIT ?4)
  UNION ALL
  SELECT id FROM (
    SELECT id FROM ${name} INDEXED BY ${leasesIndex}
    WHERE ${expired} AND attempt_count >= max_attempts
    ORDER BY lease_expires_at, id LIMIT ${exhaustedPerClaim})`

  // Claims the candidates, and fails those without attempts left. One statement, so that no candidate changes between
  // selection and write. ?1: now, ?2: worker, ?3: requested end of the leases, ?4: the parameter of the condition.
  const claim = (condition: string) => `
  UPDATE ${name} SET
    status = iif(${attemptsLeft}, '${held}', ${exhaustedStatus}),
    attempt_count = attempt_count + (${attemptsLeft}),
    lease_token = lease_token + (${attemptsLeft}),
    lease_outcome = iif(${attemptsLeft}, NULL, 'expired'),
    worker_id = iif(${attemptsLeft}, ?2, worker_id),
    claimed_at = iif(${attemptsLeft}, ?1, claimed_at),
    lease_expires_at = iif(${attemptsLeft}, ${leaseEnd("?3", "?1")}, NULL),
    ${[...table.whenClaimed, failedWhenExhausted].join(",\n    ")}
  WHERE ${condition}
  RETURNING ${columns}`

  // A write under a lease: it matches the row only if the lease is the current one. ?1: now, ?2 to ?4: the lease. `set`
  // may use parameters from ?5.
  const underLease = (...set: ReadonlyArray<string>) =>
    `
  UPDATE ${name} SET ${set.join(", ")}, updated_at = ?1
  WHERE id = ?2 AND status = '${held}' AND lease_token = ?3 AND worker_id = ?4
  RETURNING ${columns}`.trim()

  const ifRetried = (then: string, otherwise: string) => `iif(?5 AND ${attemptsLeft}, ${then}, ${otherwise})`

  return {
    /** Counts the rows in each status. */
    byStatus: `SELECT status, count(*) AS count FROM ${name} GROUP BY status`,

    /** Counts the rows that are due at `?1`, and returns the time since when the oldest one is due. */
    due: `
  SELECT count(*) AS count, min(iif(status = '${waiting}', available_at, lease_expires_at)) AS oldest
  FROM ${name} WHERE ${dueCondition} AND ${attemptsLeft}`.trim(),

    /** Reads the row with id `?1`. */
    byId: `SELECT ${columns} FROM ${name} WHERE id = ?1`,

    // Trimmed here: `@effect/sql` trims each text, and a new string would be hashed again in the cache of prepared
    // statements.
    /** Claims the `?4` rows that have been due longest. */
    claimDue: claim(`id IN (${due})`).trim(),

    /** Claims the row with id `?4`, if it is due. */
    claimOne: claim(`id IN (SELECT id FROM ${name} WHERE id = ?4 AND ${dueCondition})`).trim(),

    /** Claims the rows for which a condition holds, or fails those without attempts left. */
    claimWhere: (condition: string) => claim(condition).trim(),

    underLease,

    /** Extends the lease. ?5: its requested end. */
    heartbeat: underLease(`lease_expires_at = ${leaseEnd("?5", "claimed_at")}`),

    /**
     * Queues the row for a retry, or fails it. `set` has the assignments of the error. ?5: whether it is retryable, ?6:
     * the factor of the pause, 0.5 to 1.
     */
    fail: (...set: ReadonlyArray<string>) =>
      underLease(
        `status = ${ifRetried(`'${waiting}'`, "'failed'")}`,
        `lease_outcome = ${ifRetried("'retried'", "'failed'")}`,
        "lease_expires_at = NULL",
        `claimed_at = ${ifRetried("NULL", "claimed_at")}`,
        `worker_id = ${ifRetried("NULL", "worker_id")}`,
        `available_at = ${ifRetried(
          `?1 + CAST(?6 * min(${longestBackoffMs}, ${firstBackoffMs} << min(attempt_count - 1, 30)) AS INTEGER)`,
          "available_at"
        )}`,
        `${endColumn} = ${ifRetried("NULL", end)}`,
        ...set
      ),

    /** Queues the row again, without counting the attempt. */
    release: underLease(
      `status = '${waiting}'`,
      "lease_outcome = 'released'",
      "lease_expires_at = NULL",
      "claimed_at = NULL",
      "worker_id = NULL",
      "attempt_count = attempt_count - 1",
      ...table.whenReleased
    ),

    /** Fails a row that was claimed and cannot be decoded. ?1: now, ?2: id, ?3: token. */
    failUnreadable: `
  UPDATE ${name} SET
    status = 'failed', lease_outcome = 'failed', lease_expires_at = NULL, ${endColumn} = ${end},
    ${Object.entries(failed.unreadable)
      .map(([column, value]) => `${column} = '${value}'`)
      .join(", ")}, updated_at = ?1
  WHERE id = ?2 AND status = '${held}' AND lease_token = ?3`,

    /**
     * Ends up to `?2` leases that have expired by `?1`: queues their rows again, or fails those without attempts left.
     */
    reap: `
  UPDATE ${name} SET
    status = iif(${attemptsLeft}, '${waiting}', ${exhaustedStatus}),
    lease_outcome = 'expired',
    lease_expires_at = NULL,
    worker_id = iif(${attemptsLeft}, NULL, worker_id),
    claimed_at = iif(${attemptsLeft}, NULL, claimed_at),
    available_at = iif(${attemptsLeft}, ?1, available_at),
    ${failedWhenExhausted}
  WHERE id IN (
    SELECT id FROM ${name} INDEXED BY ${leasesIndex}
    WHERE ${expired}
    ORDER BY lease_expires_at, id LIMIT ?2)
  RETURNING ${columns}`.trim()
  }
}

export type LeaseTexts = ReturnType<typeof leaseTexts>
