/**
 * The issue domain as one layer: issues, pull requests, workflows, executions with what they report, and the lifecycle
 * over them, which launches sandboxes.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { IssueRepo } from "./IssueRepo.js"
import { IssueWorkflowExecutionRepo } from "./IssueWorkflowExecutionRepo.js"
import { IssueWorkflowRepo } from "./IssueWorkflowRepo.js"
import { PullRequestRepo } from "./PullRequestRepo.js"
import { IssueWorkflowLifecycle } from "./IssueWorkflowLifecycle.js"
import * as Sandboxes from "../sandbox/index.js"

/** What the layer gives. */
export type Services = IssueWorkflowLifecycle | IssueRepo | PullRequestRepo | IssueWorkflowRepo | IssueWorkflowExecutionRepo

/** All services of the domain over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = IssueWorkflowLifecycle.layer.pipe(
  Layer.provide(Sandboxes.layer),
  Layer.provideMerge(
    Layer.mergeAll(IssueRepo.layer, PullRequestRepo.layer, IssueWorkflowRepo.layer, IssueWorkflowExecutionRepo.layer)
  )
)
