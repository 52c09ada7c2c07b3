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
  roundTrip("IssueWorkflowExecution", IssueWorkflowExecution, 200)
  roundTrip("IssueWorkflowExecutionEvent", IssueWorkflowExecutionEvent, 100)
  roundTrip("IssueWorkflowExecutionValidationResult", IssueWorkflowExecutionValidationResult, 100)
  roundTrip("IssueWorkflowExecutionArtifact", IssueWorkflowExecutionArtifact, 100)
  roundTrip("IssueWorkflowExecutionDiffFile", IssueWorkflowExecutionDiffFile, 200)
  roundTrip("IssueWorkflowExecutionSummary", IssueWorkflowExecutionSummary, 100)
  roundTrip("IssueWorkflowExecutionPullRequestLink", IssueWorkflowExecutionPullRequestLink, 100)
})
