/**
 * The layer of issues, pull requests, workflows and executions, and of `IssueWorkflowLifecycle`, which launches
 * sandboxes.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { IssueRepo } from "./IssueRepo.js"
import { IssueWorkflowExecutionRepo } from "./IssueWorkflowExecutionRepo.js"
import { IssueWorkflowRepo } from "./IssueWorkflowRepo.js"
import { PullRequestRepo } from "./PullRequestRepo.js"
import { IssueWorkflowLifecycle } from "./IssueWorkflowLifecycle.js"
import * as Sandboxes from "../sandbox/index.js"

/** The services of the layer. */
export type Services =
  | IssueWorkflowLifecycle
  | IssueRepo
  | PullRequestRepo
  | IssueWorkflowRepo
  | IssueWorkflowExecutionRepo

/** The layer of all these services over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = IssueWorkflowLifecycle.layer.pipe(
  Layer.provide(Sandboxes.layer),
  Layer.provideMerge(
    Layer.mergeAll(IssueRepo.layer, PullRequestRepo.layer, IssueWorkflowRepo.layer, IssueWorkflowExecutionRepo.layer)
  )
)
