/**
 * A watch on one file, through the operating system.
 *
 * The watch cannot drop locks of the engine by closing a descriptor. On Linux it uses the path and opens nothing.
 * Elsewhere it may open the file, but the watched file is the write-ahead log, on which the engine holds no locks.
 */
import { watch } from "node:fs"

/**
 * Calls `onChange` when the file is written, replaced or removed, and when the watch breaks. Returns a function that
 * ends the watch. Throws when the file cannot be watched.
 */
export const watchFile = (path: string, onChange: () => void): (() => void) => {
  const watcher = watch(path, { persistent: false }, onChange)
  watcher.on("error", onChange)
  return () => watcher.close()
}
