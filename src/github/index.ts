/**
 * The services of GitHub App installations, their repositories and webhook deliveries as one layer.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { GitHubInstallationRepo } from "./GitHubInstallationRepo.js"
import { GitHubInstallationRepositoryRepo } from "./GitHubInstallationRepositoryRepo.js"
import { GitHubWebhookDeliveryRepo } from "./GitHubWebhookDeliveryRepo.js"
import { WebhookInbox } from "./WebhookInbox.js"

/** The services that `layer` provides. */
export type Services =
  | GitHubInstallationRepo
  | GitHubInstallationRepositoryRepo
  | GitHubWebhookDeliveryRepo
  | WebhookInbox

/** Provides all services of GitHub over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = WebhookInbox.layer.pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      GitHubInstallationRepo.layer,
      GitHubInstallationRepositoryRepo.layer,
      GitHubWebhookDeliveryRepo.layer
    )
  )
)
