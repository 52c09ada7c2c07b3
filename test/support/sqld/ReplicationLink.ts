/**
 * A proxy between a replica and its primary, which can hold back the log of changes. Writes of the replica pass on the
 * same connection, so the replica stays behind its primary for as long as a test needs.
 *
 * The connection is gRPC: HTTP/2 without TLS, with trailers (https://grpc.github.io/grpc/core/md_doc__p_r_o_t_o_c_o_l-_h_t_t_p2.html).
 */
import {
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream
} from "node:http2"

const isLog = (path: string | undefined) => path?.startsWith("/wal_log.ReplicationLog/") ?? false

export class ReplicationLink {
  private readonly sessions = new Set<ServerHttp2Session>()
  private readonly held: Array<() => void> = []
  private holds = false
  private readonly server: Http2Server

  private constructor(primaryPort: number) {
    this.server = createServer()
    this.server.on("session", (session) => {
      const primary = connect(`http://127.0.0.1:${primaryPort}`)
      primary.on("error", () => session.destroy())
      this.sessions.add(session)
      session.on("close", () => {
        this.sessions.delete(session)
        primary.destroy()
      })
      session.on("stream", (stream, headers) => {
        if (primary.destroyed) stream.destroy()
        else this.forward(stream, headers, (sent) => primary.request(sent))
      })
    })
  }

  /** Listens on a free port of the loopback interface, before the gRPC port of a primary. */
  static async open(primaryPort: number): Promise<ReplicationLink> {
    const link = new ReplicationLink(primaryPort)
    await new Promise<void>((resolve) => link.server.listen(0, "127.0.0.1", resolve))
    return link
  }

  get url(): string {
    const address = this.server.address()
    return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
  }

  /** Holds back all changes from now on. */
  hold(): void {
    this.holds = true
  }

  /** Passes on the changes that were held back, and later ones. */
  release(): void {
    this.holds = false
    for (const pass of this.held.splice(0)) pass()
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()))
    for (const session of this.sessions) session.destroy()
    await closed
  }

  private forward(
    stream: ServerHttp2Stream,
    received: IncomingHttpHeaders,
    request: (headers: IncomingHttpHeaders) => ReturnType<ReturnType<typeof connect>["request"]>
  ): void {
    const headers = { ...received }
    delete headers[":authority"]
    const pass = (action: () => void) => {
      if (this.holds && isLog(headers[":path"])) this.held.push(action)
      else action()
    }
    const sent = request(headers)
    let trailers: IncomingHttpHeaders | undefined
    stream.pipe(sent)
    stream.on("wantTrailers", () => stream.sendTrailers(trailers ?? {}))
    sent.on("response", (answered) => stream.respond(answered, { waitForTrailers: true }))
    sent.on("trailers", (ending) => {
      trailers = ending
    })
    sent.on("data", (data) => pass(() => stream.write(data)))
    // A stream without trailers has broken off.
    sent.on("end", () => pass(() => (trailers === undefined ? stream.destroy() : stream.end())))
    sent.on("error", () => stream.destroy())
    stream.on("error", () => undefined)
    stream.on("close", () => sent.close())
  }
}
