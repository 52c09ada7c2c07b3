/**
 * Takes over a database of the predecessor: every row is decoded and checked, mended where it says itself what was meant,
 * and kept whole in `import_rejects` where no table takes it.
 *
 * What it guarantees: all of it is one transaction, so that a failure leaves nothing; each row of the source is imported
 * or rejected, and counted; the source is not written; the same file again changes nothing.
 */
import type { SqlClient } from "@effect/sql"
import { Context, type Effect, Layer } from "effect"
import type { PersistenceError } from "../Errors.js"
import type { LegacyImportFailed, LegacyImportRefused } from "./errors.js"
import { make } from "./makeLegacyImport.js"

/** What became of the rows of one table. */
export interface ImportedTable {
  readonly table: string
  readonly imported: number
  /** How many rows were mended, by what was mended: `email: in lower case, as sign-in looks for it`. A row may have several. */
  readonly repaired: Readonly<Record<string, number>>
  /** How many rows were rejected, by the rule that they break. They are in `import_rejects`, whole. */
  readonly rejected: Readonly<Record<string, number>>
}

/** What an import came to. */
export interface ImportReport {
  readonly tables: ReadonlyArray<ImportedTable>
  readonly imported: number
  readonly rejected: number
  /** Whether all of it was here already, from an import of the same file: then nothing was changed. */
  readonly repeated: boolean
}

/** How an import is told of. */
export interface ImportOptions {
  /** Told how many rows of a table have been gone through, again and again. */
  readonly onProgress?: (table: string, rows: number) => Effect.Effect<void>
}

/** What `LegacyImport` can do. */
export interface LegacyImportService {
  /**
   * Imports the database of the predecessor at `path` into this one, which has to be empty. Rows are read in batches: a
   * million of them are not held in memory. Other programs wait for the write lock meanwhile.
   *
   * Fails with `LegacyImportRefused` for a file that is not there, no database or none of the predecessor's, and for a
   * database that has rows already, unless they are those of this very file; with `LegacyImportFailed` when the source
   * cannot be read to its end; with `PersistenceError`. After each, nothing was written.
   */
  readonly run: (
    path: string,
    options?: ImportOptions
  ) => Effect.Effect<ImportReport, LegacyImportRefused | LegacyImportFailed | PersistenceError>
}

export class LegacyImport extends Context.Tag("@sealant/db/LegacyImport")<LegacyImport, LegacyImportService>() {
  /** The import over `SqlClient`. */
  static readonly layer: Layer.Layer<LegacyImport, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
