/**
 * The handlers of a Dashboard. A group that its settings exclude has no routes.
 */
import { Layer } from "effect"
import type { Settings } from "../options.js"
import { databaseActionsLive, databaseLive } from "./database.js"
import { eventsLive } from "./events.js"
import { jobActionsLive, jobsLive } from "./jobs.js"
import { overviewLive } from "./overview.js"
import { payloadsLive } from "./payloads.js"
import { sandboxActionsLive, sandboxesLive } from "./sandboxes.js"
import { sessionLive } from "./session.js"
import { webhookActionsLive, webhooksLive } from "./webhooks.js"
import { workflowsLive } from "./workflows.js"

const reads = Layer.mergeAll(
  sessionLive,
  overviewLive,
  jobsLive,
  sandboxesLive,
  workflowsLive,
  webhooksLive,
  eventsLive,
  databaseLive
)

const actions = Layer.mergeAll(jobActionsLive, sandboxActionsLive, webhookActionsLive, databaseActionsLive)

/** Builds the layer of the handlers. */
export const handlersOf = ({ payloads, readOnly }: Settings) =>
  Layer.mergeAll(reads, readOnly ? Layer.empty : actions, payloads ? payloadsLive : Layer.empty)
