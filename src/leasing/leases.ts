/**
 * What workers do to rows under leases, whatever the table: claim them, write under their lease, and learn why they lost it.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Array, Clock, DateTime, Duration, Effect, Either, Metric, Option, Random } from "effect"
import { InvalidInput, LeaseLost, type LeaseLostReason } from "../Errors.js"
import { abilitiesOf } from "../libsql/registry.js"
import { Name } from "../sql/columns.js"
import type { LeaseTexts } from "./statements.js"
import type { operations } from "../sql/operations.js"
import type { CorruptRow, RowsOf, Unreadable } from "../sql/rows.js"
import { claimTogether } from "./together.js"

/** What a row under a lease has, whatever else it holds. */
export interface LeasedRow {
  readonly id: string
  readonly status: string
  readonly availableAt: DateTime.Utc
  /** The number of the last lease. It only grows. */
  readonly leaseToken: number
  /** How the lease of that number ended; none while it is held. */
  readonly leaseOutcome: Option.Option<string>
  readonly workerId: Option.Option<string>
}

/** A lease, under the id of its row. */
export interface Held {
  readonly id: string
  readonly workerId: string
  readonly token: number
}

/** Who claims, and for how long: what is not heard of again within `leaseDuration` may be given to another. */
export interface ClaimRequest {
  readonly workerId: string
  readonly leaseDuration: Duration.DurationInput
}

/** Counts of a leased table at one moment. */
export interface LeaseStats<Status extends string> {
  readonly byStatus: Readonly<Record<Status, number>>
  /** How many could be claimed now. */
  readonly due: number
  /** Since when the oldest of those could have been claimed. */
  readonly oldestDueAt: Option.Option<DateTime.Utc>
}

/** Calls under a lease that was not the current one any more. */
export const leasesLost = Metric.counter("sealant_db_leases_lost", {
  incremental: true,
  description: "Calls under a lease that was lost"
})

/** What is given to `leasesOn`. */
export interface Definition<Row extends LeasedRow, Claimed> {
  readonly service: string
  /** How many rows an empty table has in each status. */
  readonly none: Readonly<Record<Row["status"], number>>
  /** The status of a row that waits for a worker. */
  readonly waiting: Row["status"]
  /** The status of a row that is under a lease. */
  readonly held: Row["status"]
  /** What a row is called in a log. */
  readonly noun: string
  readonly texts: LeaseTexts
  /** The row and the lease, in the words of the service. */
  readonly claimed: (row: Row, workerId: string) => Claimed
  readonly rowOf: (claimed: Claimed) => Row
  /** Counts leases that were given. */
  readonly claims: Metric.Metric.Counter<number>
  /** Counts rows that failed and wait again. */
  readonly retries: Metric.Metric.Counter<number>
}

/** How many rows a claim, a look for expired leases or a purge may take at once. */
export const maxBatch = 1000

// Enough for any work; and the end of the lease stays an instant that a `DateTime` can hold.
const longestLeaseMs = 100 * 365 * 24 * 60 * 60_000

/** What the methods of a service over a leased table are made of. Their errors are still the engine's. */
export const leasesOn = <Row extends LeasedRow, Claimed>(
  sql: SqlClient.SqlClient,
  rows: RowsOf<Row>,
  { input }: ReturnType<typeof operations>,
  { claimed: toClaimed, claims, held, none, noun, retries, rowOf, service, texts, waiting }: Definition<Row, Claimed>
) => {
  // In the way of every worker, all day: written without generators, which cost as much as the decoding.
  const claim = (method: string, { leaseDuration, workerId }: ClaimRequest, text: string, which: string | number) =>
    Effect.flatMap(input(method, Name)(workerId), (worker) =>
      Effect.flatMap(leaseMs(method, "leaseDuration", leaseDuration), (millis) =>
        Effect.clockWith((clock) => {
          const now = clock.unsafeCurrentTimeMillis()
          return Effect.flatMap(rows.each(sql.unsafe(text, [now, worker, now + millis, which])), handOut(now, worker))
        })))

  const claimDue = (method: string, request: ClaimRequest, limit: number) =>
    Effect.map(claim(method, request, texts.claimDue, limit), (claimed) => claimed.sort(byDue))

  // RETURNING gives its rows in no order.
  const byDue = (a: Claimed, b: Claimed) => {
    const [left, right] = [rowOf(a), rowOf(b)]
    return left.availableAt.epochMillis - right.availableAt.epochMillis || (left.id < right.id ? -1 : 1)
  }

  const together = claimTogether<Claimed, SqlError.SqlError | InvalidInput>(maxBatch)
  // A claim inside a transaction is part of it, and nobody else's.
  const isAlone = Effect.map(abilitiesOf(sql)?.isInTransaction ?? Effect.succeed(true), (inTransaction) => !inTransaction)

  const handOut = (now: number, workerId: string) => (touched: ReadonlyArray<Either.Either<Row, Unreadable>>) => {
    const claimed: Array<Claimed> = []
    const unreadable: Array<Unreadable> = []
    for (const row of touched) {
      if (Either.isLeft(row)) unreadable.push(row.left)
      else if (row.right.status === held) claimed.push(toClaimed(row.right, workerId))
    }
    claims.unsafeUpdate(claimed.length, [])
    // The others are claimed, whatever stands in one of them: they are handed out.
    return unreadable.length === 0
      ? Effect.succeed(claimed)
      : Effect.as(Effect.forEach(unreadable, ({ row }) => failUnreadable(now, row)), claimed)
  }

  /**
   * A row that was claimed and cannot be read, as after a deploy with a stricter shape, would come back again and again.
   * Where that cannot be stored, it does, when its lease has expired: the others must not wait for that.
   */
  const failUnreadable = (now: number, { id, leaseToken }: Readonly<Record<string, unknown>>) =>
    sql.unsafe(texts.failUnreadable, [now, id, leaseToken]).pipe(
      Effect.zipRight(Effect.logWarning(`${noun} ${String(id)} cannot be read and has failed`)),
      Effect.catchAll(() => Effect.logWarning(`${noun} ${String(id)} cannot be read, and cannot be failed`))
    )

  const underLease = (lease: Held, text: string, repeats: ReadonlyArray<string>, values: ReadonlyArray<unknown>) =>
    Effect.clockWith((clock) =>
      Effect.flatMap(
        // A token that is no whole number was never given, and the engine does not take each such number.
        Number.isSafeInteger(lease.token)
          ? rows.first(sql.unsafe(text, [clock.unsafeCurrentTimeMillis(), lease.id, lease.token, lease.workerId, ...values]))
          : Effect.succeedNone,
        (written) => Option.isSome(written) ? Effect.succeed(written.value) : whyLost(lease, repeats)
      ))

  /** The lease is not the current one: a second look, which says why, or finds that the same call was answered before. */
  const whyLost = (
    lease: Held,
    repeats: ReadonlyArray<string>
  ): Effect.Effect<Row, LeaseLost | SqlError.SqlError | CorruptRow> =>
    Effect.gen(function*() {
      const { id, token, workerId } = lease
      const found = yield* rows.first(sql.unsafe(texts.byId, [id]))
      if (Option.isSome(found) && isRepeat(found.value, lease, repeats)) return found.value
      const reason = Option.match(found, { onNone: () => "not-found" as const, onSome: lossOf(token) })
      yield* Metric.increment(leasesLost)
      return yield* new LeaseLost({ jobId: id, workerId, reason })
    })

  const leaseMs = (method: string, field: string, given: Duration.DurationInput): Effect.Effect<number, InvalidInput> => {
    const millis = Option.match(Duration.decodeUnknown(given), { onNone: () => Number.NaN, onSome: (duration) => Math.round(Duration.toMillis(duration)) })
    return millis >= 1 && millis <= longestLeaseMs
      ? Effect.succeed(millis)
      : Effect.fail(new InvalidInput({ operation: `${service}.${method}`, issues: [`${field}: must be at least 1 ms, and at most 100 years`] }))
  }

  const countOf = (method: string, limit: number): Effect.Effect<number, InvalidInput> =>
    Number.isInteger(limit) && limit >= 1 && limit <= maxBatch
      ? Effect.succeed(limit)
      : Effect.fail(new InvalidInput({ operation: `${service}.${method}`, issues: [`limit: must be a whole number from 1 to ${maxBatch}`] }))

  return {
    underLease,

    claimNext: (request: ClaimRequest): Effect.Effect<Option.Option<Claimed>, SqlError.SqlError | InvalidInput> =>
      Effect.flatMap(isAlone, (alone) =>
        alone
          ? Effect.flatMap(leaseMs("claimNext", "leaseDuration", request.leaseDuration), (millis) =>
            together(`${millis} ${request.workerId}`, (limit) => claimDue("claimNext", request, limit)))
          : Effect.map(claimDue("claimNext", request, 1), ([first]) => Option.fromNullable(first))),

    claimBatch: (request: ClaimRequest & { readonly limit: number }) =>
      Effect.flatMap(countOf("claimBatch", request.limit), (limit) => claimDue("claimBatch", request, limit)),

    claimById: (request: ClaimRequest & { readonly id: string }) =>
      Effect.map(claim("claimById", request, texts.claimOne, request.id), ([first]) => Option.fromNullable(first)),

    getByLease: (lease: Held) =>
      Effect.flatMap(rows.first(sql.unsafe(texts.byId, [lease.id])), (found) =>
        Option.isSome(found) && isCurrent(held, found.value, lease) ? Effect.succeed(found.value) : whyLost(lease, [])),

    heartbeat: (lease: Held, duration: Duration.DurationInput) =>
      Effect.gen(function*() {
        const millis = yield* leaseMs("heartbeat", "duration", duration)
        return yield* underLease(lease, texts.heartbeat, [], [(yield* Clock.currentTimeMillis) + millis])
      }),

    /** `text` is one of `texts.fail`; `values` are those that its table keeps, from ?7 on. */
    fail: (lease: Held, text: string, retryable: boolean, values: ReadonlyArray<unknown>) =>
      Effect.flatMap(Random.next, (random) =>
        underLease(lease, text, ["retried", "failed"], [retryable, (1 + random) / 2, ...values])).pipe(
        Effect.tap((row) => row.status === waiting ? Metric.increment(retries) : Effect.void)
      ),

    release: (lease: Held) => underLease(lease, texts.release, ["released"], []),

    reapExpired: (limit: number) =>
      Effect.gen(function*() {
        const count = yield* countOf("reapExpired", limit)
        return Array.getRights(yield* rows.each(sql.unsafe(texts.reap, [yield* Clock.currentTimeMillis, count])))
      }),

    /** Counts every row. */
    stats: Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const byStatus: Record<Row["status"], number> = { ...none }
      for (const { count, status } of yield* sql.unsafe<{ readonly status: Row["status"]; readonly count: number }>(texts.byStatus)) {
        byStatus[status] = count
      }
      const [due] = yield* sql.unsafe<{ readonly count: number; readonly oldest: number | null }>(texts.due, [now])
      const stats: LeaseStats<Row["status"]> = {
        byStatus,
        due: due?.count ?? 0,
        oldestDueAt: Option.map(Option.fromNullable(due?.oldest), DateTime.unsafeMake)
      }
      return stats
    })
  }
}

const isCurrent = (held: string, row: LeasedRow, { token, workerId }: Held) =>
  row.status === held && row.leaseToken === token && Option.contains(row.workerId, workerId)

/** The same call by the same lease has been answered before. A row that waits again names no worker. */
const isRepeat = (row: LeasedRow, { token, workerId }: Held, repeats: ReadonlyArray<string>) =>
  row.leaseToken === token && Option.getOrElse(row.workerId, () => workerId) === workerId
  && Option.exists(row.leaseOutcome, (outcome) => repeats.includes(outcome))

const lossOf = (token: number) => (row: LeasedRow): LeaseLostReason => {
  if (row.leaseToken !== token || Option.isNone(row.leaseOutcome)) return "superseded"
  const outcome = row.leaseOutcome.value
  return outcome === "released" || outcome === "expired" || outcome === "cancelled" ? outcome : "finished"
}
