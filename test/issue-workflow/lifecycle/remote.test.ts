/**
 * The lifecycle of workflows on a server: the number of requests of each operation, and lost answers to COMMIT.
 */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, Option, TestClock } from "effect"
import Native from "libsql"
import { IssueWorkflowLifecycle } from "../../../src/issue-workflow/IssueWorkflowLifecycle.js"
import { beginDeadline } from "../../../src/issue-workflow/leftBehind.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { during, once, onPeer, requestsOf } from "../../libsql/remoteSupport.js"
import type { Peer } from "../../support/hrana/Peer.js"
import {
  contradictions,
  everything,
  make,
  opened,
  type Services,
  services,
  started,
  tagOf,
  toLaunch
} from "./support.js"

const users = Effect.all([make.user({ id: "ada" }), make.user({ id: "eve" })])

const onServer = <A, E>(use: (peer: Peer) => Effect.Effect<A, E, Services>) =>
  onPeer((peer) => Effect.provide(use(peer), Layer.merge(services, Layer.effectDiscard(Effect.orDie(users)))))

const line = (message: string) => ({ phase: "build", eventType: "line", message })

/** A report of every part, with ten events. */
const report = {
  idempotencyKey: "report",
  events: Array.from({ length: 10 }, (_, index) => line(String(index))),
  validationResults: [{ checkKey: "lint", status: "pass" }],
  diffFiles: [{ changeType: "added", path: "a" }],
  artifacts: [{ kind: "log" }],
  summary: { objective: "x" }
} as const

/** Moves the workflow and the attempts of an issue to another one, as a transfer does, before the next attempt is stored. */
const transferred = (peer: Peer, from: string, to: string) => {
  peer.faultInjection = (statements) => {
    if (!statements.some((text) => text.includes("INSERT INTO sandbox_attempts"))) return undefined
    peer.faultInjection = undefined
    const other = new Native(peer.path)
    other.prepare("UPDATE issue_workflows SET issue_id = ? WHERE issue_id = ?").run(to, from)
    other.prepare("UPDATE sandbox_attempts SET issue_id = ? WHERE issue_id = ?").run(to, from)
    other.prepare("DELETE FROM issues WHERE id = ?").run(from)
    other.close()
    return undefined
  }
}

it.effect("startExecution and retry launch for the issue that a transfer sets after the read", () =>
  onServer((peer) =>
    Effect.gen(function* () {
      const { id: issueWorkflowId, issueId } = yield* opened
      const [first, second] = [yield* make.issue({ repositoryId: "app" }), yield* make.issue({ repositoryId: "app" })]
      const { startExecution } = yield* IssueWorkflowLifecycle
      const { retry, stop } = yield* SandboxLifecycle
      transferred(peer, issueId, first.id)
      const { sandbox } = yield* startExecution({ issueWorkflowId, launch: toLaunch })
      const { id } = Option.getOrThrow(sandbox)
      yield* stop(id)
      transferred(peer, first.id, second.id)
      expect((yield* retry(id)).attempt.issueId).toEqual(Option.some(second.id))
    })
  )
)

it.effect("a report does not receive its documents back, which may exceed the longest answer of a server", () =>
  onServer((peer) =>
    Effect.gen(function* () {
      const { id: executionId } = yield* started()
      const texts: Array<string> = []
      peer.faultInjection = (statements) => {
        texts.push(...statements)
        return undefined
      }
      yield* (yield* IssueWorkflowLifecycle).report({ executionId, ...report })
      const stored = texts.filter((text) => /INSERT INTO \w+_(artifacts|diff_files|validation_results)/.test(text))
      expect(stored.length).toBe(3)
      expect(stored.filter((text) => text.includes("RETURNING"))).toEqual([])
    })
  )
)

it.effect("each operation needs one request for its reads and one for its writes", () =>
  onServer((peer) =>
    Effect.gen(function* () {
      const lifecycle = yield* IssueWorkflowLifecycle
      const sandboxes = yield* SandboxLifecycle
      const requests = <A, E, R>(effect: Effect.Effect<A, E, R>) => requestsOf(peer, effect)
      const { id: issueId } = yield* make.issue({ repositoryId: "app" })
      const { id: pullRequestId } = yield* make.pullRequest()
      const { id: issueWorkflowId } = yield* opened
      const launching = { issueWorkflowId, launch: toLaunch, idempotencyKey: "key" }
      const { sandbox } = yield* lifecycle.startExecution({ issueWorkflowId, launch: toLaunch })
      const { id: sandboxId } = Option.getOrThrow(sandbox)
      const [{ id: executionId }, failing] = [yield* started({ issueWorkflowId }), yield* started({ issueWorkflowId })]
      const cancelled = yield* started()
      const open = lifecycle.open({ issueId, ownerUserId: "ada" })
      const finish = lifecycle.finish({
        executionId: failing.id,
        outcome: "failed",
        reason: "x",
        pullRequests: [{ pullRequestId }],
        workflow: "completed"
      })
      expect({
        open: yield* requests(open),
        openAgain: yield* requests(open),
        startExecution: yield* requests(lifecycle.startExecution({ issueWorkflowId })),
        startInSandbox: yield* requests(lifecycle.startExecution({ issueWorkflowId, sandboxId })),
        startWithLaunch: yield* requests(lifecycle.startExecution(launching)),
        startAgain: yield* requests(lifecycle.startExecution(launching)),
        beginExecution: yield* requests(lifecycle.beginExecution(executionId)),
        report: yield* requests(lifecycle.report({ executionId, ...report })),
        reportAgain: yield* requests(lifecycle.report({ executionId, ...report })),
        stop: yield* requests(sandboxes.stop(sandboxId)),
        retry: yield* requests(sandboxes.retry(sandboxId)),
        delete: yield* requests(sandboxes.delete({ id: sandboxId })),
        finish: yield* requests(finish),
        cancel: yield* requests(lifecycle.cancel({ id: cancelled.issueWorkflowId, reason: "enough" }))
      }).toEqual({
        open: 2,
        openAgain: 1,
        startExecution: 2,
        startInSandbox: 2,
        startWithLaunch: 2,
        startAgain: 1,
        beginExecution: 2,
        report: 2,
        // It reads the stored events and artifacts, too.
        reportAgain: 4,
        stop: 2,
        retry: 2,
        delete: 1,
        finish: 2,
        cancel: 2
      })
      expect(yield* contradictions).toEqual([])
    })
  )
)

it.effect("supervision needs two requests for each execution that it ends", () =>
  onServer((peer) =>
    Effect.gen(function* () {
      const { supervise } = yield* IssueWorkflowLifecycle
      yield* started()
      const none = yield* requestsOf(peer, supervise({ limit: 10 }))
      yield* TestClock.adjust(Duration.times(beginDeadline, 2))
      expect((yield* requestsOf(peer, supervise({ limit: 10 }))) - none).toBe(2)
      expect(yield* supervise({ limit: 10 })).toEqual({ ended: 0, failed: 0 })
      expect(yield* contradictions).toEqual([])
    })
  )
)

describe("when the answer to COMMIT is lost", () => {
  for (const fault of ["lost-request", "lost-answer"] as const) {
    it.effect(`all of an operation is stored or nothing, and a repeat completes it (${fault})`, () =>
      onServer((peer) =>
        Effect.gen(function* () {
          const lifecycle = yield* IssueWorkflowLifecycle
          const { id: issueWorkflowId } = yield* opened
          const { id: executionId } = yield* started({ issueWorkflowId })
          yield* started({ issueWorkflowId })
          const calls: Readonly<Record<string, Effect.Effect<unknown, { readonly _tag: string }>>> = {
            startExecution: lifecycle.startExecution({ issueWorkflowId, launch: toLaunch, idempotencyKey: "key" }),
            beginExecution: lifecycle.beginExecution(executionId),
            report: lifecycle.report({ executionId, ...report }),
            finish: lifecycle.finish({ executionId, outcome: "failed", reason: "x", workflow: "failed" })
          }
          for (const [name, call] of Object.entries(calls)) {
            const before = yield* everything
            expect(yield* tagOf(call).pipe(during(peer, once(/^COMMIT$/, fault))), name).toBe("PersistenceError")
            peer.streams.expireAll()
            const meanwhile = yield* everything
            if (fault === "lost-request") expect(meanwhile, name).toEqual(before)
            else expect(meanwhile, name).not.toEqual(before)
            yield* call
            const after = yield* everything
            if (fault === "lost-answer") expect(after, name).toEqual(meanwhile)
            else expect(after, name).not.toEqual(before)
          }
          expect(yield* contradictions).toEqual([])
        })
      )
    )
  }
})
