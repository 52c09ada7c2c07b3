/**
 * The server as a process of its own: serves the file that it is told on the port that it is told, and says where.
 */
import { Peer } from "./Peer.js"

const [path = "", port = "0"] = process.argv.slice(2)

const peer = await Peer.open(path, {}, Number(port))
process.stdout.write(`${peer.url}\n`)
// It ends with whoever started it.
process.stdin.on("end", () => process.exit()).resume()
