/**
 * The HTTP API of the Dashboard. This folder imports schemas only, so a page can import it.
 *
 * - `HttpApiClient` with these schemas has 165 to 215 KB with gzip. A page that must be smaller imports only the types,
 *   and `paths.ts`: all types are plain JSON, and need no decoder.
 * - Every error is JSON with `_tag`, its fields and `message`, one line.
 * - `InvalidInput` (400) and `PersistenceError` (503) can occur in every endpoint, and so can the errors below.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import { InvalidInput, PersistenceError } from "../../Errors.js"
import { Forbidden, ServerError, Unauthenticated } from "./common.js"
import { database, databaseActions } from "./database.js"
import { events } from "./events.js"
import { jobActions, jobs } from "./jobs.js"
import { overview } from "./overview.js"
import { payloads } from "./payloads.js"
import { sandboxActions, sandboxes } from "./sandboxes.js"
import { session } from "./session.js"
import { webhookActions, webhooks } from "./webhooks.js"
import { workflows } from "./workflows.js"

export * from "./common.js"
export * from "./database.js"
export * from "./events.js"
export * from "./jobs.js"
export * from "./overview.js"
export * from "./payloads.js"
export * from "./sandboxes.js"
export * from "./session.js"
export * from "./webhooks.js"
export * from "./workflows.js"
export { csrfHeader, paths } from "./paths.js"

/** The endpoints that change nothing and return no documents. A read-only Dashboard has these only. */
export const ReadOnlyApi = HttpApi.make("dashboard")
  .add(session)
  .add(overview)
  .add(jobs)
  .add(sandboxes)
  .add(workflows)
  .add(webhooks)
  .add(events)
  .add(database)
  .addError(InvalidInput)
  .addError(PersistenceError)
  .addError(Unauthenticated)
  .addError(Forbidden)
  .addError(ServerError)

/** The endpoints that return documents. */
export const PayloadApi = ReadOnlyApi.add(payloads)

/** All endpoints. Those that change something are in the groups whose names end in `Actions`. */
export const DashboardApi = PayloadApi.add(jobActions).add(sandboxActions).add(webhookActions).add(databaseActions)
