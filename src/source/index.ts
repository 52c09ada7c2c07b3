/**
 * The source domain as one layer: repositories, installations of the GitHub App and what each of those sees, and
 * the inbox of webhook deliveries.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { GitHubInstallationRepo } from "../github/GitHubInstallationRepo.js"
import { GitHubInstallationRepositoryRepo } from "../github/GitHubInstallationRepositoryRepo.js"
import { GitHubWebhookDeliveryRepo } from "../github/GitHubWebhookDeliveryRepo.js"
import { RepositoryRepo } from "./RepositoryRepo.js"

/** What the layer gives. */
export type Services =
  | RepositoryRepo
  | GitHubInstallationRepo
  | GitHubInstallationRepositoryRepo
  | GitHubWebhookDeliveryRepo

/** All services of the domain over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(
  RepositoryRepo.layer,
  GitHubInstallationRepo.layer,
  GitHubInstallationRepositoryRepo.layer,
  GitHubWebhookDeliveryRepo.layer
)
