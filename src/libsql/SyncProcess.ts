/**
 * A child process that copies the changes of a libSQL server into a replica file.
 *
 * The driver does that, but its calls block their thread for as long as the server takes, also when a process ends, and
 * its log goes to the standard output. A process of its own can be killed at any time: the file is in WAL mode.
 *
 * The child ends with its parent, whose end closes the channel between them.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { createRequire } from "node:module"
import { DriverError } from "./DriverError.js"
import { clearTimeout, setTimeout } from "./timers.js"

// The program is text, because the modules of this package are TypeScript in tests and JavaScript in a build.
const program = `
  process.umask(0o077)
  const Database = require(process.argv[1])
  let database
  process.on("disconnect", () => process.exit())
  process.on("message", ({ path, token, url }) => {
    try {
      database ??= new Database(path, { syncUrl: url, authToken: token })
      const { frame_no = 0, frames_synced = 0 } = database.sync() ?? {}
      process.send({ index: String(frame_no), changes: Number(frames_synced) })
    } catch (error) {
      process.send({ problem: String(error.message) }, () => process.exit())
    }
  })`

/** The result of copying changes: the replication index of the file, and the number of changes copied. */
export interface Synced {
  readonly index: bigint
  readonly changes: number
}

interface Reply {
  readonly index?: string
  readonly changes?: number
  readonly problem?: string
}

/** The location of this module, or of the bundle that contains it. CommonJS has no `import.meta.url`. */
const ownLocation = (): string | URL => import.meta.url ?? __filename

export class SyncProcess {
  private child: ChildProcess | undefined

  constructor(
    private readonly path: string,
    private readonly url: string,
    /** The longest time for one copy. After it, the child is replaced. */
    private readonly timeoutMs: number
  ) {}

  /**
   * Copies the changes that the server has now. Rejects with `SEALANT_SYNC` after a failure. A child that failed ends, so
   * that the next one opens the file and the connection again.
   */
  sync(token: string): Promise<Synced> {
    const child = (this.child ??= this.start())
    return new Promise((resolve, reject) => {
      const fail = (problem: string) => {
        end()
        this.close()
        reject(new DriverError("SEALANT_SYNC", problem))
      }
      const timer = setTimeout(() => fail(`took longer than ${this.timeoutMs} ms`), this.timeoutMs)
      const answered = ({ changes = 0, index, problem }: Reply) => {
        if (index === undefined) return fail(reasonOf(problem ?? ""))
        end()
        resolve({ index: BigInt(index), changes })
      }
      const exited = () => fail("its process has ended")
      const end = () => {
        clearTimeout(timer)
        child.off("message", answered)
        child.off("exit", exited)
        child.off("error", exited)
      }
      child.on("message", answered)
      child.once("exit", exited)
      child.once("error", exited)
      child.send({ path: this.path, url: this.url, token }, (error) => {
        if (error !== null) exited()
      })
    })
  }

  close(): void {
    this.child?.kill("SIGKILL")
    this.child = undefined
  }

  private start(): ChildProcess {
    const binding = createRequire(ownLocation()).resolve("libsql")
    const child = spawn(process.execPath, ["-e", program, binding], {
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      // The options of this process may start an inspector, or load modules that the child does not need.
      env: { ...process.env, NODE_OPTIONS: "", RUST_LOG: "off" }
    })
    // Without these, the child would keep a program running that does not close its database.
    child.unref()
    child.channel?.unref()
    child.on("error", () => undefined)
    return child
  }
}

/** Describes a failure of the driver. Its messages may name hosts. */
const reasonOf = (problem: string): string =>
  /wal_index|not a database|malformed/.test(problem)
    ? "the driver cannot use the replica file: delete it and the files beside it"
    : /40[13]|[Uu]nauthorized|[Uu]nauthenticated|JWT/.test(problem)
      ? "the server does not accept the token"
      : /IO error|unable to open|No such file|[Dd]isk|full/.test(problem)
        ? "the replica file cannot be written"
        : "the server cannot be reached, or does not offer changes"
