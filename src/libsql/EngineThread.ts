/**
 * A connection of the engine in a thread of its own, for long operations: a copy of the whole database, or a check of
 * each of its pages. The binding is synchronous. On the main thread it would block the event loop, and with it every
 * writer.
 *
 * A thread is used because a process outlives a parent that is killed. While 137 MB were copied, a writer kept 65 %
 * of its commits beside a thread, and 79 % beside a process (two cores, synchronous=full). Inside one process the
 * engine knows its connections in all threads, so closing one drops no lock of another.
 *
 * The thread is never terminated: ending it during a statement would leave its connection open, with its locks. A
 * statement whose caller was interrupted runs to its end, and then the thread closes.
 */
// oxlint-disable unicorn/require-post-message-target-origin -- a worker thread is not a window
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import type { Row } from "./prepared.js"
import { DriverError } from "./DriverError.js"

// The program is text, because the modules of this package are TypeScript in tests and JavaScript in a build.
const program = `
  const { parentPort, workerData } = require("node:worker_threads")
  const { existsSync } = require("node:fs")
  const Database = require(workerData.binding)
  let database
  const open = () => {
    // The engine would create the file.
    if (!existsSync(workerData.path)) throw Object.assign(new Error("the file does not exist"), { code: "SQLITE_CANTOPEN" })
    return new Database(workerData.address, { timeout: workerData.busyTimeoutMs })
  }
  const run = ({ returnsRows, text }) => {
    database ??= open()
    if (returnsRows) return database.prepare(text).all()
    database.exec(text)
    return []
  }
  parentPort.on("message", (request) => {
    if (request === "close") {
      database?.close()
      parentPort.close()
      return
    }
    try {
      parentPort.postMessage({ rows: run(request) })
    } catch (error) {
      parentPort.postMessage({ rows: [], code: String(error.code ?? "SQLITE_CANTOPEN"), message: String(error.message) })
    }
  })`

/**
 * The location of this module, or of the bundle that contains it, from which `libsql` is resolved. CommonJS has no
 * `import.meta.url`.
 */
const ownLocation = (): string | URL => import.meta.url ?? __filename

/**
 * The mode in which a file is opened.
 *
 * - `read`: writes nothing, and never deletes the log when it closes.
 * - `write`: may write.
 * - `immutable`: takes no lock, and creates no log or shared memory beside the file, in any journal mode. Only for a
 *   file that no process writes meanwhile.
 *
 * It is set by URI (https://www.sqlite.org/uri.html), because the binding's own `readonly` option has no effect.
 */
export type Access = "read" | "write" | "immutable"

interface Reply {
  readonly rows: ReadonlyArray<Row>
  readonly code?: string
  readonly message?: string
}

interface Waiting {
  readonly resolve: (rows: ReadonlyArray<Row>) => void
  readonly reject: (error: unknown) => void
}

export class EngineThread {
  private readonly worker: Worker
  private readonly ended: Promise<void>
  private readonly waiting: Array<Waiting> = []
  private over: { readonly error: unknown } | undefined

  /** Starts the thread. The first statement opens the file, and fails when the file does not exist. */
  constructor(path: string, busyTimeoutMs: number, access: Access = "read") {
    const binding = createRequire(ownLocation()).resolve("libsql")
    const parameter = access === "immutable" ? "immutable=1" : access === "read" ? "mode=ro" : "mode=rw"
    const address = `${pathToFileURL(path).href}?${parameter}`
    this.worker = new Worker(program, {
      eval: true,
      execArgv: [],
      workerData: { binding, path, address, busyTimeoutMs }
    })
    this.worker.on("message", (reply: Reply) => this.answer(reply))
    this.worker.on("error", (error) => this.fail(error))
    this.ended = new Promise((resolve) =>
      this.worker.once("exit", () => {
        this.fail(new DriverError("SEALANT_CLOSED", "the thread has ended"))
        resolve()
      })
    )
  }

  /** Runs one statement and returns its rows. */
  all(text: string): Promise<ReadonlyArray<Row>> {
    return this.request({ returnsRows: true, text })
  }

  /** Runs text that returns no rows. */
  async exec(text: string): Promise<void> {
    await this.request({ returnsRows: false, text })
  }

  /** Closes the connection after its current statement. Waits for that, unless a statement is still running. */
  async close(): Promise<void> {
    const isBusy = this.waiting.length > 0
    this.worker.postMessage("close")
    if (!isBusy) await this.ended
  }

  private request(message: { readonly returnsRows: boolean; readonly text: string }): Promise<ReadonlyArray<Row>> {
    return new Promise((resolve, reject) => {
      if (this.over !== undefined) return reject(this.over.error)
      this.waiting.push({ resolve, reject })
      this.worker.postMessage(message)
    })
  }

  // Replies arrive in the order of the requests.
  private answer({ code, message = "", rows }: Reply): void {
    const first = this.waiting.shift()
    if (code === undefined) first?.resolve(rows)
    else first?.reject(new DriverError(code, message))
  }

  private fail(error: unknown): void {
    this.over ??= { error }
    for (const { reject } of this.waiting.splice(0)) reject(error)
  }
}
