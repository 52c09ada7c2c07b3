import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { IssueWorkflowRepo } from "../../../src/issue-workflow/IssueWorkflowRepo.js"
import { SandboxAttemptRepo } from "../../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../../../src/sandbox/SandboxRepo.js"
import { actingAs } from "../../../src/events/ControlPlaneEvents.js"
import { IssueWorkflowLifecycle } from "../../../src/issue-workflow/IssueWorkflowLifecycle.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import {
  badNames,
  contradictions,
  everything,
  goneExecution,
  goneWorkflow,
  layers,
  make,
  opened,
  refusalOf,
  type Services,
  shell,
  started,
  tagOf,
  eventLines,
  toLaunch
} from "./support.js"

/** The contract of `open`, `startExecution` and `beginExecution`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`IssueWorkflowLifecycle starts (${name})`, () => {
    it.effect("opens one workflow per owner and issue, however often it is called", () =>
      Effect.gen(function* () {
        const { open } = yield* IssueWorkflowLifecycle
        const workflows = yield* IssueWorkflowRepo
        const { id: issueId } = yield* make.issue({ repositoryId: "app" })
        const request = { issueId, ownerUserId: "ada", requestedByUserId: "eve" }
        const results = yield* Effect.all(
          Array.from({ length: 20 }, () => open(request)),
          { concurrency: "unbounded" }
        )
        expect(results.filter(({ created }) => created)).toHaveLength(1)
        const [first] = results
        if (first === undefined) return expect.unreachable()
        expect(new Set(results.map(({ workflow }) => workflow.id))).toEqual(new Set([first.workflow.id]))
        expect(first.workflow).toMatchObject({
          issueId,
          repositoryId: "app",
          status: "active",
          ownerUserId: Option.some("ada"),
          requestedByUserId: Option.some("eve")
        })
        expect(yield* eventLines("workflow", first.workflow.id)).toEqual(["1 open: - > active by user eve"])

        // What is somebody else's is in the way, whoever that is.
        expect(yield* refusalOf(open({ issueId, ownerUserId: "eve" }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "issue_workflows.issue_id"
        })
        yield* workflows.archive(first.workflow.id)
        const hers = yield* open({ issueId, ownerUserId: "eve" })
        expect(hers).toMatchObject({ created: true, workflow: { ownerUserId: Option.some("eve") } })
        expect(yield* eventLines("workflow", hers.workflow.id)).toEqual(["1 open: - > active by user eve"])
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns a workflow by the id with which it was opened, also after its end", () =>
      Effect.gen(function* () {
        const { cancel, open } = yield* IssueWorkflowLifecycle
        const { id: issueId } = yield* make.issue()
        const request = { id: "mine", issueId, ownerUserId: "ada" }
        const { workflow } = yield* open(request)
        expect(yield* open(request)).toEqual({ workflow, created: false })
        expect(yield* open({ ...request, id: "another" })).toEqual({ workflow, created: false })
        const ended = yield* cancel({ id: workflow.id, reason: "enough" })
        const before = yield* everything
        expect(yield* open(request)).toEqual({ workflow: ended, created: false })
        const other = yield* make.issue()
        for (const stranger of [
          { ...request, issueId: other.id },
          { ...request, ownerUserId: "eve" }
        ]) {
          expect(yield* refusalOf(open(stranger))).toMatchObject({
            _tag: "AlreadyExists",
            constraint: "issue_workflows.id"
          })
        }
        expect(yield* everything).toEqual(before)
        expect(yield* open({ issueId, ownerUserId: "ada" })).toMatchObject({ created: true })
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports why a workflow cannot be opened without showing values", () =>
      Effect.gen(function* () {
        const { open } = yield* IssueWorkflowLifecycle
        const { id: issueId } = yield* make.issue({ repositoryId: "app" })
        yield* make.repository({ id: "other" })
        const before = yield* everything
        const request = { issueId, ownerUserId: "ada" }
        for (const field of ["issueId", "ownerUserId", "requestedByUserId", "repositoryId"]) {
          expect(yield* refusalOf(open({ ...request, [field]: "nobody" }))).toMatchObject({
            _tag: "ReferenceNotFound",
            reference: field
          })
          for (const bad of Object.values(badNames))
            expect(yield* tagOf(open({ ...request, [field]: bad })), field).toBe("InvalidInput")
        }
        expect(yield* refusalOf(open({ ...request, repositoryId: "other" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "repositoryId"
        })
        const lost = { issueId } as typeof request
        expect(yield* tagOf(open(lost))).toBe("InvalidInput")
        expect(yield* everything).toEqual(before)
      }).pipe(Effect.provide(layer))
    )

    it.effect("starts an execution in a sandbox that it launches on the issue", () =>
      Effect.gen(function* () {
        const { startExecution } = yield* IssueWorkflowLifecycle
        const workflow = yield* opened
        const { created, execution, sandbox } = yield* startExecution({
          issueWorkflowId: workflow.id,
          ownerUserId: "ada",
          launch: toLaunch,
          requestedByUserId: "eve",
          triggerType: "api"
        })
        const launched = Option.getOrThrow(sandbox)
        expect(created).toBe(true)
        expect(execution).toMatchObject({
          issueWorkflowId: workflow.id,
          status: "queued",
          triggerType: "api",
          requestedByUserId: Option.some("eve"),
          sandboxId: Option.some(launched.id),
          sandboxAttemptId: launched.latestAttemptId
        })
        const attempt = yield* (yield* SandboxAttemptRepo).getById(Option.getOrThrow(launched.latestAttemptId))
        expect(attempt).toMatchObject({
          ownerUserId: "ada",
          issueId: Option.some(workflow.issueId),
          repositoryId: Option.some("app"),
          triggerType: "issue",
          requestedByUserId: Option.some("eve"),
          status: "queued"
        })
        expect(launched).toMatchObject({
          ownerUserId: "ada",
          name: "one",
          repositoryId: Option.some("app"),
          status: "queued"
        })
        expect(yield* eventLines("execution", execution.id)).toEqual(["1 startExecution: - > queued by user eve"])
        expect(yield* eventLines("sandbox", launched.id)).toEqual(["1 launch: - > queued by user eve"])
        // A retry of the sandbox still works on the issue.
        const sandboxes = yield* SandboxLifecycle
        yield* sandboxes.stop(launched.id)
        expect((yield* sandboxes.retry(launched.id)).attempt.issueId).toEqual(Option.some(workflow.issueId))
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("starts an execution in an existing sandbox, with its attempt if that is free", () =>
      Effect.gen(function* () {
        const { startExecution } = yield* IssueWorkflowLifecycle
        const { id: issueWorkflowId } = yield* opened
        const { attempt, sandbox } = yield* make.launch({
          sandbox: { ownerUserId: "ada" },
          job: { status: "succeeded" }
        })
        const first = yield* startExecution({ issueWorkflowId, sandboxId: sandbox.id })
        expect(first).toMatchObject({
          sandbox: Option.some(sandbox),
          execution: { sandboxId: Option.some(sandbox.id), sandboxAttemptId: Option.some(attempt.id) }
        })
        const second = yield* startExecution({ issueWorkflowId, sandboxId: sandbox.id })
        expect(second.execution).toMatchObject({ sandboxId: Option.some(sandbox.id), sandboxAttemptId: Option.none() })
        const bare = yield* make.sandbox({ ownerUserId: "ada", status: "running" })
        expect((yield* startExecution({ issueWorkflowId, sandboxId: bare.id })).execution).toMatchObject({
          sandboxId: Option.some(bare.id),
          sandboxAttemptId: Option.none()
        })
        expect((yield* startExecution({ issueWorkflowId })).execution).toMatchObject({
          sandboxId: Option.none(),
          triggerType: "manual"
        })
        for (const status of ["stopped", "failed"] as const) {
          const { id } = yield* make.sandbox({ ownerUserId: "ada", status })
          expect(yield* refusalOf(startExecution({ issueWorkflowId, sandboxId: id }))).toMatchObject({
            _tag: "InvalidTransition",
            entity: "Sandbox",
            id,
            from: status
          })
        }
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports rows of other owners as NotFound", () =>
      Effect.gen(function* () {
        const { startExecution } = yield* IssueWorkflowLifecycle
        const { id: issueWorkflowId } = yield* opened
        const hers = yield* make.launch({ sandbox: { ownerUserId: "eve" } })
        yield* make.profileRevision({ id: "of-eve", ownerUserId: "eve" })
        const before = yield* everything
        const missing = yield* refusalOf(startExecution({ issueWorkflowId, sandboxId: "gone" }))
        expect(missing).toMatchObject({ _tag: "ReferenceNotFound", reference: "sandboxId" })
        expect(yield* refusalOf(startExecution({ issueWorkflowId, sandboxId: hers.sandbox.id }))).toEqual(missing)
        expect(yield* refusalOf(startExecution({ issueWorkflowId, ownerUserId: "eve" }))).toMatchObject({
          _tag: "NotFound",
          entity: "IssueWorkflow",
          id: issueWorkflowId
        })
        expect(
          yield* refusalOf(startExecution({ issueWorkflowId, launch: { ...toLaunch, profileRevisionId: "of-eve" } }))
        ).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "profileRevisionId"
        })
        // A missing owner does not match every tenant's rows.
        const lost: { readonly ownerUserId: string } = { ownerUserId: undefined as unknown as string }
        expect(yield* tagOf(startExecution({ issueWorkflowId, ...lost }))).toBe("InvalidInput")
        expect(yield* everything).toEqual(before)

        const { id: ownerless } = yield* (yield* IssueWorkflowRepo).create({ issueId: (yield* make.issue()).id })
        expect(yield* refusalOf(startExecution({ issueWorkflowId: ownerless, launch: toLaunch }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "ownerUserId"
        })
        expect(yield* refusalOf(startExecution({ issueWorkflowId: ownerless, sandboxId: hers.sandbox.id }))).toEqual(
          missing
        )
        expect(yield* tagOf(startExecution({ issueWorkflowId: ownerless }))).toBe("ok")

        // The workflow ends with its owner.
        yield* shell("DELETE FROM user WHERE id = 'ada'")
        expect(yield* refusalOf(startExecution({ issueWorkflowId, launch: toLaunch }))).toMatchObject({
          _tag: "InvalidTransition",
          from: "cancelled"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns the first result for a repeat, in its current state", () =>
      Effect.gen(function* () {
        const { beginExecution, cancel, startExecution } = yield* IssueWorkflowLifecycle
        const { id: issueWorkflowId } = yield* opened
        const keyed = { issueWorkflowId, launch: toLaunch, idempotencyKey: "key" }
        const results = yield* Effect.all(
          Array.from({ length: 20 }, () => startExecution(keyed)),
          { concurrency: "unbounded" }
        )
        expect(results.filter(({ created }) => created)).toHaveLength(1)
        expect(new Set(results.map(({ execution }) => execution.id)).size).toBe(1)
        expect(yield* shell("SELECT 1 FROM sandboxes")).toHaveLength(1)
        const [first] = results
        if (first === undefined) return expect.unreachable()

        yield* TestClock.adjust("1 hour")
        const before = yield* everything
        expect(yield* startExecution({ ...keyed, ownerUserId: "ada" })).toEqual({ ...first, created: false })
        for (const other of [
          { launch: { ...toLaunch, tag: "other" } },
          { triggerType: "retry" as const },
          { requestedByUserId: "eve" }
        ]) {
          expect(yield* refusalOf(startExecution({ ...keyed, ...other }))).toMatchObject({
            _tag: "IdempotencyConflict",
            key: "key"
          })
        }
        expect(yield* refusalOf(startExecution({ issueWorkflowId, idempotencyKey: "key" }))).toMatchObject({
          _tag: "IdempotencyConflict"
        })
        expect(yield* everything).toEqual(before)
        expect((yield* startExecution({ ...keyed, idempotencyKey: "other" })).created).toBe(true)
        // A key is its workflow's.
        expect((yield* startExecution({ ...keyed, issueWorkflowId: (yield* opened).id })).created).toBe(true)

        const running = yield* beginExecution(first.execution.id)
        expect(yield* startExecution(keyed)).toMatchObject({ execution: running, created: false })
        yield* cancel({ id: issueWorkflowId, reason: "enough" })
        expect(yield* startExecution(keyed)).toMatchObject({
          execution: { id: running.id, status: "cancelled" },
          created: false
        })
        yield* (yield* SandboxRepo).delete(Option.getOrThrow(first.sandbox).id)
        expect(yield* startExecution(keyed)).toMatchObject({ sandbox: Option.none(), created: false })
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("the database keeps a key with its workflow and its request", () =>
      Effect.gen(function* () {
        const { id } = yield* started({ idempotencyKey: "key" })
        const other = yield* opened
        const insert = "INSERT INTO issue_workflow_execution_keys VALUES (?, 'mine', 'x', ?, 0)"
        expect(yield* Effect.isFailure(shell(insert, other.id, id))).toBe(true)
        expect(
          yield* Effect.isFailure(shell("UPDATE issue_workflow_execution_keys SET request_fingerprint = 'x'"))
        ).toBe(true)
        yield* shell("DELETE FROM issue_workflow_executions WHERE id = ?", id)
        expect(yield* shell("SELECT 1 FROM issue_workflow_execution_keys")).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects ended and archived workflows", () =>
      Effect.gen(function* () {
        const { startExecution } = yield* IssueWorkflowLifecycle
        const workflows = yield* IssueWorkflowRepo
        const endings = {
          completed: workflows.succeed,
          failed: workflows.fail,
          cancelled: (id: string) => workflows.cancel({ id, reason: "enough" }),
          archived: workflows.archive
        }
        for (const [from, end] of Object.entries(endings)) {
          const { id } = yield* opened
          yield* end(id)
          const before = yield* everything
          expect(yield* refusalOf(startExecution({ issueWorkflowId: id, launch: toLaunch }))).toMatchObject({
            _tag: "InvalidTransition",
            entity: "IssueWorkflow",
            id,
            from
          })
          expect(yield* everything).toEqual(before)
        }
        expect(yield* refusalOf(startExecution({ issueWorkflowId: "gone" }))).toMatchObject({
          _tag: "NotFound",
          entity: "IssueWorkflow",
          id: "gone"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input before it writes anything", () =>
      Effect.gen(function* () {
        const { startExecution } = yield* IssueWorkflowLifecycle
        const { id: issueWorkflowId } = yield* opened
        yield* started({ issueWorkflowId, id: "taken" })
        const before = yield* everything
        expect(yield* refusalOf(startExecution({ issueWorkflowId, id: "taken", launch: toLaunch }))).toMatchObject({
          _tag: "AlreadyExists"
        })
        expect(
          yield* refusalOf(startExecution({ issueWorkflowId, launch: toLaunch, requestedByUserId: "nobody" }))
        ).toMatchObject({ _tag: "ReferenceNotFound", reference: "requestedByUserId" })
        for (const bad of Object.values(badNames)) {
          for (const field of [
            "issueWorkflowId",
            "ownerUserId",
            "id",
            "sandboxId",
            "requestedByUserId",
            "idempotencyKey"
          ]) {
            expect(yield* tagOf(startExecution({ issueWorkflowId, [field]: bad })), field).toBe("InvalidInput")
          }
          expect(yield* tagOf(startExecution({ issueWorkflowId, launch: { ...toLaunch, name: bad } }))).toBe(
            "InvalidInput"
          )
        }
        expect(yield* refusalOf(startExecution({ issueWorkflowId, sandboxId: "one", launch: toLaunch }))).toMatchObject(
          {
            _tag: "InvalidInput",
            issues: ["launch: must be omitted when sandboxId is set"]
          }
        )
        expect(yield* tagOf(startExecution({ issueWorkflowId, triggerType: "dog" as "api" }))).toBe("InvalidInput")
        expect(yield* everything).toEqual(before)
      }).pipe(Effect.provide(layer))
    )

    it.effect("starts an execution once", () =>
      Effect.gen(function* () {
        const { beginExecution, finish } = yield* IssueWorkflowLifecycle
        const { id } = yield* started()
        const running = yield* beginExecution(id).pipe(actingAs({ type: "worker", id: "w1" }))
        expect(running.status).toBe("running")
        expect(yield* beginExecution(id)).toEqual(running)
        expect(yield* eventLines("execution", id)).toEqual([
          "1 startExecution: - > queued by system",
          "2 beginExecution: queued > running by worker w1"
        ])
        yield* finish({ executionId: id, outcome: "succeeded" })
        expect(yield* tagOf(beginExecution(id))).toBe("InvalidTransition")
        expect(yield* tagOf(beginExecution(goneExecution))).toBe("NotFound")
        expect(yield* contradictions).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("writes nothing if any of its statements fails", () =>
      Effect.gen(function* () {
        const { startExecution } = yield* IssueWorkflowLifecycle
        const { id: issueWorkflowId } = yield* opened
        const before = yield* everything
        const tables = [
          "sandboxes",
          "sandbox_attempts",
          "oci_image_build_jobs",
          "issue_workflow_executions",
          "issue_workflow_execution_keys"
        ]
        for (const broken of [
          ...tables.map((table) => `ON ${table}`),
          "ON control_plane_events WHEN NEW.subject_type = 'execution'"
        ]) {
          yield* shell(`CREATE TRIGGER broken BEFORE INSERT ${broken} BEGIN SELECT RAISE(ABORT, 'broken'); END`)
          expect(
            yield* Effect.exit(startExecution({ issueWorkflowId, launch: toLaunch, idempotencyKey: "key" })),
            broken
          ).toMatchObject({ _tag: "Failure" })
          yield* shell("DROP TRIGGER broken")
          expect(yield* everything, broken).toEqual(before)
        }
        expect((yield* startExecution({ issueWorkflowId, launch: toLaunch, idempotencyKey: "key" })).created).toBe(true)
        expect(yield* tagOf(startExecution({ issueWorkflowId: goneWorkflow }))).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
