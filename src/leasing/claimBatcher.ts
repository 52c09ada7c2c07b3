/**
 * Batching of simultaneous claims: one statement claims for all callers. The slots of a worker wake up at the same
 * time, and a claim of thirty rows costs the database little more than a claim of one.
 */
import { Deferred, Effect, FiberId, Option } from "effect"

type Claim<A, E> = Effect.Effect<Option.Option<A>, E>

interface Batch<A, E> {
  size: number
  readonly claimed: Deferred.Deferred<ReadonlyArray<A>, E>
}

/**
 * Builds a claim of one row from a claim of several. Calls with the same key join one batch until `claimSeveral`
 * begins, at most `mostAtOnce` of them. They receive the claimed rows in the order of their calls, and `None` when the
 * rows are used up.
 *
 * Interrupting a caller does not affect the others. The row of an interrupted caller stays claimed until the lease
 * expires, like any claim whose response is lost.
 */
export const claimBatcher = <A, E>(mostAtOnce: number) => {
  const open = new Map<string, Batch<A, E>>()

  const resultAt = ({ claimed }: Batch<A, E>, index: number) =>
    Effect.map(Deferred.await(claimed), (all) => Option.fromNullable(all[index]))

  return (key: string, claimSeveral: (limit: number) => Effect.Effect<ReadonlyArray<A>, E>): Claim<A, E> =>
    Effect.suspend(() => {
      const joined = open.get(key)
      if (joined !== undefined && joined.size < mostAtOnce) return resultAt(joined, joined.size++)

      const batch: Batch<A, E> = { size: 1, claimed: Deferred.unsafeMake(FiberId.none) }
      open.set(key, batch)
      const run = Effect.suspend(() => {
        if (open.get(key) === batch) open.delete(key)
        return Effect.intoDeferred(claimSeveral(batch.size), batch.claimed)
      })
      // A separate fiber, because the first caller may be interrupted. It yields, so that all fibers that are ready can
      // join.
      return Effect.zipRight(Effect.forkDaemon(Effect.zipRight(Effect.yieldNow(), run)), resultAt(batch, 0))
    })
}
