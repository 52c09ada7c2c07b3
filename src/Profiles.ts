/**
 * The profile domain as one layer: what users and repositories bring into a launch.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { ProfileRepo } from "./domain/profile/ProfileRepo.js"
import { RepositoryProfileRepo } from "./domain/profile/RepositoryProfileRepo.js"
import type { KeyRing } from "./domain/secret/KeyRing.js"
import { SecretRepo } from "./domain/secret/SecretRepo.js"
import { SecretVault } from "./domain/secret/SecretVault.js"
import { SshKeyRepo } from "./domain/secret/SshKeyRepo.js"

/** What the layer gives. */
export type Services =
  | ProfileRepo
  | RepositoryProfileRepo
  | SecretRepo
  | SecretVault
  | SshKeyRepo

/** All services of the domain over one `SqlClient`, with the keys of a `KeyRing`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient | KeyRing> = Layer.mergeAll(
  ProfileRepo.layer,
  RepositoryProfileRepo.layer,
  SecretRepo.layer,
  SecretVault.layer,
  SshKeyRepo.layer
)
