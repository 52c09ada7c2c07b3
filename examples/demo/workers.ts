/**
 * Worker processes: started, listened to, killed.
 */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { WorkerMessage } from "./messages.js"

/** A worker process, and what it has told so far. */
export interface Worker {
  readonly name: string
  readonly process: ChildProcess
  readonly messages: ReadonlyArray<WorkerMessage>
}

/** Starts a worker on the database of this environment. It is told to stop, and given time to, when the scope closes. */
export const startWorker = (name: string, filePath: string) =>
  Effect.acquireRelease(
    Effect.sync((): Worker => {
      const messages: Array<WorkerMessage> = []
      const child = spawn(process.execPath, ["--import", "tsx", fileURLToPath(new URL("worker.ts", import.meta.url)), name], {
        env: { ...process.env, DATABASE_FILE_PATH: filePath },
        stdio: ["ignore", "inherit", "inherit", "ipc"]
      })
      child.on("message", (message) => messages.push(message as WorkerMessage))
      return { name, process: child, messages }
    }),
    (worker) => stop(worker)
  )

const hasEnded = ({ process }: Worker) => process.exitCode !== null || process.signalCode !== null

const ended = (worker: Worker) =>
  Effect.async<void>((resume) => {
    if (hasEnded(worker)) resume(Effect.void)
    else worker.process.once("exit", () => resume(Effect.void))
  })

const stop = (worker: Worker) =>
  Effect.suspend(() => {
    worker.process.kill("SIGTERM")
    return ended(worker)
  })

/** Ends a worker as a power cut would: it has no say. */
export const kill = (worker: Worker) =>
  Effect.suspend(() => {
    worker.process.kill("SIGKILL")
    return ended(worker)
  })
