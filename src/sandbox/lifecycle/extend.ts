/**
 * The operations on the deadlines of a sandbox: extend, touch.
 */
import { Clock, Effect, Option } from "effect"
import { InvalidInput, InvalidTransition } from "../../Errors.js"
import { operationsOf } from "../../events/operation.js"
import { scoped } from "../../sql/ownerScope.js"
import { rowsOf } from "../../sql/rows.js"
import { toWrite, writeAll } from "../../sql/writeAll.js"
import { Sandbox } from "../Sandbox.js"
import { orSandboxNotFound, sandboxStatements } from "../sandboxStatements.js"
import { ExtendSandbox, TouchSandbox } from "../SandboxViews.js"
import type { Repositories } from "./repositories.js"

const { decodeInput, traced } = operationsOf("SandboxLifecycle", "Sandbox")

export const makeDeadlines = ({ sandboxes, sql }: Repositories) =>
  Effect.map(rowsOf(Sandbox), (rows) => {
    const statements = sandboxStatements(sql)

    return {
      extend: (request: typeof ExtendSandbox.Encoded) =>
        Effect.gen(function* () {
          const { until, ...target } = yield* decodeInput("extend", ExtendSandbox)(request)
          const now = yield* Clock.currentTimeMillis
          if (until.epochMillis <= now) {
            return yield* new InvalidInput({
              operation: "SandboxLifecycle.extend",
              issues: ["until: must be in the future"]
            })
          }
          const extended = yield* rows.findOne(statements.extend(target, until.epochMillis, now))
          if (Option.isSome(extended)) return extended.value
          const { id, status } = yield* sandboxes.getById(scoped(target.id, target.ownerUserId))
          return yield* new InvalidTransition({
            entity: "Sandbox",
            id,
            from: status,
            to: "ready",
            remedy: "the sandbox has ended; retry it"
          })
        }).pipe(traced("extend", { "sandbox.id": request.id })),

      touch: (request: typeof TouchSandbox.Encoded) =>
        Effect.gen(function* () {
          const target = yield* decodeInput("touch", TouchSandbox)(request)
          const exists = statements.exists(target)
          const touched = toWrite(statements.touch(target, yield* Clock.currentTimeMillis))
          yield* writeAll(sql, [exists, touched]).pipe(orSandboxNotFound(target.id, exists))
        }).pipe(traced("touch", { "sandbox.id": request.id }))
    }
  })
