/**
 * What keeps an operation on the whole database from being done. Public: `Maintenance` exports them.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/** Why an operation was refused before it did anything. */
export const MaintenanceRefusal = Schema.Literal("Unsupported", "TargetExists", "IsTheDatabase", "InUse", "NotABackup", "NotFound", "InvalidPath")
export type MaintenanceRefusal = typeof MaintenanceRefusal.Type

/**
 * The operation was refused, and nothing was touched. `problem` says in one line what is in the way, and the way out.
 *
 * - `Unsupported`: this kind of database cannot do it; a libSQL server has tools of its own.
 * - `TargetExists`: there is something at the path, and it was not said to replace it.
 * - `IsTheDatabase`: the path is that of the database itself, or of its log.
 * - `InUse`: another connection has the database open.
 * - `NotABackup`: the file is no database, a damaged one, or none that this program can use.
 * - `NotFound`: there is no such file.
 * - `InvalidPath`: the text is no path of a file.
 *
 * HTTP 409.
 */
export class MaintenanceRefused extends Schema.TaggedError<MaintenanceRefused>()(
  "MaintenanceRefused",
  { operation: Schema.String, reason: MaintenanceRefusal, problem: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return this.problem
  }
}

/**
 * The operation failed on its way (the disk, the engine, a copy that did not verify), and what it had made is removed
 * again. `problem` says in one line what failed. HTTP 503.
 */
export class MaintenanceFailed extends Schema.TaggedError<MaintenanceFailed>()(
  "MaintenanceFailed",
  { operation: Schema.String, problem: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return this.problem
  }
}
