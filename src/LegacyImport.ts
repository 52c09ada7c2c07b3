/**
 * Import of a database of the predecessor. Every row is decoded and checked. Rows are repaired where their other
 * columns determine the right value, and stored in `import_rejects` if no table accepts them. Databases of the
 * predecessor's last SQLite release are imported, too. See docs/legacy-import.md.
 *
 * Guarantees:
 * - The import is one transaction: after a failure, nothing is stored.
 * - Each row of the source is imported or rejected, and counted.
 * - The source is only read, and no file is created beside it.
 * - Importing the same file again changes nothing.
 */
import type { SqlClient } from "@effect/sql"
import type { Effect } from "effect"
import type { ImportReport } from "./legacy/ImportedSource.js"
import type { PersistenceError } from "./Errors.js"
import type { LegacyImportFailed, LegacyImportRefused } from "./legacy/errors.js"
import { importSource, type ImportOptions } from "./legacy/importSource.js"

export { LegacyImportFailed, LegacyImportRefusal, LegacyImportRefused } from "./legacy/errors.js"
export { ImportedTable, ImportReport, RowsOfKind } from "./legacy/ImportedSource.js"
export type { ImportOptions } from "./legacy/importSource.js"

/**
 * Imports the database of the predecessor at `path` into this database, which must be empty. Reads rows in batches, so
 * memory does not grow with the source. Holds the write lock until its end.
 *
 * Returns the first report, with `repeated: true`, if a file with the same bytes was imported before.
 *
 * Fails, and writes nothing:
 * - `LegacyImportRefused`: the file does not exist, is in use, is damaged, or is not a database of the predecessor; or
 *   this database already contains rows.
 * - `LegacyImportFailed`: the source cannot be read completely, or changes during the import.
 * - `PersistenceError`: the database could not complete the import.
 */
export const run: (
  path: string,
  options?: ImportOptions
) => Effect.Effect<ImportReport, LegacyImportRefused | LegacyImportFailed | PersistenceError, SqlClient.SqlClient> =
  importSource
