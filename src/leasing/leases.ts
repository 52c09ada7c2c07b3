/**
 * Operations of workers on leased rows, shared by all leased tables: claims, writes under a lease, and the reason of a
 * lost lease.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Array, Clock, DateTime, Duration, Effect, Either, Metric, Option, Random, Schema } from "effect"
import { InvalidInput, LeaseLost, type LeaseLostReason } from "../Errors.js"
import { nextTurn } from "../libsql/eventLoop.js"
import { clientInternals } from "../libsql/registry.js"
import { Name } from "../sql/columns.js"
import { Limited, maxRows } from "../sql/inputLimits.js"
import type { LeaseTexts } from "./statements.js"
import type { operations } from "../sql/operations.js"
import type { CorruptRow, RowsOf, Unreadable } from "../sql/rows.js"
import { writeAll } from "../sql/writeAll.js"
import { claimBatcher } from "./claimBatcher.js"
import type { ClaimRequest, LeaseStats } from "./LeaseMethods.js"

/** The most expired leases that one statement ends. The event loop turns between two statements. */
const reapedAtOnce = 100

/** The lease columns of a row. */
export interface LeasedRow {
  readonly id: string
  readonly status: string
  readonly availableAt: DateTime.Utc
  /** The number of the last lease. It only increases. */
  readonly leaseToken: number
  /** The outcome of that lease. None while it is held. */
  readonly leaseOutcome: Option.Option<string>
  readonly workerId: Option.Option<string>
}

/** A lease, with the id of its row. */
export interface Held {
  readonly id: string
  readonly workerId: string
  readonly token: number
}

/** Calls under a lease that was no longer the current one. */
export const leasesLost = Metric.counter("sealant_db_leases_lost", {
  incremental: true,
  description: "Calls under a lease that was lost"
})

/** The properties of a leased table and its service. */
export interface Definition<Row extends LeasedRow, Claimed> {
  readonly service: string
  /** The name of the rows in errors. */
  readonly entity: LeaseLost["entity"]
  /** The counts of an empty table: zero for each status. */
  readonly none: Readonly<Record<Row["status"], number>>
  /** The status of a row that waits for a worker. */
  readonly waiting: Row["status"]
  /** The status of a row that is under a lease. */
  readonly held: Row["status"]
  /** The name of this kind of rows in logs. */
  readonly noun: string
  readonly texts: Omit<LeaseTexts, "claimDue" | "claimWhere">
  /** Claims up to `limit` due rows until `until`: the text of `texts.claimDue`, or a function that returns their order. */
  readonly claimDue:
    | string
    | ((claim: {
        readonly now: number
        readonly workerId: string
        readonly until: number
        readonly limit: number
      }) => Effect.Effect<ReadonlyArray<Either.Either<Row, Unreadable>>, SqlError.SqlError>)
  /** Builds the result of a claim: the row and its lease. */
  readonly claimed: (row: Row, workerId: string) => Claimed
  readonly rowOf: (claimed: Claimed) => Row
  /** Counts claimed leases. */
  readonly claims: Metric.Metric.Counter<number>
  /** Counts failed rows that were queued again. */
  readonly retries: Metric.Metric.Counter<number>
}

// Longer than any work, and short enough for the end of the lease to be a valid `DateTime`.
const longestLeaseMs = 100 * 365 * 24 * 60 * 60_000

const Worker = Schema.Struct({ workerId: Name })

const claimFields = ["workerId", "leaseDuration"]

/** Builds the methods of a service over a leased table. They fail with errors of the engine: the service wraps them. */
export const leasesOn = <Row extends LeasedRow, Claimed>(
  sql: SqlClient.SqlClient,
  rows: RowsOf<Row>,
  { decodeInput, onlyFields }: ReturnType<typeof operations>,
  {
    claimDue: claimDueOf,
    claimed: toClaimed,
    claims,
    entity,
    held,
    none,
    noun,
    retries,
    rowOf,
    service,
    texts,
    waiting
  }: Definition<Row, Claimed>
) => {
  const decodeWorker = {
    claimNext: decodeInput("claimNext", Worker),
    claimBatch: decodeInput("claimBatch", Worker),
    claimById: decodeInput("claimById", Worker)
  }

  // The hottest path of every worker, so it avoids generators, which cost as much as decoding the rows.
  const claim = (
    method: "claimNext" | "claimBatch" | "claimById",
    { leaseDuration, workerId }: ClaimRequest,
    claimRows: (
      now: number,
      workerId: string,
      until: number
    ) => Effect.Effect<ReadonlyArray<Either.Either<Row, Unreadable>>, SqlError.SqlError>
  ) =>
    Effect.flatMap(decodeWorker[method]({ workerId }), ({ workerId: worker }) =>
      Effect.flatMap(leaseMs(method, "leaseDuration", leaseDuration), (millis) =>
        Effect.clockWith((clock) => {
          const now = clock.unsafeCurrentTimeMillis()
          return Effect.flatMap(claimRows(now, worker, now + millis), claimedOf(now, worker))
        })
      )
    )

  const claimBy = (text: string, which: string | number) => (now: number, workerId: string, until: number) =>
    rows.each(sql.unsafe(text, [now, workerId, until, which]))

  const claimDue = (method: "claimNext" | "claimBatch", request: ClaimRequest, limit: number) =>
    typeof claimDueOf === "string"
      ? Effect.map(claim(method, request, claimBy(claimDueOf, limit)), (claimed) => claimed.sort(byDue))
      : claim(method, request, (now, workerId, until) => claimDueOf({ now, workerId, until, limit }))

  // RETURNING has no defined order (https://www.sqlite.org/lang_returning.html).
  const byDue = (a: Claimed, b: Claimed) => {
    const [left, right] = [rowOf(a), rowOf(b)]
    return left.availableAt.epochMillis - right.availableAt.epochMillis || (left.id < right.id ? -1 : 1)
  }

  const claimBatched = claimBatcher<Claimed, SqlError.SqlError | InvalidInput>(maxRows)
  // A claim inside a transaction belongs to that transaction and must not be shared.
  const mayShare = Effect.map(
    clientInternals(sql)?.isInTransaction ?? Effect.succeed(true),
    (inTransaction) => !inTransaction
  )

  const claimedOf = (now: number, workerId: string) => (updated: ReadonlyArray<Either.Either<Row, Unreadable>>) => {
    const claimed: Array<Claimed> = []
    const unreadable: Array<Unreadable> = []
    for (const row of updated) {
      if (Either.isLeft(row)) unreadable.push(row.left)
      else if (row.right.status === held) claimed.push(toClaimed(row.right, workerId))
    }
    claims.unsafeUpdate(claimed.length, [])
    // The readable rows are claimed and must reach their worker even if others are unreadable.
    return unreadable.length === 0
      ? Effect.succeed(claimed)
      : Effect.as(
          Effect.forEach(unreadable, ({ row }) => failUnreadable(now, row)),
          claimed
        )
  }

  /**
   * Fails a claimed row that cannot be decoded, for example after a deployment with a stricter schema. Otherwise it
   * would be claimed again and again. A failure to do so is logged only, because the other rows must not wait; the row
   * is claimed again after its lease has expired.
   */
  const failUnreadable = (now: number, { id, leaseToken }: Readonly<Record<string, unknown>>) =>
    sql.unsafe(texts.failUnreadable, [now, id, leaseToken]).pipe(
      Effect.as("and was marked as failed"),
      Effect.catchAll(() => Effect.succeed("and could not be marked as failed")),
      Effect.flatMap((outcome) => Effect.logWarning(`${noun} ${String(id)}: the row cannot be decoded ${outcome}`))
    )

  const underLease = (lease: Held, text: string, repeats: ReadonlyArray<string>, values: ReadonlyArray<unknown>) =>
    Effect.clockWith((clock) =>
      Effect.flatMap(
        // Tokens are whole numbers. The engine refuses some other numbers with an error, so they are not sent.
        Number.isSafeInteger(lease.token)
          ? rows.findOne(
              sql.unsafe(text, [clock.unsafeCurrentTimeMillis(), lease.id, lease.token, lease.workerId, ...values])
            )
          : Effect.succeedNone,
        (written) => (Option.isSome(written) ? Effect.succeed(written.value) : repeatOrLost(lease, repeats))
      )
    )

  /**
   * Explains a write that matched no row: returns the row if the call repeats an earlier one (its outcome is in
   * `repeats`), else fails with `LeaseLost` and its reason.
   */
  const repeatOrLost = (
    lease: Held,
    repeats: ReadonlyArray<string>
  ): Effect.Effect<Row, LeaseLost | SqlError.SqlError | CorruptRow> =>
    Effect.gen(function* () {
      const { id, workerId } = lease
      const found = yield* rows.findOne(sql.unsafe(texts.byId, [id]))
      if (Option.isSome(found) && isRepeat(found.value, lease, repeats)) return found.value
      const reason = Option.match(found, { onNone: () => "not-found" as const, onSome: lossOf(lease.token) })
      yield* Metric.increment(leasesLost)
      return yield* new LeaseLost({ entity, id, workerId, reason })
    })

  const invalidInput = (method: string, issue: string) =>
    Effect.fail(new InvalidInput({ operation: `${service}.${method}`, issues: [issue] }))

  const leaseMs = (
    method: string,
    field: string,
    duration: Duration.DurationInput
  ): Effect.Effect<number, InvalidInput> => {
    const millis = Option.match(Duration.decodeUnknown(duration), {
      onNone: () => Number.NaN,
      onSome: (decoded) => Math.round(Duration.toMillis(decoded))
    })
    return millis >= 1 && millis <= longestLeaseMs
      ? Effect.succeed(millis)
      : invalidInput(method, `${field}: must be a duration from 1 ms to 100 years`)
  }

  const decodeBatch = decodeInput("claimBatch", Limited)
  const onlyClaimNext = onlyFields("claimNext", claimFields)
  const onlyClaimBatch = onlyFields("claimBatch", [...claimFields, "limit"])
  const onlyClaimById = onlyFields("claimById", [...claimFields, "id"])
  const decodeReap = decodeInput("reapExpired", Limited)

  /**
   * Runs a write under each lease, in one transaction. `values` are its parameters from ?5 on, by lease. Returns the row,
   * or the reason of the lost lease, for each. `read` decodes a row.
   */
  const underLeases = (
    read: (row: Readonly<Record<string, unknown>>) => Effect.Effect<Row, CorruptRow>,
    held: ReadonlyArray<Held>,
    text: string,
    repeats: ReadonlyArray<string>,
    values: ReadonlyArray<ReadonlyArray<unknown>>
  ): Effect.Effect<ReadonlyArray<Either.Either<Row, LeaseLost>>, SqlError.SqlError | CorruptRow> =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const results = yield* writeAll(
        sql,
        held.map(({ id, token, workerId }, index) => ({
          sql: text,
          // An unsafe token matches no row. The engine refuses some of these numbers with an error.
          values: [now, id, Number.isSafeInteger(token) ? token : -1, workerId, ...(values[index] ?? [])],
          firstOnly: true
        }))
      )
      return yield* Effect.forEach(held, (lease, index) => {
        const [row] = results[index] ?? []
        if (row === undefined) return Effect.either(repeatOrLost(lease, repeats)).pipe(Effect.flatMap(lostOrFailed))
        return Effect.map(read(row), Either.right)
      })
    })

  return {
    underLease,

    underLeases,

    claimNext: (request: ClaimRequest): Effect.Effect<Option.Option<Claimed>, SqlError.SqlError | InvalidInput> =>
      Effect.flatMap(Effect.zipRight(onlyClaimNext(request), mayShare), (shared) =>
        shared
          ? Effect.flatMap(leaseMs("claimNext", "leaseDuration", request.leaseDuration), (millis) =>
              // Not decoded yet: a template fails for a symbol.
              claimBatched(`${millis} ${String(request.workerId)}`, (limit) => claimDue("claimNext", request, limit))
            )
          : Effect.map(claimDue("claimNext", request, 1), ([first]) => Option.fromNullable(first))
      ),

    claimBatch: (request: ClaimRequest & { readonly limit: number }) =>
      Effect.flatMap(Effect.zipRight(onlyClaimBatch(request), decodeBatch({ limit: request.limit })), ({ limit }) =>
        claimDue("claimBatch", request, limit)
      ),

    claimById: (request: ClaimRequest & { readonly id: string }) =>
      Effect.map(
        Effect.zipRight(onlyClaimById(request), claim("claimById", request, claimBy(texts.claimOne, request.id))),
        ([first]) => Option.fromNullable(first)
      ),

    getByLease: (lease: Held) =>
      Effect.flatMap(rows.findOne(sql.unsafe(texts.byId, [lease.id])), (found) =>
        Option.isSome(found) && isCurrent(held, found.value, lease)
          ? Effect.succeed(found.value)
          : repeatOrLost(lease, [])
      ),

    heartbeat: (lease: Held, duration: Duration.DurationInput) =>
      Effect.gen(function* () {
        const millis = yield* leaseMs("heartbeat", "duration", duration)
        return yield* underLease(lease, texts.heartbeat, [], [(yield* Clock.currentTimeMillis) + millis])
      }),

    /** `text` is a statement of `texts.fail`; `values` are its parameters from ?7 on. */
    fail: (lease: Held, text: string, retryable: boolean, values: ReadonlyArray<unknown>) =>
      Effect.flatMap(Random.next, (random) =>
        underLease(lease, text, ["retried", "failed"], [retryable, (1 + random) / 2, ...values])
      ).pipe(Effect.tap((row) => (row.status === waiting ? Metric.increment(retries) : Effect.void))),

    release: (lease: Held) => underLease(lease, texts.release, ["released"], []),

    reapExpired: (limit: number) =>
      Effect.gen(function* () {
        const { limit: count } = yield* decodeReap({ limit })
        const now = yield* Clock.currentTimeMillis
        const reaped: Array<Row> = []
        for (let left = count; left > 0; ) {
          const size = Math.min(left, reapedAtOnce)
          const found = yield* rows.each(sql.unsafe(texts.reap, [now, size]))
          reaped.push(...Array.getRights(found))
          left = found.length < size ? 0 : left - size
          if (left > 0) yield* nextTurn
        }
        return reaped
      }),

    /** Counts all rows: the cost grows with the table. */
    stats: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const byStatus: Record<Row["status"], number> = { ...none }
      for (const { count, status } of yield* sql.unsafe<{ readonly status: Row["status"]; readonly count: number }>(
        texts.byStatus
      )) {
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

/** Returns the loss of a lease as a result, and fails with all other errors. */
const lostOrFailed = <Row, E>(
  result: Either.Either<Row, LeaseLost | E>
): Effect.Effect<Either.Either<Row, LeaseLost>, E> =>
  Either.isRight(result)
    ? Effect.succeed(Either.right(result.right))
    : result.left instanceof LeaseLost
      ? Effect.succeed(Either.left(result.left))
      : Effect.fail(result.left)

/** A row under a lease, as far as the lease is concerned. */
type Leased = Pick<LeasedRow, "status" | "leaseToken" | "leaseOutcome" | "workerId">

/**
 * Checks a lease against its row: `current`, or `repeated` if the same lease made a call before whose outcome is in
 * `repeats`. Otherwise returns why the lease is lost.
 */
export const checkLease = (
  held: string,
  row: Option.Option<Leased>,
  lease: Held,
  repeats: ReadonlyArray<string>
): Either.Either<"current" | "repeated", LeaseLostReason> => {
  if (Option.isNone(row)) return Either.left("not-found")
  if (isCurrent(held, row.value, lease)) return Either.right("current")
  return isRepeat(row.value, lease, repeats) ? Either.right("repeated") : Either.left(lossOf(lease.token)(row.value))
}

const isCurrent = (held: string, row: Leased, { token, workerId }: Held) =>
  row.status === held && row.leaseToken === token && Option.contains(row.workerId, workerId)

/** Returns whether the same lease made the same call before. A row that was queued again has no worker. */
const isRepeat = (row: Leased, { token, workerId }: Held, repeats: ReadonlyArray<string>) =>
  row.leaseToken === token &&
  Option.getOrElse(row.workerId, () => workerId) === workerId &&
  Option.exists(row.leaseOutcome, (outcome) => repeats.includes(outcome))

const lossOf =
  (token: number) =>
  (row: Leased): LeaseLostReason => {
    if (row.leaseToken !== token || Option.isNone(row.leaseOutcome)) return "superseded"
    const outcome = row.leaseOutcome.value
    return outcome === "released" || outcome === "expired" || outcome === "cancelled" ? outcome : "finished"
  }
