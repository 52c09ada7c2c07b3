/**
 * `WorkspaceBuildJobRepo`, over whatever `SqlClient` it is given: inputs validated, every row decoded, spans as always.
 *
 * Operations run in fibers of one Effect program, as they do in a worker or an API.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Layer, ManagedRuntime, Option } from "effect"
import type { WorkspaceBuildJobId } from "../../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import type { RowContestant } from "../contestant.js"
import { leaseMs, success, workerId } from "../jobs.js"
import { openFeeder } from "../seed.js"

const request = { workerId, leaseDuration: leaseMs }

export const repositoryOver = async <E>(
  name: string,
  file: string,
  client: Layer.Layer<SqlClient.SqlClient, E>
): Promise<RowContestant> => {
  const runtime = ManagedRuntime.make(Layer.provideMerge(WorkspaceBuildJobRepo.layer, client))
  const [repo, sql] = await runtime.runPromise(Effect.all([WorkspaceBuildJobRepo, SqlClient.SqlClient]))
  const feeder = openFeeder(file)

  const claimed = Effect.flatMap(
    repo.claimNext(request),
    Option.match({
      onNone: () => Effect.dieMessage(`${name}: nothing to claim`),
      onSome: Effect.succeed
    })
  )
  const cycle = Effect.flatMap(claimed, ({ lease }) => repo.succeed(lease, success))

  return {
    name,
    synchronous: () =>
      runtime.runPromise(
        Effect.map(sql.unsafe<{ readonly synchronous: unknown }>("PRAGMA synchronous"), ([row]) => row?.synchronous)
      ),
    feed: feeder.feed,
    done: feeder.done,
    // Callers hold ids of the branded type: making one is not part of the read.
    read: (ids) =>
      runtime.runPromise(Effect.forEach(ids, (id) => repo.getById(id as WorkspaceBuildJobId), { discard: true })),
    enqueue: (requests, concurrency) =>
      runtime.runPromise(Effect.forEach(requests, repo.enqueue, { concurrency, discard: true })),
    claim: (count) => runtime.runPromise(Effect.repeatN(claimed, count - 1)).then(() => undefined),
    cycle: (count, concurrency) =>
      runtime.runPromise(Effect.forEach(Array(count), () => cycle, { concurrency, discard: true })),
    close: async () => {
      feeder.close()
      await runtime.dispose()
    }
  }
}
