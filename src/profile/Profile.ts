/**
 * Profiles of users: row model, states and inputs. A profile is a set of settings that a user applies to sandboxes, in
 * numbered revisions.
 */
import { Schema } from "effect"
import {
  ownerScopeField,
  enumeration,
  idOf,
  Name,
  optional,
  OptionalTimestamp,
  Prose,
  Timestamp
} from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { UserId } from "../auth/User.js"

/** The id of a profile. Generated ids are `prf_` and a UUIDv7. */
export const ProfileId = idOf("ProfileId")
export type ProfileId = typeof ProfileId.Type

/** The id of a profile revision. Generated ids are `prv_` and a UUIDv7. */
export const ProfileRevisionId = idOf("ProfileRevisionId")
export type ProfileRevisionId = typeof ProfileRevisionId.Type

/** The status of a profile of a user or a repository. An archived profile can still be read, changed and unarchived. */
export const ProfileStatus = enumeration("active", "archived")
export type ProfileStatus = typeof ProfileStatus.Type

/** The state machine of a profile: active to archived, and back. */
export const profileTransitions = stateMachine(
  ProfileStatus.literals,
  { active: ["archived"], archived: ["active"] },
  {
    active: [{ by: "its owner: `archive`", noDeadline: "it is in use" }],
    archived: [{ by: "its owner: `unarchive`", noDeadline: "it is kept" }]
  }
)

/** One row of `profiles`. */
export class Profile extends Model.Class<Profile>("Profile")(
  {
    id: ProfileId,
    ownerUserId: UserId,
    /** Unique among the profiles of the owner, including archived ones. */
    slug: Name,
    name: Name,
    description: optional(Prose),
    status: ProfileStatus,
    /** The revision of this profile that launches use. None until a revision is activated. */
    activeRevisionId: optional(ProfileRevisionId),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    archivedAt: OptionalTimestamp
  },
  table({
    name: "profiles",
    service: "ProfileRepo",
    purpose:
      "Named sets of settings that users apply to their sandboxes, in numbered revisions of which one is active.",
    states: { status: profileTransitions }
  })
) {}

/** Input for creating a profile. */
export const CreateProfile = Schema.Struct({
  id: Schema.optional(ProfileId),
  ownerUserId: UserId,
  slug: Name,
  name: Name,
  description: Schema.optional(Prose)
})

/** Input for updating a profile. Absent fields stay unchanged; a `description` of `null` clears it. */
export const UpdateProfile = Schema.Struct({
  id: ProfileId,
  ownerUserId: ownerScopeField(UserId),
  slug: Schema.optional(Name),
  name: Schema.optional(Name),
  description: Schema.optional(Schema.NullOr(Prose))
})

/** The slug of a profile, and its owner. */
export const ProfileSlug = Schema.Struct({ ownerUserId: UserId, slug: Name })

/** Filter for listing the profiles of an owner, optionally by status. */
export const ProfileFilter = Schema.Struct({ ownerUserId: UserId, status: Schema.optional(ProfileStatus) })
