/**
 * Sealant Dashboard: a web page for operators, and its HTTP API.
 *
 * It uses the services of this package only. Guarantees:
 * - A request from another site, for another host, or without a session or a CSRF token changes nothing.
 * - Secret values, ciphertext and tokens are never sent.
 * - A read-only Dashboard has no endpoint that writes, and none that returns documents.
 * - The journal records every action with the actor `operator:<name>`.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Deferred, Effect, Layer, Option, type Scope } from "effect"
import { readAssets } from "./assets.js"
import { notFound, responseOfCause, securityHeaders } from "./answers.js"
import { checkApiRequest, checkHost } from "./guard.js"
import { Running, type Services } from "./handlers/running.js"
import { handlersOf } from "./handlers/index.js"
import { makeLive } from "./live.js"
import { type DashboardConfigError, type DashboardOptions, settingsOf } from "./options.js"
import { makeSessions } from "./sessions.js"

export type { Services } from "./handlers/running.js"
export { DashboardConfigError, type DashboardOptions } from "./options.js"

// Imported ids have up to 1,000 characters, and each may be escaped. By default, the router finds no longer ones than 100.
const maxParamLength = 12_000

// The body of a write has some ids and a text.
const maxBodyBytes = 100_000

/**
 * Builds the Dashboard as an HTTP app, to be mounted below `options.path` with the prefix removed, as
 * `HttpRouter.mountApp` does. The scope ends its live streams.
 *
 * Fails with `DashboardConfigError` if an option is invalid.
 */
export const httpApp = (
  options: DashboardOptions = {}
): Effect.Effect<
  HttpApp.Default<never, HttpRouter.HttpRouter.DefaultServices>,
  DashboardConfigError,
  Services | Scope.Scope
> =>
  Effect.gen(function* () {
    const settings = yield* settingsOf(options)
    const sessions = makeSessions(Option.fromNullable(settings.token))
    const assets = readAssets(settings.path)
    const closing = yield* Effect.acquireRelease(Deferred.make<void>(), (closing) =>
      Deferred.succeed(closing, undefined)
    )
    const running = { settings, sessions, live: yield* makeLive, closing }

    // Built apart from other APIs of the program, whose routes have paths of their own.
    const context = yield* Layer.build(
      Layer.provideMerge(handlersOf(settings), HttpApiBuilder.Router.Live).pipe(
        Layer.provide(Layer.succeed(Running, running))
      )
    )
    const router = yield* Effect.flatMap(Effect.provide(HttpApiBuilder.Router, context), ({ router }) => router)
    const api = yield* Effect.locally(HttpRouter.toHttpApp(router), HttpRouter.currentRouterConfig, { maxParamLength })

    const answer = Effect.gen(function* () {
      const { headers, method, url } = yield* HttpServerRequest.HttpServerRequest
      yield* checkHost(settings)
      const path = url.split("?", 1)[0] ?? ""
      if (path === "/api" || path.startsWith("/api/")) {
        yield* checkApiRequest(sessions, path)
        return yield* api
      }
      if (method !== "GET" && method !== "HEAD") return notFound
      return assets.fileAt(path, headers["accept-encoding"] ?? "") ?? assets.index
    })
    return answer.pipe(
      Effect.catchAllCause(responseOfCause),
      Effect.map(HttpServerResponse.setHeaders(securityHeaders)),
      // A page that sends its next request over a kept connection would keep a closing server open.
      Effect.flatMap((response) =>
        Effect.map(Deferred.isDone(closing), (isClosing) =>
          isClosing ? HttpServerResponse.setHeader(response, "connection", "close") : response
        )
      ),
      HttpIncomingMessage.withMaxBodySize(Option.some(FileSystem.Size(maxBodyBytes)))
    )
  })

/**
 * Mounts the Dashboard below `options.path` of an HTTP server that `HttpApiBuilder.serve` serves. For other routers,
 * mount `httpApp`.
 *
 * Without a token, the Dashboard has no login: the program in front of it authenticates requests. Fails with
 * `DashboardConfigError` if an option is invalid.
 *
 * @example
 * ```ts
 * import { HttpApiBuilder } from "@effect/platform"
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { ControlPlane } from "@sealant/db"
 * import { Dashboard } from "@sealant/db/dashboard"
 * import { Layer, Redacted } from "effect"
 * import { createServer } from "node:http"
 *
 * export const server = HttpApiBuilder.serve().pipe(
 *   Layer.provide(
 *     Dashboard.layer({ path: "/ops", token: Redacted.make(process.env["OPS_TOKEN"] ?? ""), actor: "ops" })
 *   ),
 *   Layer.provide(ControlPlane.layerConfig),
 *   Layer.provide(NodeHttpServer.layer(createServer, { port: 3000 }))
 * )
 * ```
 */
export const layer = (options: DashboardOptions = {}): Layer.Layer<never, DashboardConfigError, Services> =>
  HttpApiBuilder.Router.use((router) =>
    Effect.gen(function* () {
      const app = yield* httpApp(options)
      const { path } = yield* settingsOf(options)
      yield* path === "" ? router.mountApp("/", app) : router.mountApp(path, app)
    })
  )
