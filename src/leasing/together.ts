/**
 * One statement for callers that claim at the same moment.
 *
 * The slots of a worker wake together, and a claim of thirty rows costs the database little more than a claim of one.
 */
import { Deferred, Effect, FiberId, Option } from "effect"

interface Group<A, E> {
  size: number
  readonly claimed: Deferred.Deferred<ReadonlyArray<A>, E>
}

/**
 * A claim of one out of a claim of several. Calls with the same key that come before `claimSeveral` has begun share it:
 * each gets one of what it claimed, in its order, as long as there is something. A caller that is interrupted leaves
 * the others theirs; what it would have got waits for its lease to expire, like any claim whose answer is not heard.
 */
export const claimTogether = <A, E>(mostAtOnce: number) => {
  const open = new Map<string, Group<A, E>>()

  const join = ({ claimed }: Group<A, E>, place: number) =>
    Effect.map(Deferred.await(claimed), (all) => Option.fromNullable(all[place]))

  return (key: string, claimSeveral: (limit: number) => Effect.Effect<ReadonlyArray<A>, E>): Effect.Effect<Option.Option<A>, E> =>
    Effect.suspend(() => {
      const known = open.get(key)
      if (known !== undefined && known.size < mostAtOnce) return join(known, known.size++)

      const group: Group<A, E> = { size: 1, claimed: Deferred.unsafeMake(FiberId.none) }
      open.set(key, group)
      const run = Effect.suspend(() => {
        if (open.get(key) === group) open.delete(key)
        return Effect.intoDeferred(claimSeveral(group.size), group.claimed)
      })
      // In a fiber of its own, after all that are ready now have joined: who asked first may be interrupted.
      return Effect.zipRight(Effect.forkDaemon(Effect.zipRight(Effect.yieldNow(), run)), join(group, 0))
    })
}
