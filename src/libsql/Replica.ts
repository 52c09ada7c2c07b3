/**
 * A local file with a copy of the database of a libSQL server, for reads.
 *
 * A child process copies the changes of the server (`SyncProcess.ts`): at intervals, and after each write of this process.
 * The file answers a read only if it contains all writes of this process, and the last copy has succeeded. The numbers
 * of changes alone do not prove the first: they begin again when a primary is restored. So the copy must also have begun
 * after the last write.
 */
import Database from "libsql"
import { existsSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { Connection } from "./Connection.js"
import type { Reads, Result } from "./prepared.js"
import { DriverError } from "./DriverError.js"
import { makeDirectory, reasonOf } from "./openLocal.js"
import type { ReplicationIndex } from "./ReplicationIndex.js"
import { SyncProcess } from "./SyncProcess.js"
import { clearTimeout, setTimeout } from "./timers.js"

export interface ReplicaOptions {
  readonly path: string
  readonly url: string
  readonly token: () => Promise<string>
  readonly position: ReplicationIndex
  readonly requestTimeoutMs: number
  /** Called after changes of the server were copied. */
  readonly onChange: () => void
  /** Receives the reason when a copy fails after one that succeeded, and `undefined` when one succeeds after a failure. */
  readonly onHealth: (problem: string | undefined) => void
}

// The longest age of a read while the server can be reached. A copy without changes takes 0.4 ms of a loopback server.
const intervalMs = 250
const longestPauseMs = 5000

export class Replica {
  private readonly reader: Connection
  private readonly process: SyncProcess
  private readonly lock: Database.Database
  private closed = false
  /** The state of the file; `undefined` before the first copy. */
  private state: { readonly index: bigint; readonly writes: number } | undefined
  private failures = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private isSyncing = false
  private isWanted = false

  /** Opens the file, and begins to copy. Throws `SEALANT_REPLICA` if the path cannot be used. */
  constructor(private readonly options: ReplicaOptions) {
    const { path, requestTimeoutMs, url } = options
    preparePath(path)
    this.lock = lockOf(path)
    this.reader = new Connection({ path, synchronous: "normal", role: "reader" })
    this.process = new SyncProcess(path, url, requestTimeoutMs)
    void this.sync()
  }

  /** True if reads of the file contain all writes of this process. */
  private get isCurrent(): boolean {
    const { position } = this.options
    return this.state !== undefined && this.state.writes === position.writes && position.begin()(this.state.index)
  }

  /** True if the file answers reads. */
  get isReady(): boolean {
    return this.failures === 0 && this.isCurrent
  }

  /** Runs a read. Returns `undefined` if the file cannot answer it. */
  read(sql: string, values: ReadonlyArray<unknown>, reads: Reads): Result | undefined {
    if (!this.isReady) return undefined
    return this.readFile(sql, values, reads)
  }

  /** Runs a read that the server did not answer. Its result may be old, but contains all writes of this process. */
  readInstead(sql: string, values: ReadonlyArray<unknown>, reads: Reads): Result | undefined {
    return this.isCurrent ? this.readFile(sql, values, reads) : undefined
  }

  private readFile(sql: string, values: ReadonlyArray<unknown>, reads: Reads): Result | undefined {
    try {
      return this.reader.run(sql, values, reads)
    } catch {
      // The file is locked or damaged, or the statement is wrong: the server answers.
      return undefined
    }
  }

  /** Copies changes soon, because the file is behind. */
  want(): void {
    this.isWanted = true
    if (this.isSyncing || this.failures > 0) return
    clearTimeout(this.timer)
    void this.sync()
  }

  close(): void {
    this.closed = true
    clearTimeout(this.timer)
    this.reader.end()
    this.process.close()
    this.lock.close()
  }

  private async sync(): Promise<void> {
    this.isSyncing = true
    this.isWanted = false
    const { onChange, onHealth, position, token } = this.options
    const { writes } = position
    try {
      const { changes, index } = await this.process.sync(await token())
      if (this.closed) return
      this.state = { index, writes }
      if (this.failures > 0) onHealth(undefined)
      this.failures = 0
      if (changes > 0) onChange()
    } catch (error) {
      if (this.closed) return
      if (this.failures++ === 0) onHealth(error instanceof DriverError ? error.message : "unknown reason")
    }
    this.isSyncing = false
    this.timer = setTimeout(() => void this.sync(), this.pauseMs())
    this.timer.unref()
  }

  private pauseMs(): number {
    if (this.failures > 0) return Math.min(intervalMs * 2 ** (this.failures - 1), longestPauseMs)
    return this.isWanted && !this.isCurrent ? 0 : intervalMs
  }
}

const refuse = (problem: string, cause?: unknown): never => {
  throw new DriverError("SEALANT_REPLICA", problem, { cause })
}

/** Refuses a path whose file is not a replica, because the first copy would overwrite it. */
const preparePath = (path: string): void => {
  if (path.trim() === "") refuse("is empty; give the path of the replica file")
  if (/^:memory:|^file:/.test(path)) refuse("takes a plain path")
  try {
    makeDirectory(dirname(path))
    if (!existsSync(path)) return
    if (!statSync(path).isFile()) refuse("is not a file")
  } catch (error) {
    if (error instanceof DriverError) throw error
    refuse(`the directory cannot be created: ${reasonOf(error)}`, error)
  }
  if (statSync(path).size > 0 && !existsSync(`${path}-client_wal_index`))
    refuse("is a file that is not a replica; give the path of a file that does not exist")
}

/** Takes the lock of the replica, which ends with this process. Two processes must not copy into one file. */
const lockOf = (path: string): Database.Database => {
  let database: Database.Database | undefined
  try {
    database = new Database(`${path}-lock`, { timeout: 0 })
    database.exec("BEGIN EXCLUSIVE")
    return database
  } catch (cause) {
    const isBusy = database !== undefined && cause instanceof Error && "code" in cause && cause.code === "SQLITE_BUSY"
    database?.close()
    return refuse(isBusy ? "is in use; give each process a replica of its own" : "cannot be opened for writing", cause)
  }
}
