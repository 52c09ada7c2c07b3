/**
 * The statements behind every table whose rows are worked on under leases. They are constant texts with numbered
 * parameters, not templates: these are the statements that run thousands of times a second, and building their text
 * costs as much as running them.
 *
 * Such a table has the columns `id`, `status`, `attempt_count`, `max_attempts`, `available_at`, `claimed_at`,
 * `lease_expires_at`, `lease_token`, `lease_outcome`, `worker_id` and `updated_at`, and a status `failed`.
 */

/** A table whose rows are worked on under leases: what is its own. */
export interface LeasedTable {
  readonly name: string
  /** The status of a row that waits for a worker. */
  readonly waiting: string
  /** The status of a row that is under a lease. */
  readonly held: string
  /** The partial index over what waits: status, available_at, id. */
  readonly dueIndex: string
  /** The partial index over what is held: status, lease_expires_at, id. */
  readonly leasesIndex: string
  /** Further columns that a claim sets. ?1: now. */
  readonly whenClaimed: ReadonlyArray<string>
  /** The nullable column with the milliseconds that a lease may last at most, counted from the claim. */
  readonly maxDurationColumn?: string
  /** Further columns that a release sets. */
  readonly whenReleased: ReadonlyArray<string>
  /** Further columns of a row that fails, and what they are set to. ?1: now. */
  readonly failed: {
    /** When the row ended, the column and its value. */
    readonly at: readonly [column: string, value: string]
    /** What is said of a row whose last lease has expired. */
    readonly exhausted: Readonly<Record<string, string>>
    /** What is said of a row that was claimed and cannot be read. */
    readonly unreadable: Readonly<Record<string, string>>
  }
}

/** How many exhausted rows a claim fails on its way: enough to keep up, few enough not to be felt. */
const exhaustedPerClaim = 10

// The pause before a retry: 1 s after the first attempt, twice as long after each other, never more than 5 min. At
// least half of it is kept, the rest is random, so that what failed together does not come back together.
const firstBackoffMs = 1000
const longestBackoffMs = 5 * 60_000

const attemptsLeft = "attempt_count < max_attempts"

/** The texts of one table, for the columns that its model reads. */
export const leaseTexts = (table: LeasedTable, columns: string) => {
  const { dueIndex, failed, held, leasesIndex, maxDurationColumn, name, waiting } = table
  const [endColumn, end] = failed.at

  /** The end of a lease that was claimed at `claimedAt` and for which `asked` was requested. */
  const leaseEnd = (asked: string, claimedAt: string) =>
    maxDurationColumn === undefined ? asked : `iif(${maxDurationColumn} IS NULL, ${asked}, min(${asked}, ${claimedAt} + ${maxDurationColumn}))`

  /** What a row gets that is failed because its last lease has expired, and keeps else. ?1: now. */
  const failedWhenExhausted = [
    `${endColumn} = iif(${attemptsLeft}, NULL, ${end})`,
    ...Object.entries(failed.exhausted).map(([column, said]) => `${column} = iif(${attemptsLeft}, ${column}, '${said}')`),
    "updated_at = ?1"
  ].join(",\n    ")

  /** Waiting and available, or under a lease that has expired. ?1: now. */
  const dueCondition = `(status = '${waiting}' AND available_at <= ?1 OR status = '${held}' AND lease_expires_at <= ?1)`

  const expired = `status = '${held}' AND lease_expires_at <= ?1`

  // Each branch reads a prefix of one partial index, so that the depth of the queue does not matter. Left to itself, the
  // planner takes the index that begins with the status, and sorts the whole queue.
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

  // Hands out what is selected, and fails what has no attempts left, in one statement: what is chosen cannot change
  // between the choice and the write. ?1: now, ?2: worker, ?3: when the leases expire, ?4: as `candidates` says.
  const claim = (candidates: string) => `
  UPDATE ${name} SET
    status = iif(${attemptsLeft}, '${held}', 'failed'),
    attempt_count = attempt_count + (${attemptsLeft}),
    lease_token = lease_token + (${attemptsLeft}),
    lease_outcome = iif(${attemptsLeft}, NULL, 'expired'),
    worker_id = iif(${attemptsLeft}, ?2, worker_id),
    claimed_at = iif(${attemptsLeft}, ?1, claimed_at),
    lease_expires_at = iif(${attemptsLeft}, ${leaseEnd("?3", "?1")}, NULL),
    ${[...table.whenClaimed, failedWhenExhausted].join(",\n    ")}
  WHERE id IN (${candidates})
  RETURNING ${columns}`

  // The write under a lease: `set` stands if the lease is the current one. ?1: now, ?2 to ?4: the lease; `set` has the rest.
  const underLease = (...set: ReadonlyArray<string>) => `
  UPDATE ${name} SET ${set.join(", ")}, updated_at = ?1
  WHERE id = ?2 AND status = '${held}' AND lease_token = ?3 AND worker_id = ?4
  RETURNING ${columns}`.trim()

  const ifRetried = (then: string, otherwise: string) => `iif(?5 AND ${attemptsLeft}, ${then}, ${otherwise})`

  return {
    /** How many rows are in each status. */
    byStatus: `SELECT status, count(*) AS count FROM ${name} GROUP BY status`,

    /** How many rows could be claimed at `?1`, and since when the oldest of them. */
    due: `
  SELECT count(*) AS count, min(iif(status = '${waiting}', available_at, lease_expires_at)) AS oldest
  FROM ${name} WHERE ${dueCondition} AND ${attemptsLeft}`.trim(),

    /** The row of id `?1`. */
    byId: `SELECT ${columns} FROM ${name} WHERE id = ?1`,

    // Trimmed once: the statement trims, and a text that is new each time is hashed anew each time to find what was prepared.
    /** Claims the `?4` rows that have been due longest. */
    claimDue: claim(due).trim(),

    /** Claims the row of id `?4`, if it is due. */
    claimOne: claim(`SELECT id FROM ${name} WHERE id = ?4 AND ${dueCondition}`).trim(),

    underLease,

    heartbeat: underLease(`lease_expires_at = ${leaseEnd("?5", "claimed_at")}`),

    /** `set` is what the table keeps of the failure. ?5: is it worth another try, ?6: how much of the pause is kept, 0.5 to 1. */
    fail: (...set: ReadonlyArray<string>) =>
      underLease(
        `status = ${ifRetried(`'${waiting}'`, "'failed'")}`,
        `lease_outcome = ${ifRetried("'retried'", "'failed'")}`,
        "lease_expires_at = NULL",
        `claimed_at = ${ifRetried("NULL", "claimed_at")}`,
        `worker_id = ${ifRetried("NULL", "worker_id")}`,
        `available_at = ${
          ifRetried(
            `?1 + CAST(?6 * min(${longestBackoffMs}, ${firstBackoffMs} << min(attempt_count - 1, 30)) AS INTEGER)`,
            "available_at"
          )
        }`,
        `${endColumn} = ${ifRetried("NULL", end)}`,
        ...set
      ),

    release: underLease(
      `status = '${waiting}'`,
      "lease_outcome = 'released'",
      "lease_expires_at = NULL",
      "claimed_at = NULL",
      "worker_id = NULL",
      "attempt_count = attempt_count - 1",
      ...table.whenReleased
    ),

    /** Fails a row that was claimed and cannot be read. ?1: now, ?2: id, ?3: token. */
    failUnreadable: `
  UPDATE ${name} SET
    status = 'failed', lease_outcome = 'failed', lease_expires_at = NULL, ${endColumn} = ${end},
    ${Object.entries(failed.unreadable).map(([column, said]) => `${column} = '${said}'`).join(", ")}, updated_at = ?1
  WHERE id = ?2 AND status = '${held}' AND lease_token = ?3`,

    /** Takes up to `?2` rows from leases that have expired by `?1`. */
    reap: `
  UPDATE ${name} SET
    status = iif(${attemptsLeft}, '${waiting}', 'failed'),
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
