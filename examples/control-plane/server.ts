/**
 * The HTTP server of the API.
 */
import { HttpApiBuilder, HttpApiSwagger, HttpMiddleware } from "@effect/platform"
import { Layer } from "effect"
import { ControlPlaneApi } from "./api.js"
import { authenticationLayer } from "./authentication.js"
import { authRoutes, authServerLayer } from "./authServer.js"
import { executionsLayer, workflowsLayer } from "./executions.js"
import { requestsLayer } from "./requests.js"
import { sandboxesLayer } from "./sandboxes.js"
import { webhookRoutes } from "./webhooks.js"

/** The handlers of the API. Requires the services of `@sealant/db` and `Authentication`. */
export const handlersLayer = HttpApiBuilder.api(ControlPlaneApi).pipe(
  Layer.provide([sandboxesLayer, workflowsLayer, executionsLayer])
)

/**
 * Serves the API, its documentation at `/docs`, and Better Auth at `/api/auth`. Requires an `HttpServer` and the
 * services.
 */
export const serverLayer = HttpApiBuilder.serve(HttpMiddleware.logger).pipe(
  Layer.provide(HttpApiSwagger.layer({ path: "/docs" })),
  Layer.provide(requestsLayer),
  Layer.provide(authRoutes),
  Layer.provide(webhookRoutes),
  Layer.provide(handlersLayer),
  Layer.provide(authenticationLayer),
  Layer.provide(authServerLayer)
)
