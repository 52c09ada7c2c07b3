/**
 * Helpers of the tests of issues, pull requests and workflows: the repositories over each database, with two users and two
 * repositories.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Layer } from "effect"
import { UserId } from "../../src/auth/User.js"
import { IssueRepo } from "../../src/issue-workflow/IssueRepo.js"
import { IssueWorkflowRepo } from "../../src/issue-workflow/IssueWorkflowRepo.js"
import { PullRequestRepo } from "../../src/issue-workflow/PullRequestRepo.js"
import { overDatabases, seedRepository, seedUser } from "../support/database.js"

export const ada = UserId.make("ada")
export const eve = UserId.make("eve")

const seed = Layer.effectDiscard(
  Effect.all([seedUser(ada), seedUser(eve), seedRepository("rep"), seedRepository("rep2")])
)

const repositories = Layer.mergeAll(IssueRepo.layer, PullRequestRepo.layer, IssueWorkflowRepo.layer)

export type Services = IssueRepo | PullRequestRepo | IssueWorkflowRepo | SqlClient.SqlClient

/** The repositories over a database that has two users and two repositories, `rep` and `rep2`. */
export const layers = overDatabases(Layer.merge(repositories, seed))

/** A minimal issue, as a provider sends it. */
export const minimalIssue = (number: number) => ({ repositoryId: "rep", number, title: `issue ${number}` })

/** A minimal pull request, as a provider sends it. */
export const minimalPullRequest = (number: number) => ({
  repositoryId: "rep",
  number,
  title: `pull request ${number}`,
  headBranch: "fix",
  baseBranch: "main"
})

export { pages, shell } from "../support/lists.js"
export { badNames, refusalOf, tagOf } from "../support/refusals.js"
