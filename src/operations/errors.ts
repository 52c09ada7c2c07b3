/**
 * The errors of operations on the whole database. Public: `Maintenance` exports them.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/** The reason for refusing an operation before it changed anything. */
export const MaintenanceRefusal = Schema.Literal(
  "Unsupported",
  "TargetExists",
  "IsTheDatabase",
  "InUse",
  "NotABackup",
  "NotFound",
  "InvalidPath"
)
export type MaintenanceRefusal = typeof MaintenanceRefusal.Type

/**
 * The operation was refused, and nothing was changed. `problem` contains the cause and the remedy in one line.
 *
 * - `Unsupported`: this kind of database does not support the operation; a libSQL server has tools of its own.
 * - `TargetExists`: the path exists, and overwriting was not requested.
 * - `IsTheDatabase`: the path is that of the database itself, or of its log.
 * - `InUse`: another connection has the database open.
 * - `NotABackup`: the file is not a database, is damaged, or cannot be used by this program.
 * - `NotFound`: the file does not exist.
 * - `InvalidPath`: the text is not the path of a file.
 *
 * HTTP 409.
 */
export class MaintenanceRefused extends Schema.TaggedError<MaintenanceRefused>("@sealant/db/MaintenanceRefused")(
  "MaintenanceRefused",
  { operation: Schema.String, reason: MaintenanceRefusal, problem: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return this.problem
  }
}

/**
 * The operation failed after it began: because of the disk, the engine, or a copy that is not valid. The files that
 * it made were removed. `problem` contains the failure in one line. HTTP 503.
 */
export class MaintenanceFailed extends Schema.TaggedError<MaintenanceFailed>("@sealant/db/MaintenanceFailed")(
  "MaintenanceFailed",
  { operation: Schema.String, problem: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return this.problem
  }
}
