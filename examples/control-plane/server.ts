/**
 * The HTTP server of the API.
 */
import { HttpApiBuilder, HttpApiSwagger, HttpMiddleware } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Layer } from "effect"
import { createServer } from "node:http"
import { ControlPlaneApi } from "./api.js"
import { authenticationLayer } from "./authentication.js"
import { authRoutes, authServerLayer } from "./authServer.js"
import { executionsLayer, workflowsLayer } from "./executions.js"
import { requestsLayer } from "./requests.js"
import { sandboxesLayer } from "./sandboxes.js"
import { webhookRoutes } from "./webhooks.js"

/**
 * Listens on loopback. Idle connections stay open for longer than clients and proxies keep them: if the server closes
 * one first, as Node does after 5 seconds, a request that is on its way fails.
 */
export const httpLayer = (port: number) =>
  NodeHttpServer.layer(() => createServer({ keepAliveTimeout: 65_000 }), { host: "127.0.0.1", port })

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
