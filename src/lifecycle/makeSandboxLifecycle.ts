/**
 * The operations of `SandboxLifecycle`, each one transaction over the repositories.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { WorkspaceBuildJobRepo } from "../domain/build-job/WorkspaceBuildJobRepo.js"
import type { IssueWorkflowExecutionRepo } from "../domain/issue-workflow/IssueWorkflowExecutionRepo.js"
import { make as makeExecutions } from "../domain/issue-workflow/makeIssueWorkflowExecutionRepo.js"
import { SandboxAttemptRepo } from "../domain/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../domain/sandbox/SandboxRepo.js"
import { SandboxRuntimeInstanceRepo } from "../domain/sandbox/SandboxRuntimeInstanceRepo.js"
import { makeAccess } from "./access.js"
import { makeBuildOperations } from "./builds.js"
import { makeEndings } from "./endings.js"
import { makeLaunches } from "./launches.js"
import { recording } from "./recording.js"
import type { SandboxLifecycleService } from "./SandboxLifecycle.js"
import { makeSandboxSupervision } from "./sandboxSupervision.js"
import { makeViews } from "./views.js"

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
