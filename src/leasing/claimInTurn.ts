/**
 * Claims of due rows in a fair order. Each claim is one statement, so a batch takes the rows that as many single claims
 * would take. The statements of a batch are one transaction, and one request to a server.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Effect, Either, Option } from "effect"
import { readerOf, type RowModel, type RowsOf, type Unreadable } from "../sql/rows.js"
import { writeAll } from "../sql/writeAll.js"

/** The most claims of one transaction. It bounds the time for which other writers wait. */
const mostAtOnce = 100

/** The worker of claims, and the end of their leases. */
export interface Claims {
  readonly now: number
  readonly workerId: string
  readonly until: number
}

interface Order {
  /**
   * Claims the next row, or fails it if it has no attempts left. ?1: now, ?2: worker, ?3: requested end of the lease.
   */
  readonly text: string
  /** Returns the parameters of a claim from ?4 on. */
  readonly values?: () => ReadonlyArray<unknown>
  /** The status of a row that is under a lease. */
  readonly held: string
}

/** Builds the claim of up to `limit` due rows. */
export const makeClaimInTurn = <Row extends { readonly status: string }>(
  sql: SqlClient.SqlClient,
  rows: RowsOf<Row>,
  model: RowModel<Row>,
  { held, text, values = () => [] }: Order
) => {
  type Claimed = Either.Either<Row, Unreadable>

  const read = readerOf(model)

  /** Returns whether a claim returned a row that had no attempts left, and has failed it. */
  const hasFailed = (claimed: Claimed) => Either.isRight(claimed) && claimed.right.status !== held

  const one = ({ now, until, workerId }: Claims) =>
    Effect.map(rows.first(sql.unsafe(text, [now, workerId, until, ...values()])), Option.toArray)

  const several = ({ now, until, workerId }: Claims, count: number) =>
    Effect.map(
      writeAll(
        sql,
        Array.from({ length: count }, () => ({
          sql: text,
          values: [now, workerId, until, ...values()],
          firstOnly: true
        }))
      ),
      (results) => results.flatMap((found) => found.map(read))
    )

  const upTo = (claims: Claims, limit: number): Effect.Effect<ReadonlyArray<Claimed>, SqlError.SqlError> =>
    Effect.suspend(() => {
      const count = Math.min(limit, mostAtOnce)
      return Effect.flatMap(count === 1 ? one(claims) : several(claims, count), (found) => {
        // A row without attempts left takes no place, so the claim continues with the next one.
        const remaining = limit - found.filter((row) => !hasFailed(row)).length
        return found.length < count || remaining === 0
          ? Effect.succeed(found)
          : // The rows that are claimed must reach their worker, even if the others cannot be claimed.
            Effect.map(
              Effect.orElseSucceed(upTo(claims, remaining), () => []),
              (others) => [...found, ...others]
            )
      })
    })

  return ({ limit, ...claims }: Claims & { readonly limit: number }) => upTo(claims, limit)
}
