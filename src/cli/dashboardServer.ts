/**
 * The HTTP server of `sealant-db dashboard`. The command loads it when it runs, because its modules take half a second.
 */
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Console, Data, Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { createServer, type Server } from "node:http"
import { isIP } from "node:net"
import * as ControlPlane from "../ControlPlane.js"
import * as Dashboard from "../dashboard/Dashboard.js"
import { codeOf } from "../libsql/DriverError.js"
import { KeyRing } from "../secret/KeyRing.js"
import { layerCurrent } from "./database.js"

/** The server cannot be started. The message contains the cause and the remedy. */
export class DashboardFailed extends Data.TaggedError("DashboardFailed")<{ readonly problem: string }> {
  override get message() {
    return this.problem
  }
}

const listenProblem = (cause: unknown, host: string, port: number): string => {
  switch (codeOf(cause)) {
    case "EADDRINUSE":
      return `port ${port} of ${host} is in use; pass another one with --port, or --port 0 for a free one`
    case "EACCES":
      return `port ${port} of ${host} needs more rights; pass one above 1023 with --port`
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${host} is not an address of this computer; pass another one with --host`
    default:
      return `the server cannot listen on ${host}, port ${port}: ${codeOf(cause)}`
  }
}

/** The time that requests have to end when the server closes. */
const closeMillis = 1000

// `Server.close` waits for connections. Live streams end first; a page that keeps its connection is cut off.
const closesConnections = (server: Server) =>
  Layer.scopedDiscard(
    Effect.addFinalizer(() =>
      Effect.sync(() => {
        server.closeIdleConnections()
        setTimeout(() => server.closeAllConnections(), closeMillis).unref()
      })
    )
  )

const serverLayer = (host: string, port: number) => {
  const server = createServer()
  return NodeHttpServer.layer(() => server, { host, port }).pipe(
    Layer.mapError(({ cause }) => new DashboardFailed({ problem: listenProblem(cause, host, port) })),
    Layer.provideMerge(Layer.empty),
    (listening) => Layer.provideMerge(closesConnections(server), listening)
  )
}

const addressOf = (host: string, port: number) => {
  const shown = host === "0.0.0.0" || host === "::" ? "localhost" : host
  return `http://${isIP(shown) === 6 ? `[${shown}]` : shown}:${port}/`
}

/** Opens an address with the program of the platform, without a shell. A failure is not an error of the Dashboard. */
const openBrowser = (address: string) =>
  Effect.sync(() => {
    const [command, args] =
      process.platform === "darwin"
        ? ["open", [address]]
        : process.platform === "win32"
          ? ["rundll32", ["url.dll,FileProtocolHandler", address]]
          : ["xdg-open", [address]]
    const child = spawn(command, args, { stdio: "ignore", detached: true })
    child.on("error", () => undefined)
    child.unref()
  })

const portOf = Effect.map(HttpServer.HttpServer, ({ address }) => (address._tag === "TcpAddress" ? address.port : 0))

const services = ControlPlane.layer.pipe(Layer.provideMerge(Layer.merge(layerCurrent, KeyRing.layerConfig)))

/** The address and the options of a server. */
export interface ServeOptions {
  readonly host: string
  readonly port: number
  readonly open: boolean
  readonly dashboard: Dashboard.DashboardOptions
}

/**
 * Serves the Dashboard until it is interrupted. Prints its address when it listens, which it does after the database is
 * open.
 */
export const serve = ({ dashboard, host, open, port }: ServeOptions) =>
  Effect.gen(function* () {
    const app = yield* Dashboard.httpApp(dashboard)
    yield* HttpServer.serveEffect(app)
    const address = addressOf(host, yield* portOf)
    yield* Console.log(`Sealant Dashboard: ${address}`)
    if (open) yield* openBrowser(address)
    return yield* Effect.never
  }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(serverLayer(host, port), services)))
