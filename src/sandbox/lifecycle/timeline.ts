/**
 * The timeline of a sandbox: the events of the sandbox, its attempts, their jobs, and the executions in it.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect } from "effect"
import { ControlPlaneEvent } from "../../events/ControlPlaneEvent.js"
import { operationsOf } from "../../events/operation.js"
import * as Page from "../../sql/page.js"
import { columnList, rowsOf } from "../../sql/rows.js"
import { SandboxOfOwner } from "../SandboxViews.js"
import { requireOwnSandbox } from "./ownSandbox.js"

const { decodeFilter, traced } = operationsOf("SandboxLifecycle", "Sandbox")

// Each subject has few events, which one index search finds. A sandbox has few subjects.
const subjects = `
  SELECT 'sandbox' AS type, ?1 AS id
  UNION ALL SELECT 'attempt', run_id FROM sandbox_run_links WHERE sandbox_id = ?1
  UNION ALL SELECT 'job', j.id FROM sandbox_run_links AS l
    CROSS JOIN oci_image_build_jobs AS j ON j.run_id = l.run_id WHERE l.sandbox_id = ?1
  UNION ALL SELECT 'execution', id FROM issue_workflow_executions WHERE sandbox_id = ?1`

const text = `
  SELECT ${columnList(ControlPlaneEvent)}
  FROM (${subjects}) AS s
  CROSS JOIN control_plane_events AS e ON e.subject_type = s.type AND e.subject_id = s.id
  WHERE e.position < ?3 AND e.owner_user_id = ?2
  ORDER BY e.position DESC LIMIT ?4`

export const makeTimeline = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* rowsOf(ControlPlaneEvent)

  const timeline = (request: Page.PageRequest & typeof SandboxOfOwner.Encoded) =>
    Effect.gen(function* () {
      const target = yield* decodeFilter("timeline", SandboxOfOwner)(request)
      const { id, ownerUserId } = target
      const start = yield* Page.start("SandboxLifecycle.timeline", request)
      const found = yield* events.findPage(sql.unsafe(text, [id, ownerUserId, start.at, start.limit + 1]))
      if (found.rows.length === 0) yield* requireOwnSandbox(sql, target)
      return Page.make(found, start, ({ position, subjectId }) => [position, subjectId])
    }).pipe(traced("timeline", { "sandbox.id": request.id }))

  return { timeline }
})
