/**
 * Worker processes that the API, the demo and the tests start and end.
 */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { dirname, extname, join } from "node:path"

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

/** The arguments of `node` for the worker beside the running program, which is compiled in the same way. */
const workerBeside = (program: string): ReadonlyArray<string> => [
  ...process.execArgv,
  join(dirname(program), `worker${extname(program)}`)
]

/**
 * Starts a worker with these variables. Closing the scope sends SIGTERM and waits until the worker has ended.
 *
 * `worker` has the arguments of `node`. Default: the worker beside the running program.
 */
export const startWorker = (
  name: string,
  environment: Readonly<Record<string, string>> = {},
  worker = workerBeside(process.argv[1] ?? "")
) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [...worker, name], {
        env: { ...process.env, ...environment },
        stdio: ["ignore", "inherit", "inherit"]
      })
    ),
    (child) => end(child, "SIGTERM")
  )
