/**
 * A repository profile: how sandboxes of one repository are run, in numbered revisions, each with the profiles of users
 * that it takes along.
 */
import { Schema } from "effect"
import {
  confinedTo,
  Count,
  documentOf,
  Flag,
  idOf,
  Integer,
  Json,
  JsonObject,
  Name,
  optional,
  OptionalJson,
  OptionalTimestamp,
  Prose,
  Timestamp
} from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { PartialUserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"
import { UserId } from "../auth/User.js"
import { RepositoryId } from "../source/Repository.js"
import { setOf } from "./limits.js"
import { ProfileRevisionId, ProfileStatus, profileTransitions } from "./Profile.js"

/** The id of a repository profile, `rpf_` and a UUIDv7 when it is ours. */
export const RepositoryProfileId = idOf("RepositoryProfileId")
export type RepositoryProfileId = typeof RepositoryProfileId.Type

/** The id of a revision of a repository profile, `rpv_` and a UUIDv7 when it is ours. */
export const RepositoryProfileRevisionId = idOf("RepositoryProfileRevisionId")
export type RepositoryProfileRevisionId = typeof RepositoryProfileRevisionId.Type

/** One row of `repository_profiles`. */
export class RepositoryProfile extends Model.Class<RepositoryProfile>("RepositoryProfile")({
  id: RepositoryProfileId,
  repositoryId: RepositoryId,
  /** Unique among the profiles of its repository, archived ones too. */
  name: Name,
  description: optional(Prose),
  status: ProfileStatus,
  /** The revision that launches take: one of this profile, none before the first. */
  activeRevisionId: optional(RepositoryProfileRevisionId),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  archivedAt: OptionalTimestamp
}, table({
  name: "repository_profiles",
  service: "RepositoryProfileRepo",
  purpose: "How sandboxes of one repository are run: a name for numbered revisions, of which one is active.",
  states: { status: profileTransitions }
})) {}

/** One row of `repository_profile_revisions`. */
export class RepositoryProfileRevision extends Model.Class<RepositoryProfileRevision>("RepositoryProfileRevision")({
  id: RepositoryProfileRevisionId,
  repositoryProfileId: RepositoryProfileId,
  /** 1, 2, 3 and so on within the profile, without gaps. */
  version: Count,
  createdByUserId: optional(UserId),
  changeSummary: optional(Prose),
  /** Of what the revision said when it was stored: a profile has no two revisions of one content. */
  fingerprint: Name,
  /** What a launch begins with. */
  runTemplate: Json(PartialUserWorkspaceSpec),
  policyConfig: OptionalJson(JsonObject),
  createdAt: Timestamp
}, table({
  name: "repository_profile_revisions",
  service: "RepositoryProfileRepo",
  purpose: "What a repository profile says, from one numbered revision to the next. Immutable, but for its links."
})) {}

/** The id of a link, `lnk_` and a UUIDv7 when it is ours. */
export const RepositoryProfileLinkId = idOf("RepositoryProfileLinkId")
export type RepositoryProfileLinkId = typeof RepositoryProfileLinkId.Type

/** One row of `repository_profile_profile_links`. */
export class RepositoryProfileLink extends Model.Class<RepositoryProfileLink>("RepositoryProfileLink")({
  id: RepositoryProfileLinkId,
  repositoryProfileRevisionId: RepositoryProfileRevisionId,
  profileRevisionId: ProfileRevisionId,
  /** The lowest comes first. */
  precedence: Integer,
  /** Whether a launch fails when the profile cannot be had. */
  isRequired: Flag,
  createdAt: Timestamp
}, table({
  name: "repository_profile_profile_links",
  service: "RepositoryProfileRepo",
  purpose: "Which revisions of profiles of users a revision of a repository profile takes along, in which order."
})) {}

/** What a caller gives to create a repository profile. */
export const CreateRepositoryProfile = Schema.Struct({
  id: Schema.optional(RepositoryProfileId),
  /** The calling user, who must be allowed to use the repository. */
  ownerUserId: confinedTo(UserId),
  repositoryId: RepositoryId,
  name: Name,
  description: Schema.optional(Prose)
})

/** What changes of a repository profile. What is left out stays; `description` given as `null` is cleared. */
export const UpdateRepositoryProfile = Schema.Struct({
  id: RepositoryProfileId,
  ownerUserId: confinedTo(UserId),
  name: Schema.optional(Name),
  description: Schema.optional(Schema.NullOr(Prose))
})

/** Which repository profiles a list shows: those of a repository, in a status if one is given. */
export const RepositoryProfileFilter = Schema.Struct({
  repositoryId: RepositoryId,
  ownerUserId: confinedTo(UserId),
  status: Schema.optional(ProfileStatus)
})

const NewLink = Schema.Struct({
  profileRevisionId: ProfileRevisionId,
  precedence: Schema.optional(Schema.Int),
  isRequired: Schema.optionalWith(Schema.Boolean, { default: () => true })
})

/**
 * Up to 1,000 links, each revision of a profile once. `precedence` left out is the place in the list, from 0;
 * `isRequired` left out means true.
 */
const Links = setOf(NewLink, ({ profileRevisionId }) => profileRevisionId, "profileRevisionId")

/**
 * A revision as a caller gives it. What is left out is none; `setAsActive` left out means true. Each document has up to
 * 10,000,000 characters as JSON.
 */
export const CreateRepositoryProfileRevision = Schema.Struct({
  id: Schema.optional(RepositoryProfileRevisionId),
  repositoryProfileId: RepositoryProfileId,
  ownerUserId: confinedTo(UserId),
  runTemplate: documentOf(PartialUserWorkspaceSpec),
  policyConfig: Schema.optional(documentOf(JsonObject)),
  links: Schema.optional(Links),
  createdByUserId: Schema.optional(UserId),
  changeSummary: Schema.optional(Prose),
  setAsActive: Schema.optionalWith(Schema.Boolean, { default: () => true })
})

/** All links of a revision. */
export const ReplaceLinks = Schema.Struct({ revisionId: RepositoryProfileRevisionId, ownerUserId: confinedTo(UserId), links: Links })

/** Which revision becomes the active one of which repository profile. */
export const SetActiveRepositoryProfileRevision = Schema.Struct({
  repositoryProfileId: RepositoryProfileId,
  ownerUserId: confinedTo(UserId),
  revisionId: RepositoryProfileRevisionId
})

/** Whose revisions a list shows. */
export const RepositoryProfileRevisionFilter = Schema.Struct({
  repositoryProfileId: RepositoryProfileId,
  ownerUserId: confinedTo(UserId)
})
