import { describe } from "@effect/vitest"
import { Issue, IssuePullRequestLink } from "../../../src/domain/issue-workflow/Issue.js"
import { IssueWorkflow } from "../../../src/domain/issue-workflow/IssueWorkflow.js"
import { PullRequest } from "../../../src/domain/issue-workflow/PullRequest.js"
import { roundTrip } from "../../support/roundTrip.js"

describe("issue models", () => {
  roundTrip("Issue", Issue, 100)
  roundTrip("IssuePullRequestLink", IssuePullRequestLink, 100)
  roundTrip("PullRequest", PullRequest, 100)
  roundTrip("IssueWorkflow", IssueWorkflow, 100)
})
