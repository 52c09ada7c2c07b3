/**
 * The operations of `SandboxLifecycle`, each one transaction over the repositories.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { WorkspaceBuildJobRepo } from "../build-job/WorkspaceBuildJobRepo.js"
import type { IssueWorkflowExecutionRepo } from "../issue-workflow/IssueWorkflowExecutionRepo.js"
import { make as makeExecutions } from "../issue-workflow/makeIssueWorkflowExecutionRepo.js"
import { SandboxAttemptRepo } from "./SandboxAttemptRepo.js"
import { SandboxRepo } from "./SandboxRepo.js"
import { SandboxRuntimeInstanceRepo } from "./SandboxRuntimeInstanceRepo.js"
import { makeAccess } from "./lifecycle/access.js"
import { makeBuildOperations } from "./lifecycle/build.js"
import { makeEndings } from "./lifecycle/stop.js"
import { makeLaunches } from "./lifecycle/launch.js"
import { recording } from "../events/recording.js"
import type { SandboxLifecycleService } from "./SandboxLifecycle.js"
import { makeSandboxSupervision } from "./lifecycle/supervise.js"
import { makeViews } from "./lifecycle/views.js"

/** The repositories whose tables a lifecycle operation writes. */
export interface Repositories {
  readonly sql: SqlClient.SqlClient
  readonly sandboxes: SandboxRepo["Type"]
  readonly attempts: SandboxAttemptRepo["Type"]
  readonly runtimes: SandboxRuntimeInstanceRepo["Type"]
  readonly jobs: WorkspaceBuildJobRepo["Type"]
  /** The executions that work in sandboxes. */
  readonly executions: IssueWorkflowExecutionRepo["Type"]
}

export const makeSandboxLifecycle = Effect.gen(function*() {
  const repositories = recording({
    sql: yield* SqlClient.SqlClient,
    sandboxes: yield* SandboxRepo,
    attempts: yield* SandboxAttemptRepo,
    runtimes: yield* SandboxRuntimeInstanceRepo,
    jobs: yield* WorkspaceBuildJobRepo,
    // Not from its layer, which programs without issue workflows do not have.
    executions: yield* makeExecutions
  })
  const views = yield* makeViews
  const supervision = yield* makeSandboxSupervision(repositories)
  const service: SandboxLifecycleService = {
    ...makeLaunches(repositories, yield* makeAccess),
    ...makeBuildOperations(repositories),
    ...makeEndings(repositories),
    ...supervision,
    ...views
  }
  return service
})
