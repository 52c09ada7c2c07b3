/**
 * The services of GitHub App installations, their repositories and webhook deliveries as one layer.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { GitHubInstallationRepo } from "./GitHubInstallationRepo.js"
import { GitHubInstallationRepositoryRepo } from "./GitHubInstallationRepositoryRepo.js"
import { GitHubWebhookDeliveryRepo } from "./GitHubWebhookDeliveryRepo.js"
import { WebhookInbox } from "./WebhookInbox.js"

export { DeliveryChange, DeliveryDetail, DeliverySummary, DeliverySummaryFilter } from "./deliveryViews.js"
export {
  GitHubAccountType,
  GitHubInstallation,
  GitHubInstallationId,
  GitHubInstallationStatus,
  gitHubInstallationTransitions,
  GitHubInstallationUser,
  GitHubInstallationUserGrant,
  GitHubRepositorySelection,
  GrantGitHubInstallation,
  ListOrder,
  SetGitHubInstallationStatus,
  UpsertGitHubInstallation,
  UserInstallationFilter
} from "./GitHubInstallation.js"
export { GitHubInstallationRepo, type GitHubInstallationService } from "./GitHubInstallationRepo.js"
export {
  GitHubInstallationRepository,
  GitHubInstallationRepositoryId,
  InstallationRepositoryByExternalId,
  InstallationRepositoryByRepository,
  InstallationRepositoryFilter,
  InstallationRepositoryUser,
  DeletedInstallationRepository,
  RepositoryUser,
  ApplyInstallationChange,
  SyncInstallationRepositories,
  SyncResult,
  UpdateInstallationRepository,
  UpsertInstallationRepository,
  UserRepositoryFilter
} from "./GitHubInstallationRepository.js"
export {
  GitHubInstallationRepositoryRepo,
  type GitHubInstallationRepositoryService
} from "./GitHubInstallationRepositoryRepo.js"
export {
  RecordedDelivery,
  ClaimedDelivery,
  defaultDeliveryAttempts,
  DeliveryFailure,
  DeliveryFilter,
  GitHubWebhookDelivery,
  GitHubWebhookDeliveryId,
  GitHubWebhookDeliveryStatus,
  gitHubWebhookDeliveryTransitions,
  IgnoredDelivery,
  InboxStats,
  maxPayloadBytes,
  RecordDelivery,
  WebhookLease,
  WebhookLeaseOutcome
} from "./GitHubWebhookDelivery.js"
export { GitHubWebhookDeliveryRepo, type GitHubWebhookDeliveryService } from "./GitHubWebhookDeliveryRepo.js"
export * as GitHubWebhooks from "./GitHubWebhooks.js"
export {
  type ProcessOptions as WebhookProcessOptions,
  type RunOptions as WebhookRunOptions,
  WebhookFailure,
  type WebhookHandler,
  WebhookOutcome
} from "./WebhookHandler.js"
export { WebhookInbox, type WebhookInboxService } from "./WebhookInbox.js"
export { WebhookInboxFlow } from "./WebhookInboxFlow.js"
export type { ClaimRequest } from "../leasing/LeaseMethods.js"

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
