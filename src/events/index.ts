/**
 * The layer of the journal of state changes.
 */
import type { SqlClient } from "@effect/sql"
import type { Layer } from "effect"
import { ControlPlaneEvents } from "./ControlPlaneEvents.js"

export {
  Acknowledge,
  Actor,
  ControlPlaneActorType,
  ControlPlaneAdminEvent,
  ControlPlaneEvent,
  ControlPlaneEventConsumer,
  ControlPlaneJournal,
  ControlPlaneSubjectId,
  ControlPlaneSubjectType,
  JournalActivity,
  JournalActivityRequest,
  JournalEpoch,
  JournalSearch,
  JournalState,
  ListSubjectEvents,
  ReadEvents,
  RecordBackup,
  SearchJournal,
  TailJournal
} from "./ControlPlaneEvent.js"
export { actingAs, ControlPlaneEvents, type ControlPlaneEventsService } from "./ControlPlaneEvents.js"

/** The services that `layer` provides. */
export type Services = ControlPlaneEvents

/** Provides the journal of state changes over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = ControlPlaneEvents.layer
