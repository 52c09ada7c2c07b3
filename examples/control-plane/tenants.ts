/**
 * The part of the demo in which one of two tenants floods the build queue: claims alternate between the tenants by their
 * weights. It has a database of its own, in memory, so that no worker takes the jobs.
 */
import { Database, Migrations, OwnerLimitsRepo, UserRepo, WorkspaceBuildJobRepo } from "@sealant/db"
import { Console, Effect, Layer } from "effect"

const flood = 1000
const few = 10
const claims = 40

const request = {
  registryId: "registry",
  repository: "acme/storefront",
  tag: "latest",
  requestPayload: { source: "https://github.com/acme/storefront", harness: "codex" }
} as const

/** Prints a row for each tenant with a block for each of its claims. Returns the last claim of the second tenant. */
const claimNext = (ada: string, eve: string, weight: number) =>
  Effect.gen(function* () {
    const jobs = yield* WorkspaceBuildJobRepo
    yield* (yield* OwnerLimitsRepo).set({ ownerUserId: eve, weight })
    yield* jobs.enqueueMany(Array.from({ length: few }, () => ({ ...request, ownerUserId: eve })))
    const claimed = yield* jobs.claimBatch({ workerId: "demo", leaseDuration: "1 minute", limit: claims })
    const owners: ReadonlyArray<string> = claimed.map(({ job }) =>
      job.ownerUserId._tag === "Some" ? job.ownerUserId.value : ""
    )
    yield* Console.log(`  the next ${claims} claims, with a weight of ${weight} for Eve:`)
    for (const [name, id] of Object.entries({ Ada: ada, Eve: eve }))
      yield* Console.log(`    ${name} ${owners.map((owner) => (owner === id ? "█" : "·")).join("")}`)
    return owners.lastIndexOf(eve) + 1
  })

/** Returns the numbers of claims after which all jobs of the second tenant were claimed, by its weight. */
export const floodedQueue = Effect.gen(function* () {
  const users = yield* UserRepo
  const jobs = yield* WorkspaceBuildJobRepo
  const { id: ada } = yield* users.create({ name: "Ada", email: "ada@example.com" })
  const { id: eve } = yield* users.create({ name: "Eve", email: "eve@example.com" })
  yield* Console.log(`Ada enqueues ${flood} builds, and Eve ${few} after her`)
  yield* jobs.enqueueMany(Array.from({ length: flood }, () => ({ ...request, ownerUserId: ada })))
  return [yield* claimNext(ada, eve, 1), yield* claimNext(ada, eve, 3)] as const
}).pipe(
  Effect.provide(
    Layer.mergeAll(UserRepo.layer, WorkspaceBuildJobRepo.layer, OwnerLimitsRepo.layer).pipe(
      Layer.provide(Migrations.layer),
      Layer.provide(Database.layerMemory)
    )
  )
)
