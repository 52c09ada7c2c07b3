/**
 * The order in which deliveries are claimed, as SQL. docs/webhooks.md has the rules.
 *
 * `webhook_inbox_flows` has a row for each installation. Triggers on the deliveries maintain it
 * (`migrations/0024_fair_inbox.ts`). Each step reads the first entries of an index, so the cost does not depend on the
 * number of deliveries or installations.
 */

/** The received deliveries of the flow `f`. */
const deliveries = `github_webhook_deliveries AS d INDEXED BY github_webhook_deliveries_flows_idx
          WHERE d.status = 'received' AND coalesce(d.installation_external_id, '') = +f.installation`

const first = `(
        SELECT d.id FROM ${deliveries} ORDER BY d.available_at, d.id LIMIT 1)`

// A flow that a program has damaged is skipped, until supervision repairs it.
const hasDeliveries = `EXISTS (
          SELECT 1 FROM ${deliveries})`

const expired = `(
      SELECT id FROM github_webhook_deliveries INDEXED BY github_webhook_deliveries_leases_idx
      WHERE status = 'processing' AND lease_expires_at <= ?1
      ORDER BY lease_expires_at, id LIMIT 1)`

/** The first delivery of the installation whose turn it is. */
const open = `(
      SELECT ${first}
      FROM webhook_inbox_flows AS f INDEXED BY webhook_inbox_flows_open_idx
      WHERE f.is_open = 1 AND f.virtual_time >= 0 AND ${hasDeliveries}
      ORDER BY f.virtual_time, f.installation LIMIT 1)`

/** The first delivery that has become due since the last claim, such as a retry. That claim opens its flow. */
const waiting = `(
      SELECT ${first}
      FROM webhook_inbox_flows AS f INDEXED BY webhook_inbox_flows_waiting_idx
      WHERE f.is_open = 0 AND f.next_at <= ?1 AND ${hasDeliveries}
      ORDER BY f.next_at, f.installation LIMIT 1)`

/** The delivery that is next. ?1: now. */
export const isNext = `id = coalesce(${expired}, ${open}, ${waiting})`
