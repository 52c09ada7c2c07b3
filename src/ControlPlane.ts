/**
 * Layers that provide all services: the repositories and the lifecycle services over them.
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

/** The services that `layer` provides. */
export type Services = Layer.Layer.Success<typeof services>

/** Provides all services over one `SqlClient`, with the keys of a `KeyRing`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient | KeyRing> = services

/**
 * The layer for an API or worker process: all services on the database of the environment, with the keys of
 * `SEALANT_ENCRYPTION_KEYS`. Checks the schema and does not change it.
 *
 * Fails with `DatabaseConfigError` or `KeyRingConfigError` if the environment is invalid, with `SchemaNotCurrent` if
 * the schema is older, newer or altered, and with `PersistenceError` if the database does not respond.
 */
export const layerConfig = layer.pipe(
  Layer.provideMerge(Migrations.requireCurrent),
  Layer.provideMerge(Layer.merge(Database.layerConfig, KeyRing.layerConfig))
)
