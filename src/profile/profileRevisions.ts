/**
 * The revision methods of `ProfileRepo`: storing and reading a revision with the rows that belong to it.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Array, Effect, Option, Schema } from "effect"
import { ReferenceNotFound } from "../Errors.js"
import { engineErrorOf, isSqlError } from "../sql/engineError.js"
import { fingerprint } from "../sql/fingerprint.js"
import { idOrNew, newUuid } from "../sql/ids.js"
import * as Model from "../sql/model.js"
import { type ById, type Target, targetOf } from "../sql/ownerScope.js"
import { part, unionQuery } from "../sql/unions.js"
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
import type { makeVersioned } from "./versioned.js"
import { encoderOf } from "../sql/decoder.js"

const { decodeInput, orNotFound, traced } = operations("ProfileRepo", "ProfileRevision")

/** A profile revision and the rows that belong to it. */
export const ProfileRevisionGraph = Schema.Struct({
  revision: Model.Row(ProfileRevision),
  /** Ordered by key. */
  envVars: Schema.Array(Model.Row(ProfileEnvVar)),
  /** Ordered by target key. */
  secretBindings: Schema.Array(Model.Row(ProfileSecretBinding)),
  sshSettings: Schema.optionalWith(Model.Row(ProfileSshSettings), { as: "Option" }),
  /** Ordered by key and purpose. */
  sshKeys: Schema.Array(Model.Row(ProfileSshKeyBinding))
})
export interface ProfileRevisionGraph extends Schema.Schema.Type<typeof ProfileRevisionGraph> {}

/** The result of creating a profile revision. */
export const CreatedProfileRevision = Schema.Struct({
  revision: Model.Row(ProfileRevision),
  /** False if a revision with the same content existed, which is returned. */
  created: Schema.Boolean
})
export interface CreatedProfileRevision extends Schema.Schema.Type<typeof CreatedProfileRevision> {}

type Input = typeof CreateProfileRevision.Type

const encodeContent = encoderOf(CreateProfileRevision)

/** Builds the content of a revision for its fingerprint: lists are sorted, absent parts are null or empty. */
const contentOf = ({ envVars, secretBindings, sshKeys, sshSettings, ...rest }: Input) => ({
  configPatch: encodeContent({ ...rest, envVars: [], secretBindings: [], sshKeys: [] }).configPatch,
  envVars: sorted(envVars, ({ key }) => key),
  secretBindings: sorted(secretBindings, ({ targetKey }) => targetKey),
  sshSettings:
    sshSettings === undefined
      ? null
      : { ...sshSettings, hostAllowlist: sorted(sshSettings.hostAllowlist, (host) => host) },
  sshKeys: sorted(sshKeys, ({ purpose, sshKeyId }) => `${purpose} ${sshKeyId}`)
})

const sorted = <A>(items: ReadonlyArray<A>, keyOf: (item: A) => string): ReadonlyArray<A> =>
  items.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1))

// ?1: id of the revision, ?2: rows as JSON, ?3: now.
const storeEnvVarsText = `
  INSERT INTO profile_env_vars (id, profile_revision_id, key, value, created_at)
  SELECT value ->> 'id', ?1, value ->> 'key', value ->> 'value', ?3 FROM json_each(?2)`

const storeSecretBindingsText = `
  INSERT INTO profile_secret_bindings
    (id, profile_revision_id, target_key, secret_id, secret_version_id, is_required, created_at)
  SELECT value ->> 'id', ?1, value ->> 'targetKey', value ->> 'secretId', value ->> 'secretVersionId',
    value ->> 'isRequired', ?3
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
  return { parts, text: unionQuery(Object.values(parts)) }
}

// ?1: id of the revision or the profile, ?2: id of the owner.
const graphs = {
  ofId: graphOf("?1"),
  ofIdAndOwner: graphOf(`(
    SELECT r.id FROM profile_revisions AS r CROSS JOIN profiles AS p ON p.id = r.profile_id
    WHERE r.id = ?1 AND p.owner_user_id = ?2)`),
  active: graphOf("(SELECT active_revision_id FROM profiles WHERE id = ?1)"),
  activeOfOwner: graphOf("(SELECT active_revision_id FROM profiles WHERE id = ?1 AND owner_user_id = ?2)")
}

type Versioned = Effect.Effect.Success<ReturnType<typeof makeVersioned<Profile, ProfileRevision>>>

/** Builds the methods that store and read whole revisions. */
export const makeRevisions = (versioned: Versioned) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const run = yield* joinedRows

    /** Inserts the rows of one table, if there are any. */
    const storeRows = (text: string, revisionId: string, rows: ReadonlyArray<object>, now: number) =>
      rows.length === 0 ? Effect.void : Effect.asVoid(sql.unsafe(text, [revisionId, JSON.stringify(rows), now]))

    const storeSecretBindings = (revisionId: string, bindings: Input["secretBindings"], now: number) =>
      storeRows(
        storeSecretBindingsText,
        revisionId,
        bindings.map((binding) => ({ ...binding, id: `bnd_${newUuid(now)}`, isRequired: binding.isRequired ? 1 : 0 })),
        now
      ).pipe(
        // The trigger checks the owner of the secret. A foreign key error does not name its key, so look it up.
        Effect.catchIf(isTriggerError, () => Effect.fail(missing("secretId"))),
        Effect.catchIf(isForeignKeyError, () =>
          Effect.flatMap(sql.unsafe(missingSecretText, [JSON.stringify(bindings)]), ({ length }) =>
            Effect.fail(missing(length > 0 ? "secretId" : "secretVersionId"))
          )
        )
      )

    const storeSshSettings = (revisionId: string, settings: Input["sshSettings"], now: number) =>
      settings === undefined
        ? Effect.void
        : sql`
        INSERT INTO profile_ssh_settings (profile_revision_id, enabled, listen_port, host_allowlist,
          session_timeout_minutes, authorized_keys_ref, created_at, updated_at)
        VALUES (${revisionId}, ${settings.enabled ? 1 : 0}, ${settings.listenPort},
          ${JSON.stringify(settings.hostAllowlist)}, ${settings.sessionTimeoutMinutes ?? null},
          ${settings.authorizedKeysRef ?? null}, ${now}, ${now})`

    const storeParts = ({ envVars, secretBindings, sshKeys, sshSettings }: Input, id: ProfileRevisionId, now: number) =>
      Effect.gen(function* () {
        yield* storeRows(
          storeEnvVarsText,
          id,
          envVars.map((envVar) => ({ ...envVar, id: `env_${newUuid(now)}` })),
          now
        )
        yield* storeSecretBindings(id, secretBindings, now)
        yield* storeSshSettings(id, sshSettings, now)
        yield* storeRows(storeSshKeysText, id, sshKeys, now).pipe(
          Effect.catchIf(
            (error) => isTriggerError(error) || isForeignKeyError(error),
            () => Effect.fail(missing("sshKeyId"))
          )
        )
      })

    const create = (revision: Input) =>
      Effect.gen(function* () {
        const id = yield* idOrNew(revision.id, "prv", ProfileRevisionId.make)
        const content = contentOf(revision)
        return yield* versioned.createRevision(
          {
            id,
            profile: { id: revision.profileId, ownerUserId: revision.ownerUserId },
            fingerprint: fingerprint(content),
            content: { config_patch: JSON.stringify(content.configPatch) },
            createdByUserId: revision.createdByUserId,
            changeSummary: revision.changeSummary,
            setAsActive: revision.setAsActive
          },
          (stored, now) => (stored.created ? storeParts(revision, stored.revision.id, now) : Effect.void)
        )
      })

    const graph = ({ parts, text }: ReturnType<typeof graphOf>, params: ReadonlyArray<string | null>) =>
      Effect.gen(function* () {
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

    const getRevision = ({ id, ownerUserId }: Target) =>
      Effect.flatMap(
        ownerUserId === undefined ? graph(graphs.ofId, [id]) : graph(graphs.ofIdAndOwner, [id, ownerUserId]),
        orNotFound(id)
      )

    const getActiveRevision = (target: Target) =>
      Effect.flatMap(
        target.ownerUserId === undefined
          ? graph(graphs.active, [target.id])
          : graph(graphs.activeOfOwner, [target.id, target.ownerUserId]),
        (found) => (Option.isSome(found) ? Effect.succeed(found.value) : versioned.noActiveRevision(target))
      )

    return {
      createRevision: (request: typeof CreateProfileRevision.Encoded) =>
        decodeInput(
          "createRevision",
          CreateProfileRevision
        )(request).pipe(
          Effect.flatMap(create),
          traced("createRevision", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], {
            "profile.id": request.profileId
          }),
          // The statements of the other references have named the field already.
          Effect.catchTag("ReferenceNotFound", (error) =>
            Effect.fail(error.reference === "unknown" ? missing("createdByUserId") : error)
          )
        ),

      getRevision: (by: ById) =>
        getRevision(targetOf(by)).pipe(traced("getRevision", { "revision.id": targetOf(by).id })),

      getActiveRevision: (by: ById) =>
        getActiveRevision(targetOf(by)).pipe(traced("getActiveRevision", { "profile.id": targetOf(by).id }))
    }
  })

const missing = (reference: string) => new ReferenceNotFound({ entity: "ProfileRevision", reference })

const isTriggerError = (error: unknown) =>
  isSqlError(error) && engineErrorOf(error).code === "SQLITE_CONSTRAINT_TRIGGER"

const isForeignKeyError = (error: unknown) =>
  isSqlError(error) && engineErrorOf(error).code === "SQLITE_CONSTRAINT_FOREIGNKEY"
