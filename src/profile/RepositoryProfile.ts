/**
 * Profiles of repositories: row models and inputs. A repository profile is a run template for sandboxes of one
 * repository, in numbered revisions. Each revision links to revisions of profiles of users.
 */
import { Schema } from "effect"
import {
  ownerScopeField,
  Count,
  Flag,
  idOf,
  Integer,
  Name,
  optional,
  optionalAsStored,
  OptionalTimestamp,
  Prose,
  Timestamp
} from "../sql/columns.js"
import { documentOf, Json, JsonObject, OptionalJson } from "../sql/json.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { PartialUserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"
import { UserId } from "../auth/User.js"
import { RepositoryId } from "../source/Repository.js"
import { setOf } from "./limits.js"
import { ProfileRevisionId, ProfileStatus, profileTransitions } from "./Profile.js"

/** The id of a repository profile. Generated ids are `rpf_` and a UUIDv7. */
export const RepositoryProfileId = idOf("RepositoryProfileId")
export type RepositoryProfileId = typeof RepositoryProfileId.Type

/** The id of a repository profile revision. Generated ids are `rpv_` and a UUIDv7. */
export const RepositoryProfileRevisionId = idOf("RepositoryProfileRevisionId")
export type RepositoryProfileRevisionId = typeof RepositoryProfileRevisionId.Type

/** One row of `repository_profiles`. */
export class RepositoryProfile extends Model.Class<RepositoryProfile>("RepositoryProfile")(
  {
    id: RepositoryProfileId,
    repositoryId: RepositoryId,
    /** Unique among the profiles of the repository, including archived ones. */
    name: Name,
    description: optional(Prose),
    status: ProfileStatus,
    /** The revision of this profile that launches use. None until a revision is activated. */
    activeRevisionId: optional(RepositoryProfileRevisionId),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    archivedAt: OptionalTimestamp
  },
  table({
    name: "repository_profiles",
    service: "RepositoryProfileRepo",
    purpose: "Named run templates for sandboxes of one repository, in numbered revisions of which one is active.",
    states: { status: profileTransitions }
  })
) {}

/** One row of `repository_profile_revisions`. */
export class RepositoryProfileRevision extends Model.Class<RepositoryProfileRevision>("RepositoryProfileRevision")(
  {
    id: RepositoryProfileRevisionId,
    repositoryProfileId: RepositoryProfileId,
    /** 1, 2, 3 and so on within the profile, without gaps. */
    version: Count,
    createdByUserId: optional(UserId),
    changeSummary: optional(Prose),
    /** Hash of the content of the revision when it was stored. Unique within the profile. */
    fingerprint: Name,
    /** Settings that `applyProfiles` adds to the specification of a launch, after those of the user's profile. */
    runTemplate: Json(PartialUserWorkspaceSpec),
    policyConfig: OptionalJson(JsonObject),
    createdAt: Timestamp
  },
  table({
    name: "repository_profile_revisions",
    service: "RepositoryProfileRepo",
    purpose: "Numbered revisions of the content of a repository profile. Immutable, except for their links."
  })
) {}

/** The id of a link: `lnk_` and a UUIDv7, except in imported rows. */
export const RepositoryProfileLinkId = idOf("RepositoryProfileLinkId")
export type RepositoryProfileLinkId = typeof RepositoryProfileLinkId.Type

/** One row of `repository_profile_profile_links`. */
export class RepositoryProfileLink extends Model.Class<RepositoryProfileLink>("RepositoryProfileLink")(
  {
    id: RepositoryProfileLinkId,
    repositoryProfileRevisionId: RepositoryProfileRevisionId,
    profileRevisionId: ProfileRevisionId,
    /** The order of the links, lowest first. */
    precedence: Integer,
    /** Whether a launch fails when the profile is unavailable. */
    isRequired: Flag,
    createdAt: Timestamp
  },
  table({
    name: "repository_profile_profile_links",
    service: "RepositoryProfileRepo",
    purpose: "Links from a revision of a repository profile to revisions of profiles of users, in order of precedence."
  })
) {}

/** Input for creating a repository profile. */
export const CreateRepositoryProfile = Schema.Struct({
  id: Schema.optional(RepositoryProfileId),
  /** The calling user, who must be allowed to use the repository. */
  ownerUserId: ownerScopeField(UserId),
  repositoryId: RepositoryId,
  name: Name,
  description: Schema.optional(Prose)
})

/** Input for updating a repository profile. Absent fields stay unchanged; a `description` of `null` clears it. */
export const UpdateRepositoryProfile = Schema.Struct({
  id: RepositoryProfileId,
  ownerUserId: ownerScopeField(UserId),
  name: Schema.optional(Name),
  description: Schema.optional(Schema.NullOr(Prose))
})

/** Filter for listing the profiles of a repository, optionally by status. */
export const RepositoryProfileFilter = Schema.Struct({
  repositoryId: RepositoryId,
  ownerUserId: ownerScopeField(UserId),
  status: Schema.optional(ProfileStatus)
})

const NewLink = Schema.Struct({
  profileRevisionId: ProfileRevisionId,
  precedence: Schema.optional(Schema.Int),
  isRequired: Schema.optionalWith(Schema.Boolean, { default: () => true })
})

/**
 * Up to 1,000 links to different profile revisions. `precedence` defaults to the index in the list, `isRequired` to
 * true.
 */
const Links = setOf(NewLink, ({ profileRevisionId }) => profileRevisionId, "profileRevisionId")

/**
 * Input for creating a repository profile revision. `setAsActive` defaults to true. `runTemplate` and `policyConfig`
 * have up to 10,000,000 characters each as JSON. The parts of a stored revision are valid inputs, as for
 * `CreateProfileRevision`.
 */
export const CreateRepositoryProfileRevision = Schema.Struct({
  id: Schema.optional(RepositoryProfileRevisionId),
  repositoryProfileId: RepositoryProfileId,
  ownerUserId: ownerScopeField(UserId),
  runTemplate: documentOf(PartialUserWorkspaceSpec),
  policyConfig: optionalAsStored(documentOf(JsonObject)),
  links: Schema.optional(Links),
  createdByUserId: optionalAsStored(UserId),
  changeSummary: optionalAsStored(Prose),
  setAsActive: Schema.optionalWith(Schema.Boolean, { default: () => true })
})

/** Input for replacing all links of a revision. */
export const ReplaceLinks = Schema.Struct({
  revisionId: RepositoryProfileRevisionId,
  ownerUserId: ownerScopeField(UserId),
  links: Links
})

/** Input for activating a revision of a repository profile. */
export const SetActiveRepositoryProfileRevision = Schema.Struct({
  repositoryProfileId: RepositoryProfileId,
  ownerUserId: ownerScopeField(UserId),
  revisionId: RepositoryProfileRevisionId
})

/** Filter for listing the revisions of a repository profile. */
export const RepositoryProfileRevisionFilter = Schema.Struct({
  repositoryProfileId: RepositoryProfileId,
  ownerUserId: ownerScopeField(UserId)
})
