/**
 * Everything as one layer: all repositories and the lifecycle services over them.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import * as Auth from "./auth/index.js"
import * as Database from "./Database.js"
import { PackageResolutionCacheRepo } from "./package-cache/PackageResolutionCacheRepo.js"
import { KeyRing } from "./secret/KeyRing.js"
import * as IssueWorkflows from "./issue-workflow/index.js"
import { ControlPlaneEvents } from "./events/ControlPlaneEvents.js"
import { WebhookInbox } from "./github/WebhookInbox.js"
import * as Migrations from "./Migrations.js"
import * as Profiles from "./profile/index.js"
import * as Sandboxes from "./sandbox/index.js"
import * as Source from "./source/index.js"

const repositories = Layer.mergeAll(
  Auth.layer,
  Sandboxes.layer,
  IssueWorkflows.layer,
  Source.layer,
  Profiles.layer,
  PackageResolutionCacheRepo.layer,
  ControlPlaneEvents.layer
)

const services = Layer.provideMerge(WebhookInbox.layer, repositories)

/** What the layer gives. */
export type Services = Layer.Layer.Success<typeof services>

/** All services over one `SqlClient`, with the keys of a `KeyRing`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient | KeyRing> = services

/**
 * What an API or a worker process provides: all services on the database that the environment names, with the keys of
 * `SEALANT_ENCRYPTION_KEYS`. The schema is checked and not changed.
 *
 * Fails with `DatabaseConfigError` or `KeyRingConfigError` for an environment out of shape, with `SchemaNotCurrent` for a
 * schema that is older, altered or newer, and with `PersistenceError` for a store that cannot answer.
 */
export const layerConfig = layer.pipe(
  Layer.provideMerge(Migrations.requireCurrent),
  Layer.provideMerge(Layer.merge(Database.layerConfig, KeyRing.layerConfig))
)
