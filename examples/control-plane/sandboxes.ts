/**
 * Handlers of the API for sandboxes. Each request is one operation of the lifecycle, for the user of the session.
 */
import { HttpApiBuilder } from "@effect/platform"
import { ControlPlaneEvents, SandboxLifecycle } from "@sealant/db"
import { type Launch } from "@sealant/db/sandbox"
import { Effect } from "effect"
import { ControlPlaneApi } from "./api.js"
import { asUser } from "./authentication.js"
import { imageOf } from "./images.js"
import { pageOf } from "./pages.js"

const launched = ({ attempt, created, job, sandbox }: Launch) => ({ attempt, created, job, sandbox })

export const sandboxesLayer = HttpApiBuilder.group(ControlPlaneApi, "sandboxes", (handlers) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const journal = yield* ControlPlaneEvents

    return handlers
      .handle("launch", ({ headers, payload: { name, spec } }) =>
        asUser((ownerUserId) =>
          lifecycle.launch({
            ownerUserId,
            name,
            spec,
            ...imageOf(ownerUserId),
            idempotencyKey: headers["idempotency-key"],
            triggerType: "api"
          })
        ).pipe(Effect.map(launched))
      )
      .handle("list", ({ urlParams: { archived = false, status, ...page } }) =>
        asUser((ownerUserId) =>
          lifecycle.list({
            ownerUserId,
            includeArchived: archived,
            ...pageOf(page),
            ...(status === undefined ? {} : { statuses: [status] })
          })
        )
      )
      .handle("get", ({ path: { id } }) => asUser((ownerUserId) => lifecycle.getDetail({ ownerUserId, id })))
      .handle("events", ({ path: { id } }) =>
        asUser((ownerUserId) => journal.list({ ownerUserId, subjectType: "sandbox", subjectId: id }))
      )
      .handle("stop", ({ path: { id } }) => asUser((ownerUserId) => lifecycle.stop({ id, ownerUserId })))
      .handle("retry", ({ path: { id } }) =>
        asUser((ownerUserId) => Effect.map(lifecycle.retry({ id, ownerUserId }), launched))
      )
      .handle("rebuild", ({ path: { id } }) =>
        asUser((ownerUserId) => Effect.map(lifecycle.rebuild({ id, ownerUserId }), launched))
      )
  })
)
