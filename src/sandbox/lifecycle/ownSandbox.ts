/**
 * The check that a sandbox belongs to its owner, for lists of its rows.
 */
import type { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { NotFound } from "../../Errors.js"
import type { SandboxOfOwner } from "../SandboxViews.js"

/** Selects a row if the sandbox ?1 belongs to the user ?2. */
export const ownSandboxText = "SELECT 1 FROM sandboxes WHERE id = ?1 AND owner_user_id = ?2"

/** Fails with `NotFound` if the sandbox does not exist, or belongs to another owner. */
export const requireOwnSandbox = (sql: SqlClient.SqlClient, { id, ownerUserId }: typeof SandboxOfOwner.Type) =>
  Effect.flatMap(sql.unsafe(ownSandboxText, [id, ownerUserId]), (rows) =>
    rows.length > 0 ? Effect.void : Effect.fail(new NotFound({ entity: "Sandbox", id }))
  )
