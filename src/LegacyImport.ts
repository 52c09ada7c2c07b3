/**
 * Takes over a database of the predecessor: every row is decoded and checked, repaired where its other columns determine the
 * right value, and stored in `import_rejects` where no table accepts it. See docs/legacy-import.md.
 *
 * What it guarantees: all of it is one transaction, so that a failure leaves nothing; each row of the source is imported
 * or rejected, and counted; the source is not written, and nothing is made beside it; the same file again changes nothing.
 */
import type { SqlClient } from "@effect/sql"
import type { Effect } from "effect"
import type { ImportReport } from "./legacy/ImportedSource.js"
import type { PersistenceError } from "./Errors.js"
import type { LegacyImportFailed, LegacyImportRefused } from "./legacy/errors.js"
import { importSource, type ImportOptions } from "./legacy/importSource.js"

export { LegacyImportFailed, LegacyImportRefusal, LegacyImportRefused } from "./legacy/errors.js"
export type { ImportOptions } from "./legacy/importSource.js"

/**
 * Imports the database of the predecessor at `path` into this one, which has to be empty. Rows are read in batches: a
 * million of them are not held in memory. Other programs wait for the write lock meanwhile.
 *
 * Answers with the report of the first time, `repeated`, where the same file, by its bytes, was imported before.
 *
 * Fails with `LegacyImportRefused` for a file that is not there, is in use, is no database, a damaged one or none of the predecessor's,
 * and for a database that has rows already; with `LegacyImportFailed` when the source cannot be read to its end, or changes on the way;
 * with `PersistenceError`. After each, nothing was written.
 */
export const run: (
  path: string,
  options?: ImportOptions
) => Effect.Effect<ImportReport, LegacyImportRefused | LegacyImportFailed | PersistenceError, SqlClient.SqlClient> = importSource
