/**
 * An inbox of webhook deliveries that is fair between installations, at a cost of a claim that does not depend on the
 * number of deliveries or installations.
 *
 * A flow holds the received deliveries of one installation, in the order of their due times. Open flows, whose first
 * delivery is due, take turns by their virtual time, which each claim advances by one (start-time fair queueing).
 *
 * Triggers on the deliveries maintain the flows, so that every program that writes deliveries keeps them correct,
 * including programs of the previous release.
 */

type Row = "OLD" | "NEW"

/** The installation of the flow of a delivery. Deliveries without an installation share one flow. */
const installation = (delivery: string) => `coalesce(${delivery}installation_external_id, '')`

/** The due time of the first delivery in a flow. */
const head = `(
      SELECT available_at FROM github_webhook_deliveries INDEXED BY github_webhook_deliveries_flows_idx
      WHERE status = 'received' AND ${installation("")} = +webhook_inbox_flows.installation
      ORDER BY available_at LIMIT 1)`

/** The virtual time of the flow whose turn is next. */
const current = `(
      SELECT virtual_time FROM webhook_inbox_flows WHERE is_open = 1 AND virtual_time >= 0 ORDER BY virtual_time LIMIT 1)`

/**
 * The virtual time of a flow that opens: that of the flow whose turn is next, or one turn later if the flow was served
 * after it. So idle installations do not save up turns, and do not wait for turns that they had while the others were
 * idle.
 */
const opened = `coalesce(min(max(virtual_time, ${current}), ${current} + 1), virtual_time)`

// A delivery is due if its due time is not after its last change. Triggers have no clock.
const isDue = "NEW.available_at <= NEW.updated_at"

/** Adds a received delivery to its flow. */
const enter = `
  INSERT INTO webhook_inbox_flows (installation, virtual_time, next_at, is_open)
  SELECT ${installation("NEW.")}, coalesce(${current}, 0), NEW.available_at, ${isDue} WHERE NEW.status = 'received'
  ON CONFLICT (installation) DO UPDATE SET
    virtual_time = iif(is_open OR NOT excluded.is_open, virtual_time, ${opened}),
    next_at = coalesce(min(next_at, excluded.next_at), excluded.next_at),
    is_open = is_open OR excluded.is_open
  WHERE next_at IS NULL OR excluded.next_at < next_at OR excluded.is_open > is_open;`

/** Reads the first delivery of a flow anew. Without a clock, a later delivery closes the flow. */
const leave = (row: Row) => `
  UPDATE webhook_inbox_flows SET (next_at, is_open) = (
    SELECT at, is_open AND coalesce(at <= next_at, 0) FROM (SELECT ${head} AS at))
  WHERE ${row}.status = 'received' AND installation = ${installation(`${row}.`)};`

const isClaim = "OLD.status = 'received' AND NEW.status = 'processing'"

/** The number of flows that a claim opens at most. It bounds the cost of a claim. */
const openedPerClaim = 100

const isWaiting = "is_open = 0 AND next_at <= NEW.claimed_at"

export default `
CREATE TABLE webhook_inbox_flows (
  installation TEXT PRIMARY KEY NOT NULL,
  virtual_time INTEGER NOT NULL,
  next_at INTEGER,
  is_open INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_inbox_flows_open_idx ON webhook_inbox_flows (virtual_time, installation) WHERE is_open = 1;
CREATE INDEX webhook_inbox_flows_waiting_idx ON webhook_inbox_flows (next_at, installation)
  WHERE is_open = 0 AND next_at IS NOT NULL;

CREATE INDEX github_webhook_deliveries_flows_idx
  ON github_webhook_deliveries (${installation("")}, available_at, id) WHERE status = 'received';

-- The next claims open the flows.
INSERT INTO webhook_inbox_flows (installation, virtual_time, next_at, is_open)
SELECT ${installation("")}, 0, min(available_at), 0
FROM github_webhook_deliveries INDEXED BY github_webhook_deliveries_flows_idx WHERE status = 'received' GROUP BY 1;

CREATE TRIGGER github_webhook_deliveries_flow_insert AFTER INSERT ON github_webhook_deliveries
WHEN NEW.status = 'received'
BEGIN${enter}
END;

CREATE TRIGGER github_webhook_deliveries_flow_claim AFTER UPDATE OF status ON github_webhook_deliveries
WHEN ${isClaim}
BEGIN
  UPDATE webhook_inbox_flows SET
    virtual_time = ${opened} + 1,
    (next_at, is_open) = (SELECT at, coalesce(at <= NEW.claimed_at, 0) FROM (SELECT ${head} AS at))
  WHERE installation = ${installation("OLD.")};
  UPDATE webhook_inbox_flows SET virtual_time = ${opened}, is_open = 1
  WHERE EXISTS (SELECT 1 FROM webhook_inbox_flows WHERE ${isWaiting}) AND installation IN (
    SELECT installation FROM webhook_inbox_flows WHERE ${isWaiting} ORDER BY next_at LIMIT ${openedPerClaim});
END;

CREATE TRIGGER github_webhook_deliveries_flow_update
AFTER UPDATE OF status, available_at, installation_external_id ON github_webhook_deliveries
WHEN NOT (${isClaim}) AND (OLD.status = 'received' OR NEW.status = 'received') AND (
  NEW.status <> OLD.status OR NEW.available_at <> OLD.available_at
  OR NEW.installation_external_id IS NOT OLD.installation_external_id)
BEGIN${leave("OLD")}${enter}
END;

-- The flow of an installation goes with its last delivery.
CREATE TRIGGER github_webhook_deliveries_flow_delete AFTER DELETE ON github_webhook_deliveries
BEGIN${leave("OLD")}
  DELETE FROM webhook_inbox_flows
  WHERE installation = OLD.installation_external_id AND NOT EXISTS (
    SELECT 1 FROM github_webhook_deliveries WHERE installation_external_id = OLD.installation_external_id);
END;
`
