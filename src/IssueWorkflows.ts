/**
 * The issue domain as one layer: issues, pull requests, workflows, and executions with what they report.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { IssueRepo } from "./domain/issue-workflow/IssueRepo.js"
import { IssueWorkflowExecutionRepo } from "./domain/issue-workflow/IssueWorkflowExecutionRepo.js"
import { IssueWorkflowRepo } from "./domain/issue-workflow/IssueWorkflowRepo.js"
import { PullRequestRepo } from "./domain/issue-workflow/PullRequestRepo.js"

/** What the layer gives. */
export type Services = IssueRepo | PullRequestRepo | IssueWorkflowRepo | IssueWorkflowExecutionRepo

/** All services of the domain over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(
  IssueRepo.layer,
  PullRequestRepo.layer,
  IssueWorkflowRepo.layer,
  IssueWorkflowExecutionRepo.layer
)
