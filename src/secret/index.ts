/**
 * The services of secrets and SSH keys as one layer.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import type { KeyRing } from "./KeyRing.js"
import { SecretRepo } from "./SecretRepo.js"
import { SecretVault } from "./SecretVault.js"
import { SshKeyRepo } from "./SshKeyRepo.js"

/** The services that `layer` provides. */
export type Services = SecretRepo | SecretVault | SshKeyRepo

/** Provides all services of secrets over one `SqlClient`, with the keys of `KeyRing`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient | KeyRing> = Layer.mergeAll(
  SecretRepo.layer,
  SecretVault.layer,
  SshKeyRepo.layer
)
