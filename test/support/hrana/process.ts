/**
 * The server as a child process: serves the requested file on the requested port, and prints its address.
 */
import { Peer } from "./Peer.js"

const [path = "", port = "0"] = process.argv.slice(2)

const peer = await Peer.open(path, {}, Number(port))
process.stdout.write(`${peer.url}\n`)
// It ends with whoever started it.
process.stdin.on("end", () => process.exit()).resume()
