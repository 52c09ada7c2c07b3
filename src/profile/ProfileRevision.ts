/**
 * A revision of a profile, and what belongs to it: environment variables, secrets that become such, SSH settings and
 * keys. All of it is written once.
 */
import { Schema } from "effect"
import { confinedTo, Count, documentOf, enumeration, Flag, idOf, Json, Name, optional, Prose, Timestamp } from "../sql/columns.js"
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
export class ProfileRevision extends Model.Class<ProfileRevision>("ProfileRevision")({
  id: ProfileRevisionId,
  profileId: ProfileId,
  /** 1, 2, 3 and so on within the profile, without gaps. */
  version: Count,
  createdByUserId: optional(UserId),
  changeSummary: optional(Prose),
  /** Of all that the revision says: a profile has no two revisions of one content. */
  fingerprint: Name,
  /** Laid over the specification of a launch. */
  configPatch: Json(PartialUserWorkspaceSpec),
  createdAt: Timestamp
}, table({
  name: "profile_revisions",
  service: "ProfileRepo",
  purpose: "What a profile says, from one numbered revision to the next. Immutable."
})) {}

/** The id of an environment variable of a revision, `env_` and a UUIDv7 when it is ours. */
export const ProfileEnvVarId = idOf("ProfileEnvVarId")
export type ProfileEnvVarId = typeof ProfileEnvVarId.Type

/**
 * One row of `profile_env_vars`.
 *
 * The value is plain, not `Redacted`: it is configuration that its owner reads and edits, as `configPatch.env` beside it
 * is, and goes as text into the specification of a launch. What nobody is to see is bound as a secret. No span, log or
 * error of this package has it.
 */
export class ProfileEnvVar extends Model.Class<ProfileEnvVar>("ProfileEnvVar")({
  id: ProfileEnvVarId,
  profileRevisionId: ProfileRevisionId,
  key: Name,
  value: Prose,
  createdAt: Timestamp
}, table({
  name: "profile_env_vars",
  service: "ProfileRepo",
  purpose: "Environment variables of a revision of a profile, in plain text."
})) {}

/** The id of the binding of a secret, `bnd_` and a UUIDv7 when it is ours. */
export const ProfileSecretBindingId = idOf("ProfileSecretBindingId")
export type ProfileSecretBindingId = typeof ProfileSecretBindingId.Type

/** One row of `profile_secret_bindings`. */
export class ProfileSecretBinding extends Model.Class<ProfileSecretBinding>("ProfileSecretBinding")({
  id: ProfileSecretBindingId,
  profileRevisionId: ProfileRevisionId,
  /** The environment variable that the secret becomes. */
  targetKey: Name,
  /** A secret of the owner of the profile. */
  secretId: SecretId,
  /** None: whichever is the latest. */
  secretVersionId: optional(SecretVersionId),
  /** Whether a launch fails when the secret cannot be had. */
  isRequired: Flag,
  createdAt: Timestamp
}, table({
  name: "profile_secret_bindings",
  service: "ProfileRepo",
  purpose: "Which secrets of the owner become environment variables under a revision of a profile."
})) {}

/** One row of `profile_ssh_settings`. */
export class ProfileSshSettings extends Model.Class<ProfileSshSettings>("ProfileSshSettings")({
  profileRevisionId: ProfileRevisionId,
  enabled: Flag,
  listenPort: Port,
  hostAllowlist: Json(Schema.Array(Schema.String)),
  sessionTimeoutMinutes: optional(Count),
  authorizedKeysRef: optional(Name),
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "profile_ssh_settings",
  service: "ProfileRepo",
  purpose: "How sandboxes are reached over SSH under a revision of a profile."
})) {}

/** What an SSH key is for. */
export const ProfileSshKeyPurpose = enumeration("login", "git-auth", "git-signing")
export type ProfileSshKeyPurpose = typeof ProfileSshKeyPurpose.Type

/** One row of `profile_ssh_key_bindings`. */
export class ProfileSshKeyBinding extends Model.Class<ProfileSshKeyBinding>("ProfileSshKeyBinding")({
  profileRevisionId: ProfileRevisionId,
  /** A key of the owner of the profile. */
  sshKeyId: SshKeyId,
  purpose: ProfileSshKeyPurpose,
  createdAt: Timestamp
}, table({
  name: "profile_ssh_key_bindings",
  service: "ProfileRepo",
  purpose: "Which SSH keys of the owner a revision of a profile uses, and for what."
})) {}

const NewEnvVar = Schema.Struct({ key: EnvVarKey, value: EnvVarValue })

const NewSecretBinding = Schema.Struct({
  targetKey: EnvVarKey,
  secretId: SecretId,
  secretVersionId: Schema.optional(SecretVersionId),
  isRequired: Schema.optionalWith(Schema.Boolean, { default: () => true })
})

const NewSshSettings = Schema.Struct({
  enabled: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  listenPort: Schema.optionalWith(Port, { default: () => 2222 }),
  hostAllowlist: Schema.optionalWith(setOf(HostPattern, (host) => host), { default: () => [] }),
  sessionTimeoutMinutes: Schema.optional(SessionTimeout),
  authorizedKeysRef: Schema.optional(Name)
})

const NewSshKey = Schema.Struct({
  sshKeyId: SshKeyId,
  purpose: Schema.optionalWith(ProfileSshKeyPurpose, { default: () => "login" })
})

/**
 * A revision as a caller gives it. What is left out is none; `setAsActive` left out means true.
 *
 * Up to 1,000 environment variables, secrets, SSH keys and allowed hosts each. Keys are names as POSIX has them, up to
 * 255 characters, each given once, be it to a value or to a secret; values have up to 32,768 characters. `isRequired`
 * left out means true, `purpose` login, `enabled` false, `listenPort` 2222. A session times out after 1 minute to a year.
 * `configPatch` has up to 10,000,000 characters as JSON.
 */
export const CreateProfileRevision = Schema.Struct({
  id: Schema.optional(ProfileRevisionId),
  profileId: ProfileId,
  ownerUserId: confinedTo(UserId),
  configPatch: documentOf(PartialUserWorkspaceSpec),
  envVars: Schema.optionalWith(setOf(NewEnvVar, ({ key }) => key, "key"), { default: () => [] }),
  secretBindings: Schema.optionalWith(setOf(NewSecretBinding, ({ targetKey }) => targetKey, "targetKey"), { default: () => [] }),
  sshSettings: Schema.optional(NewSshSettings),
  sshKeys: Schema.optionalWith(
    setOf(NewSshKey, ({ purpose, sshKeyId }) => `${purpose} ${sshKeyId}`, "sshKeyId"),
    { default: () => [] }
  ),
  createdByUserId: Schema.optional(UserId),
  changeSummary: Schema.optional(Prose),
  setAsActive: Schema.optionalWith(Schema.Boolean, { default: () => true })
}).pipe(
  Schema.filter(({ envVars, secretBindings }) => {
    const given = new Set<string>(envVars.map(({ key }) => key))
    const again = secretBindings.findIndex(({ targetKey }) => given.has(targetKey))
    return again < 0 ? undefined : { path: ["secretBindings", again, "targetKey"], message: "is an environment variable already" }
  })
)

/** Which revision becomes the active one of which profile. */
export const SetActiveProfileRevision = Schema.Struct({
  profileId: ProfileId,
  ownerUserId: confinedTo(UserId),
  revisionId: ProfileRevisionId
})

/** Whose revisions a list shows. */
export const ProfileRevisionFilter = Schema.Struct({ profileId: ProfileId, ownerUserId: confinedTo(UserId) })
