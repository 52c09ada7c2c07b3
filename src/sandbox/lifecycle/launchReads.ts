/**
 * The rows that a launch decides on, read by one statement: the earlier launch with its key, and the revisions of its
 * profiles. Revisions are immutable, so the decision needs a guard only for those that were not found.
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
import { guard } from "../../sql/writeAll.js"
import type { Access } from "../../source/requireAccess.js"
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

const columns = [
  partColumnList(ProfileRevision, "p"),
  partColumnList(ProfileSshSettings, "h"),
  partColumnList(RepositoryProfileRevision, "t")
].join(", ")

const profilePart = partOf(ProfileRevision, "p")
const sshSettingsPart = partOf(ProfileSshSettings, "h")
const templatePart = partOf(RepositoryProfileRevision, "t")

const Resolved = Schema.Struct({ resolvedSpec: documentOf(UserWorkspaceSpec) })

/**
 * The guard of a launch whose profiles were not all found. It is the last write and never holds: either the launch is
 * refused before, or a profile became available since the read, and the operation decides again.
 */
const isMissing = guard("?1 IS NULL", ["missing"])

/** Builds the read of a launch. */
export const makeLaunchReads =
  (sql: SqlClient.SqlClient, { mayUseRevisionOf }: Pick<Access, "mayUseRevisionOf">, rows: JoinedRows) =>
  ({ idempotencyKey, ownerUserId, spec, ...request }: typeof LaunchSandbox.Type) =>
    Effect.gen(function* () {
      const { profileRevisionId, repositoryProfileRevisionId } =
        request.resolvedSpec === undefined
          ? request
          : { profileRevisionId: undefined, repositoryProfileRevisionId: undefined }
      const ids = [idempotencyKey, profileRevisionId, repositoryProfileRevisionId]
      // INDEXED BY names the primary keys, because the planner scans a table that had one row when its statistics were
      // collected. Profiles that the owner may not use are not read, so that no error depends on their content.
      const [row] = ids.every((id) => id === undefined)
        ? []
        : yield* rows(sql`
          SELECT ${sql.literal(keyColumns)}, p.id IS NOT NULL AS "hasProfile", t.id IS NOT NULL AS "hasTemplate",
            ${sql.literal(columns)}
          FROM (SELECT 1) AS request
          LEFT JOIN sandbox_launch_keys AS k
            ON k.owner_user_id = ${ownerUserId} AND k.idempotency_key = ${idempotencyKey ?? null}
          LEFT JOIN profile_revisions AS p INDEXED BY sqlite_autoindex_profile_revisions_1
            ON p.id = ${profileRevisionId ?? null}
            AND (SELECT owner_user_id FROM profiles WHERE id = p.profile_id) = ${ownerUserId}
          LEFT JOIN profile_ssh_settings AS h INDEXED BY sqlite_autoindex_profile_ssh_settings_1
            ON h.profile_revision_id = p.id
          LEFT JOIN repository_profile_revisions AS t INDEXED BY sqlite_autoindex_repository_profile_revisions_1
            ON t.id = ${repositoryProfileRevisionId ?? null} AND ${mayUseRevisionOf(ownerUserId, sql`t.id`)}`)
      const { resolvedSpec = spec } = request
      const isComplete =
        (profileRevisionId === undefined || row?.["hasProfile"] === 1) &&
        (repositoryProfileRevisionId === undefined || row?.["hasTemplate"] === 1)
      return {
        /** The launch that has the key of the request. */
        before: row === undefined ? Option.none<KeyRow>() : keyOf(row),
        /** The specification to build. Fails with `InvalidInput` if the profiles make it invalid. */
        resolvedSpec: row === undefined ? Effect.succeed(resolvedSpec) : resolve(resolvedSpec, row),
        /** The last writes of a new launch. */
        last: isComplete ? [] : [isMissing]
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

/** Applies the revisions in the row. */
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
