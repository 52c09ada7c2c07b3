import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Option } from "effect"
import { Factories, layerTest } from "@sealant/db/testing"
import { IssueState } from "../../src/issue-workflow/Issue.js"
import { IssueRepo } from "../../src/issue-workflow/IssueRepo.js"
import { IssueWorkflowStatus } from "../../src/issue-workflow/IssueWorkflow.js"
import { IssueWorkflowRepo } from "../../src/issue-workflow/IssueWorkflowRepo.js"
import { PullRequestState } from "../../src/issue-workflow/PullRequest.js"
import { PullRequestRepo } from "../../src/issue-workflow/PullRequestRepo.js"
import { shell } from "./issueSupport.js"

const { make } = Factories

const at = (millis: number) => DateTime.unsafeMake(millis)

describe("factories of issues", () => {
  it.effect("create rows in every state that the repositories can read", () =>
    Effect.gen(function* () {
      for (const state of IssueState.literals) {
        const issue = yield* make.issue({ state })
        expect(yield* (yield* IssueRepo).getById(issue.id)).toEqual(issue)
        expect([issue.state, Option.isSome(issue.closedAt)]).toEqual([state, state === "closed"])
      }
      for (const state of PullRequestState.literals) {
        const pullRequest = yield* make.pullRequest({ state })
        expect(yield* (yield* PullRequestRepo).getById(pullRequest.id)).toEqual(pullRequest)
        expect([pullRequest.state, Option.isSome(pullRequest.mergedAt)]).toEqual([state, state === "merged"])
      }
      for (const status of IssueWorkflowStatus.literals) {
        const workflow = yield* make.workflow({ status })
        expect(yield* (yield* IssueWorkflowRepo).getById(workflow.id)).toEqual(workflow)
        expect(workflow.status).toBe(status)
      }
      const link = yield* make.issuePullRequestLink()
      expect((yield* (yield* IssueRepo).listPullRequests({ issueId: link.issueId })).items).toEqual([link])
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("keep the input, and create each referenced row once", () =>
    Effect.gen(function* () {
      const issue = yield* make.issue({
        id: "i",
        repositoryId: "r",
        number: 5,
        title: "",
        externalId: "x",
        authorUserId: "ada",
        assigneeUserId: "ada",
        syncedAt: at(3)
      })
      expect(issue).toMatchObject({
        id: "i",
        repositoryId: "r",
        number: 5,
        title: "",
        externalId: Option.some("x"),
        authorUserId: Option.some("ada"),
        syncedAt: Option.some(at(3))
      })
      expect((yield* make.issue({ repositoryId: "r" })).number).toBe(6)
      expect((yield* make.pullRequest({ repositoryId: "r", headSha: "0a" })).number).toBe(1)
      const workflow = yield* make.workflow({ id: "w", issueId: "i", ownerUserId: "ada", requestedByUserId: "eve" })
      expect(workflow).toMatchObject({
        id: "w",
        issueId: "i",
        repositoryId: "r",
        ownerUserId: Option.some("ada"),
        requestedByUserId: Option.some("eve")
      })
      expect(yield* make.workflow({ repositoryId: "r2" })).toMatchObject({ repositoryId: "r2" })
      const link = yield* make.issuePullRequestLink({ issueId: "i", pullRequestId: "p", relation: "relates_to" })
      expect(link).toMatchObject({ issueId: "i", pullRequestId: "p", relation: "relates_to" })
      expect(yield* shell("SELECT id FROM repositories WHERE id IN ('r', 'r2')")).toHaveLength(2)
      expect(yield* shell("SELECT id FROM issues")).toHaveLength(3)
    }).pipe(Effect.provide(layerTest))
  )
})
