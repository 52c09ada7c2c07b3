/**
 * Handlers of the API for sandboxes. Each request is one operation of the lifecycle, for the user of the session.
 */
import { HttpApiBuilder } from "@effect/platform"
import { ControlPlaneEvents, SandboxLifecycle } from "@sealant/db"
import { Effect } from "effect"
import { ControlPlaneApi } from "./api.js"
import { asUser } from "./authentication.js"
import { imageOf } from "./images.js"

export const sandboxesLayer = HttpApiBuilder.group(ControlPlaneApi, "sandboxes", (handlers) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const journal = yield* ControlPlaneEvents

    return handlers
      .handle("launch", ({ headers, payload: { idleTimeoutMs, name, spec } }) =>
        asUser((ownerUserId) =>
          lifecycle
            .launch({
              ownerUserId,
              name,
              spec,
              ...imageOf(ownerUserId),
              idempotencyKey: headers["idempotency-key"],
              triggerType: "api",
              idleTimeout: idleTimeoutMs
            })
            // Only a request with an id can fail with it.
            .pipe(Effect.catchTag("AlreadyExists", Effect.die))
        )
      )
      .handle("list", ({ urlParams: { archived = false, status, ...page } }) =>
        asUser((ownerUserId) =>
          lifecycle.list({
            ownerUserId,
            includeArchived: archived,
            ...page,
            ...(status === undefined ? {} : { statuses: [status] })
          })
        )
      )
      .handle("get", ({ path: { id } }) => asUser((ownerUserId) => lifecycle.getDetail({ ownerUserId, id })))
      .handle("events", ({ path: { id } }) =>
        asUser((ownerUserId) => journal.list({ ownerUserId, subjectType: "sandbox", subjectId: id }))
      )
      .handle("timeline", ({ path: { id }, urlParams }) =>
        asUser((ownerUserId) => lifecycle.timeline({ ...urlParams, ownerUserId, id }))
      )
      .handle("stop", ({ path: { id } }) => asUser((ownerUserId) => lifecycle.stop({ id, ownerUserId })))
      .handle("retry", ({ path: { id } }) => asUser((ownerUserId) => lifecycle.retry({ id, ownerUserId })))
      .handle("rebuild", ({ path: { id } }) => asUser((ownerUserId) => lifecycle.rebuild({ id, ownerUserId })))
  })
)
