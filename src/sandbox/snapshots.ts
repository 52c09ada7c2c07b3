/**
 * The snapshot methods of `SandboxAttemptRepo`, over the table `sandbox_attempt_snapshots`. A snapshot is written once.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, Effect, Option, Schema } from "effect"
import { AlreadyExists } from "../Errors.js"
import { jsonOrNull } from "../sql/batch.js"
import { JsonObject } from "../sql/json.js"
import { canonicalJson } from "../sql/fingerprint.js"
import { type ById, type Target, targetOf } from "../sql/ownerScope.js"
import { operations } from "../sql/operations.js"
import { encoderOf, readingOf } from "../sql/decoder.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, type RowsOf } from "../sql/rows.js"
import { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"
import { WorkspaceBlueprint } from "../payloads/WorkspaceBlueprint.js"
import { SandboxAttemptSnapshot, SetSnapshot } from "./SandboxAttempt.js"
import { attemptOwnerScope } from "./attemptOwner.js"

const { decodeInput, traced } = operations("SandboxAttemptRepo", "SandboxAttemptSnapshot")

// Accepts values beyond the input limits: the stored snapshot may be older than a limit.
const encode = encoderOf(
  Schema.Struct({
    attemptId: Schema.String,
    userSpecPayload: readingOf(UserWorkspaceSpec),
    resolvedSpecPayload: readingOf(UserWorkspaceSpec),
    blueprintPayload: readingOf(WorkspaceBlueprint),
    profileConfigSnapshot: Schema.optional(readingOf(JsonObject)),
    repositoryProfileConfigSnapshot: Schema.optional(readingOf(JsonObject))
  })
)

/** Inserts the snapshot of an attempt. Returns the row, or none if the attempt has a snapshot. */
export const insertSnapshot = (sql: SqlClient.SqlClient, snapshot: typeof SetSnapshot.Type, now: number) => {
  const content = encode(snapshot)
  return sql`
    INSERT INTO sandbox_attempt_snapshots (run_id, user_spec_payload, resolved_spec_payload, blueprint_payload,
      profile_config_snapshot, repository_profile_config_snapshot, created_at)
    VALUES (${snapshot.attemptId}, ${JSON.stringify(content.userSpecPayload)},
      ${JSON.stringify(content.resolvedSpecPayload)}, ${JSON.stringify(content.blueprintPayload)},
      ${jsonOrNull(content.profileConfigSnapshot)}, ${jsonOrNull(content.repositoryProfileConfigSnapshot)}, ${now})
    ON CONFLICT (run_id) DO NOTHING
    RETURNING ${sql.literal(columnList(SandboxAttemptSnapshot))}`
}

export const makeSnapshots = (sql: SqlClient.SqlClient, snapshots: RowsOf<SandboxAttemptSnapshot>) => {
  const columns = sql.literal(columnList(SandboxAttemptSnapshot))

  const ofOwner = attemptOwnerScope(sql)

  const findByAttemptId = (target: Target) =>
    snapshots.findOne(sql`
      SELECT ${columns} FROM sandbox_attempt_snapshots WHERE run_id = ${target.id} ${ofOwner(target)}`)

  const insert = (snapshot: typeof SetSnapshot.Type) =>
    Effect.gen(function* () {
      const inserted = yield* snapshots.findOne(insertSnapshot(sql, snapshot, yield* Clock.currentTimeMillis))
      if (Option.isSome(inserted)) return inserted.value

      const stored = yield* findByAttemptId({ id: snapshot.attemptId })
      return Option.isSome(stored) && contentOf(stored.value) === canonicalJson(encode(snapshot))
        ? stored.value
        : yield* new AlreadyExists({ entity: "SandboxAttemptSnapshot", constraint: "sandbox_attempt_snapshots.run_id" })
    })

  return {
    setSnapshot: (request: typeof SetSnapshot.Encoded) =>
      decodeInput(
        "setSnapshot",
        SetSnapshot
      )(request).pipe(
        Effect.flatMap(insert),
        traced("setSnapshot", ["ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            { field: "attemptId", table: "sandbox_attempts", id: Option.some(request.attemptId) }
          ])
        )
      ),

    findSnapshot: (by: ById) =>
      findByAttemptId(targetOf(by)).pipe(traced("findSnapshot", { "attempt.id": targetOf(by).id }))
  }
}

/** Encodes a stored snapshot as an input is encoded. Imported rows may lack fields that have a default. */
const contentOf = ({ profileConfigSnapshot, repositoryProfileConfigSnapshot, ...stored }: SandboxAttemptSnapshot) =>
  canonicalJson(
    encode({
      attemptId: stored.attemptId,
      userSpecPayload: stored.userSpecPayload,
      resolvedSpecPayload: stored.resolvedSpecPayload,
      blueprintPayload: stored.blueprintPayload,
      profileConfigSnapshot: Option.getOrUndefined(profileConfigSnapshot),
      repositoryProfileConfigSnapshot: Option.getOrUndefined(repositoryProfileConfigSnapshot)
    })
  )
