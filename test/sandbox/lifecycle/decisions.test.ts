/**
 * The decisions of lifecycle operations, without a database: over every combination of the states of a sandbox, its attempt,
 * its job and its runtime, each change is an allowed transition, and the rows agree with the journal afterwards.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Either, Option } from "effect"
import { UserId } from "../../../src/auth/User.js"
import {
  WorkspaceBuildJobId,
  WorkspaceBuildJobStatus,
  workspaceBuildJobTransitions
} from "../../../src/build-job/WorkspaceBuildJob.js"
import { NotFound } from "../../../src/Errors.js"
import {
  decideBegin,
  decideEndRuntime,
  decideFail,
  decideFinish,
  decidePublish,
  decideRuntime,
  decideStop
} from "../../../src/sandbox/lifecycle/decisions.js"
import {
  decideDeadline,
  decideDisagreeing,
  decideEndedJob,
  decideLeftAttempt,
  decideLeftRuntime,
  decideLeftSandbox
} from "../../../src/sandbox/lifecycle/supervisionDecisions.js"
import {
  decideFailTeardown,
  decideFinishTeardown,
  decideLeftTeardown
} from "../../../src/sandbox/lifecycle/teardownDecisions.js"
import type { Draft } from "../../../src/sandbox/lifecycle/draft.js"
import { LeasedJob, type LeasedState, type LeasedTeardownState } from "../../../src/sandbox/lifecycle/state.js"
import { RuntimeTeardown, RuntimeTeardownId, type RuntimeTeardownStatus } from "../../../src/sandbox/RuntimeTeardown.js"
import { Sandbox, SandboxId, SandboxStatus, sandboxTransitions } from "../../../src/sandbox/Sandbox.js"
import {
  SandboxAttempt,
  SandboxAttemptId,
  SandboxAttemptStatus,
  sandboxAttemptTransitions
} from "../../../src/sandbox/SandboxAttempt.js"
import {
  isEnded,
  SandboxRuntimeInstance,
  SandboxRuntimeStatus,
  sandboxRuntimeTransitions
} from "../../../src/sandbox/SandboxRuntimeInstance.js"
import { makeWriter } from "../../../src/sandbox/lifecycle/writes.js"
import { isActive } from "../../../src/sql/transitions.js"
import { memoryLayer } from "../../support/database.js"

const now = DateTime.unsafeMake(1000)
const none = Option.none<never>()
const ownerUserId = UserId.make("ada")
const sandboxId = SandboxId.make("sandbox")
const attemptId = SandboxAttemptId.make("attempt")
const jobId = WorkspaceBuildJobId.make("job")
const lease = { jobId, workerId: "worker", token: 1 }
const unvalidated = { disableValidation: true }
const success = {
  executorId: "executor",
  publishedReference: "registry/acme/app:latest",
  publishedDigestReference: "registry/acme/app@sha256:1",
  publishedDigest: "sha256:1"
}

const references = {
  ownerUserId,
  repositoryId: none,
  repositoryProfileRevisionId: none,
  profileRevisionId: none,
  requestedByUserId: none,
  createdAt: now,
  updatedAt: now
}

const sandboxIn = (status: SandboxStatus, expiresAt: Option.Option<DateTime.Utc> = none) =>
  new Sandbox(
    {
      ...references,
      id: sandboxId,
      name: "one",
      status,
      latestAttemptId: Option.some(attemptId),
      lifetimeMs: none,
      expiresAt,
      idleTimeoutMs: none,
      lastActiveAt: none,
      archivedAt: none
    },
    unvalidated
  )

const attemptIn = (status: SandboxAttemptStatus, stop: boolean) =>
  new SandboxAttempt(
    {
      ...references,
      id: attemptId,
      issueId: none,
      status,
      triggerType: "manual",
      triggerRef: none,
      retryOfAttemptId: none,
      queuedAt: now,
      startedAt: none,
      finishedAt: none,
      durationMs: none,
      cancelReason: none,
      stopRequestedAt: stop ? Option.some(now) : none
    },
    unvalidated
  )

const jobIn = (status: WorkspaceBuildJobStatus, published = false) =>
  new LeasedJob(
    {
      id: jobId,
      attemptId: Option.some(attemptId),
      status,
      cancelReason: none,
      attemptCount: 1,
      maxAttempts: 3,
      leaseToken: 1,
      leaseOutcome: none,
      publishedDigest: none,
      errorCode: none,
      publishedReference: published ? Option.some("registry/app:1") : none,
      workerId: Option.some("worker")
    },
    unvalidated
  )

const runtimeIn = (status: SandboxRuntimeStatus) =>
  new SandboxRuntimeInstance(
    {
      attemptId,
      status,
      adapter: Option.some("docker"),
      resourceId: Option.some("container"),
      reference: none,
      endpoint: none,
      stopReason: none,
      errorCode: none,
      errorMessage: none,
      launchedAt: Option.some(now),
      finishedAt: none,
      inspectedAt: none,
      createdAt: now,
      updatedAt: now
    },
    unvalidated
  )

const optional = <A>(values: ReadonlyArray<A>): ReadonlyArray<A | undefined> => [undefined, ...values]

/** Every combination of states, and its name. */
const states: ReadonlyArray<readonly [string, LeasedState]> = SandboxStatus.literals.flatMap((sandbox) =>
  SandboxAttemptStatus.literals.flatMap((attempt) =>
    [false, true].flatMap((stop) =>
      optional(WorkspaceBuildJobStatus.literals).flatMap((job) =>
        optional(SandboxRuntimeStatus.literals).map((runtime) => {
          const leased = Option.map(Option.fromNullable(job), jobIn)
          return [
            `sandbox ${sandbox}, attempt ${attempt}${stop ? " with a stop request" : ""}, job ${job}, runtime ${runtime}`,
            {
              sandbox: Option.some(sandboxIn(sandbox)),
              attempt: Option.some(attemptIn(attempt, stop)),
              job: leased,
              leased,
              runtime: Option.map(Option.fromNullable(runtime), runtimeIn),
              teardown: none,
              unchanged: { sql: "", values: [] }
            }
          ] as const
        })
      )
    )
  )
)

/** Returns the first change that is not an allowed transition. */
const illegalChange = (draft: Draft, { attempt, job, runtime, sandbox }: LeasedState): string | undefined => {
  const statusOf = (row: Option.Option<{ readonly status: string }>) => Option.getOrUndefined(row)?.status
  let [attemptStatus, jobStatus, runtimeStatus, sandboxStatus] = [attempt, job, runtime, sandbox].map(statusOf)
  const illegal = (kind: string, from: string | undefined, to: string) => `${kind} from ${from} to ${to}`
  for (const change of draft.changes) {
    switch (change.kind) {
      case "sandbox":
        if (!sandboxTransitions.sources(change.to).some((from) => from === sandboxStatus))
          return illegal("sandbox", sandboxStatus, change.to)
        sandboxStatus = change.to
        break
      case "attempt":
        if (change.to === "stop-requested") break
        if (!sandboxAttemptTransitions.sources(change.to).some((from) => from === attemptStatus))
          return illegal("attempt", attemptStatus, change.to)
        attemptStatus = change.to
        break
      case "job":
        if (change.to === "published") break
        if (change.to === "settled") {
          if (jobStatus === "queued" || jobStatus === "running") return illegal("job", jobStatus, "settled")
          break
        }
        const to = change.to === "image-kept" ? "succeeded" : change.to
        if (!workspaceBuildJobTransitions.sources(to).some((from) => from === jobStatus))
          return illegal("job", jobStatus, change.to)
        jobStatus = to === "failed" ? Option.getOrUndefined(draft.job)?.status : to
        break
      case "runtime": {
        const { status } = change.report
        const isRepeat = runtimeStatus === status && !isEnded(status)
        if (
          runtimeStatus !== undefined &&
          !isRepeat &&
          !sandboxRuntimeTransitions.sources(status).some((from) => from === runtimeStatus)
        )
          return illegal("runtime", runtimeStatus, status)
        runtimeStatus = status
      }
    }
  }
  return undefined
}

/** Returns the subject whose last event differs from its row. */
const unrecorded = ({ attempt, job, sandbox, transitions }: Draft): string | undefined => {
  const subjects: ReadonlyArray<readonly [string, Option.Option<{ readonly status: string }>]> = [
    ["attempt", attempt],
    ["job", job],
    ["sandbox", sandbox]
  ]
  return subjects.find(([type, row]) => {
    const last = transitions.findLast(({ subjectType }) => subjectType === type)
    return last !== undefined && last.toState !== Option.getOrUndefined(row)?.status
  })?.[0]
}

const report = (status: "pending" | "running", resourceId: string) => ({
  status,
  resourceId,
  adapter: "docker" as const
})
const missing = new NotFound({ entity: "SandboxAttempt", id: attemptId })

const runtimeDecisions = (["pending", "running"] as const).flatMap((status) =>
  ["container", "another"].flatMap((resourceId) =>
    [false, true].map(
      (byWorker) =>
        [
          `recordRuntime ${status} of ${resourceId} ${byWorker ? "by a worker" : "for an attempt"}`,
          (state: LeasedState) =>
            Option.getRight(decideRuntime(state, { byWorker, launched: report(status, resourceId), now }, missing))
        ] as const
    )
  )
)

const failure = (retryable: boolean) => ({ errorMessage: "no", retryable })

/** The state after the image of an active job was published. */
const published = (state: LeasedState): LeasedState => {
  const job = Option.map(state.leased, ({ status }) => jobIn(status, true))
  return { ...state, job, leased: job }
}

const end = (status: "stopped" | "failed", resourceId?: string) => ({ status, reason: "evicted" as const, resourceId })

const endDecisions = (["stopped", "failed"] as const).flatMap((status) =>
  [undefined, "container", "another"].flatMap((resourceId) =>
    [false, true].map(
      (isPublished) =>
        [
          `endRuntime ${status} of ${resourceId ?? "the current resource"}${isPublished ? " after publishBuild" : ""}`,
          (state: LeasedState) =>
            Option.getRight(decideEndRuntime(isPublished ? published(state) : state, end(status, resourceId), missing))
        ] as const
    )
  )
)

const workerDraft = (decision: Either.Either<{ readonly draft: Draft }, unknown>) =>
  Option.map(Option.getRight(decision), ({ draft }) => draft)

const teardownLease = { teardownId: RuntimeTeardownId.make("teardown"), workerId: "worker", token: 1 }

const teardownIn = (status: RuntimeTeardownStatus) =>
  new RuntimeTeardown(
    {
      id: teardownLease.teardownId,
      attemptId: Option.some(attemptId),
      status,
      adapter: Option.some("docker"),
      resourceId: Option.some("container"),
      reference: none,
      stopReason: Option.some("user"),
      attemptCount: 1,
      maxAttempts: 3,
      maxDurationMs: 1000,
      availableAt: now,
      claimedAt: none,
      leaseExpiresAt: none,
      leaseToken: 1,
      leaseOutcome: none,
      workerId: Option.some("worker"),
      errorCode: none,
      errorMessage: none,
      finishedAt: none,
      settledAt: none,
      createdAt: now,
      updatedAt: now
    },
    unvalidated
  )

/** The state with a teardown of its resource, if that was requested. */
const withTeardown = (state: LeasedState, status: RuntimeTeardownStatus): LeasedTeardownState => {
  const leasedTeardown = Option.some(teardownIn(status))
  return { ...state, leasedTeardown, teardown: leasedTeardown }
}

/** Decisions on a teardown. */
const teardownDecisions: ReadonlyArray<readonly [string, (state: LeasedState) => Option.Option<Draft>]> = [
  ["finishTeardown", (state) => Option.getRight(decideFinishTeardown(withTeardown(state, "running"), teardownLease))],
  ...[true, false].map(
    (retryable) =>
      [
        `failTeardown, ${retryable ? "retryable" : "final"}`,
        (state: LeasedState) =>
          workerDraft(decideFailTeardown(withTeardown(state, "running"), teardownLease, { retryable }, []))
      ] as const
  ),
  ["supervise a teardown", (state) => draftOf(decideLeftTeardown(withTeardown(state, "failed")))],
  [
    "endRuntime during a teardown",
    (state) => Option.getRight(decideEndRuntime(withTeardown(state, "queued"), end("failed"), missing))
  ]
]

const draftOf = (decision: { readonly draft: Draft } | undefined) =>
  Option.map(Option.fromNullable(decision), ({ draft }) => draft)

/** Each decision: its draft, or `None` if it refuses the state. */
const decisions: ReadonlyArray<readonly [string, (state: LeasedState) => Option.Option<Draft>]> = [
  ["beginBuild", (state) => workerDraft(decideBegin(state, lease))],
  ["finishBuild", (state) => workerDraft(decideFinish(state, lease, success, undefined, now))],
  [
    "finishBuild with a runtime",
    (state) => workerDraft(decideFinish(state, lease, success, report("running", "another"), now))
  ],
  ["failBuild, retryable", (state) => workerDraft(decideFail(state, lease, failure(true), []))],
  ["failBuild, final", (state) => workerDraft(decideFail(state, lease, failure(false), []))],
  ["failBuild after publishBuild", (state) => workerDraft(decideFail(published(state), lease, failure(false), []))],
  ["publishBuild", (state) => workerDraft(decidePublish(state, lease, success))],
  ...endDecisions,
  ...teardownDecisions,
  ...runtimeDecisions,
  // A failed sandbox cannot be stopped: the operation refuses it before it decides.
  [
    "stop",
    (state) =>
      Option.exists(state.sandbox, ({ status }) => status === "failed")
        ? Option.none()
        : Option.some(decideStop(state, "enough"))
  ],
  [
    "supervise a sandbox whose deadline has passed",
    (state) => {
      const expired = Option.map(state.sandbox, ({ status }) => sandboxIn(status, Option.some(now)))
      return draftOf(decideDeadline({ ...state, sandbox: expired }, now.epochMillis))
    }
  ],
  [
    "supervise an ended job",
    (state) =>
      Option.flatMap(
        Option.filter(state.leased, (job) => !isActive(job)),
        (job) => draftOf(decideEndedJob(state, job))
      )
  ],
  [
    "supervise an attempt without a job",
    (state) =>
      Option.exists(state.job, isActive) &&
      !Option.exists(state.attempt, ({ stopRequestedAt }) => Option.isSome(stopRequestedAt))
        ? Option.none()
        : draftOf(decideLeftAttempt(state))
  ],
  [
    "supervise a runtime of an ended attempt",
    (state) => (Option.exists(state.attempt, isActive) ? Option.none() : draftOf(decideLeftRuntime(state)))
  ],
  ["supervise a sandbox that has ended for its owner only", (state) => draftOf(decideDisagreeing(state))],
  [
    "supervise a waiting sandbox",
    (state) => (Option.exists(state.sandbox, isActive) ? draftOf(decideLeftSandbox(state)) : Option.none())
  ]
]

describe.each(decisions)("%s", (_, decide) => {
  const drafts = states.flatMap(([name, state]) =>
    Option.match(decide(state), { onNone: () => [], onSome: (draft) => [{ name, state, draft }] })
  )

  it("makes allowed transitions only", () => {
    expect(drafts.length).toBeGreaterThan(0)
    const illegal = drafts.flatMap(({ draft, name, state }) => {
      const change = illegalChange(draft, state)
      return change === undefined ? [] : [`${name}: ${change}`]
    })
    expect(illegal).toEqual([])
  })

  it("records the state in which it leaves each row", () => {
    expect(
      drafts.flatMap(({ draft, name }) => (unrecorded(draft) === undefined ? [] : [`${name}: ${unrecorded(draft)}`]))
    ).toEqual([])
  })
})

it("stop leaves nothing active, except a runtime whose teardown it has requested", () => {
  const active = states.flatMap(([name, state]) => {
    if (Option.exists(state.sandbox, ({ status }) => status === "failed")) return []
    const { attempt, changes, job, runtime, sandbox } = decideStop(state, "enough")
    const isUp = Option.exists(runtime, ({ status }) => !isEnded(status))
    const isRequested = changes.some((change) => change.kind === "teardown" && change.to === "requested")
    const isLeft =
      Option.exists(attempt, isActive) ||
      Option.exists(job, isActive) ||
      isUp !== isRequested ||
      !Option.exists(sandbox, ({ status }) => status === "stopped")
    return isLeft ? [name] : []
  })
  expect(active).toEqual([])
})

it.effect("writes an event without a change of a row under the guard of its decision", () =>
  Effect.gen(function* () {
    const { decisionOf } = makeWriter(yield* SqlClient.SqlClient)
    let written = 0
    for (const [, state] of states) {
      const begun = Either.getRight(decideBegin(state, lease))
      if (Option.isNone(begun)) continue
      const { draft } = begun.value
      const { transitions, writes } = decisionOf(draft, state.unchanged, 0, () => Effect.void)
      if (transitions.length === 0 || draft.changes.length > 0) continue
      written++
      expect(writes).toEqual([state.unchanged])
    }
    expect(written).toBeGreaterThan(0)
  }).pipe(Effect.provide(memoryLayer))
)

it("only the current lease of a teardown ends it; a repeat changes nothing", () => {
  for (const [, state] of states) {
    const held = withTeardown(state, "running")
    const other = { ...teardownLease, token: 2 }
    expect(Either.isLeft(decideFinishTeardown(held, other))).toBe(true)
    expect(Either.isLeft(decideFailTeardown(held, other, { retryable: true }, []))).toBe(true)
    const leasedTeardown = Option.some(
      new RuntimeTeardown({ ...teardownIn("succeeded"), leaseOutcome: Option.some("succeeded") }, unvalidated)
    )
    const repeated = decideFinishTeardown({ ...held, leasedTeardown, teardown: none }, teardownLease)
    expect(Option.map(Either.getRight(repeated), ({ changes }) => changes)).toEqual(Option.some([]))
  }
})

it("a build without its lease changes nothing", () => {
  for (const [, state] of states) {
    const other = { ...lease, token: 2 }
    expect(Either.isLeft(decideBegin(state, other))).toBe(true)
    expect(Either.isLeft(decideFinish(state, other, success, undefined, now))).toBe(true)
    expect(Either.isLeft(decideFail(state, other, failure(true), []))).toBe(true)
  }
})
