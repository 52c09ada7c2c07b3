/**
 * A proxy in front of one database of the real libSQL server. It selects the namespace, counts requests, delays them, and
 * loses requests or answers.
 */
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse
} from "node:http"
import type { FaultInjection } from "../hrana/Peer.js"
import { close, listen, urlOf } from "../loopback.js"
import type { ServerAddress } from "./Server.js"

interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: Buffer
}

export class Proxy {
  /** The fault of each request; `undefined` for none. */
  faultInjection: FaultInjection | undefined
  /** The time before a request is forwarded, in milliseconds. */
  latencyMs = 0
  /** What happens to requests for changes: `refuse` answers with status 500, `hold` never answers. */
  changes: "pass" | "refuse" | "hold" = "pass"
  /** The number of requests with statements. Requests that only close a stream are not counted. */
  requests = 0
  /** The number of these requests that opened a stream. */
  newStreams = 0
  private readonly agent = new Agent({ keepAlive: true })
  private readonly server: Server

  private constructor(
    private readonly address: ServerAddress,
    readonly namespace: string
  ) {
    this.server = createServer((incoming, response) => {
      this.answer(incoming, response).catch(() => response.destroy())
    })
    // With a timeout, a connection may close in the moment in which the client sends a write.
    this.server.keepAliveTimeout = 0
  }

  /** Listens on a free port of the loopback interface. */
  static async open(address: ServerAddress, namespace: string): Promise<Proxy> {
    const proxy = new Proxy(address, namespace)
    await listen(proxy.server)
    return proxy
  }

  get url(): string {
    return urlOf(this.server)
  }

  async close(): Promise<void> {
    await close(this.server)
    this.agent.destroy()
  }

  private async answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bytesOf(incoming)
    if (incoming.headers["content-type"]?.startsWith("application/grpc-web")) {
      if (this.changes === "hold") return
      if (this.changes === "refuse") return void response.writeHead(500).end()
      return send(response, await this.forward(incoming, body))
    }
    const statements = statementsOf(body)
    if (statements.length > 0) {
      this.requests++
      if (!body.includes('"baton":"')) this.newStreams++
    }
    if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs))
    const fault = statements.length === 0 ? undefined : this.faultInjection?.(statements)
    if (fault === "no-answer") return
    if (fault === "lost-request") return void response.destroy()
    if (typeof fault === "number")
      return send(response, { status: fault, contentType: "text/plain", body: Buffer.from("no") })
    if (typeof fault === "object") {
      return send(response, { status: 500, contentType: "application/json", body: Buffer.from(JSON.stringify(fault)) })
    }
    const answer = await this.forward(incoming, body)
    if (fault === "lost-answer") response.destroy()
    else send(response, answer)
  }

  private forward({ headers, method, url }: IncomingMessage, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const forwarded = request(
        {
          agent: this.agent,
          host: "127.0.0.1",
          port: this.address.httpPort,
          method,
          path: url,
          headers: {
            ...kept(headers),
            host: `${this.namespace}.localhost`,
            "content-length": body.length
          }
        },
        (answer) => {
          const { headers, statusCode = 502 } = answer
          bytesOf(answer).then(
            (bytes) =>
              resolve({ status: statusCode, contentType: headers["content-type"] ?? "text/plain", body: bytes }),
            reject
          )
        }
      )
      forwarded.on("error", reject)
      forwarded.end(body)
    })
  }
}

// These headers describe the connection to the proxy, or how it would have to pass the answer on.
const ofConnection = /^(host|connection|keep-alive|content-length|transfer-encoding|accept-encoding|expect)$/

const kept = (headers: IncomingHttpHeaders): IncomingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !ofConnection.test(name)))

const bytesOf = async (message: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of message) if (Buffer.isBuffer(chunk)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const send = (response: ServerResponse, { body, contentType, status }: Answer): void => {
  response.writeHead(status, { "content-type": contentType, "content-length": body.length })
  response.end(body)
}

/** The texts of all statements of a request. */
const statementsOf = (body: Buffer): ReadonlyArray<string> => {
  const found: Array<string> = []
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return
    for (const [key, item] of Object.entries(value)) {
      if (key === "sql" && typeof item === "string") found.push(item)
      else visit(item)
    }
  }
  if (body.length > 0) visit(JSON.parse(body.toString("utf8")))
  return found
}
