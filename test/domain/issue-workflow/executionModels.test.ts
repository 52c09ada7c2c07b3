import { describe } from "@effect/vitest"
import { IssueWorkflowExecutionEvent } from "../../../src/domain/issue-workflow/ExecutionEvent.js"
import {
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionPullRequestLink,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult
} from "../../../src/domain/issue-workflow/ExecutionReport.js"
import { IssueWorkflowExecution } from "../../../src/domain/issue-workflow/IssueWorkflowExecution.js"
import { roundTrip } from "../../support/roundTrip.js"

describe("execution models", () => {
  roundTrip("IssueWorkflowExecution", IssueWorkflowExecution, 60)
  roundTrip("IssueWorkflowExecutionEvent", IssueWorkflowExecutionEvent, 60)
  roundTrip("IssueWorkflowExecutionValidationResult", IssueWorkflowExecutionValidationResult, 60)
  roundTrip("IssueWorkflowExecutionArtifact", IssueWorkflowExecutionArtifact, 60)
  roundTrip("IssueWorkflowExecutionDiffFile", IssueWorkflowExecutionDiffFile, 60)
  roundTrip("IssueWorkflowExecutionSummary", IssueWorkflowExecutionSummary, 60)
  roundTrip("IssueWorkflowExecutionPullRequestLink", IssueWorkflowExecutionPullRequestLink, 60)
})
