/**
 * Factories of issues, pull requests and issue workflows.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { DateTime, Effect } from "effect"
import { Issue, IssueId, IssuePullRequestLink } from "../issue-workflow/Issue.js"
import { IssueWorkflow, IssueWorkflowId } from "../issue-workflow/IssueWorkflow.js"
import { PullRequest, PullRequestId } from "../issue-workflow/PullRequest.js"
import { idOrNew } from "../sql/ids.js"
import { owner } from "./auth.js"
import { defined, asId, ensure, factory, type Given, insert, type Made, next } from "./rows.js"
import { repositoryOf } from "./source.js"

const users = (given: ReadonlyArray<string | undefined>) =>
  Effect.forEach(
    given.flatMap((id) => id ?? []),
    owner,
    { discard: true }
  )

/** Creates an open issue with the next number of its repository. The title is the id. */
export const issue = (given: Given<Issue> = {}): Made<Issue> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(IssueId, given.id), "issue", IssueId.make)
    const repositoryId = yield* repositoryOf(given.repositoryId)
    yield* users([given.authorUserId, given.assigneeUserId])
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("issues", Issue, {
      provider: "github",
      number: given.number ?? (yield* next("issues", "number", "repository_id", repositoryId)),
      title: id,
      state: "open",
      openedAt: now,
      ...(given.state === "closed" ? { closedAt: now } : {}),
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      id,
      repositoryId
    })
  }).pipe(factory("issue"))

/** Creates a pull request, by default a draft, with the next number of its repository. The title is the id. */
export const pullRequest = (given: Given<PullRequest> = {}): Made<PullRequest> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(PullRequestId, given.id), "pr", PullRequestId.make)
    const repositoryId = yield* repositoryOf(given.repositoryId)
    yield* users([given.authorUserId])
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("pull_requests", PullRequest, {
      provider: "github",
      number: given.number ?? (yield* next("pull_requests", "number", "repository_id", repositoryId)),
      title: id,
      state: "draft",
      headBranch: "fix",
      baseBranch: "main",
      openedAt: now,
      ...(given.state === "merged" ? { mergedAt: now } : {}),
      ...(given.state === "merged" || given.state === "closed" ? { closedAt: now } : {}),
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      id,
      repositoryId
    })
  }).pipe(factory("pullRequest"))

/** Creates a link with the relation `fixes` from a pull request to an issue, by default between new ones. */
export const issuePullRequestLink = (given: Given<IssuePullRequestLink> = {}): Made<IssuePullRequestLink> =>
  Effect.gen(function* () {
    const issueId = yield* issueOf(given.issueId)
    const pullRequestId = yield* pullRequestOf(given.pullRequestId)
    return yield* insert("issue_pull_request_links", IssuePullRequestLink, {
      relation: "fixes",
      linkedAt: yield* DateTime.now,
      ...defined(given),
      issueId,
      pullRequestId
    })
  }).pipe(factory("issuePullRequestLink"))

/** Creates an active workflow, by default on a new issue and of a new owner. */
export const workflow = (given: Given<IssueWorkflow> = {}): Made<IssueWorkflow> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(IssueWorkflowId, given.id), "wf", IssueWorkflowId.make)
    const ownerUserId = yield* owner(given.ownerUserId)
    yield* users([given.requestedByUserId])
    const issueId = yield* issueOf(given.issueId, given.repositoryId)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("issue_workflows", IssueWorkflow, {
      status: "active",
      repositoryId: yield* repositoryOfIssue(issueId),
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      id,
      issueId,
      ownerUserId
    })
  }).pipe(factory("workflow"))

/** Returns the id of an issue, and creates the issue if it does not exist. By default a new one. */
const issueOf = (given: string | undefined, repositoryId?: string) =>
  Effect.gen(function* () {
    const ofRepository = repositoryId === undefined ? {} : { repositoryId }
    yield* ensure("issues", given, (id) => issue({ id, ...ofRepository }))
    return given === undefined ? (yield* issue(ofRepository)).id : IssueId.make(given)
  })

/** Returns the id of a pull request, and creates the pull request if it does not exist. By default a new one. */
export const pullRequestOf = (given: string | undefined) =>
  Effect.gen(function* () {
    yield* ensure("pull_requests", given, (id) => pullRequest({ id }))
    return given === undefined ? (yield* pullRequest()).id : PullRequestId.make(given)
  })

const repositoryOfIssue = (issueId: IssueId) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly repositoryId: string }>`
      SELECT repository_id AS "repositoryId" FROM issues WHERE id = ${issueId}`
    return row?.repositoryId ?? (yield* Effect.dieMessage("the issue that was just created does not exist"))
  })
