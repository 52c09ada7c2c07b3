/**
 * The layer of the journal of state changes.
 */
import type { SqlClient } from "@effect/sql"
import type { Layer } from "effect"
import { ControlPlaneEvents } from "./ControlPlaneEvents.js"

/** The services that `layer` provides. */
export type Services = ControlPlaneEvents

/** Provides the journal of state changes over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = ControlPlaneEvents.layer
