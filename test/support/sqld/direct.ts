/**
 * The way of suites over all engines to a database of the real server: without a proxy, and by `node:http`. The `fetch` of
 * Node 20 takes more CPU per request than the server takes for a statement. The suites of `test/libsql` use `fetch`.
 */
import { Agent, type IncomingMessage, request } from "node:http"
import type { ServerAddress } from "./Server.js"

// The server finds the namespace by the first label of the host. No resolver is asked for these names.
const suffix = ".sqld.localhost"

const agent = new Agent({ keepAlive: true })

let isInstalled = false

/** Returns the URL of a namespace. It works in this process only. */
export const directUrl = ({ httpPort }: ServerAddress, namespace: string): string => {
  if (!isInstalled) {
    isInstalled = true
    const original = globalThis.fetch
    globalThis.fetch = (input, init) =>
      input instanceof Request && new URL(input.url).hostname.endsWith(suffix)
        ? send(input, init?.signal ?? undefined)
        : original(input, init)
  }
  return `http://${namespace}${suffix}:${httpPort}`
}

const send = async (message: Request, signal: AbortSignal | undefined): Promise<Response> => {
  const { host, pathname, port } = new URL(message.url)
  const body = Buffer.from(await message.arrayBuffer())
  const headers = { ...Object.fromEntries(message.headers), host, "content-length": body.length }
  const options = { agent, headers, host: "127.0.0.1", port, method: message.method, path: pathname }
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request({ ...options, ...(signal === undefined ? {} : { signal }) }, resolve)
        .on("error", reject)
        .end(body)
    })
    const chunks: Array<Buffer> = []
    for await (const chunk of answer) if (Buffer.isBuffer(chunk)) chunks.push(chunk)
    const contentType = answer.headers["content-type"] ?? "text/plain"
    return new Response(Buffer.concat(chunks), {
      status: answer.statusCode ?? 502,
      headers: { "content-type": contentType }
    })
  } catch (cause) {
    throw signal?.aborted === true ? signal.reason : new TypeError("fetch failed", { cause })
  }
}
