/**
 * Layers that provide all services: the repositories and the lifecycle services over them.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Layer, Option } from "effect"
import { migrations } from "../migrations/index.js"
import * as Auth from "./auth/index.js"
import * as BuildJobs from "./build-job/index.js"
import * as Database from "./Database.js"
import * as Events from "./events/index.js"
import * as GitHub from "./github/index.js"
import * as IssueWorkflows from "./issue-workflow/index.js"
import * as Migrations from "./Migrations.js"
import { missingDatabase } from "./missingDatabase.js"
import * as PackageCache from "./package-cache/index.js"
import * as Profiles from "./profile/index.js"
import * as Sandboxes from "./sandbox/index.js"
import * as Secrets from "./secret/index.js"
import { KeyRing } from "./secret/KeyRing.js"
import * as Source from "./source/index.js"

const services = Layer.mergeAll(
  Auth.layer,
  Source.layer,
  GitHub.layer,
  Secrets.layer,
  Profiles.layer,
  PackageCache.layer,
  BuildJobs.layer,
  Sandboxes.layer,
  IssueWorkflows.layer,
  Events.layer
)

/** The services that `layer` provides. */
export type Services = Layer.Layer.Success<typeof services>

/** Provides all services over one `SqlClient`, with the keys of a `KeyRing`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient | KeyRing> = services

/** The database of the environment, which must have the schema of this program. Creates no file. */
const currentDatabase = Layer.unwrapEffect(
  Effect.map(
    missingDatabase,
    Option.match({
      onNone: () => Layer.provideMerge(Migrations.requireCurrent, Database.layerConfig),
      onSome: (database) =>
        Layer.fail(new Migrations.SchemaNotCurrent({ reason: "older", migrations: Object.keys(migrations), database }))
    })
  )
)

/**
 * The layer for an API or worker process: all services on the database of the environment, with the keys of
 * `SEALANT_ENCRYPTION_KEYS`. Checks the schema and does not change it. Creates no file.
 *
 * Fails with `DatabaseConfigError` or `KeyRingConfigError` if the environment is invalid, with `SchemaNotCurrent` if
 * the database does not exist or its schema is older, newer or altered, and with `PersistenceError` if the database does
 * not respond.
 */
export const layerConfig = layer.pipe(Layer.provideMerge(Layer.merge(currentDatabase, KeyRing.layerConfig)))
