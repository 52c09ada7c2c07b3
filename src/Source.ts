/**
 * The source domain as one layer: repositories.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { RepositoryRepo } from "./domain/source/RepositoryRepo.js"

/** What the layer gives. */
export type Services = RepositoryRepo

/** All services of the domain over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(RepositoryRepo.layer)
