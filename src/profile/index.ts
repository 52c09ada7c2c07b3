/**
 * The services of profiles, secrets and SSH keys as one layer.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { ProfileRepo } from "./ProfileRepo.js"
import { RepositoryProfileRepo } from "./RepositoryProfileRepo.js"
import type { KeyRing } from "../secret/KeyRing.js"
import { SecretRepo } from "../secret/SecretRepo.js"
import { SecretVault } from "../secret/SecretVault.js"
import { SshKeyRepo } from "../secret/SshKeyRepo.js"

/** The services of the layer. */
export type Services = ProfileRepo | RepositoryProfileRepo | SecretRepo | SecretVault | SshKeyRepo

/** All services of the domain, over one `SqlClient`, with the keys of `KeyRing`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient | KeyRing> = Layer.mergeAll(
  ProfileRepo.layer,
  RepositoryProfileRepo.layer,
  SecretRepo.layer,
  SecretVault.layer,
  SshKeyRepo.layer
)
