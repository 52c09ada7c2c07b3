/**
 * `WorkspaceBuildJobRepo` over a `SqlClient`. Operations run in fibers of one Effect program, as in a worker or an API.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Layer, ManagedRuntime, Option } from "effect"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import type { BatchContestant, RowContestant } from "../contestant.js"
import { leaseMs, success, workerId } from "../jobs.js"
import { openFeeder } from "../seed.js"

const request = { workerId, leaseDuration: leaseMs }

export const repositoryOver = async <E>(
  file: string,
  client: Layer.Layer<SqlClient.SqlClient, E>
): Promise<RowContestant & BatchContestant> => {
  const runtime = ManagedRuntime.make(Layer.provideMerge(WorkspaceBuildJobRepo.layer, client))
  const [repo, sql] = await runtime.runPromise(Effect.all([WorkspaceBuildJobRepo, SqlClient.SqlClient]))
  const feeder = openFeeder(file)

  const claimed = Effect.flatMap(
    repo.claimNext(request),
    Option.match({
      onNone: () => Effect.dieMessage("no job is due"),
      onSome: Effect.succeed
    })
  )
  const cycle = Effect.flatMap(claimed, ({ lease }) => repo.succeed(lease, success))

  const batch = (limit: number) =>
    Effect.gen(function* () {
      const jobs = yield* repo.claimBatch({ ...request, limit })
      if (jobs.length < limit) return yield* Effect.dieMessage("no job is due")
      return yield* repo.succeedMany(jobs.map(({ lease }) => ({ lease, outcome: success })))
    })

  return {
    synchronous: () =>
      runtime.runPromise(
        Effect.map(sql.unsafe<{ readonly synchronous: unknown }>("PRAGMA synchronous"), ([row]) => row?.synchronous)
      ),
    feed: feeder.feed,
    done: feeder.done,
    read: (ids) => runtime.runPromise(Effect.forEach(ids, (id) => repo.getById(id), { discard: true })),
    enqueue: (requests, concurrency) =>
      runtime.runPromise(Effect.forEach(requests, repo.enqueue, { concurrency, discard: true })),
    claim: (count) => runtime.runPromise(Effect.repeatN(claimed, count - 1)).then(() => undefined),
    cycle: (count, concurrency) =>
      runtime.runPromise(Effect.forEach(Array(count), () => cycle, { concurrency, discard: true })),
    enqueueBatch: (requests, size) =>
      runtime.runPromise(
        Effect.forEach(
          Array.from({ length: Math.ceil(requests.length / size) }, (_, index) =>
            requests.slice(index * size, (index + 1) * size)
          ),
          repo.enqueueMany,
          { discard: true }
        )
      ),
    batch: (count, size) =>
      runtime.runPromise(
        Effect.forEach(
          Array.from({ length: Math.ceil(count / size) }, (_, index) => Math.min(size, count - index * size)),
          batch,
          { discard: true }
        )
      ),
    close: async () => {
      feeder.close()
      await runtime.dispose()
    }
  }
}
