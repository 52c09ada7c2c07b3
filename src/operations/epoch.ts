/**
 * The epoch of the journal in a restored database. Events that were written after the backup are gone, and their
 * positions are reused: a new epoch makes readers with an old position notice that.
 */
import { Effect } from "effect"
import { defaultBusyTimeoutMs } from "../Database.js"
import { MaintenanceFailed } from "./errors.js"
import { syncFile } from "./files.js"
import { engineProblem, readerOfFile } from "./reader.js"

/** Writes a new epoch of the journal into a file that no process has open, and syncs it to the disk. */
export const beginEpoch = (operation: string, path: string): Effect.Effect<void, MaintenanceFailed> =>
  readerOfFile(path, defaultBusyTimeoutMs, "write").pipe(
    Effect.flatMap((file) => file.exec("UPDATE control_plane_journal SET epoch = lower(hex(randomblob(16)))")),
    Effect.mapError(
      (error) => new MaintenanceFailed({ operation, problem: `the copy cannot be written: ${engineProblem(error)}` })
    ),
    Effect.scoped,
    Effect.zipRight(syncFile(operation, path))
  )
