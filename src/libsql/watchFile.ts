/**
 * A watch on one file, through the operating system.
 *
 * It does not open the file where that would matter: on Linux it goes by the path, and the write-ahead log, which is what we
 * watch, is a file without locks.
 */
import { watch } from "node:fs"

/**
 * Calls `stirred` when the file is written, replaced or removed, and when the watch breaks. Returns how to end it. Throws
 * when the file cannot be watched.
 */
export const watchFile = (path: string, stirred: () => void): () => void => {
  const watcher = watch(path, { persistent: false }, stirred)
  watcher.on("error", stirred)
  return () => watcher.close()
}
