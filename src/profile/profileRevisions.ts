/**
 * Revisions of profiles with all that belongs to them: how they are stored and read.
 */
import { SqlClient } from "@effect/sql"
import { Array, Effect, Option, Schema } from "effect"
import { v7 } from "uuid"
import { ReferenceNotFound } from "../Errors.js"
import { engineErrorOf, isSqlError } from "../sql/engineError.js"
import { fingerprint } from "../sql/fingerprint.js"
import { idOrNew } from "../sql/ids.js"
import { type Target, targetOf } from "../sql/ownerScope.js"
import { part, together } from "../sql/unions.js"
import { operations } from "../sql/operations.js"
import { joinedRows } from "../sql/rows.js"
import { type Profile, ProfileRevisionId } from "./Profile.js"
import {
  CreateProfileRevision,
  ProfileEnvVar,
  ProfileRevision,
  ProfileSecretBinding,
  ProfileSshKeyBinding,
  ProfileSshSettings
} from "./ProfileRevision.js"
import type { ProfileService } from "./ProfileRepo.js"
import type { makeVersioned } from "./versioned.js"

const { input, present, read, write } = operations("ProfileRepo", "ProfileRevision")

/** A revision of a profile and all that belongs to it. */
export interface ProfileRevisionGraph {
  readonly revision: ProfileRevision
  /** By key. */
  readonly envVars: ReadonlyArray<ProfileEnvVar>
  /** By target. */
  readonly secretBindings: ReadonlyArray<ProfileSecretBinding>
  readonly sshSettings: Option.Option<ProfileSshSettings>
  /** By key and purpose. */
  readonly sshKeys: ReadonlyArray<ProfileSshKeyBinding>
}

type Given = typeof CreateProfileRevision.Type

const encodeContent = Schema.encodeSync(CreateProfileRevision)

/** All that a revision says, in one order, with what was left out filled in. */
const contentOf = ({ envVars, secretBindings, sshKeys, sshSettings, ...given }: Given) => ({
  configPatch: encodeContent({ ...given, envVars: [], secretBindings: [], sshKeys: [] }).configPatch,
  envVars: sorted(envVars, ({ key }) => key),
  secretBindings: sorted(secretBindings, ({ targetKey }) => targetKey),
  sshSettings: sshSettings === undefined
    ? null
    : { ...sshSettings, hostAllowlist: sorted(sshSettings.hostAllowlist, (host) => host) },
  sshKeys: sorted(sshKeys, ({ purpose, sshKeyId }) => `${purpose} ${sshKeyId}`)
})

const sorted = <A>(items: ReadonlyArray<A>, keyOf: (item: A) => string): ReadonlyArray<A> =>
  items.toSorted((one, other) => keyOf(one) < keyOf(other) ? -1 : 1)

// ?1: the revision, ?2: the rows, ?3: now.
const storeEnvVarsText = `
  INSERT INTO profile_env_vars (id, profile_revision_id, key, value, created_at)
  SELECT value ->> 'id', ?1, value ->> 'key', value ->> 'value', ?3 FROM json_each(?2)`

const storeSecretBindingsText = `
  INSERT INTO profile_secret_bindings (id, profile_revision_id, target_key, secret_id, secret_version_id, is_required, created_at)
  SELECT value ->> 'id', ?1, value ->> 'targetKey', value ->> 'secretId', value ->> 'secretVersionId', value ->> 'isRequired', ?3
  FROM json_each(?2)`

const storeSshKeysText = `
  INSERT INTO profile_ssh_key_bindings (profile_revision_id, ssh_key_id, purpose, created_at)
  SELECT ?1, value ->> 'sshKeyId', value ->> 'purpose', ?3 FROM json_each(?2)`

const missingSecretText = `
  SELECT 1 FROM json_each(?1) WHERE NOT EXISTS (SELECT 1 FROM secrets WHERE id = value ->> 'secretId') LIMIT 1`

const graphOf = (revisionId: string) => {
  const parts = {
    revision: part(ProfileRevision, "profile_revisions", `id = ${revisionId}`),
    envVars: part(ProfileEnvVar, "profile_env_vars", `profile_revision_id = ${revisionId}`, "ORDER BY key LIMIT -1"),
    secretBindings: part(
      ProfileSecretBinding,
      "profile_secret_bindings",
      `profile_revision_id = ${revisionId}`,
      "ORDER BY target_key LIMIT -1"
    ),
    sshSettings: part(ProfileSshSettings, "profile_ssh_settings", `profile_revision_id = ${revisionId}`),
    sshKeys: part(
      ProfileSshKeyBinding,
      "profile_ssh_key_bindings",
      `profile_revision_id = ${revisionId}`,
      "ORDER BY ssh_key_id, purpose LIMIT -1"
    )
  }
  return { parts, text: together(Object.values(parts)) }
}

// ?1: the revision or the profile, ?2: the owner.
const graphs = {
  ofId: graphOf("?1"),
  ofIdAndOwner: graphOf(`(
    SELECT r.id FROM profile_revisions AS r CROSS JOIN profiles AS p ON p.id = r.profile_id
    WHERE r.id = ?1 AND p.owner_user_id = ?2)`),
  active: graphOf("(SELECT active_revision_id FROM profiles WHERE id = ?1)"),
  activeOfOwner: graphOf("(SELECT active_revision_id FROM profiles WHERE id = ?1 AND owner_user_id = ?2)")
}

type Revisions = Pick<
  ProfileService,
  "createRevision" | "getRevision" | "getRevisionForOwner" | "getActiveRevision" | "getActiveRevisionForOwner"
>

type Versioned = Effect.Effect.Success<ReturnType<typeof makeVersioned<Profile, ProfileRevision>>>

export const makeRevisions = (versioned: Versioned) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const run = yield* joinedRows

    /** Stores the rows of one table, where there are any. */
    const storeRows = (text: string, revisionId: string, rows: ReadonlyArray<object>, now: number) =>
      rows.length === 0 ? Effect.void : Effect.asVoid(sql.unsafe(text, [revisionId, JSON.stringify(rows), now]))

    const storeSecretBindings = (revisionId: string, given: Given["secretBindings"], now: number) =>
      storeRows(
        storeSecretBindingsText,
        revisionId,
        given.map((binding) => ({ ...binding, id: `bnd_${v7()}`, isRequired: binding.isRequired ? 1 : 0 })),
        now
      ).pipe(
        // The trigger speaks of a secret only, the engine of nothing.
        Effect.catchIf(isForeign, () => Effect.fail(missing("secretId"))),
        Effect.catchIf(isMissing, () =>
          Effect.flatMap(sql.unsafe(missingSecretText, [JSON.stringify(given)]), ({ length }) =>
            Effect.fail(missing(length > 0 ? "secretId" : "secretVersionId"))))
      )

    const storeSshSettings = (revisionId: string, given: Given["sshSettings"], now: number) =>
      given === undefined ? Effect.void : sql`
        INSERT INTO profile_ssh_settings (profile_revision_id, enabled, listen_port, host_allowlist,
          session_timeout_minutes, authorized_keys_ref, created_at, updated_at)
        VALUES (${revisionId}, ${given.enabled ? 1 : 0}, ${given.listenPort}, ${JSON.stringify(given.hostAllowlist)},
          ${given.sessionTimeoutMinutes ?? null}, ${given.authorizedKeysRef ?? null}, ${now}, ${now})`

    const storeParts = ({ envVars, secretBindings, sshKeys, sshSettings }: Given, id: ProfileRevisionId, now: number) =>
      Effect.gen(function*() {
        yield* storeRows(storeEnvVarsText, id, envVars.map((envVar) => ({ ...envVar, id: `env_${v7()}` })), now)
        yield* storeSecretBindings(id, secretBindings, now)
        yield* storeSshSettings(id, sshSettings, now)
        yield* storeRows(storeSshKeysText, id, sshKeys, now).pipe(
          Effect.catchIf((error) => isForeign(error) || isMissing(error), () => Effect.fail(missing("sshKeyId")))
        )
      })

    const create = (given: Given) =>
      Effect.gen(function*() {
        const id = yield* idOrNew(given.id, "prv", ProfileRevisionId.make)
        const content = contentOf(given)
        return yield* versioned.createRevision(
          {
            id,
            profile: { id: given.profileId, ownerUserId: given.ownerUserId },
            fingerprint: fingerprint(content),
            content: { config_patch: JSON.stringify(content.configPatch) },
            createdByUserId: given.createdByUserId,
            changeSummary: given.changeSummary,
            setAsActive: given.setAsActive
          },
          ({ created, revision }, now) => created ? storeParts(given, revision.id, now) : Effect.void
        )
      })

    const graph = ({ parts, text }: ReturnType<typeof graphOf>, params: ReadonlyArray<string | null>) =>
      Effect.gen(function*() {
        const rows = yield* run(sql.unsafe(text, params))
        const [revision] = yield* parts.revision.rowsIn(rows)
        if (revision === undefined) return Option.none()
        const found: ProfileRevisionGraph = {
          revision,
          envVars: yield* parts.envVars.rowsIn(rows),
          secretBindings: yield* parts.secretBindings.rowsIn(rows),
          sshSettings: Array.head(yield* parts.sshSettings.rowsIn(rows)),
          sshKeys: yield* parts.sshKeys.rowsIn(rows)
        }
        return Option.some(found)
      })

    const orNoActive = (target: Target) => <E, R>(found: Effect.Effect<Option.Option<ProfileRevisionGraph>, E, R>) =>
      Effect.flatMap(found, (graph) => Option.isSome(graph) ? Effect.succeed(graph.value) : versioned.noActiveRevision(target))

    const revisionOf = ({ id, ownerUserId }: ReturnType<typeof targetOf>) =>
      Effect.flatMap(
        ownerUserId === undefined ? graph(graphs.ofId, [id]) : graph(graphs.ofIdAndOwner, [id, ownerUserId]),
        present(id)
      )

    const activeOf = (target: Target) =>
      orNoActive(target)(
        target.ownerUserId === undefined ? graph(graphs.active, [target.id]) : graph(graphs.activeOfOwner, [target.id, target.ownerUserId])
      )

    const service: Revisions = {
      createRevision: (request) =>
        input("createRevision", CreateProfileRevision)(request).pipe(
          Effect.flatMap(create),
          write("createRevision", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], { "profile.id": request.profileId }),
          // What else a revision refers to was named where it was stored.
          Effect.catchTag("ReferenceNotFound", (error) =>
            Effect.fail(error.reference === "unknown" ? missing("createdByUserId") : error))
        ),

      getRevision: (by) =>
        revisionOf(targetOf(by)).pipe(read("getRevision", { "revision.id": targetOf(by).id })),

      getRevisionForOwner: (by) =>
        revisionOf(targetOf(by)).pipe(read("getRevisionForOwner", { "revision.id": by.id, "user.id": by.ownerUserId })),

      getActiveRevision: (by) =>
        activeOf(targetOf(by)).pipe(read("getActiveRevision", { "profile.id": targetOf(by).id })),

      getActiveRevisionForOwner: ({ ownerUserId, profileId: id }) =>
        activeOf(targetOf({ id, ownerUserId })).pipe(
          read("getActiveRevisionForOwner", { "profile.id": id, "user.id": ownerUserId })
        )
    }
    return service
  })

const missing = (reference: string) => new ReferenceNotFound({ entity: "ProfileRevision", reference })

const isForeign = (error: unknown) => isSqlError(error) && engineErrorOf(error).code === "SQLITE_CONSTRAINT_TRIGGER"

const isMissing = (error: unknown) => isSqlError(error) && engineErrorOf(error).code === "SQLITE_CONSTRAINT_FOREIGNKEY"
