/**
 * The attempts of a sandbox, each with its derived status.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect } from "effect"
import { joinNewestJob } from "../../build-job/newestJob.js"
import { operationsOf } from "../../events/operation.js"
import * as Page from "../../sql/page.js"
import { type CorruptRow, joinedPage, partColumnList, partOf, requiredPart } from "../../sql/rows.js"
import { SandboxAttemptLink } from "../Sandbox.js"
import { SandboxAttempt } from "../SandboxAttempt.js"
import { type SandboxAttemptView, SandboxOfOwner } from "../SandboxViews.js"
import { ownSandboxText, requireOwnSandbox } from "./ownSandbox.js"
import { attemptStatusOf, outcomeColumns, outcomeOf } from "./viewParts.js"

const { decodeFilter, traced } = operationsOf("SandboxLifecycle", "Sandbox")

// INDEXED BY names the primary keys, because the planner scans a table that had one row when its statistics were
// collected.
const text = `
  SELECT ${partColumnList(SandboxAttemptLink, "l")}, ${partColumnList(SandboxAttempt, "a")}, ${outcomeColumns}
  FROM sandbox_run_links AS l INDEXED BY sandbox_run_links_sandbox_id_linked_at_idx
  CROSS JOIN sandbox_attempts AS a INDEXED BY sqlite_autoindex_sandbox_attempts_1 ON a.id = l.run_id
  ${joinNewestJob("l.run_id")}
  LEFT JOIN sandbox_runtime_instances AS r INDEXED BY sqlite_autoindex_sandbox_runtime_instances_1
    ON r.run_id = l.run_id
  WHERE l.sandbox_id = ?1 AND (l.linked_at, l.run_id) < (?3, ?4) AND EXISTS (${ownSandboxText})
  ORDER BY l.linked_at DESC, l.run_id DESC LIMIT ?5`.trim()

const linkPart = partOf(SandboxAttemptLink, "l")
const attemptPart = partOf(SandboxAttempt, "a")

const viewOf = (row: Readonly<Record<string, unknown>>): Effect.Effect<SandboxAttemptView, CorruptRow> =>
  Effect.gen(function* () {
    const { linkedAt, relation } = yield* requiredPart(linkPart(row), "SandboxAttempt")
    const attempt = yield* requiredPart(attemptPart(row), "SandboxAttempt")
    const { error, image, job, runtime } = yield* outcomeOf(row)
    return { attempt, relation, linkedAt, status: attemptStatusOf(attempt, job, runtime), image, runtime, error }
  })

export const makeAttempts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const page = yield* joinedPage

  const listAttempts = (request: Page.PageRequest & typeof SandboxOfOwner.Encoded) =>
    Effect.gen(function* () {
      const target = yield* decodeFilter("listAttempts", SandboxOfOwner)(request)
      const { id, ownerUserId } = target
      const start = yield* Page.start("SandboxLifecycle.listAttempts", request)
      const found = yield* page(sql.unsafe(text, [id, ownerUserId, start.at, start.id, start.limit + 1]), viewOf)
      if (found.rows.length === 0) yield* requireOwnSandbox(sql, target)
      return Page.make(found, start, ({ attempt, linkedAt }) => [linkedAt, attempt.id])
    }).pipe(traced("listAttempts", { "sandbox.id": request.id }))

  return { listAttempts }
})
