/**
 * The services of profiles and repository profiles as one layer.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { ProfileRepo } from "./ProfileRepo.js"
import { RepositoryProfileRepo } from "./RepositoryProfileRepo.js"

export {
  CreateProfile,
  Profile,
  ProfileFilter,
  ProfileId,
  ProfileRevisionId,
  ProfileSlug,
  ProfileStatus,
  profileTransitions,
  UpdateProfile
} from "./Profile.js"
export { CreatedProfileRevision, ProfileRepo, ProfileRevisionGraph, type ProfileService } from "./ProfileRepo.js"
export {
  CreateProfileRevision,
  ProfileEnvVar,
  ProfileEnvVarId,
  ProfileRevision,
  ProfileRevisionFilter,
  ProfileSecretBinding,
  ProfileSecretBindingId,
  ProfileSshKeyBinding,
  ProfileSshKeyPurpose,
  ProfileSshSettings,
  SetActiveProfileRevision
} from "./ProfileRevision.js"
export {
  CreateRepositoryProfile,
  CreateRepositoryProfileRevision,
  ReplaceLinks,
  RepositoryProfile,
  RepositoryProfileFilter,
  RepositoryProfileId,
  RepositoryProfileLink,
  RepositoryProfileLinkId,
  RepositoryProfileRevision,
  RepositoryProfileRevisionFilter,
  RepositoryProfileRevisionId,
  SetActiveRepositoryProfileRevision,
  UpdateRepositoryProfile
} from "./RepositoryProfile.js"
export {
  CreatedRepositoryProfileRevision,
  RepositoryProfileRepo,
  RepositoryProfileRevisionGraph,
  type RepositoryProfileService
} from "./RepositoryProfileRepo.js"

/** The services that `layer` provides. */
export type Services = ProfileRepo | RepositoryProfileRepo

/** Provides all services of profiles over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(
  ProfileRepo.layer,
  RepositoryProfileRepo.layer
)
