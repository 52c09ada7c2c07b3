/**
 * The layer of the cache of package resolutions.
 */
import type { SqlClient } from "@effect/sql"
import type { Layer } from "effect"
import { PackageResolutionCacheRepo } from "./PackageResolutionCacheRepo.js"

export {
  PackageCacheQuery,
  PackageResolutionCacheEntry,
  PackageResolutionKey,
  StoreResolution,
  TimeToLive
} from "./PackageResolutionCacheEntry.js"
export {
  PackageResolutionCacheRepo,
  type PackageResolutionCacheService,
  type ResolveRequest
} from "./PackageResolutionCacheRepo.js"

/** The services that `layer` provides. */
export type Services = PackageResolutionCacheRepo

/** Provides the cache of package resolutions over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = PackageResolutionCacheRepo.layer
