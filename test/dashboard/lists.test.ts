/**
 * The lists of the Dashboard in a large database: each statement reads ranges of indexes, and a filter without an index
 * examines a limited number of rows.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { IssueWorkflowLifecycle } from "../../src/issue-workflow/IssueWorkflowLifecycle.js"
import * as IssueWorkflows from "../../src/issue-workflow/index.js"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { memoryLayer } from "../support/database.js"
import { planIssues } from "../support/plans.js"
import { layers as sandboxLayers, shell } from "../sandbox/lifecycle/support.js"

const deliveries = Layer.provideMerge(GitHubWebhookDeliveryRepo.layer, memoryLayer)

// More than twice the number of rows that a page examines.
const seedDeliveries = shell(`
  WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 21000)
  INSERT INTO github_webhook_deliveries (id, delivery_id, event_type, installation_external_id, received_at, status,
    attempt_count, max_attempts, available_at, processed_at, lease_token, lease_outcome, updated_at)
  SELECT 'row-' || n, n, iif(n IN (100, 101, 20990), 'rare', 'push'), 'one', n, 'processed', 1, 5, 0, n, 1, 'processed', n
  FROM numbers`)

it.effect("a page of a filter without an index ends after 10,000 rows, and the next one continues there", () =>
  Effect.gen(function* () {
    yield* seedDeliveries
    const { listSummaries } = yield* GitHubWebhookDeliveryRepo
    for (const filter of [
      { eventType: "rare" },
      { eventType: "rare", statuses: ["processed", "failed"] as const },
      { eventType: "rare", installationExternalId: "one", statuses: ["processed"] as const }
    ]) {
      const pages: Array<ReadonlyArray<string>> = []
      let cursor = Option.some("")
      while (Option.isSome(cursor)) {
        const page = yield* listSummaries({
          ...filter,
          limit: 10,
          ...(cursor.value === "" ? {} : { cursor: cursor.value })
        })
        pages.push(page.items.map(({ id }) => id))
        cursor = page.nextCursor
      }
      expect(pages).toEqual([["row-20990"], [], ["row-101", "row-100"]])
    }
    // A full page ends earlier.
    const first = yield* listSummaries({ eventType: "push", limit: 1 })
    expect(first.items.map(({ id }) => id)).toEqual(["row-21000"])
    const none = yield* listSummaries({ eventType: "none", statuses: ["failed"] })
    expect(none).toEqual({ items: [], nextCursor: Option.none() })
  }).pipe(Effect.provide(deliveries))
)

describe("the statements of lists for operators", () => {
  const noScans = <E, R>(calls: Readonly<Record<string, Effect.Effect<unknown, E, R>>>) =>
    Effect.forEach(Object.entries(calls), ([name, call]) =>
      Effect.map(planIssues(Effect.asVoid(call)), (issues) => expect(issues, name).toEqual([]))
    )

  it.effect("read ranges of indexes: sandboxes and jobs", () =>
    Effect.gen(function* () {
      const { listAll } = yield* SandboxLifecycle
      const jobs = yield* WorkspaceBuildJobRepo
      yield* noScans({
        all: listAll({}),
        status: listAll({ statuses: ["ready", "failed"] }),
        "status and archived": listAll({ statuses: ["ready"], includeArchived: true }),
        search: listAll({ search: "a" }),
        "repository and status": listAll({ repositoryId: "one", statuses: ["ready"] })
      })
      yield* noScans({
        worker: jobs.list({ workerId: "one" }),
        "error code and status": jobs.list({ errorCode: "disk", statuses: ["failed"] }),
        count: jobs.count({ errorCode: "disk" })
      })
    }).pipe(Effect.provide(sandboxLayers.file))
  )

  it.effect("read ranges of indexes: deliveries and workflows", () =>
    Effect.gen(function* () {
      const { listSummaries } = yield* GitHubWebhookDeliveryRepo
      const { listAll } = yield* IssueWorkflowLifecycle
      yield* noScans({
        "event type": listSummaries({ eventType: "push" }),
        "installation and status": listSummaries({ installationExternalId: "one", statuses: ["failed"] })
      })
      yield* noScans({
        all: listAll({}),
        status: listAll({ statuses: ["active", "failed"] }),
        "owner and status": listAll({ ownerUserId: "ada", statuses: ["active"] })
      })
    }).pipe(
      Effect.provide(
        Layer.provideMerge(Layer.merge(IssueWorkflows.layer, GitHubWebhookDeliveryRepo.layer), sandboxLayers.file)
      )
    )
  )
})
