/**
 * Our services over `Database.layer`, as an API uses them: `SandboxLifecycle`, `IssueWorkflowExecutionRepo` and
 * `GitHubInstallationRepositoryRepo`.
 */
import { Effect, Layer, ManagedRuntime, Option } from "effect"
import * as Database from "../../../src/Database.js"
import * as GitHub from "../../../src/github/index.js"
import * as IssueWorkflows from "../../../src/issue-workflow/index.js"
import * as Sandboxes from "../../../src/sandbox/index.js"
import { make } from "../../../src/testing/Factories.js"
import type { OpenOptions } from "../contestant.js"
import { eventsOf, pageSize, repositoriesOf } from "../documents.js"
import type { Features, Listing } from "../features.js"
import { newRequests } from "../jobs.js"

const services = Layer.mergeAll(Sandboxes.layer, IssueWorkflows.layer, GitHub.layer)

const prepared = Effect.gen(function* () {
  const user = yield* make.user({ id: "ada" })
  const execution = yield* make.execution({ status: "running" })
  const installation = yield* make.installation({})
  return { executionId: execution.id, installationId: installation.id, ownerUserId: user.id }
})

export const openOurFeatures = async ({ durability, file }: OpenOptions): Promise<Features & Listing> => {
  const database = Database.layer({ filePath: file, synchronous: durability })
  const runtime = ManagedRuntime.make(Layer.provideMerge(services, database))
  const { executionId, installationId, ownerUserId } = await runtime.runPromise(prepared)
  const cursors = new Map<number, string | undefined>([[1, undefined]])
  let syncs = 0

  const launch = (count: number, concurrency: number) =>
    Effect.flatMap(Sandboxes.SandboxLifecycle, (lifecycle) =>
      Effect.forEach(
        newRequests(count),
        ({ registryId, repository, requestPayload, tag }) =>
          lifecycle.launch({ ownerUserId, name: tag, spec: requestPayload, registryId, repository, tag }),
        { concurrency, discard: true }
      )
    )

  /** Records the cursor of every page. */
  const walk = Effect.gen(function* () {
    const lifecycle = yield* Sandboxes.SandboxLifecycle
    for (let page = 1; ; page++) {
      const { nextCursor } = yield* lifecycle.list({ ownerUserId, limit: pageSize, cursor: cursors.get(page) })
      if (Option.isNone(nextCursor)) return
      cursors.set(page + 1, nextCursor.value)
    }
  })

  return {
    launch: (count, fibers) => runtime.runPromise(launch(count, fibers)),
    append: (batches, size) =>
      runtime
        .runPromise(
          Effect.flatMap(IssueWorkflows.IssueWorkflowExecutionRepo, (executions) =>
            Effect.repeatN(
              Effect.suspend(() => executions.appendEvents({ executionId, events: eventsOf(size) })),
              batches - 1
            )
          )
        )
        .then(() => undefined),
    sync: (times, count) =>
      runtime
        .runPromise(
          Effect.flatMap(GitHub.GitHubInstallationRepositoryRepo, (repositories) =>
            Effect.repeatN(
              Effect.suspend(() => repositories.sync({ installationId, repositories: repositoriesOf(count, syncs++) })),
              times - 1
            )
          )
        )
        .then(() => undefined),
    fill: (sandboxes) => runtime.runPromise(Effect.zipRight(launch(sandboxes, 100), walk)),
    readPage: (page, times) =>
      runtime.runPromise(
        Effect.gen(function* () {
          const lifecycle = yield* Sandboxes.SandboxLifecycle
          if (!cursors.has(page)) return yield* Effect.dieMessage(`there is no page ${page}`)
          for (let i = 0; i < times; i++) {
            const { items } = yield* lifecycle.list({ ownerUserId, limit: pageSize, cursor: cursors.get(page) })
            if (items.length !== pageSize) return yield* Effect.dieMessage(`page ${page} has ${items.length} rows`)
          }
        })
      ),
    close: () => runtime.dispose()
  }
}
