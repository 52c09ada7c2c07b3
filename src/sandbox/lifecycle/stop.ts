/**
 * The operations that end a sandbox and its attempt: cancel, stop, delete.
 */
import { DateTime, Effect, Option, Schema } from "effect"
import { UserId } from "../../auth/User.js"
import type { Sandbox } from "../Sandbox.js"
import type { SandboxAttemptId } from "../SandboxAttempt.js"
import { InvalidTransition } from "../../Errors.js"
import { confinedTo, Prose } from "../../sql/columns.js"
import { scoped, targetOf } from "../../sql/ownerScope.js"
import type { Repositories } from "../makeSandboxLifecycle.js"
import { impossible, operationsOf } from "../../events/operation.js"
import { isLive, makeRuns, stopRequested } from "./runs.js"
import type { SandboxLifecycleService } from "../SandboxLifecycle.js"
import { DeleteSandbox } from "../SandboxViews.js"

const { input, operation } = operationsOf("SandboxLifecycle", "Sandbox")

const Cancellation = Schema.Struct({ ownerUserId: confinedTo(UserId), reason: Prose })

type Endings = Pick<SandboxLifecycleService, "cancel" | "stop" | "delete">

export const makeEndings = (repositories: Repositories): Endings => {
  const { attempts, runtimes, sandboxes, sql } = repositories
  const { cancelAttempt } = makeRuns(repositories)

  /** Ends all that lives of a sandbox, also of one that somebody said is stopped, and stores that it was asked for. */
  const halt = (sandbox: Sandbox, reason: string) =>
    Effect.gen(function*() {
      const { id, latestRunId, status } = sandbox
      if (Option.isSome(latestRunId) && (status !== "stopped" || (yield* isUp(latestRunId.value)))) yield* haltRun(latestRunId.value, reason)
      return status === "stopped" ? sandbox : yield* sandboxes.setStatus({ id, status: "stopped" })
    }).pipe(impossible("InvalidInput"))

  const isUp = (runId: SandboxAttemptId) =>
    Effect.gen(function*() {
      if (Option.exists(yield* attempts.findById(runId), isLive)) return true
      return Option.exists(yield* runtimes.findByAttemptId(runId), ({ status }) => status === "pending" || status === "running")
    })

  const haltRun = (runId: SandboxAttemptId, reason: string) =>
    Effect.gen(function*() {
      yield* cancelAttempt(yield* attempts.requestStop(runId), reason)
      const runtime = yield* runtimes.findByAttemptId(runId)
      if (Option.exists(runtime, ({ status }) => status === "failed")) {
        yield* runtimes.upsert({ runId, status: "stopped", finishedAt: yield* DateTime.now })
      }
    }).pipe(impossible("NotFound", "ReferenceNotFound", "InvalidTransition", "InvalidInput"))

  const refuse = (sandbox: Sandbox) =>
    new InvalidTransition({ entity: "Sandbox", id: sandbox.id, from: sandbox.status, to: "stopped" })

  return {
    cancel: (request) =>
      Effect.gen(function*() {
        const { ownerUserId, reason } = yield* input("cancel", Cancellation)(request)
        const sandbox = yield* sandboxes.getById(scoped(request.sandboxId, ownerUserId))
        if (sandbox.status === "ready" || sandbox.status === "failed") return yield* refuse(sandbox)
        return yield* halt(sandbox, reason)
      }).pipe(operation(sql, "cancel", { "sandbox.id": request.sandboxId })),

    stop: (by) =>
      Effect.gen(function*() {
        const sandbox = yield* sandboxes.getById(by)
        if (sandbox.status === "failed") return yield* refuse(sandbox)
        return yield* halt(sandbox, stopRequested)
      }).pipe(operation(sql, "stop", { "sandbox.id": targetOf(by).id })),

    delete: (request) =>
      Effect.flatMap(input("delete", DeleteSandbox)(request), ({ id, ownerUserId }) =>
        sandboxes.delete(scoped(id, ownerUserId)).pipe(operation(sql, "delete", { "sandbox.id": id })))
  }
}
