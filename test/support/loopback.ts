/**
 * HTTP servers of tests on the loopback interface.
 */
import type { Server } from "node:http"

/** Listens on a port of the loopback interface, or on a free one. */
export const listen = (server: Server, port = 0): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", resolve)
  })

/** Returns the URL of a listening server. */
export const urlOf = (server: Server): string => {
  const address = server.address()
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
}

/** Ends the server and its connections. */
export const close = async (server: Server): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
}
