/**
 * The decisions of workflow operations, without a database: over every combination of the states of an execution, its
 * workflow and the other executions of the workflow, each change is an allowed transition, and the rows agree with the
 * journal afterwards.
 */
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Either, Option } from "effect"
import { UserId } from "../../../src/auth/User.js"
import { IssueId } from "../../../src/issue-workflow/Issue.js"
import {
  IssueWorkflow,
  IssueWorkflowId,
  IssueWorkflowStatus,
  issueWorkflowTransitions
} from "../../../src/issue-workflow/IssueWorkflow.js"
import {
  IssueWorkflowExecution,
  IssueWorkflowExecutionId,
  IssueWorkflowExecutionStatus,
  issueWorkflowExecutionTransitions
} from "../../../src/issue-workflow/IssueWorkflowExecution.js"
import { PullRequestId } from "../../../src/issue-workflow/PullRequest.js"
import {
  decideBegin,
  decideCancel,
  decideFinish,
  decideLeft,
  decideOpen,
  decideReport,
  decideStart
} from "../../../src/issue-workflow/lifecycle/decisions.js"
import type { ExecutionView, WorkflowDraft } from "../../../src/issue-workflow/lifecycle/draft.js"
import { sandboxFailed, sandboxStopped } from "../../../src/issue-workflow/lifecycle/executionEndings.js"
import type { StartState } from "../../../src/issue-workflow/lifecycle/startState.js"
import { Sandbox, SandboxId, SandboxStatus } from "../../../src/sandbox/Sandbox.js"
import { SandboxAttemptId } from "../../../src/sandbox/SandboxAttempt.js"
import { RepositoryId } from "../../../src/source/Repository.js"
import { isActive } from "../../../src/sql/transitions.js"

const now = DateTime.unsafeMake(1000)
const none = Option.none<never>()
const unvalidated = { disableValidation: true }
const [ada, eve] = [UserId.make("ada"), UserId.make("eve")]
const issueId = IssueId.make("issue")
const workflowId = IssueWorkflowId.make("workflow")

const workflowIn = (
  status: IssueWorkflowStatus,
  given: Partial<Pick<IssueWorkflow, "archivedAt" | "id" | "issueId" | "ownerUserId">> = {}
) =>
  new IssueWorkflow(
    {
      id: workflowId,
      issueId,
      repositoryId: RepositoryId.make("app"),
      ownerUserId: Option.some(ada),
      status,
      requestedByUserId: none,
      cancelReason: none,
      createdAt: now,
      updatedAt: now,
      archivedAt: none,
      ...given
    },
    unvalidated
  )

const executionIn = (id: string, status: IssueWorkflowExecutionStatus) =>
  new IssueWorkflowExecution(
    {
      id: IssueWorkflowExecutionId.make(id),
      issueWorkflowId: workflowId,
      sandboxId: none,
      sandboxAttemptId: none,
      status,
      triggerType: "manual",
      requestedByUserId: none,
      cancelReason: none,
      queuedAt: now,
      startedAt: none,
      finishedAt: none,
      durationMs: none,
      createdAt: now,
      updatedAt: now
    },
    unvalidated
  )

interface State {
  readonly workflow: IssueWorkflow
  readonly execution: ExecutionView
  readonly active: ReadonlyArray<ExecutionView>
}

/** Every combination of states, and its name. An active execution is one of the active executions of its workflow. */
const states: ReadonlyArray<readonly [string, State]> = IssueWorkflowStatus.literals.flatMap((workflow) =>
  IssueWorkflowExecutionStatus.literals.flatMap((status) =>
    [[], ["queued"], ["running"], ["queued", "running"]].map((others) => {
      const execution = executionIn("execution", status)
      const active = (["queued", "running"] as const)
        .filter((other) => others.includes(other))
        .map((other) => executionIn(other, other))
      return [
        `workflow ${workflow}, execution ${status}, others ${others.join(" and ") || "ended"}`,
        {
          workflow: workflowIn(workflow),
          execution,
          active: isActive(execution) ? [execution, ...active] : active
        }
      ] as const
    })
  )
)

/** The statuses of all rows after the draft, by id. Fails for a change that is not an allowed transition. */
const after = ({ changes }: WorkflowDraft, { active, execution, workflow }: State): ReadonlyMap<string, string> => {
  const executions = new Map([...active, execution].map(({ id, status }) => [id, status]))
  let workflowStatus: IssueWorkflowStatus = workflow.status
  for (const change of changes) {
    if (change.kind === "execution") {
      const from = executions.get(change.id) ?? expect.unreachable()
      expect(issueWorkflowExecutionTransitions.allows(from, change.to), `${from} > ${change.to}`).toBe(true)
      executions.set(change.id, change.to)
    }
    if (change.kind === "workflow") {
      expect(issueWorkflowTransitions.allows(workflowStatus, change.to), `${workflowStatus} > ${change.to}`).toBe(true)
      workflowStatus = change.to
    }
    // A tail ends with its execution, and must have received the reason before.
    if (change.kind === "failure") expect(executions.get(change.executionId)).toBe("running")
  }
  return new Map<string, string>([...executions, [workflow.id, workflowStatus]])
}

const outcomes = ["succeeded", "failed", "cancelled"] as const
const pullRequests = [{ pullRequestId: PullRequestId.make("one"), relation: "created" as const }]

const finishes = outcomes.flatMap((outcome) =>
  ([undefined, "completed", "failed"] as const).flatMap((workflow) =>
    [undefined, "it broke"].map((reason) => ({ outcome, workflow, reason, pullRequests }))
  )
)

/** Each decision: its draft, or `None` if it refuses the state. */
const decisions: ReadonlyArray<readonly [string, (state: State) => Option.Option<WorkflowDraft>]> = [
  ["beginExecution", ({ execution }) => Option.getRight(decideBegin(execution))],
  ["report", ({ execution }) => Option.some(decideReport(execution))],
  ["cancel", (state) => Option.getRight(decideCancel(state, "enough"))],
  ...finishes.map(
    (request) =>
      [
        `finish as ${request.outcome}, workflow ${request.workflow}${request.reason === undefined ? "" : " with a reason"}`,
        (state: State) => Option.getRight(decideFinish(state, request))
      ] as const
  ),
  ["supervise, sandbox failed", ({ execution }) => Option.fromNullable(decideLeft(execution, sandboxFailed))],
  ["supervise, sandbox stopped", ({ execution }) => Option.fromNullable(decideLeft(execution, sandboxStopped))]
]

describe.each(decisions)("%s", (_, decide) => {
  const drafts = states.flatMap(([name, state]) =>
    Option.match(decide(state), { onNone: () => [], onSome: (draft) => [{ name, state, draft }] })
  )

  it("makes allowed transitions, and records the state in which it leaves each row", () => {
    expect(drafts.length).toBeGreaterThan(0)
    for (const { draft, name, state } of drafts) {
      const rows = after(draft, state)
      for (const { subjectId } of draft.transitions) {
        const last = draft.transitions.findLast((transition) => transition.subjectId === subjectId)
        expect([name, subjectId, last?.toState]).toEqual([name, subjectId, rows.get(subjectId)])
      }
      const changed = draft.changes.flatMap((change) =>
        change.kind === "execution" || change.kind === "workflow" ? [change.id] : []
      )
      const recorded = new Set(draft.transitions.map(({ subjectId }) => subjectId))
      expect([name, changed.filter((id) => !recorded.has(id))]).toEqual([name, []])
    }
  })

  it("changes no status when it is repeated", () => {
    for (const { draft, name, state } of drafts) {
      const rows = after(draft, state)
      const statusOf = <S extends string>(status: ReadonlyArray<S>, id: string) =>
        status.find((literal) => literal === rows.get(id)) ?? expect.unreachable()
      const moved = (execution: ExecutionView) => ({
        ...execution,
        status: statusOf(IssueWorkflowExecutionStatus.literals, execution.id)
      })
      const repeated = decide({
        workflow: workflowIn(statusOf(IssueWorkflowStatus.literals, workflowId)),
        execution: moved(state.execution),
        active: state.active.map(moved).filter(isActive)
      })
      const again = Option.match(repeated, { onNone: () => [], onSome: ({ changes }) => changes })
      expect([name, again.filter(({ kind }) => kind !== "link")]).toEqual([name, []])
    }
  })
})

it("an ended workflow has no active executions", () => {
  for (const [name, state] of states) {
    const ends = [
      decideCancel(state, "enough"),
      ...finishes.flatMap((request) => (request.workflow === undefined ? [] : [decideFinish(state, request)]))
    ]
    for (const draft of ends.flatMap((decision) => Option.toArray(Option.getRight(decision)))) {
      const left = [...after(draft, state)].filter(([, status]) => isActive({ status }))
      expect([name, left]).toEqual([name, []])
    }
  }
})

it("a failed execution records its reason once", () => {
  for (const [name, state] of states) {
    const failed = { outcome: "failed", reason: "it broke", pullRequests: [], workflow: undefined } as const
    const messages = Option.match(Option.getRight(decideFinish(state, failed)), {
      onNone: () => [],
      onSome: ({ changes }) => changes.flatMap((change) => (change.kind === "failure" ? [change.message] : []))
    })
    expect([name, messages]).toEqual([name, isActive(state.execution) ? ["it broke"] : []])
  }
})

describe("open", () => {
  const request = { issueId, ownerUserId: ada }
  const own = workflowIn("active")
  const ended = workflowIn("completed")
  const ofEve = workflowIn("active", { ownerUserId: Option.some(eve) })
  const onAnother = workflowIn("active", { issueId: IssueId.make("another") })
  const taken = (column: string) => ({
    kind: "refused",
    error: { _tag: "AlreadyExists", constraint: `issue_workflows.${column}` }
  })
  const existing = (workflow: IssueWorkflow) => ({ kind: "existing", workflow })

  it.each([
    ["no workflow", none, none, { kind: "new" }],
    ["the active workflow of the owner", none, Option.some(own), existing(own)],
    ["the active workflow of another owner", none, Option.some(ofEve), taken("issue_id")],
    ["an ended workflow with the id", Option.some(ended), none, existing(ended)],
    ["an ended workflow with the id, and an active one", Option.some(ended), Option.some(own), existing(ended)],
    ["a workflow of another owner with the id", Option.some(ofEve), none, taken("id")],
    [
      "a workflow on another issue with the id, and an active one",
      Option.some(onAnother),
      Option.some(own),
      taken("id")
    ]
  ])("decides on %s", (_, withId, active, expected) => {
    expect(decideOpen({ withId, active }, request)).toMatchObject(expected)
  })
})

describe("startExecution", () => {
  const attemptId = SandboxAttemptId.make("attempt")
  const sandboxIn = (status: SandboxStatus) =>
    new Sandbox(
      {
        id: SandboxId.make("sandbox"),
        name: "one",
        ownerUserId: ada,
        repositoryId: none,
        repositoryProfileRevisionId: none,
        profileRevisionId: none,
        requestedByUserId: none,
        status,
        latestAttemptId: Option.some(attemptId),
        lifetimeMs: none,
        expiresAt: none,
        idleTimeoutMs: none,
        lastActiveAt: none,
        createdAt: now,
        updatedAt: now,
        archivedAt: none
      },
      unvalidated
    )
  const state: Omit<StartState, "unchanged"> = {
    workflow: Option.some(workflowIn("active")),
    mayUseIssue: true,
    sandbox: none,
    isTaken: false,
    before: none
  }
  const before = { requestFingerprint: "same", execution: executionIn("before", "failed"), sandbox: none }
  const request = { issueWorkflowId: workflowId }
  const keyed = { ...request, idempotencyKey: "key" }
  const start = (changed: Partial<StartState>, given: Parameters<typeof decideStart>[1] = request) =>
    Either.merge(decideStart({ ...state, ...changed }, given, ["same"]))

  it("returns an execution with its key whatever has changed since, except for another owner", () => {
    for (const status of IssueWorkflowStatus.literals) {
      for (const mayUseIssue of [false, true]) {
        const changed = { before: Option.some(before), mayUseIssue, workflow: Option.some(workflowIn(status)) }
        expect(start(changed, keyed)).toEqual({ kind: "before", started: before })
        expect(start(changed, { ...keyed, ownerUserId: eve })).toMatchObject({ _tag: "NotFound" })
        const other = { ...changed, before: Option.some({ ...before, requestFingerprint: "other" }) }
        expect(start(other, keyed)).toMatchObject({ _tag: "IdempotencyConflict", key: "key" })
      }
    }
  })

  it("requires an active workflow that is not archived, and access to its issue", () => {
    for (const status of IssueWorkflowStatus.literals) {
      const expected = status === "active" ? { kind: "new" } : { _tag: "InvalidTransition", from: status }
      expect(start({ workflow: Option.some(workflowIn(status)) })).toMatchObject(expected)
      const archived = workflowIn(status, { archivedAt: Option.some(now) })
      expect(start({ workflow: Option.some(archived) })).toMatchObject({ from: "archived" })
      expect(start({ workflow: Option.some(archived), mayUseIssue: false })).toMatchObject({ _tag: "NotFound" })
    }
    expect(start({ workflow: none })).toMatchObject({ _tag: "NotFound", id: workflowId })
  })

  it("requires a sandbox that has not ended, and takes its attempt unless another execution has it", () => {
    const inSandbox = { ...request, sandboxId: SandboxId.make("sandbox") }
    for (const status of SandboxStatus.literals) {
      for (const isTaken of [false, true]) {
        const ends = status === "stopped" || status === "failed"
        expect(start({ sandbox: Option.some(sandboxIn(status)), isTaken }, inSandbox)).toMatchObject(
          ends
            ? { _tag: "InvalidTransition", entity: "Sandbox", from: status }
            : { kind: "new", attemptId: isTaken ? Option.none() : Option.some(attemptId) }
        )
      }
    }
    expect(start({}, inSandbox)).toMatchObject({ _tag: "ReferenceNotFound", reference: "sandboxId" })
  })
})
