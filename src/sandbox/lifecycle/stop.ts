/**
 * The operations that end a sandbox and its attempt: cancel, stop, delete.
 */
import { DateTime, Effect, Option } from "effect"
import type { Sandbox } from "../Sandbox.js"
import type { SandboxAttemptId } from "../SandboxAttempt.js"
import { isEnded } from "../SandboxRuntimeInstance.js"
import { InvalidTransition } from "../../Errors.js"
import { type ById, scoped, targetOf } from "../../sql/ownerScope.js"
import { isActive } from "../../sql/transitions.js"
import type { Repositories } from "./repositories.js"
import { impossible, operationsOf } from "../../events/operation.js"
import { makeAttemptSteps, stopRequested } from "./attemptSteps.js"
import { CancelSandbox, DeleteSandbox } from "../SandboxViews.js"

const { decodeInput, operation } = operationsOf("SandboxLifecycle", "Sandbox")

export const makeEndings = (repositories: Repositories) => {
  const { attempts, runtimes, sandboxes, sql } = repositories
  const { cancelAttempt } = makeAttemptSteps(repositories)

  /**
   * Stops a sandbox, and records the stop request with its attempt. If the sandbox is stopped already, ends its attempt
   * and runtime if one of them is still active.
   */
  const stopAll = (sandbox: Sandbox, reason: string) =>
    Effect.gen(function* () {
      const { id, latestAttemptId, status } = sandbox
      if (Option.isSome(latestAttemptId) && (status !== "stopped" || (yield* hasActiveRows(latestAttemptId.value)))) {
        yield* stopAttempt(latestAttemptId.value, reason)
      }
      return status === "stopped" ? sandbox : yield* sandboxes.setStatus({ id, status: "stopped" })
    }).pipe(impossible("InvalidInput"))

  /** Returns whether the attempt or its runtime is active. */
  const hasActiveRows = (attemptId: SandboxAttemptId) =>
    Effect.gen(function* () {
      if (Option.exists(yield* attempts.findById(attemptId), isActive)) return true
      const runtime = yield* runtimes.findByAttemptId(attemptId)
      return Option.exists(runtime, ({ status }) => !isEnded(status))
    })

  const stopAttempt = (attemptId: SandboxAttemptId, reason: string) =>
    Effect.gen(function* () {
      yield* cancelAttempt(yield* attempts.requestStop(attemptId), reason)
      const runtime = yield* runtimes.findByAttemptId(attemptId)
      if (Option.exists(runtime, ({ status }) => status === "failed")) {
        yield* runtimes.upsert({ attemptId, status: "stopped", finishedAt: yield* DateTime.now })
      }
    }).pipe(impossible("NotFound", "ReferenceNotFound", "InvalidTransition", "InvalidInput"))

  const refuse = (sandbox: Sandbox) =>
    new InvalidTransition({ entity: "Sandbox", id: sandbox.id, from: sandbox.status, to: "stopped" })

  return {
    cancel: (request: typeof CancelSandbox.Encoded) =>
      Effect.flatMap(decodeInput("cancel", CancelSandbox)(request), ({ id, ownerUserId, reason }) =>
        Effect.gen(function* () {
          const sandbox = yield* sandboxes.getById(scoped(id, ownerUserId))
          if (sandbox.status === "ready" || sandbox.status === "failed") return yield* refuse(sandbox)
          return yield* stopAll(sandbox, reason)
        }).pipe(operation(sql, "cancel", { "sandbox.id": id }))
      ),

    stop: (by: ById) =>
      Effect.gen(function* () {
        const sandbox = yield* sandboxes.getById(by)
        if (sandbox.status === "failed") return yield* refuse(sandbox)
        return yield* stopAll(sandbox, stopRequested)
      }).pipe(operation(sql, "stop", { "sandbox.id": targetOf(by).id })),

    delete: (request: typeof DeleteSandbox.Encoded) =>
      Effect.flatMap(decodeInput("delete", DeleteSandbox)(request), ({ id, ownerUserId }) =>
        sandboxes.delete(scoped(id, ownerUserId)).pipe(operation(sql, "delete", { "sandbox.id": id }))
      )
  }
}
