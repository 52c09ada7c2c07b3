/**
 * The operations on the deadlines of a sandbox: extend, touch.
 */
import { Clock, DateTime, Effect, Option } from "effect"
import { InvalidInput, InvalidTransition } from "../../Errors.js"
import { CurrentActor } from "../../events/CurrentActor.js"
import { appendEvents } from "../../events/journal.js"
import { operationsOf } from "../../events/operation.js"
import { scoped } from "../../sql/ownerScope.js"
import { rowReader } from "../../sql/rows.js"
import { failedGuard, toWrite, writeAll } from "../../sql/writeAll.js"
import { Sandbox } from "../Sandbox.js"
import { orSandboxNotFound, sandboxStatements } from "../sandboxStatements.js"
import { ExtendSandbox, TouchSandbox } from "../SandboxViews.js"
import type { Repositories } from "./repositories.js"

const { decodeInput, traced } = operationsOf("SandboxLifecycle", "Sandbox")

const decode = rowReader(Sandbox)

export const makeDeadlines = ({ sandboxes, sql }: Repositories) => {
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
        const isActive = statements.isActive(target)
        const actor = Option.getOrElse(yield* CurrentActor, () => ({ type: "system" as const }))
        const event = appendEvents({ eventType: "extend", actor, now }, [
          {
            subjectType: "sandbox",
            subjectId: target.id,
            sandboxId: target.id,
            always: true,
            payload: { expiresAt: DateTime.formatIso(until) }
          }
        ])
        const ended = Effect.flatMap(
          sandboxes.getById(scoped(target.id, target.ownerUserId)),
          ({ id, status }) =>
            new InvalidTransition({
              entity: "Sandbox",
              id,
              from: status,
              to: "ready",
              remedy: "the sandbox has ended; retry it"
            })
        )
        const extended = toWrite(statements.extend(target, until.epochMillis, now))
        const [, [row] = []] = yield* Effect.catchIf(
          writeAll(sql, [isActive, extended, event]),
          (error) => Option.isSome(failedGuard([isActive], error)),
          () => ended
        )
        return yield* row === undefined ? ended : decode(row)
      }).pipe(traced("extend", { "sandbox.id": request.id })),

    touch: (request: typeof TouchSandbox.Encoded) =>
      Effect.gen(function* () {
        const target = yield* decodeInput("touch", TouchSandbox)(request)
        const exists = statements.exists(target)
        const touched = toWrite(statements.touch(target, yield* Clock.currentTimeMillis))
        yield* writeAll(sql, [exists, touched]).pipe(orSandboxNotFound(target.id, exists))
      }).pipe(traced("touch", { "sandbox.id": request.id }))
  }
}
