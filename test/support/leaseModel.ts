/**
 * A model of leases in plain TypeScript, for the property tests of the queue and of the inbox.
 */

/** What is known of a row that can be leased. */
export interface ModelRow<Status extends string> {
  readonly id: string
  readonly maxAttempts: number
  status: Status
  attempts: number
  availableAt: number
  token: number
  outcome: string | null
  worker: string | null
  expiresAt: number | null
}

/** How a table calls what all of them have. */
interface Names<Status extends string> {
  /** What ids begin with. */
  readonly prefix: string
  /** The status of a row that waits for a claim, of one under a lease, and of one whose attempts are used up. */
  readonly waiting: Status
  readonly held: Status
  readonly failed: Status
}

/** The order of texts and numbers, the first that differ decide. */
const byKey =
  <A>(key: (item: A) => readonly [number, string]) =>
  (a: A, b: A) => {
    const [[atA, idA], [atB, idB]] = [key(a), key(b)]
    return atA - atB || (idA < idB ? -1 : idA > idB ? 1 : 0)
  }

/** A whole table. Each method changes it, and returns the expected result of the real one. */
export class LeaseModel<Status extends string, Row extends ModelRow<Status>, Lease extends { readonly token: number }> {
  now = 0
  readonly rows: Array<Row> = []
  readonly leases: Array<Lease> = []

  constructor(
    private readonly names: Names<Status>,
    private readonly idOf: (lease: Lease) => string
  ) {}

  /** The id that the next row gets. */
  nextId(): string {
    return `${this.names.prefix}-${String(this.rows.length).padStart(3, "0")}`
  }

  /** The next row, which nobody has had yet. */
  protected fresh(maxAttempts: number, availableAt: number): ModelRow<Status> {
    return {
      id: this.nextId(),
      maxAttempts,
      status: this.names.waiting,
      attempts: 0,
      availableAt,
      token: 0,
      outcome: null,
      worker: null,
      expiresAt: null
    }
  }

  /** The rows that a claim returns: those under expired leases first. Rows without attempts left fail and take no place. */
  claimDue(limit: number): ReadonlyArray<Row> {
    const claimed: Array<Row> = []
    for (const row of this.expired()) {
      if (claimed.length === limit) return claimed
      if (row.attempts < row.maxAttempts) claimed.push(row)
      else this.takeBack(row)
    }
    const due = this.rows
      .filter(({ availableAt, status }) => status === this.names.waiting && availableAt <= this.now)
      .toSorted(byKey(({ availableAt, id }) => [availableAt, id]))
    return [...claimed, ...due.slice(0, limit - claimed.length)]
  }

  /** What a claim of one certain row has to give. */
  claimOne(row: Row): ReadonlyArray<Row> {
    const isDue = row.status === this.names.waiting ? row.availableAt <= this.now : this.hasExpired(row)
    if (!isDue) return []
    if (row.attempts < row.maxAttempts) return [row]
    this.takeBack(row)
    return []
  }

  /** The lease that the claimed row is now under. */
  lease(row: Row, worker: string, duration: number): void {
    Object.assign(row, {
      status: this.names.held,
      attempts: row.attempts + 1,
      token: row.token + 1,
      outcome: null,
      worker,
      expiresAt: this.now + duration
    })
  }

  reap(limit: number): ReadonlyArray<string> {
    const reaped = this.expired().slice(0, limit)
    for (const row of reaped) this.takeBack(row)
    return reaped.map(({ id }) => id)
  }

  /** The expected result of a call under a lease: `ok`, or the reason of LeaseLost. */
  underLease(lease: Lease, repeats: ReadonlyArray<string>, apply: (row: Row) => void): string {
    const row = this.rows.find(({ id }) => id === this.idOf(lease))
    if (row === undefined) return "not-found"
    if (row.status === this.names.held && row.token === lease.token) {
      apply(row)
      return "ok"
    }
    if (row.token !== lease.token || row.outcome === null) return "superseded"
    if (repeats.includes(row.outcome)) return "ok"
    return ["released", "expired", "cancelled"].includes(row.outcome) ? row.outcome : "finished"
  }

  fail(row: Row, retryable: boolean, random: number): void {
    if (!retryable || row.attempts >= row.maxAttempts) return this.end(row, this.names.failed, "failed")
    const pause = Math.min(300_000, 1000 * 2 ** (row.attempts - 1))
    this.putBack(row, "retried", this.now + Math.floor((pause * (1 + random)) / 2))
  }

  release(row: Row): void {
    row.attempts -= 1
    this.putBack(row, "released", row.availableAt)
  }

  end(row: Row, status: Status, outcome: string | null): void {
    Object.assign(row, { status, outcome, expiresAt: null })
  }

  /** One whose lease ended in one of these statuses begins anew. */
  protected again(row: Row, from: ReadonlyArray<Status>): string {
    if (row.status === this.names.waiting) return "ok"
    if (!from.includes(row.status)) return "InvalidTransition"
    row.attempts = 0
    this.putBack(row, row.outcome, this.now)
    return "ok"
  }

  private putBack(row: Row, outcome: string | null, availableAt: number): void {
    Object.assign(row, { status: this.names.waiting, outcome, availableAt, worker: null, expiresAt: null })
  }

  protected takeBack(row: Row): void {
    if (row.attempts < row.maxAttempts) this.putBack(row, "expired", this.now)
    else this.end(row, this.names.failed, "expired")
  }

  private hasExpired(row: Row): boolean {
    return row.status === this.names.held && row.expiresAt !== null && row.expiresAt <= this.now
  }

  protected expired(): ReadonlyArray<Row> {
    return this.rows.filter((row) => this.hasExpired(row)).toSorted(byKey((row) => [row.expiresAt ?? 0, row.id]))
  }
}
