/**
 * A Dashboard on loopback over a database in memory, and requests with any header.
 */
import { HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Dashboard } from "@sealant/db/dashboard"
import { layerTest, type TestServices } from "@sealant/db/testing"
import { Effect, Layer, ManagedRuntime } from "effect"
import { createServer, type IncomingHttpHeaders, request as httpRequest } from "node:http"

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly json: unknown
}

export interface RequestOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Sends one request. Unlike `fetch`, it sends any Host header, and follows nothing. */
export const requestTo = (port: number, path: string, { body, headers = {}, method = "GET" }: RequestOptions = {}) =>
  new Promise<Answer>((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (part) => (text += part))
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) })
      )
    })
    request.on("error", reject)
    request.end(body)
  })

export interface TestServer {
  readonly port: number
  readonly run: <A, E>(effect: Effect.Effect<A, E, TestServices>) => Promise<A>
  readonly get: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>
  /** Sends a POST as the page does, with a CSRF token. */
  readonly post: (path: string, body?: unknown, headers?: Readonly<Record<string, string>>) => Promise<Answer>
  readonly request: (path: string, options?: RequestOptions) => Promise<Answer>
  readonly close: () => Promise<void>
}

const fieldOf = (value: unknown, field: string): string => {
  const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, field) : undefined
  return typeof found === "string" ? found : ""
}

/** Starts a Dashboard on a free port. */
export const openServer = async (options: Dashboard.DashboardOptions = {}): Promise<TestServer> => {
  const serving = Layer.scopedDiscard(
    Effect.flatMap(Dashboard.httpApp({ actor: "alice", ...options }), (app) => HttpServer.serveEffect(app))
  )
  const server = NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })
  const runtime = ManagedRuntime.make(Layer.provideMerge(serving, Layer.merge(layerTest, server)))
  const address = await runtime.runPromise(Effect.map(HttpServer.HttpServer, (server) => server.address))
  const port = address._tag === "TcpAddress" ? address.port : 0
  const request: TestServer["request"] = (path, options) => requestTo(port, path, options)
  return {
    port,
    run: runtime.runPromise,
    request,
    get: (path, headers = {}) => request(path, { headers }),
    post: async (path, body = {}, headers = {}) => {
      const config = await request("/api/config", { headers })
      return request(path, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-csrf-token": fieldOf(config.json, "csrfToken"),
          ...headers
        },
        body: JSON.stringify(body)
      })
    },
    close: () => runtime.dispose()
  }
}
