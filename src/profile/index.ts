/**
 * The services of profiles and repository profiles as one layer.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { ProfileRepo } from "./ProfileRepo.js"
import { RepositoryProfileRepo } from "./RepositoryProfileRepo.js"

/** The services that `layer` provides. */
export type Services = ProfileRepo | RepositoryProfileRepo

/** Provides all services of profiles over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(
  ProfileRepo.layer,
  RepositoryProfileRepo.layer
)
