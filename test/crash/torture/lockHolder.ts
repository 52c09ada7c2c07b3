/**
 * A process that holds the write lock of a database repeatedly, or reads for a long time. It uses the binding directly, and
 * blocks while it waits.
 *
 * It reports `ready`. `storm N` takes the lock N times; `hold` and `read` last until the next line; `end` ends the process.
 */
import Native from "libsql"
import { createInterface } from "node:readline"
import { writeReport } from "../../support/children.js"
import { randomOf } from "./random.js"

/** The argument of the process, in JSON. */
export interface LockHolderOptions {
  readonly filePath: string
  readonly seed: number
  /** Some holds are longer than this. */
  readonly busyTimeoutMs: number
}

export interface LockHolderReport {
  readonly type: "ready" | "holding" | "reading" | "released" | "done"
}

const { busyTimeoutMs, filePath, seed }: LockHolderOptions = JSON.parse(process.argv[2] ?? "{}")
const random = randomOf(seed)
const database = new Native(filePath, { timeout: 60_000 })

const block = (millis: number) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)

const storm = (count: number) => {
  for (let hold = 0; hold < count; hold++) {
    database.exec(random.chance(0.5) ? "BEGIN IMMEDIATE" : "BEGIN EXCLUSIVE")
    block(random.chance(0.1) ? busyTimeoutMs * (1 + random.below(100) / 100) : random.below(40))
    database.exec(random.chance(0.5) ? "COMMIT" : "ROLLBACK")
    block(random.below(20))
  }
}

const sendLine = (type: LockHolderReport["type"]) => writeReport<LockHolderReport>({ type })
let open = false

const obey = (line: string) => {
  if (open) {
    database.exec("COMMIT")
    open = false
    sendLine("released")
  }
  const [word, count] = line.split(" ")
  if (word === "storm") {
    storm(Number(count))
    sendLine("done")
  } else if (word === "hold") {
    database.exec("BEGIN IMMEDIATE")
    open = true
    sendLine("holding")
  } else if (word === "read") {
    database.exec("BEGIN")
    database.prepare("SELECT count(*) AS n FROM sqlite_schema").all()
    open = true
    sendLine("reading")
  } else if (word === "end") process.exit()
}

createInterface({ input: process.stdin })
  .on("line", obey)
  .on("close", () => process.exit())
sendLine("ready")
