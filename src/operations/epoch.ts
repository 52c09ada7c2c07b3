/**
 * The epoch of the journal in a restored database. Events that were written after the backup are gone, and their positions
 * are given again: readers with a position of the old epoch must learn that.
 */
import { Effect } from "effect"
import { defaultBusyTimeoutMs } from "../Database.js"
import { MaintenanceFailed } from "./errors.js"
import { syncFile } from "./files.js"
import { engineProblem, readerOfFile } from "./reader.js"

/** Gives the journal in a file that nobody has open a new epoch, and puts it on the disk. */
export const beginEpoch = (operation: string, path: string): Effect.Effect<void, MaintenanceFailed> =>
  readerOfFile(path, defaultBusyTimeoutMs, "write").pipe(
    Effect.flatMap((file) => file.exec("UPDATE control_plane_journal SET epoch = lower(hex(randomblob(16)))")),
    Effect.mapError((error) => new MaintenanceFailed({ operation, problem: `the copy cannot be written: ${engineProblem(error)}` })),
    Effect.scoped,
    Effect.zipRight(syncFile(operation, path))
  )
