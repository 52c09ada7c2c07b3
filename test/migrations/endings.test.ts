/**
 * What the migration of the derived status and of endings does to rows of earlier releases.
 */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import Native from "libsql"
import { migrations } from "../../migrations/index.js"
import { splitStatements } from "../../src/libsql/sqlText.js"

const all = Object.entries(migrations)
const place = all.findIndex(([name]) => name.endsWith("_derived_status_and_endings"))
const statementsOf = (chosen: typeof all) => chosen.flatMap(([, text]) => splitStatements(text))

/** A database of the release before, with the rows, which is then migrated. */
const migrated = (...rows: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const database = new Native(":memory:")
      for (const statement of [...statementsOf(all.slice(0, place)), ...rows, ...statementsOf(all.slice(place))])
        database.exec(statement)
      return database
    }),
    (database) => Effect.sync(() => database.close())
  )

const user = "INSERT INTO user (id, name, email, created_at, updated_at) VALUES ('ada', 'Ada', 'ada@example.com', 0, 0)"

it.scoped(
  "active workflows of deleted users are cancelled with their executions, and others without an owner stay",
  () =>
    Effect.gen(function* () {
      const workflows = [
        ["deleted", "active"],
        ["bare", "active"],
        ["unrecorded", "active"],
        ["done", "completed"]
      ] as const
      const database = yield* migrated(
        user,
        "INSERT INTO repositories (id, owner, name, created_at, updated_at) VALUES ('app', 'acme', 'app', 0, 0)",
        ...workflows.flatMap(([id, status], number) => [
          `INSERT INTO issues (id, repository_id, number, title, created_at, updated_at) VALUES ('${id}', 'app', ${number}, 't', 0, 0)`,
          `INSERT INTO issue_workflows (id, issue_id, repository_id, owner_user_id, status, created_at, updated_at)
         VALUES ('${id}', '${id}', 'app', ${id === "bare" ? "NULL" : "'ada'"}, '${status}', 0, 0)`,
          `INSERT INTO issue_workflow_executions (id, issue_workflow_id, status, queued_at, started_at, created_at, updated_at)
         VALUES ('${id}', '${id}', 'running', 0, 5, 0, 7)`
        ]),
        ...["deleted", "bare", "done"].map(
          (id) =>
            `INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, to_state, actor_type, owner_user_id, occurred_at)
         VALUES ('workflow', '${id}', 1, 'open', 'active', 'user', ${id === "bare" ? "NULL" : "'ada'"}, 0)`
        ),
        "PRAGMA foreign_keys = on",
        "DELETE FROM user"
      )
      expect(database.prepare("SELECT id, status FROM issue_workflows ORDER BY created_at, rowid").all()).toMatchObject(
        [
          { id: "deleted", status: "cancelled" },
          { id: "bare", status: "active" },
          { id: "unrecorded", status: "active" },
          { id: "done", status: "completed" }
        ]
      )
      expect(
        database
          .prepare(
            "SELECT id, status, cancel_reason AS reason, finished_at, duration_ms FROM issue_workflow_executions ORDER BY rowid"
          )
          .all()
      ).toMatchObject([
        { id: "deleted", status: "cancelled", reason: "the owner was deleted", finished_at: 7, duration_ms: 2 },
        { id: "bare", status: "running" },
        { id: "unrecorded", status: "running" },
        { id: "done", status: "running" }
      ])
    })
)

it.scoped("sandboxes have the status that is derived from their latest attempt, or else their own", () =>
  Effect.gen(function* () {
    const attempts = [
      ["up", "succeeded"],
      ["down", "succeeded"],
      ["going", "running"],
      ["asked", "running"],
      ["stopping", "succeeded"]
    ] as const
    const database = yield* migrated(
      user,
      ...attempts.map(
        ([id, status]) =>
          `INSERT INTO sandbox_attempts (id, owner_user_id, status, queued_at, started_at, finished_at, created_at, updated_at)
         VALUES ('${id}', 'ada', '${status}', 0, 0, ${status === "running" ? "NULL" : "0"}, 0, 0)`
      ),
      "UPDATE sandbox_attempts SET stop_requested_at = 0 WHERE id = 'asked'",
      "INSERT INTO sandbox_runtime_instances (run_id, status, created_at, updated_at) VALUES ('up', 'running', 0, 0), ('down', 'stopped', 0, 0), ('stopping', 'running', 0, 0)",
      "UPDATE sandbox_attempts SET stop_requested_at = 7 WHERE id = 'stopping'",
      ...[...attempts.map(([id]) => id), "bare"].map(
        (id) =>
          `INSERT INTO sandboxes (id, name, owner_user_id, status, latest_run_id, created_at, updated_at)
         VALUES ('${id}', 'x', 'ada', 'stopped', ${id === "bare" ? "NULL" : `'${id}'`}, 0, 0)`
      )
    )
    expect(
      database.prepare("SELECT id, derived_status AS status, view_status AS view FROM sandboxes ORDER BY rowid").all()
    ).toMatchObject([
      { id: "up", status: "ready", view: "ready" },
      { id: "down", status: "cancelled", view: "stopped" },
      { id: "going", status: "running", view: "running" },
      { id: "asked", status: "cancelled", view: "cancelled" },
      { id: "stopping", status: "cancelled", view: "stopping" },
      { id: "bare", status: "cancelled", view: "stopped" }
    ])
    // A stop that was requested before has its teardown.
    expect(
      database.prepare("SELECT run_id, status, stop_reason, available_at FROM runtime_teardowns").all()
    ).toMatchObject([{ run_id: "stopping", status: "queued", stop_reason: "user", available_at: 7 }])
  })
)
