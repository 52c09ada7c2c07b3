/**
 * Profile revisions: row models and inputs. A revision has environment variables, secret bindings, SSH settings and SSH
 * key bindings. Its rows are immutable.
 */
import { Schema } from "effect"
import {
  ownerScopeField,
  Count,
  enumeration,
  Flag,
  idOf,
  Name,
  optional,
  optionalAsStored,
  Prose,
  Timestamp
} from "../sql/columns.js"
import { documentOf, Json } from "../sql/json.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { Port } from "../payloads/enumerations.js"
import { PartialUserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"
import { UserId } from "../auth/User.js"
import { SecretId, SecretVersionId } from "../secret/Secret.js"
import { SshKeyId } from "../secret/SshKey.js"
import { ProfileId, ProfileRevisionId } from "./Profile.js"
import { EnvVarKey, EnvVarValue, HostPattern, SessionTimeout, setOf } from "./limits.js"

/** One row of `profile_revisions`. */
export class ProfileRevision extends Model.Class<ProfileRevision>("ProfileRevision")(
  {
    id: ProfileRevisionId,
    profileId: ProfileId,
    /** 1, 2, 3 and so on within the profile, without gaps. */
    version: Count,
    createdByUserId: optional(UserId),
    changeSummary: optional(Prose),
    /** Hash of the content of the revision. Unique within the profile. */
    fingerprint: Name,
    /** Settings that `applyProfiles` adds to the specification of a launch. */
    configPatch: Json(PartialUserWorkspaceSpec),
    createdAt: Timestamp
  },
  table({
    name: "profile_revisions",
    service: "ProfileRepo",
    purpose: "Numbered revisions of the content of a profile. Immutable."
  })
) {}

/** The id of an environment variable of a revision: `env_` and a UUIDv7, except in imported rows. */
export const ProfileEnvVarId = idOf("ProfileEnvVarId")
export type ProfileEnvVarId = typeof ProfileEnvVarId.Type

/**
 * One row of `profile_env_vars`.
 *
 * The value is plain text, not `Redacted`: it is configuration that the owner reads and edits, like `configPatch.env`.
 * It becomes part of the environment of a build, not of the specification of a launch. Confidential values belong in
 * secret bindings. Spans, logs and errors of this package do not contain the value.
 */
export class ProfileEnvVar extends Model.Class<ProfileEnvVar>("ProfileEnvVar")(
  {
    id: ProfileEnvVarId,
    profileRevisionId: ProfileRevisionId,
    key: Name,
    value: Prose,
    createdAt: Timestamp
  },
  table({
    name: "profile_env_vars",
    service: "ProfileRepo",
    purpose: "Environment variables of a revision of a profile, in plain text."
  })
) {}

/** The id of a secret binding: `bnd_` and a UUIDv7, except in imported rows. */
export const ProfileSecretBindingId = idOf("ProfileSecretBindingId")
export type ProfileSecretBindingId = typeof ProfileSecretBindingId.Type

/** One row of `profile_secret_bindings`. */
export class ProfileSecretBinding extends Model.Class<ProfileSecretBinding>("ProfileSecretBinding")(
  {
    id: ProfileSecretBindingId,
    profileRevisionId: ProfileRevisionId,
    /** The name of the environment variable that receives the value of the secret. */
    targetKey: Name,
    /** A secret of the owner of the profile. */
    secretId: SecretId,
    /** The version to use. None means the latest one. */
    secretVersionId: optional(SecretVersionId),
    /** Whether a launch fails when the secret is unavailable. */
    isRequired: Flag,
    createdAt: Timestamp
  },
  table({
    name: "profile_secret_bindings",
    service: "ProfileRepo",
    purpose: "Secrets of the owner that a revision of a profile passes to sandboxes as environment variables."
  })
) {}

/** One row of `profile_ssh_settings`. */
export class ProfileSshSettings extends Model.Class<ProfileSshSettings>("ProfileSshSettings")(
  {
    profileRevisionId: ProfileRevisionId,
    enabled: Flag,
    listenPort: Port,
    hostAllowlist: Json(Schema.Array(Schema.String)),
    sessionTimeoutMinutes: optional(Count),
    authorizedKeysRef: optional(Name),
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "profile_ssh_settings",
    service: "ProfileRepo",
    purpose: "SSH access settings of a revision of a profile."
  })
) {}

/** The purpose of an SSH key in a profile. */
export const ProfileSshKeyPurpose = enumeration("login", "git-auth", "git-signing")
export type ProfileSshKeyPurpose = typeof ProfileSshKeyPurpose.Type

/** One row of `profile_ssh_key_bindings`. */
export class ProfileSshKeyBinding extends Model.Class<ProfileSshKeyBinding>("ProfileSshKeyBinding")(
  {
    profileRevisionId: ProfileRevisionId,
    /** A key of the owner of the profile. */
    sshKeyId: SshKeyId,
    purpose: ProfileSshKeyPurpose,
    createdAt: Timestamp
  },
  table({
    name: "profile_ssh_key_bindings",
    service: "ProfileRepo",
    purpose: "SSH keys of the owner that a revision of a profile uses, with their purposes."
  })
) {}

const NewEnvVar = Schema.Struct({ key: EnvVarKey, value: EnvVarValue })

const NewSecretBinding = Schema.Struct({
  targetKey: EnvVarKey,
  secretId: SecretId,
  secretVersionId: optionalAsStored(SecretVersionId),
  isRequired: Schema.optionalWith(Schema.Boolean, { default: () => true })
})

const NewSshSettings = Schema.Struct({
  enabled: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  listenPort: Schema.optionalWith(Port, { default: () => 2222 }),
  hostAllowlist: Schema.optionalWith(
    setOf(HostPattern, (host) => host),
    { default: () => [] }
  ),
  sessionTimeoutMinutes: optionalAsStored(SessionTimeout),
  authorizedKeysRef: optionalAsStored(Name)
})

const NewSshKey = Schema.Struct({
  sshKeyId: SshKeyId,
  purpose: Schema.optionalWith(ProfileSshKeyPurpose, { default: () => "login" })
})

/**
 * Input for creating a profile revision. Absent lists are empty. The parts of a stored revision are valid inputs:
 * optional fields accept `Option` and `null`, and the other columns of their rows are ignored.
 *
 * Limits:
 * - Up to 1,000 environment variables, secret bindings, SSH keys and allowed hosts each.
 * - Keys of environment variables have up to 255 characters, without `=`, white space and control characters, as in
 *   Docker. A key is unique among the variables and the secret bindings together. Values have up to 32,768 characters.
 * - `sessionTimeoutMinutes` is 1 minute to 366 days.
 * - `configPatch` has up to 10,000,000 characters as JSON.
 *
 * Defaults: `setAsActive` true, `isRequired` true, `purpose` `login`, `enabled` false, `listenPort` 2222.
 */
export const CreateProfileRevision = Schema.Struct({
  id: Schema.optional(ProfileRevisionId),
  profileId: ProfileId,
  ownerUserId: ownerScopeField(UserId),
  configPatch: documentOf(PartialUserWorkspaceSpec),
  envVars: Schema.optionalWith(
    setOf(NewEnvVar, ({ key }) => key, "key"),
    { default: () => [] }
  ),
  secretBindings: Schema.optionalWith(
    setOf(NewSecretBinding, ({ targetKey }) => targetKey, "targetKey"),
    { default: () => [] }
  ),
  sshSettings: optionalAsStored(NewSshSettings),
  sshKeys: Schema.optionalWith(
    setOf(NewSshKey, ({ purpose, sshKeyId }) => `${purpose} ${sshKeyId}`, "sshKeyId"),
    { default: () => [] }
  ),
  createdByUserId: optionalAsStored(UserId),
  changeSummary: optionalAsStored(Prose),
  setAsActive: Schema.optionalWith(Schema.Boolean, { default: () => true })
}).pipe(
  Schema.filter(({ envVars, secretBindings }) => {
    const keys = new Set<string>(envVars.map(({ key }) => key))
    const duplicate = secretBindings.findIndex(({ targetKey }) => keys.has(targetKey))
    return duplicate < 0
      ? undefined
      : { path: ["secretBindings", duplicate, "targetKey"], message: "is an environment variable already" }
  })
)

/** Input for activating a revision of a profile. */
export const SetActiveProfileRevision = Schema.Struct({
  profileId: ProfileId,
  ownerUserId: ownerScopeField(UserId),
  revisionId: ProfileRevisionId
})

/** Filter for listing the revisions of a profile. */
export const ProfileRevisionFilter = Schema.Struct({ profileId: ProfileId, ownerUserId: ownerScopeField(UserId) })
