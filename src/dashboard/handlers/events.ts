/**
 * The handlers of the journal.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect, Option } from "effect"
import { ControlPlaneActorType, ControlPlaneEvent, ControlPlaneSubjectType } from "../../events/ControlPlaneEvent.js"
import { ControlPlaneEvents } from "../../events/ControlPlaneEvents.js"
import { DashboardApi } from "../api/index.js"
import { given, jsonOf, literalsOf } from "./running.js"

const eventJson = jsonOf(ControlPlaneEvent.json)

export const eventsLive = HttpApiBuilder.group(DashboardApi, "events", (handlers) =>
  Effect.map(ControlPlaneEvents, (journal) =>
    handlers
      .handle("list", ({ urlParams: { actorType, before, subjectTypes, ...rest } }) =>
        Effect.gen(function* () {
          const types = yield* literalsOf("subjectTypes", ControlPlaneSubjectType, subjectTypes)
          const actors = yield* literalsOf("actorType", ControlPlaneActorType, actorType)
          const { end, epoch } = yield* journal.journal
          const request = { ...rest, beforePosition: before, subjectTypes: types, actorType: actors?.[0] }
          const { items, nextBefore } = yield* journal.search(given(request))
          return given({
            items: items.map((event) => eventJson(event)),
            nextBefore: Option.getOrUndefined(nextBefore),
            epoch: String(epoch),
            end
          })
        })
      )
      .handle("get", ({ path: { position } }) => Effect.map(journal.getByPosition(position), eventJson))
  )
)
