/**
 * Errors of an import.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/** The reason of a `LegacyImportRefused`, which describes each. */
export const LegacyImportRefusal = Schema.Literal(
  "NotFound",
  "InUse",
  "NotADatabase",
  "NotThePredecessors",
  "TargetNotEmpty"
)
export type LegacyImportRefusal = typeof LegacyImportRefusal.Type

/**
 * The import was refused, and nothing was written. `problem` contains the cause and the remedy in one line.
 *
 * - `NotFound`: the source does not exist or cannot be read.
 * - `InUse`: a program has the source open or did not close it: a log or journal beside the file contains changes.
 * - `NotADatabase`: the source is not a SQLite database, or is damaged.
 * - `NotThePredecessors`: the source lacks tables or columns of the predecessor, or is a database of this package.
 * - `TargetNotEmpty`: the target contains rows that were not imported from this file.
 *
 * HTTP 409.
 */
export class LegacyImportRefused extends Schema.TaggedError<LegacyImportRefused>("@sealant/db/LegacyImportRefused")(
  "LegacyImportRefused",
  { reason: LegacyImportRefusal, problem: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return this.problem
  }
}

/**
 * The source could not be read completely or changed during the import. Nothing was written. `problem` contains the
 * cause in one line. HTTP 503.
 */
export class LegacyImportFailed extends Schema.TaggedError<LegacyImportFailed>("@sealant/db/LegacyImportFailed")(
  "LegacyImportFailed",
  { problem: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return this.problem
  }
}

/** Makes a `LegacyImportRefused`. */
export const refuse = (reason: LegacyImportRefusal, problem: string) => new LegacyImportRefused({ reason, problem })
