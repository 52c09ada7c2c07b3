/**
 * The profile domain as one layer: what users and repositories bring into a launch.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { ProfileRepo } from "./domain/profile/ProfileRepo.js"
import { RepositoryProfileRepo } from "./domain/profile/RepositoryProfileRepo.js"

/** What the layer gives. */
export type Services =
  | ProfileRepo
  | RepositoryProfileRepo

/** All services of the domain over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(
  ProfileRepo.layer,
  RepositoryProfileRepo.layer
)
