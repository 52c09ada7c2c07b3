import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Stream } from "effect"
import { IssueId } from "../../src/issue-workflow/Issue.js"
import { IssueRepo } from "../../src/issue-workflow/IssueRepo.js"
import { IssueWorkflowId } from "../../src/issue-workflow/IssueWorkflow.js"
import { IssueWorkflowRepo } from "../../src/issue-workflow/IssueWorkflowRepo.js"
import { PullRequestId } from "../../src/issue-workflow/PullRequest.js"
import { PullRequestRepo } from "../../src/issue-workflow/PullRequestRepo.js"
import { planIssues } from "../support/plans.js"
import { ada, layers, type Services, minimalIssue, minimalPullRequest, shell } from "./issueSupport.js"

const syncedAt = DateTime.unsafeMake(5)

/** Every combination of the fields. */
const combinations = (...fields: ReadonlyArray<ReadonlyArray<object>>): ReadonlyArray<object> =>
  fields.reduce<ReadonlyArray<object>>(
    (all, values) => all.flatMap((some) => values.map((value) => ({ ...some, ...value }))),
    [{}]
  )

const identities = combinations(
  [{}, { id: "one" }],
  [{}, { externalId: "x" }, { externalId: null }],
  [{}, { syncedAt }, { syncedAt: DateTime.unsafeMake(1) }]
)

const issueMethods = Effect.gen(function* () {
  const repo = yield* IssueRepo
  const { id: issueId } = yield* repo.upsert(minimalIssue(9))
  const { id: pullRequestId } = yield* (yield* PullRequestRepo).upsert(minimalPullRequest(9))
  // A transfer that ends a workflow and merges two rows.
  yield* repo.upsert({ ...minimalIssue(20), externalId: "from" })
  yield* repo.upsert({ ...minimalIssue(21), externalId: "to" })
  yield* shell(`INSERT INTO issue_workflows (id, issue_id, repository_id, created_at, updated_at)
    SELECT 'wf-' || id, id, repository_id, 0, 0 FROM issues WHERE external_id IN ('from', 'to')`)
  return {
    upsert: Effect.forEach(identities, (fields) => repo.upsert({ ...minimalIssue(1), state: "open", ...fields })),
    findById: repo.findById(IssueId.make("gone")),
    getById: repo.getById(IssueId.make("gone")),
    findByNumber: repo.findByNumber({ repositoryId: "rep", number: 1 }),
    findByExternalId: repo.findByExternalId({ externalId: "x" }),
    list: Effect.forEach([undefined, "open"] as const, (state) => repo.list({ repositoryId: "rep", state })),
    stream: Stream.runDrain(repo.stream({ repositoryId: "rep" })),
    linkPullRequest: Effect.all([
      repo.linkPullRequest({ issueId, pullRequestId }),
      Effect.ignore(repo.linkPullRequest({ issueId, pullRequestId: "gone" }))
    ]),
    listPullRequests: repo.listPullRequests({ issueId }),
    markDeleted: repo.markDeleted({ externalId: "x", at: DateTime.unsafeMake(0) }),
    markTransferred: repo.markTransferred({ fromExternalId: "from", to: { ...minimalIssue(21), externalId: "to" } })
  }
})

const pullRequestMethods = Effect.map(PullRequestRepo, (repo) => ({
  upsert: Effect.forEach([...identities, { state: "merged" }, { state: "open" }], (fields) =>
    Effect.ignore(repo.upsert({ ...minimalPullRequest(1), state: "open", ...fields }))
  ),
  findById: repo.findById(PullRequestId.make("gone")),
  getById: repo.getById(PullRequestId.make("gone")),
  findByNumber: repo.findByNumber({ repositoryId: "rep", number: 1 }),
  findByExternalId: repo.findByExternalId({ externalId: "x" }),
  list: Effect.forEach([undefined, "open"] as const, (state) => repo.list({ repositoryId: "rep", state })),
  stream: Stream.runDrain(repo.stream({ repositoryId: "rep" }))
}))

const filters = combinations(
  [{}, { ownerUserId: ada }],
  [{}, { repositoryId: "rep" }],
  [{}, { issueId: "one" }],
  [{}, { statuses: ["active"] }, { statuses: ["active", "failed", "completed"] }],
  [{}, { includeArchived: true }]
)

const workflowMethods = Effect.map(IssueWorkflowRepo, (repo) => {
  const id = IssueWorkflowId.make("gone")
  return {
    create: Effect.ignore(repo.create({ issueId: "gone" })),
    findById: repo.findById(id),
    getById: Effect.forEach([id, { ownerUserId: ada, id }], (by) => Effect.ignore(repo.getById(by))),
    list: Effect.forEach(filters, (filter) => repo.list(filter)),
    stream: Stream.runDrain(repo.stream({ ownerUserId: ada })),
    succeed: repo.succeed(id),
    fail: repo.fail(id),
    cancel: repo.cancel({ id, reason: "enough" }),
    archive: repo.archive(id),
    unarchive: repo.unarchive(id)
  }
})

const scansNothing = (
  name: string,
  service: Effect.Effect<object, never, Services>,
  methods: Effect.Effect<Readonly<Record<string, Effect.Effect<unknown, unknown>>>, unknown, Services>
) =>
  it.effect(`of ${name} use an index`, () =>
    Effect.gen(function* () {
      const known = yield* methods
      expect(Object.keys(known).toSorted()).toEqual(Object.keys(yield* service).toSorted())
      for (const [method, effect] of Object.entries(known))
        expect(yield* planIssues(Effect.ignore(effect)), method).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )

describe("statements", () => {
  scansNothing("IssueRepo", IssueRepo, issueMethods)
  scansNothing("PullRequestRepo", PullRequestRepo, pullRequestMethods)
  scansNothing("IssueWorkflowRepo", IssueWorkflowRepo, workflowMethods)
})
