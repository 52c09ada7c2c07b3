/**
 * A libSQL server for tests: Hrana over HTTP, version 2, over the same engine as ours, on a free port of the loopback
 * interface. It has the habits of a real one, and those of the network before it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { close, listen, urlOf } from "../loopback.js"
import { type Limits, Streams } from "./Streams.js"
import { type Pipeline, RequestError } from "./wire.js"

export interface ServerOptions extends Limits {
  /** The token that it wants to be shown; none when it lets everybody in. */
  readonly authToken: string | undefined
  /** How long each request is under way before anything happens. */
  readonly latencyMs: number
}

// The default limits of a libSQL server.
export const defaultServerOptions: ServerOptions = {
  streamExpiryMs: 10_000,
  transactionLimitMs: 5_000,
  lockTimeoutMs: 5_000,
  authToken: undefined,
  latencyMs: 0
}

/**
 * - `lost-request`: the connection ends before anything is done.
 * - `lost-answer`: it ends when all is done.
 * - `no-answer`: nothing is done, and the connection stays open.
 * - a number: the answer is this HTTP status, and nothing is done.
 * - an error of the server: the same with status 500.
 */
export type Fault =
  | "lost-request"
  | "lost-answer"
  | "no-answer"
  | number
  | { readonly message: string; readonly code: string }

/** Decides for the statements of each request whether it fails, and how. */
export type FaultInjection = (statements: ReadonlyArray<string>) => Fault | undefined

// What no request of ours comes near.
const maxBodyBytes = 64 * 1024 * 1024

export class Peer {
  /** What goes wrong; nothing, while it is not set. */
  faultInjection: FaultInjection | undefined
  /** The number of requests with statements. Requests that only close a stream are not counted. */
  requests = 0
  readonly streams: Streams
  private readonly server: Server

  private constructor(
    readonly path: string,
    private readonly serverOptions: ServerOptions
  ) {
    this.streams = new Streams(path, serverOptions)
    // By default Node closes idle connections after 5 s, while a request of a slow client may be on its way.
    this.server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
      this.answer(request, response).catch(() => response.destroy())
    })
  }

  /** Serves the database file at a path. */
  static async open(path: string, serverOptions: Partial<ServerOptions> = {}, port = 0): Promise<Peer> {
    const peer = new Peer(path, { ...defaultServerOptions, ...serverOptions })
    await listen(peer.server, port)
    return peer
  }

  get url(): string {
    return urlOf(this.server)
  }

  async close(): Promise<void> {
    await close(this.server)
    this.streams.close()
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await textOf(request)
    if (text.includes('"sql')) this.requests++
    if (this.serverOptions.latencyMs > 0)
      await new Promise((resolve) => setTimeout(resolve, this.serverOptions.latencyMs))
    if (request.method === "GET" && request.url === "/v2")
      return send(response, 200, "Hello, this is HTTP API v2 (Hrana over HTTP)")
    if (request.method !== "POST" || request.url !== "/v2/pipeline") return send(response, 404, "")
    const { authToken } = this.serverOptions
    if (authToken !== undefined && request.headers.authorization !== `Bearer ${authToken}`) {
      return send(response, 401, { error: "Authentication failed" })
    }
    const pipeline: Pipeline = JSON.parse(text)
    const texts = this.streams.textsOf(pipeline)
    const fault = texts.length === 0 ? undefined : this.faultInjection?.(texts)
    if (fault === "no-answer") return
    if (fault === "lost-request") return void response.destroy()
    if (typeof fault === "number") return send(response, fault, "no")
    if (typeof fault === "object") return send(response, 500, fault)
    try {
      const body = await this.streams.handle(pipeline)
      if (fault === "lost-answer") response.destroy()
      else send(response, 200, body)
    } catch (error) {
      if (!(error instanceof RequestError)) throw error
      const { code, message, status } = error
      send(response, status, code === undefined ? message : { message, code })
    }
  }
}

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  let length = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    length += chunk.length
    if (length > maxBodyBytes) throw new Error("the request is too large")
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString("utf8")
}

const send = (response: ServerResponse, status: number, body: string | object): void => {
  const text = typeof body === "string" ? body : JSON.stringify(body)
  response.writeHead(status, {
    "content-type": typeof body === "string" ? "text/plain" : "application/json",
    "content-length": Buffer.byteLength(text)
  })
  response.end(text)
}
