/**
 * The rows that a launch decides on, read by one statement: the earlier launch with its key, and the revisions of its
 * profiles. Revisions are immutable, so the decision needs no guard for them.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Option, Schema } from "effect"
import { encodeSpec } from "../../build-job/requestFingerprint.js"
import { operationsOf } from "../../events/operation.js"
import { applyProfiles } from "../../payloads/profiles.js"
import { UserWorkspaceSpec } from "../../payloads/UserWorkspaceSpec.js"
import { ProfileRevision, ProfileSshSettings } from "../../profile/ProfileRevision.js"
import { RepositoryProfileRevision } from "../../profile/RepositoryProfile.js"
import { documentOf } from "../../sql/json.js"
import { type JoinedRows, partColumnList, partOf } from "../../sql/rows.js"
import type { LaunchSandbox } from "../SandboxViews.js"

const { decodeInput } = operationsOf("SandboxLifecycle", "Sandbox")

/** The launch that an idempotency key identifies. */
export interface KeyRow {
  readonly requestFingerprint: string
  readonly sandboxId: string
  readonly attemptId: string | null
  readonly jobId: string | null
}

/** The columns of `KeyRow`. */
export const keyColumns = `k.request_fingerprint AS "requestFingerprint", k.sandbox_id AS "sandboxId",
    k.run_id AS "attemptId", k.job_id AS "jobId"`

// ?1: id of the owner, ?2: idempotency key, ?3: profile revision, ?4: repository profile revision. INDEXED BY names the
// primary keys, because the planner scans a table that had one row when its statistics were collected. The guards of
// the launch refuse a repository profile that the owner may not use.
const readText = `
  SELECT ${keyColumns}, ${[
    partColumnList(ProfileRevision, "p"),
    partColumnList(ProfileSshSettings, "h"),
    partColumnList(RepositoryProfileRevision, "t")
  ].join(", ")}
  FROM (SELECT 1) AS request
  LEFT JOIN sandbox_launch_keys AS k ON k.owner_user_id = ?1 AND k.idempotency_key = ?2
  LEFT JOIN profile_revisions AS p INDEXED BY sqlite_autoindex_profile_revisions_1 ON p.id = ?3
    AND (SELECT owner_user_id FROM profiles WHERE id = p.profile_id) = ?1
  LEFT JOIN profile_ssh_settings AS h INDEXED BY sqlite_autoindex_profile_ssh_settings_1 ON h.profile_revision_id = p.id
  LEFT JOIN repository_profile_revisions AS t INDEXED BY sqlite_autoindex_repository_profile_revisions_1 ON t.id = ?4`.trim()

const profilePart = partOf(ProfileRevision, "p")
const sshSettingsPart = partOf(ProfileSshSettings, "h")
const templatePart = partOf(RepositoryProfileRevision, "t")

const Resolved = Schema.Struct({ resolvedSpec: documentOf(UserWorkspaceSpec) })

/** Builds the read of a launch. */
export const makeLaunchReads =
  (sql: SqlClient.SqlClient, rows: JoinedRows) =>
  ({ idempotencyKey, ownerUserId, spec, ...request }: typeof LaunchSandbox.Type) =>
    Effect.gen(function* () {
      const { profileRevisionId, repositoryProfileRevisionId } =
        request.resolvedSpec === undefined
          ? request
          : { profileRevisionId: undefined, repositoryProfileRevisionId: undefined }
      const ids = [idempotencyKey, profileRevisionId, repositoryProfileRevisionId].map((id) => id ?? null)
      const [row] = ids.every((id) => id === null) ? [] : yield* rows(sql.unsafe(readText, [ownerUserId, ...ids]))
      const { resolvedSpec = spec } = request
      return {
        /** The launch that has the key of the request. */
        before: row === undefined ? Option.none<KeyRow>() : keyOf(row),
        /** The specification to build. Fails with `InvalidInput` if the profiles make it invalid. */
        resolvedSpec: row === undefined ? Effect.succeed(resolvedSpec) : resolve(resolvedSpec, row)
      }
    })

type Row = Readonly<Record<string, unknown>>

/** Reads the key in a row, if there is one. */
export const keyOf = ({ attemptId, jobId, requestFingerprint, sandboxId }: Row): Option.Option<KeyRow> =>
  typeof requestFingerprint === "string"
    ? Option.some({
        requestFingerprint,
        sandboxId: String(sandboxId),
        attemptId: textOrNull(attemptId),
        jobId: textOrNull(jobId)
      })
    : Option.none()

const textOrNull = (value: unknown) => (typeof value === "string" ? value : null)

/** Applies the revisions in the row. A revision that does not exist applies nothing: the launch is refused later. */
const resolve = (spec: UserWorkspaceSpec, row: Row) =>
  Effect.gen(function* () {
    const profile = Option.getOrUndefined(yield* profilePart(row))
    const template = Option.getOrUndefined(yield* templatePart(row))
    if (profile === undefined && template === undefined) return spec
    const ssh = Option.map(yield* sshSettingsPart(row), ({ authorizedKeysRef, enabled, listenPort }) => ({
      enabled,
      listenPort,
      ...(Option.isSome(authorizedKeysRef) ? { authorizedKeysRef: authorizedKeysRef.value } : {})
    }))
    const settings = Option.getOrUndefined(Option.map(ssh, (ssh) => ({ ssh })))
    const applied = applyProfiles(applyProfiles(spec, settings, profile?.configPatch), template?.runTemplate)
    const { resolvedSpec } = yield* decodeInput("launch", Resolved)({ resolvedSpec: encodeSpec(applied) })
    return resolvedSpec
  })
