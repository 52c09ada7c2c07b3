/**
 * A profile: what a user brings into every sandbox, in numbered revisions.
 */
import { Schema } from "effect"
import { confinedTo, enumeration, idOf, Name, optional, OptionalTimestamp, Prose, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { UserId } from "../auth/User.js"

/** The id of a profile, `prf_` and a UUIDv7 when it is ours. */
export const ProfileId = idOf("ProfileId")
export type ProfileId = typeof ProfileId.Type

/** The id of a revision of a profile, `prv_` and a UUIDv7 when it is ours. */
export const ProfileRevisionId = idOf("ProfileRevisionId")
export type ProfileRevisionId = typeof ProfileRevisionId.Type

/** Of profiles of users and of repositories. `archived`: put away; it can still be read, changed and restored. */
export const ProfileStatus = enumeration("active", "archived")
export type ProfileStatus = typeof ProfileStatus.Type

/** There and back. */
export const profileTransitions = stateMachine(ProfileStatus.literals, { active: ["archived"], archived: ["active"] })

/** One row of `profiles`. */
export class Profile extends Model.Class<Profile>("Profile")({
  id: ProfileId,
  ownerUserId: UserId,
  /** Unique among the profiles of its owner, archived ones too. */
  slug: Name,
  name: Name,
  description: optional(Prose),
  status: ProfileStatus,
  /** The revision that launches take: one of this profile, none before the first. */
  activeRevisionId: optional(ProfileRevisionId),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  archivedAt: OptionalTimestamp
}, table({
  name: "profiles",
  service: "ProfileRepo",
  purpose: "What a user brings into every sandbox: a name for numbered revisions, of which one is active.",
  states: { status: profileTransitions }
})) {}

/** What a caller gives to create a profile. */
export const CreateProfile = Schema.Struct({
  id: Schema.optional(ProfileId),
  ownerUserId: UserId,
  slug: Name,
  name: Name,
  description: Schema.optional(Prose)
})

/** What changes of a profile. What is left out stays; `description` given as `null` is cleared. */
export const UpdateProfile = Schema.Struct({
  id: ProfileId,
  ownerUserId: confinedTo(UserId),
  slug: Schema.optional(Name),
  name: Schema.optional(Name),
  description: Schema.optional(Schema.NullOr(Prose))
})

/** Which profile of which owner. */
export const OwnedProfile = Schema.Struct({ ownerUserId: UserId, id: ProfileId })

/** The slug of a profile of an owner. */
export const ProfileSlug = Schema.Struct({ ownerUserId: UserId, slug: Name })

/** Which profiles a list shows: those of an owner, in a status if one is given. */
export const ProfileFilter = Schema.Struct({ ownerUserId: UserId, status: Schema.optional(ProfileStatus) })
