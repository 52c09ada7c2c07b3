/**
 * Worker processes that the API, the demo and the tests start and end.
 */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const ended = (child: ChildProcess) =>
  Effect.async<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.void)
    else child.once("exit", () => resume(Effect.void))
  })

/** Sends a signal to a process and waits until it has ended. */
export const end = (child: ChildProcess, signal: "SIGTERM" | "SIGKILL") =>
  Effect.zipRight(
    Effect.sync(() => child.kill(signal)),
    ended(child)
  )

/** Starts a worker with these variables. Closing the scope sends SIGTERM and waits until the worker has ended. */
export const startWorker = (name: string, environment: Readonly<Record<string, string>> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--import", "tsx", fileURLToPath(new URL("worker.ts", import.meta.url)), name], {
        env: { ...process.env, ...environment },
        stdio: ["ignore", "inherit", "inherit"]
      })
    ),
    (child) => end(child, "SIGTERM")
  )
