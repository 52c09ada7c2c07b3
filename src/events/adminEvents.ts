/**
 * Writes the events of the journal about deliveries and the database (`control_plane_admin_events`).
 */
import { Effect, Option } from "effect"
import type { Write } from "../sql/writeAll.js"
import { CurrentActor } from "./CurrentActor.js"

// `about` returns the subject with its states and the payload, or no row for no event.
const appendText = (about: string) =>
  `
  INSERT INTO control_plane_admin_events (position, subject_type, subject_id, sequence, event_type, from_state, to_state,
    actor_type, actor_id, payload, occurred_at)
  SELECT
    1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'control_plane_events'), 0), subject_type, subject_id,
    1 + coalesce((
      SELECT max(sequence) FROM control_plane_admin_events AS last
      WHERE last.subject_type = about.subject_type AND last.subject_id = about.subject_id), 0),
    ?1, from_state, to_state, ?2, ?3, payload, ?4
  FROM (${about}) AS about`.trim()

const redeliverText = appendText(`
    SELECT 'delivery' AS subject_type, id AS subject_id, status AS from_state, 'received' AS to_state,
      json_object('deliveryId', delivery_id) AS payload
    FROM github_webhook_deliveries WHERE id = ?5 AND status IN ('processed', 'failed', 'ignored')`)

const backupText = appendText(`
    SELECT 'database' AS subject_type, 'database' AS subject_id, NULL AS from_state, NULL AS to_state,
      json_object('file', ?5, 'bytes', ?6) AS payload`)

const write = (
  text: string,
  eventType: string,
  now: number,
  values: ReadonlyArray<string | number>
): Effect.Effect<Write> =>
  Effect.map(CurrentActor, (current) => {
    const { id = null, type } = Option.getOrElse(current, () => ({ type: "system" as const, id: undefined }))
    return { sql: text, values: [eventType, type, id, now, ...values] }
  })

/** Builds the write of the event of a redelivery. It goes before the change in a batch: the event has the state before. */
export const redelivered = (id: string, now: number) => write(redeliverText, "redeliver", now, [id])

/** Builds the write of the event of a backup. */
export const backedUp = ({ bytes, file }: { readonly file: string; readonly bytes: number }, now: number) =>
  write(backupText, "backup", now, [file, bytes])
