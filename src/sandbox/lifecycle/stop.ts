/**
 * The operations that end a sandbox and its attempt: cancel, stop, delete.
 */
import { Effect, Option } from "effect"
import { InvalidTransition, NotFound } from "../../Errors.js"
import { operationsOf } from "../../events/operation.js"
import { type ById, scoped, targetOf } from "../../sql/ownerScope.js"
import type { Sandbox, SandboxStatus } from "../Sandbox.js"
import { CancelSandbox, DeleteSandbox } from "../SandboxViews.js"
import { decideStop } from "./decisions.js"
import type { Repositories } from "./repositories.js"
import { makeStates } from "./state.js"
import { stopRequested } from "./steps.js"
import { makeWriter } from "./writes.js"

const { decided, decodeInput, traced } = operationsOf("SandboxLifecycle", "Sandbox")

export const makeEndings = ({ sandboxes, sql }: Repositories) =>
  Effect.map(makeStates(sql), (states) => {
    const { decisionOf } = makeWriter(sql)

    /** Stops a sandbox, unless its status is one of `refused`. */
    const stopUnless = (name: string, by: ById, reason: string, refused: ReadonlyArray<SandboxStatus>) => {
      const { id, ownerUserId } = targetOf(by)
      return decided(sql, name, { "sandbox.id": id })((now) =>
        Effect.gen(function* () {
          const state = yield* states.ofSandbox(id)
          const found = Option.filter(
            state.sandbox,
            (sandbox) => ownerUserId === undefined || sandbox.ownerUserId === ownerUserId
          )
          if (Option.isNone(found)) return yield* new NotFound({ entity: "Sandbox", id })
          const { status } = found.value
          if (refused.includes(status)) {
            return yield* new InvalidTransition({
              entity: "Sandbox",
              id,
              from: status,
              to: "stopped",
              ...(status === "ready" ? { remedy: "a ready sandbox cannot be cancelled; stop it" } : {})
            })
          }
          return decisionOf(decideStop(state, reason), state.unchanged, now, ({ sandbox }) =>
            Effect.map(
              sandbox,
              Option.getOrElse((): Sandbox => found.value)
            )
          )
        })
      )
    }

    return {
      cancel: (request: typeof CancelSandbox.Encoded) =>
        Effect.flatMap(decodeInput("cancel", CancelSandbox)(request), ({ id, ownerUserId, reason }) =>
          stopUnless("cancel", scoped(id, ownerUserId), reason, ["ready", "failed"])
        ),

      stop: (by: ById) => stopUnless("stop", by, stopRequested, ["failed"]),

      delete: (request: typeof DeleteSandbox.Encoded) =>
        Effect.flatMap(decodeInput("delete", DeleteSandbox)(request), ({ id, ownerUserId }) =>
          sandboxes.delete(scoped(id, ownerUserId)).pipe(traced("delete", { "sandbox.id": id }))
        )
    }
  })
