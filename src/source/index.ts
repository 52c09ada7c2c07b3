/**
 * The layer of source repositories.
 */
import type { SqlClient } from "@effect/sql"
import type { Layer } from "effect"
import { RepositoryRepo } from "./RepositoryRepo.js"

export {
  Repository,
  RepositoryByExternalId,
  RepositoryByName,
  RepositoryId,
  RepositoryName,
  RepositoryProvider,
  UpsertRepository
} from "./Repository.js"
export { RepositoryAccess } from "./RepositoryAccess.js"
export { RepositoryRepo, type RepositoryService } from "./RepositoryRepo.js"

/** The services that `layer` provides. */
export type Services = RepositoryRepo

/** Provides source repositories over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = RepositoryRepo.layer
