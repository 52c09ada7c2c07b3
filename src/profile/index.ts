/**
 * The services of profiles and repository profiles as one layer.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { BuildEnvironment } from "./BuildEnvironment.js"
import { ProfileRepo } from "./ProfileRepo.js"
import { RepositoryProfileRepo } from "./RepositoryProfileRepo.js"

export {
  BuildEnvironment,
  type BuildEnvironmentService,
  Environment,
  EnvironmentVariable,
  ResolveEnvironment
} from "./BuildEnvironment.js"
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
export type Services = BuildEnvironment | ProfileRepo | RepositoryProfileRepo

/**
 * Provides all services of profiles over one `SqlClient`, with the keys of the `KeyRing` of the context, if it has one.
 */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(
  BuildEnvironment.layer,
  ProfileRepo.layer,
  RepositoryProfileRepo.layer
)
