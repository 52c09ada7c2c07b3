/**
 * Connections that are never closed or garbage-collected. Closing the last connection moves the log into the file and
 * deletes it. That must not happen to a log that was replaced, or under a process that has lost its locks.
 */
import { globalValue } from "effect/GlobalValue"

export const kept = globalValue(Symbol.for("@sealant/db/libsql/keptConnections"), () => ({
  keepAll: false,
  connections: new Set<object>()
}))

/**
 * Stops this process from closing connections. They end with the process, without the engine's cleanup. For a
 * short-lived program that runs beside others and ends by `process.exit`.
 */
export const keepConnectionsUntilExit = (): void => {
  kept.keepAll = true
}
