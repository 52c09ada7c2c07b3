/**
 * Claims of due jobs, in the order of `claimOrder.ts`. Each claim is one statement, so a batch takes the jobs that as
 * many single claims would take, within the same limits. The statements of a batch are one transaction, and one request
 * to a server.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Effect, Either, Option } from "effect"
import { readerOf, type RowsOf, type Unreadable } from "../sql/rows.js"
import { writeAll } from "../sql/writeAll.js"
import { texts } from "./claim.js"
import { WorkspaceBuildJob } from "./WorkspaceBuildJob.js"

/** The most claims of one transaction. It bounds the time for which other writers wait. */
const mostAtOnce = 100

/** Every tenth claim of a process serves the less urgent priorities first. */
const agingInterval = 10
const priorities = 10

type Claimed = Either.Either<WorkspaceBuildJob, Unreadable>

/** The worker of claims, and the end of their leases. */
interface Claims {
  readonly now: number
  readonly workerId: string
  readonly until: number
}

const readJob = readerOf(WorkspaceBuildJob)

/** Returns whether a claim returned a job that had no attempts left, and has failed it. */
const hasFailed = (claimed: Claimed) => Either.isRight(claimed) && claimed.right.status !== "running"

/**
 * Returns the most urgent priority of each claim of a process: 0, but for every tenth claim the priorities 1 to 9 in
 * turn, so that jobs of each priority are claimed.
 */
const agingOf = () => {
  let count = 0
  return () => {
    count += 1
    return count % agingInterval === 0 ? 1 + ((count / agingInterval - 1) % (priorities - 1)) : 0
  }
}

/** Builds the claim of up to `limit` due jobs. */
export const makeClaimDue = (sql: SqlClient.SqlClient, jobs: RowsOf<WorkspaceBuildJob>) => {
  const nextPriority = agingOf()

  const one = ({ now, until, workerId }: Claims) =>
    Effect.map(jobs.first(sql.unsafe(texts.claimNext, [now, workerId, until, nextPriority()])), Option.toArray)

  const several = ({ now, until, workerId }: Claims, count: number) =>
    Effect.map(
      writeAll(
        sql,
        Array.from({ length: count }, () => ({
          sql: texts.claimNext,
          values: [now, workerId, until, nextPriority()],
          firstOnly: true
        }))
      ),
      (results) => results.flatMap((rows) => rows.map(readJob))
    )

  const upTo = (claims: Claims, limit: number): Effect.Effect<ReadonlyArray<Claimed>, SqlError.SqlError> =>
    Effect.suspend(() => {
      const count = Math.min(limit, mostAtOnce)
      return Effect.flatMap(count === 1 ? one(claims) : several(claims, count), (found) => {
        // A job without attempts left takes no place, so the claim continues with the next one.
        const remaining = limit - found.filter((job) => !hasFailed(job)).length
        return found.length < count || remaining === 0
          ? Effect.succeed(found)
          : // The jobs that are claimed must reach their worker, even if the others cannot be claimed.
            Effect.map(
              Effect.orElseSucceed(upTo(claims, remaining), () => []),
              (others) => [...found, ...others]
            )
      })
    })

  return ({ limit, ...claims }: Claims & { readonly limit: number }) => upTo(claims, limit)
}
