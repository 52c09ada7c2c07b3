/**
 * A connection of the engine in a thread of its own, for what takes long: a copy of the whole database, a look at each
 * of its pages. The binding is synchronous: here it would keep the event loop, and with it every writer, for as long.
 *
 * A thread, and not a process: beside a thread a writer went on with 65 % of its commits while 137 MB were copied, beside a
 * process with 79 % (two cores, synchronous=full); but a process outlives the one that started it and is killed. Inside one process the engine knows of its connections in all
 * threads, so that closing one drops no lock of another.
 *
 * It is never terminated: a thread that ends in the middle leaves its connection open, with its locks. A statement that
 * nobody waits for any more runs to its end, and then the thread closes.
 */
// oxlint-disable unicorn/require-post-message-target-origin -- a thread is no window
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import type { Row } from "./Connection.js"
import { DriverError } from "./DriverError.js"

// Text, because modules of ours are TypeScript in tests and JavaScript when they are built: it is all that a thread needs.
const program = `
  const { parentPort, workerData } = require("node:worker_threads")
  const { existsSync } = require("node:fs")
  const Database = require(workerData.binding)
  let database
  const open = () => {
    // The engine would make it.
    if (!existsSync(workerData.path)) throw Object.assign(new Error("the file is not there"), { code: "SQLITE_CANTOPEN" })
    return new Database(workerData.address, { timeout: workerData.busyTimeoutMs })
  }
  const run = ({ returnsRows, text }) => {
    database ??= open()
    if (returnsRows) return database.prepare(text).all()
    database.exec(text)
    return []
  }
  parentPort.on("message", (order) => {
    if (order === "close") {
      database?.close()
      parentPort.close()
      return
    }
    try {
      parentPort.postMessage({ rows: run(order) })
    } catch (error) {
      parentPort.postMessage({ rows: [], code: String(error.code ?? "SQLITE_CANTOPEN"), message: String(error.message) })
    }
  })`

/** This module, or the bundle that contains it: `libsql` is resolved from there. CommonJS has no `import.meta.url`. */
const ownLocation = (): string | URL => import.meta.url ?? __filename

/**
 * - `read`: writes nothing, and never deletes the log when it closes.
 * - `write`: may write.
 * - `immutable`: takes no lock, and creates no log or shared memory beside the file, in any journal mode: only for a file
 *   that no process writes meanwhile.
 *
 * By URI (https://www.sqlite.org/uri.html): the binding's own `readonly` is without effect.
 */
export type Access = "read" | "write" | "immutable"

interface Told {
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

  /** The first statement opens the file, and fails when it does not exist. */
  constructor(path: string, busyTimeoutMs: number, access: Access = "read") {
    const binding = createRequire(ownLocation()).resolve("libsql")
    const parameter = access === "immutable" ? "immutable=1" : access === "read" ? "mode=ro" : "mode=rw"
    const address = `${pathToFileURL(path).href}?${parameter}`
    this.worker = new Worker(program, { eval: true, execArgv: [], workerData: { binding, path, address, busyTimeoutMs } })
    this.worker.on("message", (told: Told) => this.answer(told))
    this.worker.on("error", (error) => this.fail(error))
    this.ended = new Promise((resolve) => this.worker.once("exit", () => {
      this.fail(new DriverError("SEALANT_CLOSED", "the thread has ended"))
      resolve()
    }))
  }

  /** Runs one statement and gives its rows. */
  all(text: string): Promise<ReadonlyArray<Row>> {
    return this.order({ returnsRows: true, text })
  }

  /** Runs text that gives no rows. */
  async exec(text: string): Promise<void> {
    await this.order({ returnsRows: false, text })
  }

  /** Closes the connection after what runs on it, and waits for that unless a statement is still running. */
  async close(): Promise<void> {
    const isBusy = this.waiting.length > 0
    this.worker.postMessage("close")
    if (!isBusy) await this.ended
  }

  private order(message: { readonly returnsRows: boolean; readonly text: string }): Promise<ReadonlyArray<Row>> {
    return new Promise((resolve, reject) => {
      if (this.over !== undefined) return reject(this.over.error)
      this.waiting.push({ resolve, reject })
      this.worker.postMessage(message)
    })
  }

  // Orders are answered in their order.
  private answer({ code, message = "", rows }: Told): void {
    const first = this.waiting.shift()
    if (code === undefined) first?.resolve(rows)
    else first?.reject(new DriverError(code, message))
  }

  private fail(error: unknown): void {
    this.over ??= { error }
    for (const { reject } of this.waiting.splice(0)) reject(error)
  }
}
