/**
 * The snapshot of an attempt: written once.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, Effect, Option, Schema } from "effect"
import { AlreadyExists } from "../Errors.js"
import { JsonObject } from "../sql/columns.js"
import { canonicalJson } from "../sql/fingerprint.js"
import { type Target, targetOf } from "../sql/ownerScope.js"
import { operations } from "../sql/operations.js"
import { readingOf } from "../sql/decoder.js"
import { nameMissing } from "../sql/references.js"
import { columnList, type RowsOf } from "../sql/rows.js"
import { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"
import { WorkspaceBlueprint } from "../payloads/WorkspaceBlueprint.js"
import { SandboxAttemptSnapshot, SetSnapshot } from "./SandboxAttempt.js"
import { attemptOwnerScope } from "./attemptOwner.js"
import type { SandboxAttemptService } from "./SandboxAttemptRepo.js"

const { input, read, write } = operations("SandboxAttemptRepo", "SandboxAttemptSnapshot")

// Decoded without limits: the stored snapshot may be older than a rule for inputs.
const encode = Schema.encodeSync(Schema.Struct({
  runId: Schema.String,
  userSpecPayload: readingOf(UserWorkspaceSpec),
  resolvedSpecPayload: readingOf(UserWorkspaceSpec),
  blueprintPayload: readingOf(WorkspaceBlueprint),
  profileConfigSnapshot: Schema.optional(readingOf(JsonObject)),
  repositoryProfileConfigSnapshot: Schema.optional(readingOf(JsonObject))
}))

type Snapshots = Pick<SandboxAttemptService, "setSnapshot" | "findSnapshot">

export const makeSnapshots = (sql: SqlClient.SqlClient, snapshots: RowsOf<SandboxAttemptSnapshot>): Snapshots => {
  const columns = sql.literal(columnList(SandboxAttemptSnapshot))

  const ofOwner = attemptOwnerScope(sql)

  const byRunId = (target: Target) =>
    snapshots.first(sql`SELECT ${columns} FROM sandbox_attempt_snapshots WHERE run_id = ${target.id} ${ofOwner(target)}`)

  const insert = (snapshot: typeof SetSnapshot.Type) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const content = encode(snapshot)
      const inserted = yield* snapshots.first(sql`
        INSERT INTO sandbox_attempt_snapshots (run_id, user_spec_payload, resolved_spec_payload, blueprint_payload,
          profile_config_snapshot, repository_profile_config_snapshot, created_at)
        VALUES (${snapshot.runId}, ${JSON.stringify(content.userSpecPayload)},
          ${JSON.stringify(content.resolvedSpecPayload)}, ${JSON.stringify(content.blueprintPayload)},
          ${jsonOrNull(content.profileConfigSnapshot)}, ${jsonOrNull(content.repositoryProfileConfigSnapshot)}, ${now})
        ON CONFLICT (run_id) DO NOTHING
        RETURNING ${columns}`)
      if (Option.isSome(inserted)) return inserted.value

      const kept = yield* byRunId({ id: snapshot.runId })
      return Option.isSome(kept) && contentOf(kept.value) === canonicalJson(content)
        ? kept.value
        : yield* new AlreadyExists({ entity: "SandboxAttemptSnapshot", constraint: "sandbox_attempt_snapshots.run_id" })
    })

  return {
    setSnapshot: (request) =>
      input("setSnapshot", SetSnapshot)(request).pipe(
        Effect.flatMap(insert),
        write("setSnapshot", ["ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "runId", table: "sandbox_attempts", id: Option.some(request.runId) }
        ]))
      ),

    findSnapshot: (by) => byRunId(targetOf(by)).pipe(read("findSnapshot", { "run.id": targetOf(by).id }))
  }
}

const jsonOrNull = (document: unknown) => document === undefined ? null : JSON.stringify(document)

/** What is kept, in the form of what was given: rows that were carried over may lack what has a default. */
const contentOf = ({ profileConfigSnapshot, repositoryProfileConfigSnapshot, ...kept }: SandboxAttemptSnapshot) =>
  canonicalJson(encode({
    runId: kept.runId,
    userSpecPayload: kept.userSpecPayload,
    resolvedSpecPayload: kept.resolvedSpecPayload,
    blueprintPayload: kept.blueprintPayload,
    profileConfigSnapshot: Option.getOrUndefined(profileConfigSnapshot),
    repositoryProfileConfigSnapshot: Option.getOrUndefined(repositoryProfileConfigSnapshot)
  }))
