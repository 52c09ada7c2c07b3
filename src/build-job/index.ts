/**
 * The layer of the queue of workspace builds.
 */
import type { SqlClient } from "@effect/sql"
import type { Layer } from "effect"
import { WorkspaceBuildJobRepo } from "./WorkspaceBuildJobRepo.js"

/** The services that `layer` provides. */
export type Services = WorkspaceBuildJobRepo

/** Provides the queue of workspace builds over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = WorkspaceBuildJobRepo.layer
