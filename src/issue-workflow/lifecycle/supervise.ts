/**
 * Supervision of executions that no caller ends. docs/supervision.md lists the rules.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, Duration, Effect, Option } from "effect"
import { beginDeadline, executionSource, whyExecutionEnds } from "../leftBehind.js"
import { Limited } from "../../sql/inputLimits.js"
import { joinedRows, partColumnList, partOf } from "../../sql/rows.js"
import { guard } from "../../sql/writeAll.js"
import { IssueWorkflowExecution } from "../IssueWorkflowExecution.js"
import { decideLeft, workflowEnded } from "./decisions.js"
import { type Ending, sandboxFailed, sandboxStopped } from "./executionEndings.js"
import { noChange, operationsOf } from "../../events/operation.js"
import { type Candidate, pageSize, runPass, sumOf } from "../../supervision/supervision.js"
import { makeWorkflowWriter } from "./writes.js"

const { decided, decodeInput, traced } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflow")

const endings = new Map<unknown, Ending>([
  ["failed", sandboxFailed],
  ["stopped", sandboxStopped],
  ["ended", { outcome: "cancelled", reason: workflowEnded }],
  ["unbegun", { outcome: "cancelled", reason: `no agent began it within ${Duration.format(beginDeadline)}` }],
  ["silent", { outcome: "failed", reason: `its agent reported nothing for ${Duration.format(beginDeadline)}` }]
])

// ?1: the deadline, ?2: the execution.
const version = `json_array(e.status, e.sandbox_id, e.sandbox_attempt_id, ${whyExecutionEnds})`
const found = `FROM ${executionSource} WHERE e.id = ?2`
const stateText = `
  SELECT ${partColumnList(IssueWorkflowExecution, "e")}, ${whyExecutionEnds} AS why, coalesce(r.stop_reason, (
    SELECT stop_reason FROM runtime_teardowns WHERE run_id = r.run_id AND status IN ('queued', 'running'))) AS "stopReason", ${version} AS version ${found}`.trim()
const unchanged = `(SELECT ${version} ${found}) IS ?3`

const executionPart = partOf(IssueWorkflowExecution, "e")

/**
 * Returns the ending for a reason. The stop reason of the runtime is added to that of the sandbox, unless its owner
 * stopped it.
 */
const endingOf = (why: unknown, stopReason: unknown): Ending | undefined => {
  const ending = endings.get(why)
  const isOfRuntime = (why === "failed" || why === "stopped") && typeof stopReason === "string" && stopReason !== "user"
  return ending !== undefined && isOfRuntime ? { ...ending, reason: `${ending.reason} (${stopReason})` } : ending
}

export const makeWorkflowSupervision = (sql: SqlClient.SqlClient) =>
  Effect.map(joinedRows, (rows) => {
    const { decisionOf } = makeWorkflowWriter(sql)
    const supervised = decided(sql, "supervise")

    const pass = (status: "queued" | "running", before: number) => ({
      noun: "execution",
      rule: "its sandbox or its workflow has ended, or no agent reported in time",
      page: (after: Pick<Candidate, "at" | "id">) =>
        sql
          .unsafe<Candidate>(
            `SELECT e.id, e.created_at AS at, ${whyExecutionEnds} IS NOT NULL AS due FROM ${executionSource}
         WHERE e.status = '${status}' AND (e.created_at, e.id) > (?2, ?3) ORDER BY e.created_at, e.id LIMIT ${pageSize}`,
            [before, after.at, after.id]
          )
          .pipe(traced("supervise")),
      handle: (id: string) =>
        supervised((now) =>
          Effect.gen(function* () {
            const [row] = yield* rows(sql.unsafe(stateText, [before, id]))
            const ending = endingOf(row?.["why"], row?.["stopReason"])
            if (row === undefined || ending === undefined) return noChange(false)
            const draft = Option.flatMapNullable(yield* executionPart(row), (execution) =>
              decideLeft(execution, ending)
            )
            return Option.isNone(draft)
              ? noChange(false)
              : decisionOf(draft.value, guard(unchanged, [before, id, row["version"]]), now, () => Effect.succeed(true))
          })
        )
    })

    return {
      supervise: (request: { readonly limit: number }) =>
        Effect.gen(function* () {
          const { limit: count } = yield* decodeInput("supervise", Limited)(request)
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
  })
