/**
 * The journal: pages, one event by its position. `overview.live` has its tail.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import { Schema } from "effect"
import { NotFound } from "../../Errors.js"
import { JournalEvent, List } from "./common.js"
import { paths } from "./paths.js"

/** Events, newest first. */
export const JournalPage = Schema.Struct({
  items: Schema.Array(JournalEvent),
  /**
   * The position before which the next page continues. Absent at the first event. A filter examines a limited number of
   * events for each page, so a page may have few items, or none, and a next page.
   */
  nextBefore: Schema.optional(Schema.Number),
  /** The epoch of the positions. A restore of a backup begins a new one. */
  epoch: Schema.String,
  /** The position of the last event. */
  end: Schema.Number
})
export type JournalPage = typeof JournalPage.Type

/** Reads of the journal. */
export const events = HttpApiGroup.make("events")
  .add(
    HttpApiEndpoint.get("list", paths.events.list[1])
      .setUrlParams(
        Schema.Struct({
          subjectTypes: Schema.optional(List),
          subjectId: Schema.optional(Schema.String),
          /** The operation: `launch`, `stop`. */
          eventType: Schema.optional(Schema.String),
          toState: Schema.optional(Schema.String),
          actorType: Schema.optional(Schema.String),
          actorId: Schema.optional(Schema.String),
          ownerUserId: Schema.optional(Schema.String),
          /** Only events before this position. Default: from the newest event. */
          before: Schema.optional(Schema.NumberFromString),
          /** 1 to 500, default 50. */
          limit: Schema.optional(Schema.NumberFromString)
        })
      )
      .addSuccess(JournalPage)
  )
  .add(
    HttpApiEndpoint.get("get", paths.events.get[1])
      .setPath(Schema.Struct({ position: Schema.NumberFromString.pipe(Schema.int()) }))
      .addSuccess(JournalEvent)
      .addError(NotFound)
  )
