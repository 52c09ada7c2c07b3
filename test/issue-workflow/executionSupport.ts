/**
 * Helpers of the tests of executions: the repository over each database, workflows of two tenants, and rows to refer to.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Layer } from "effect"
import { UserId } from "../../src/auth/User.js"
import { IssueWorkflowExecutionId } from "../../src/issue-workflow/IssueWorkflowExecution.js"
import { IssueWorkflowExecutionRepo } from "../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import { overDatabases, seedIssue, seedRepository, seedUser } from "../support/database.js"
import { shell } from "../support/lists.js"

export const ada = UserId.make("ada")
export const eve = UserId.make("eve")

export const gone = IssueWorkflowExecutionId.make("gone")

const seedWorkflow = (id: string, ownerUserId: string | null) =>
  Effect.zipRight(
    seedIssue(`${id}-issue`, "rep"),
    shell(
      `INSERT INTO issue_workflows (id, issue_id, repository_id, owner_user_id, created_at, updated_at)
       VALUES (?1, ?1 || '-issue', 'rep', ?2, 0, 0)`,
      id,
      ownerUserId
    )
  )

const seedAttempt = (id: string, ownerUserId: string) =>
  shell(
    "INSERT INTO sandbox_attempts (id, owner_user_id, queued_at, created_at, updated_at) VALUES (?1, ?2, 0, 0, 0)",
    id,
    ownerUserId
  )

const seedSandbox = (id: string, ownerUserId: string) =>
  shell(
    "INSERT INTO sandboxes (id, name, owner_user_id, created_at, updated_at) VALUES (?1, ?1, ?2, 0, 0)",
    id,
    ownerUserId
  )

const seedPullRequest = (id: string) =>
  shell(
    `INSERT INTO pull_requests (id, repository_id, number, title, head_branch, base_branch, created_at, updated_at)
     VALUES (?1, 'rep', (SELECT count(*) + 1 FROM pull_requests), ?1, 'fix', 'main', 0, 0)`,
    id
  )

/**
 * Workflows of Ada, of Eve and of nobody (`ada-workflow`, ...); of Ada and Eve a sandbox and two attempts each, of which
 * one is in that sandbox (`ada-attempt`) and the other in none (`ada-attempt-2`); pull requests `pr-1` to `pr-5`.
 */
export const seed = Effect.gen(function* () {
  yield* seedRepository("rep")
  yield* seedWorkflow("nobody-workflow", null)
  for (const user of [ada, eve]) {
    yield* seedUser(user)
    yield* seedWorkflow(`${user}-workflow`, user)
    yield* seedSandbox(`${user}-sandbox`, user)
    yield* seedAttempt(`${user}-attempt`, user)
    yield* seedAttempt(`${user}-attempt-2`, user)
    yield* shell(
      "INSERT INTO sandbox_run_links (sandbox_id, run_id, linked_at) VALUES (?, ?, 0)",
      `${user}-sandbox`,
      `${user}-attempt`
    )
  }
  yield* Effect.forEach(["pr-1", "pr-2", "pr-3", "pr-4", "pr-5"], seedPullRequest)
}).pipe(Effect.orDie)

export type Services = IssueWorkflowExecutionRepo | SqlClient.SqlClient

/** The repository, and what `seed` puts into its database. */
export const services = Layer.merge(IssueWorkflowExecutionRepo.layer, Layer.effectDiscard(seed))

/** The same over each database. */
export const layers = overDatabases(services)

/** A new execution of Ada's workflow. */
export const queued = Effect.flatMap(IssueWorkflowExecutionRepo, (repo) =>
  repo.create({ issueWorkflowId: "ada-workflow" })
)

/** The same, started. */
export const running = Effect.flatMap(IssueWorkflowExecutionRepo, (repo) =>
  Effect.flatMap(queued, ({ id }) => repo.start(id))
)

/** An event, as short as one can be. */
export const line = (message: string) => ({ phase: "build", eventType: "line", message })

/** A document with all that is hard to keep. */
export const hardDocument = { z: 1, a: [null, "é\0\uD800", 1e21], "'": { '"': "\\" } }

export { pages, shell } from "../support/lists.js"
export { badNames, refusalOf, tagOf } from "../support/refusals.js"
