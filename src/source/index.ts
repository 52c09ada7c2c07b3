/**
 * The services of repositories, GitHub App installations, their repositories and webhook deliveries as one layer.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { GitHubInstallationRepo } from "../github/GitHubInstallationRepo.js"
import { GitHubInstallationRepositoryRepo } from "../github/GitHubInstallationRepositoryRepo.js"
import { GitHubWebhookDeliveryRepo } from "../github/GitHubWebhookDeliveryRepo.js"
import { RepositoryRepo } from "./RepositoryRepo.js"

/** The services that `layer` provides. */
export type Services =
  | RepositoryRepo
  | GitHubInstallationRepo
  | GitHubInstallationRepositoryRepo
  | GitHubWebhookDeliveryRepo

/** All services of this module over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(
  RepositoryRepo.layer,
  GitHubInstallationRepo.layer,
  GitHubInstallationRepositoryRepo.layer,
  GitHubWebhookDeliveryRepo.layer
)
