/**
 * What keeps an import from being done.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/** Why an import was refused before it wrote anything. */
export const LegacyImportRefusal = Schema.Literal("NotFound", "InUse", "NotADatabase", "NotThePredecessors", "TargetNotEmpty")
export type LegacyImportRefusal = typeof LegacyImportRefusal.Type

/**
 * The import was refused, and nothing was written. `problem` says in one line what is in the way, and the way out.
 *
 * - `NotFound`: there is no such file, or it cannot be read.
 * - `InUse`: a program has it open, or did not close it: a log or a journal with changes is beside it.
 * - `NotADatabase`: it is no SQLite database, or a damaged one.
 * - `NotThePredecessors`: it has not the predecessor's tables and columns, or is a database of this program.
 * - `TargetNotEmpty`: the database that is to be filled has rows, and not from an import of this file.
 *
 * HTTP 409.
 */
export class LegacyImportRefused extends Schema.TaggedError<LegacyImportRefused>()(
  "LegacyImportRefused",
  { reason: LegacyImportRefusal, problem: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {
  override get message() {
    return this.problem
  }
}

/** The source could not be read to its end, and nothing was written. `problem` says in one line what failed. HTTP 503. */
export class LegacyImportFailed extends Schema.TaggedError<LegacyImportFailed>()(
  "LegacyImportFailed",
  { problem: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return this.problem
  }
}

/** The import is refused, for this reason. */
export const refuse = (reason: LegacyImportRefusal, problem: string) => new LegacyImportRefused({ reason, problem })
