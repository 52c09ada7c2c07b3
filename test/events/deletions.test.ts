/**
 * Deletions end the dependants of the row: with events in the services, without events by other means.
 */
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, TestClock } from "effect"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { UserId } from "../../src/auth/User.js"
import { UserRepo } from "../../src/auth/UserRepo.js"
import { IssueRepo } from "../../src/issue-workflow/IssueRepo.js"
import type { SandboxId } from "../../src/sandbox/Sandbox.js"
import { SandboxAttemptRepo } from "../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../../src/sandbox/SandboxRepo.js"
import { SandboxRuntimeInstanceRepo } from "../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import { ControlPlaneEvents } from "../../src/events/ControlPlaneEvents.js"
import { IssueWorkflowLifecycle } from "../../src/issue-workflow/IssueWorkflowLifecycle.js"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import { RepositoryRepo } from "../../src/source/RepositoryRepo.js"
import { planIssues } from "../support/plans.js"
import { misderived } from "../sandbox/lifecycle/invariants.js"
import { answer, success } from "../sandbox/lifecycle/support.js"
import {
  layers,
  make,
  opened,
  refusalOf,
  type Services,
  shell,
  tagOf,
  eventLines,
  toLaunch
} from "../issue-workflow/lifecycle/support.js"

/** A sandbox with two executions: the first has its attempt, the second only works in it. */
const shared = Effect.gen(function* () {
  const { beginExecution, startExecution } = yield* IssueWorkflowLifecycle
  const { id: issueWorkflowId, issueId } = yield* opened
  const first = yield* startExecution({ issueWorkflowId, launch: toLaunch })
  const sandboxId = Option.getOrThrow(first.sandbox).id
  const second = yield* startExecution({ issueWorkflowId, sandboxId })
  yield* beginExecution(first.execution.id)
  return {
    issueId,
    issueWorkflowId,
    sandboxId,
    attemptId: Option.getOrThrow(first.execution.sandboxAttemptId),
    executions: [first.execution.id, second.execution.id]
  }
})

/** Brings the sandbox up, with a runtime in a container. */
const up = ({ attemptId }: Effect.Effect.Success<typeof shared>) =>
  Effect.gen(function* () {
    const jobs = yield* WorkspaceBuildJobRepo
    const { finishBuild } = yield* SandboxLifecycle
    const [job] = (yield* jobs.listLatestByAttemptIds([attemptId])).values()
    const { lease } = Option.getOrThrow(
      yield* jobs.claimById({ id: job?.id ?? expect.unreachable(), workerId: "worker", leaseDuration: "1 minute" })
    )
    yield* finishBuild(lease, { ...success, runtime: answer("running") })
  })

const live = shell<{ readonly id: string }>(`
  SELECT id FROM issue_workflow_executions WHERE status IN ('queued', 'running')
  UNION ALL SELECT id FROM sandbox_attempts WHERE status IN ('queued', 'running')
  UNION ALL SELECT id FROM oci_image_build_jobs WHERE status IN ('queued', 'running')
  UNION ALL SELECT run_id FROM sandbox_runtime_instances AS r WHERE status IN ('pending', 'running') AND NOT EXISTS (
    SELECT 1 FROM runtime_teardowns AS t WHERE t.run_id = r.run_id AND t.status = 'queued')`)

const activeWorkflows = shell("SELECT id FROM issue_workflows WHERE status = 'active'")

const statesOf = (executions: ReadonlyArray<string>) =>
  Effect.map(
    shell<{ readonly state: string }>(
      `SELECT status || coalesce(': ' || cancel_reason, '') AS state FROM issue_workflow_executions WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id`,
      JSON.stringify(executions)
    ),
    (rows) => rows.map(({ state }) => state)
  )

const workflowsOf = (issueId: string) =>
  Effect.map(
    shell<{ readonly state: string }>(
      "SELECT status || coalesce(': ' || cancel_reason, '') AS state FROM issue_workflows WHERE issue_id = ? ORDER BY created_at",
      issueId
    ),
    (rows) => rows.map(({ state }) => state)
  )

/** The last event of an attempt in the journal. */
const lastOf = (subjectId: string) =>
  Effect.map(
    Effect.flatMap(ControlPlaneEvents, ({ list }) => list({ subjectType: "attempt", subjectId })),
    (events) => events.at(-1)
  )

const deleteUser = (id: string) => Effect.flatMap(UserRepo, (users) => users.delete(UserId.make(id)))

const suite = (name: string, layer: Layer.Layer<Services | UserRepo | RepositoryRepo>) =>
  describe(`deletions (${name})`, () => {
    it.effect(
      "SandboxLifecycle.delete ends both executions, the attempt and the job, and requests the teardown of the runtime",
      () =>
        Effect.gen(function* () {
          const lifecycle = yield* SandboxLifecycle
          const all = yield* shared
          yield* up(all)
          yield* TestClock.adjust("1 second")
          yield* lifecycle.delete({ id: all.sandboxId, ownerUserId: "ada" })
          expect(yield* live).toEqual([])
          expect(yield* statesOf(all.executions)).toEqual([
            "cancelled: the sandbox was deleted",
            "cancelled: the sandbox was deleted"
          ])
          for (const id of all.executions)
            expect((yield* eventLines("execution", id)).at(-1)).toMatch(/ delete: \w+ > cancelled by system$/)
          expect((yield* eventLines("sandbox", all.sandboxId)).at(-1)).toBe("4 delete: ready > deleted by system")
          const last = yield* lastOf(all.attemptId)
          expect(last).toMatchObject({
            eventType: "delete",
            fromState: Option.some("succeeded"),
            toState: Option.some("succeeded"),
            ownerUserId: Option.some("ada")
          })
          expect(Option.getOrThrow(last?.payload ?? Option.none())).toEqual({
            sandboxId: all.sandboxId,
            runtimeStatus: "stopping",
            stopReason: "user",
            adapter: "docker",
            resourceId: "container",
            reference: "docker:container"
          })
          const runtime = yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(all.attemptId)
          expect(Option.getOrThrow(runtime).status).toBe("running")
          const requested = yield* shell(
            "SELECT run_id AS attempt, resource_id AS resource, created_at AS at FROM runtime_teardowns"
          )
          expect(requested).toEqual([{ attempt: all.attemptId, resource: "container", at: 1000 }])
          // No late report starts it again.
          expect(yield* tagOf(lifecycle.recordRuntime(all.attemptId, answer("running")))).toBe("InvalidTransition")
          expect(yield* activeWorkflows).toHaveLength(1)
        }).pipe(Effect.provide(layer))
    )

    it.effect("SandboxLifecycle.delete reports sandboxes of other owners and unknown ones as NotFound", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { sandboxId } = yield* shared
        const request = { id: sandboxId, ownerUserId: "eve" }
        expect(yield* refusalOf(lifecycle.delete(request))).toMatchObject({
          _tag: "NotFound",
          entity: "Sandbox",
          id: sandboxId
        })
        const lost: { readonly id: SandboxId; readonly ownerUserId: string } = {
          id: sandboxId,
          ownerUserId: undefined as unknown as string
        }
        expect(yield* tagOf(lifecycle.delete(lost))).toBe("InvalidInput")
        expect(yield* live).toHaveLength(4)
        yield* lifecycle.delete({ id: sandboxId })
        expect(yield* tagOf(lifecycle.delete({ id: sandboxId }))).toBe("NotFound")
        expect(yield* live).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a sandbox deleted by the repository or the shell leaves no active dependants", () =>
      Effect.gen(function* () {
        const sandboxes = yield* SandboxRepo
        for (const remove of [
          (id: SandboxId) => sandboxes.delete(id),
          (id: SandboxId) => Effect.asVoid(shell("DELETE FROM sandboxes WHERE id = ?", id))
        ]) {
          for (const before of [() => Effect.void, up]) {
            const all = yield* shared
            yield* before(all)
            yield* remove(all.sandboxId)
            expect(yield* live).toEqual([])
            expect(yield* statesOf(all.executions)).toEqual([
              "cancelled: the sandbox was deleted",
              "cancelled: the sandbox was deleted"
            ])
            const attempt = yield* (yield* SandboxAttemptRepo).getById(all.attemptId)
            expect(Option.isSome(attempt.stopRequestedAt)).toBe(true)
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("an attempt deleted by the shell leaves neither a running execution nor a waiting sandbox", () =>
      Effect.gen(function* () {
        const { attemptId, executions, sandboxId } = yield* shared
        yield* shell("DELETE FROM sandbox_attempts WHERE id = ?", attemptId)
        yield* (yield* IssueWorkflowLifecycle).supervise({ limit: 10 })
        expect(yield* statesOf(executions)).toHaveLength(2)
        expect(yield* live).toEqual([])
        expect((yield* (yield* SandboxRepo).getById(sandboxId)).status).toBe("stopped")
        expect(yield* misderived).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a user deleted by the service leaves no active workflow, and the journal records every end", () =>
      Effect.gen(function* () {
        const { open } = yield* IssueWorkflowLifecycle
        const all = yield* shared
        yield* up(all)
        yield* TestClock.adjust("1 second")
        yield* deleteUser("ada")
        expect(yield* live).toEqual([])
        expect(yield* statesOf(all.executions)).toEqual([
          "cancelled: the owner was deleted",
          "cancelled: the owner was deleted"
        ])
        expect(yield* workflowsOf(all.issueId)).toEqual(["cancelled: the owner was deleted"])
        expect((yield* eventLines("workflow", all.issueWorkflowId)).at(-1)).toBe(
          "2 deleteUser: active > cancelled by system"
        )
        for (const id of all.executions)
          expect((yield* eventLines("execution", id)).at(-1)).toMatch(/ deleteUser: \w+ > cancelled by system$/)
        expect((yield* eventLines("sandbox", all.sandboxId)).at(-1)).toBe("4 deleteUser: ready > deleted by system")
        expect(yield* lastOf(all.attemptId)).toMatchObject({
          ownerUserId: Option.some("ada"),
          payload: { value: { adapter: "docker", resourceId: "container" } }
        })
        // The issue is free for everybody else.
        expect((yield* open({ issueId: all.issueId, ownerUserId: "eve" })).created).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("a user deleted by the shell leaves no active workflow, and the reason of each end", () =>
      Effect.gen(function* () {
        const { open } = yield* IssueWorkflowLifecycle
        const { executions, issueId } = yield* shared
        yield* shell("DELETE FROM user WHERE id = 'ada'")
        expect(yield* live).toEqual([])
        expect(yield* workflowsOf(issueId)).toEqual(["cancelled: the owner was deleted"])
        for (const state of yield* statesOf(executions))
          expect(state).toMatch(/^cancelled: the (owner|sandbox|attempt) was deleted$/)
        expect((yield* open({ issueId, ownerUserId: "eve" })).created).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "an issue deleted at its provider is closed, its workflow and executions are cancelled, and an out-of-order delivery reopens nothing",
      () =>
        Effect.gen(function* () {
          const issues = yield* IssueRepo
          const { executions, issueId, issueWorkflowId } = yield* shared
          yield* shell("UPDATE issues SET external_id = '7' WHERE id = ?", issueId)
          const at = DateTime.unsafeMake(5000)
          expect(yield* issues.markDeleted({ provider: "github", externalId: "8", at })).toEqual(Option.none())
          const closed = Option.getOrThrow(yield* issues.markDeleted({ provider: "github", externalId: "7", at }))
          expect(closed).toMatchObject({ id: issueId, state: "closed", closedAt: Option.some(at) })
          expect(yield* workflowsOf(issueId)).toEqual(["cancelled: the issue was deleted"])
          expect(yield* statesOf(executions)).toEqual([
            "cancelled: the issue was deleted",
            "cancelled: the issue was deleted"
          ])
          expect((yield* eventLines("workflow", issueWorkflowId)).at(-1)).toBe(
            "2 deleteIssue: active > cancelled by system"
          )
          const { number, repositoryId } = closed
          const late = yield* issues.upsert({
            externalId: "7",
            repositoryId,
            number,
            title: "late",
            state: "open",
            syncedAt: DateTime.unsafeMake(4000)
          })
          expect(late.state).toBe("closed")
          expect(yield* issues.markDeleted({ provider: "github", externalId: "7", at })).toMatchObject({
            value: { state: "closed" }
          })
        }).pipe(Effect.provide(layer))
    )

    it.effect("the journal records the end of workflows and executions that are deleted with their repository", () =>
      Effect.gen(function* () {
        const { executions, issueId, issueWorkflowId } = yield* shared
        const { repositoryId } = yield* (yield* IssueRepo).getById(
          (yield* shell<{ readonly id: never }>("SELECT id FROM issues WHERE id = ?", issueId))[0]?.id ??
            expect.unreachable()
        )
        yield* (yield* RepositoryRepo).delete(repositoryId)
        expect((yield* eventLines("workflow", issueWorkflowId)).at(-1)).toBe(
          "2 deleteRepository: active > cancelled by system"
        )
        for (const id of executions)
          expect((yield* eventLines("execution", id)).at(-1)).toMatch(/ deleteRepository: \w+ > cancelled by system$/)
      }).pipe(Effect.provide(layer))
    )

    it.effect("executions of a stopped sandbox end when it is retried before supervision", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { executions, sandboxId } = yield* shared
        yield* lifecycle.stop(sandboxId)
        yield* lifecycle.retry(sandboxId)
        expect(yield* statesOf(executions)).toEqual([
          "cancelled: the sandbox was stopped",
          "cancelled: the sandbox was stopped"
        ])
        for (const id of executions)
          expect((yield* eventLines("execution", id)).at(-1)).toMatch(/ retry: \w+ > cancelled by system$/)
        expect(yield* (yield* IssueWorkflowLifecycle).supervise({ limit: 10 })).toEqual({ ended: 0, failed: 0 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("an execution that no agent starts is cancelled a day after its sandbox was ready", () =>
      Effect.gen(function* () {
        const { startExecution, supervise } = yield* IssueWorkflowLifecycle
        const { id: issueWorkflowId } = yield* opened
        const nowhere = (yield* startExecution({ issueWorkflowId })).execution.id
        const all = yield* shared
        const [, second = ""] = all.executions
        yield* TestClock.adjust("25 hours")
        expect(yield* supervise({ limit: 10 })).toEqual({ ended: 1, failed: 0 })
        expect(yield* statesOf([nowhere])).toEqual(["cancelled: no agent began it within 1d"])
        yield* up(all)
        yield* TestClock.adjust("23 hours")
        expect(yield* supervise({ limit: 10 })).toEqual({ ended: 0, failed: 0 })
        yield* TestClock.adjust("2 hours")
        expect(yield* supervise({ limit: 10 })).toEqual({ ended: 1, failed: 0 })
        expect(yield* statesOf([second])).toEqual(["cancelled: no agent began it within 1d"])
      }).pipe(Effect.provide(layer))
    )
  })

for (const name of ["memory", "file"] as const) {
  const layer = layers[name]
  suite(name, Layer.provideMerge(Layer.merge(UserRepo.layer, RepositoryRepo.layer), layer))
}

it.effect("deletions find dependants through indexes", () =>
  Effect.gen(function* () {
    const { sandboxId } = yield* shared
    yield* make.user({ id: "mallory" })
    expect(yield* planIssues((yield* SandboxLifecycle).delete({ id: sandboxId, ownerUserId: "ada" }))).toEqual([])
    expect(yield* planIssues(deleteUser("mallory"))).toEqual([])
  }).pipe(Effect.provide(Layer.provideMerge(UserRepo.layer, layers.file)))
)
