/**
 * Supervision of executions that no caller ends. docs/supervision.md lists the rules.
 */
import { Clock, Duration, Effect } from "effect"
import { beginDeadline, executionSource, whyExecutionEnds } from "../leftBehind.js"
import { Limit } from "../../sql/inputLimits.js"
import { makeExecutionEndings, sandboxFailed, sandboxStopped } from "./executionEndings.js"
import type { WorkflowRepositories } from "./repositories.js"
import { impossible, operationsOf } from "../../events/operation.js"
import { type Candidate, pageSize, runPass, sumOf } from "../../supervision/supervision.js"

const { decodeInput, operation, traced } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflow")

/** The cancel reason of an execution whose workflow has ended. */
export const workflowEnded = "the workflow has ended"

const endings = {
  failed: sandboxFailed,
  stopped: sandboxStopped,
  ended: { outcome: "cancelled", reason: workflowEnded },
  unbegun: { outcome: "cancelled", reason: `no agent began it within ${Duration.format(beginDeadline)}` },
  silent: { outcome: "failed", reason: `its agent reported nothing for ${Duration.format(beginDeadline)}` }
} as const

/** Adds the reason of the end of the runtime to that of the sandbox, unless its owner has stopped it. */
const endingOf = (why: keyof typeof endings, stopReason: string | null) => {
  const ending = endings[why]
  const isOfRuntime = (why === "failed" || why === "stopped") && stopReason !== null && stopReason !== "user"
  return isOfRuntime ? { ...ending, reason: `${ending.reason} (${stopReason})` } : ending
}

export const makeWorkflowSupervision = ({ executions, sql }: WorkflowRepositories) => {
  const { endExecution } = makeExecutionEndings(executions)
  const transaction = operation(sql, "supervise")

  const pass = (status: "queued" | "running", before: number) => ({
    noun: "execution",
    page: (after: Pick<Candidate, "at" | "id">) =>
      sql
        .unsafe<Candidate>(
          `SELECT e.id, e.created_at AS at, ${whyExecutionEnds} IS NOT NULL AS due FROM ${executionSource}
         WHERE e.status = '${status}' AND (e.created_at, e.id) > (?2, ?3) ORDER BY e.created_at, e.id LIMIT ${pageSize}`,
          [before, after.at, after.id]
        )
        .pipe(traced("supervise")),
    handle: (id: string) =>
      Effect.gen(function* () {
        const [found] = yield* sql.unsafe<{
          readonly why: keyof typeof endings | null
          readonly stopReason: string | null
        }>(
          `SELECT ${whyExecutionEnds} AS why, r.stop_reason AS "stopReason" FROM ${executionSource} WHERE e.id = ?2 AND e.status IN ('queued', 'running')`,
          [before, id]
        )
        if (found === undefined || found.why === null) return false
        yield* endExecution(yield* executions.getById(id), endingOf(found.why, found.stopReason))
        return true
      }).pipe(impossible("NotFound", "InvalidTransition", "InvalidInput"), transaction)
  })

  return {
    supervise: ({ limit }: { readonly limit: number }) =>
      Effect.gen(function* () {
        const count = yield* decodeInput("supervise", Limit)(limit)
        const before = Math.max(0, (yield* Clock.currentTimeMillis) - Duration.toMillis(beginDeadline))
        const running = yield* runPass(pass("running", before), count)
        const queued =
          count > running.changed
            ? yield* runPass(pass("queued", before), count - running.changed)
            : { changed: 0, failed: 0 }
        const { changed, failed } = sumOf([running, queued])
        return { ended: changed, failed }
      }).pipe(traced("supervise"))
  }
}
