/**
 * A file of the predecessor that was taken over, and the report on it.
 */
import { Schema } from "effect"
import { Count, Json, Name, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"

/** A number of rows with the same rule that they violate, the same repair, or the same place. */
export const RowsOfKind = Schema.Struct({ what: Schema.String, rows: Count })
export type RowsOfKind = typeof RowsOfKind.Type

/** What became of the rows of one table. Each is imported or rejected. */
export const ImportedTable = Schema.Struct({
  table: Schema.String,
  imported: Count,
  rejected: Count,
  /** Rows that were imported with a repair, by repair. A row may have several. */
  repaired: Schema.Array(RowsOfKind),
  /** The rejected rows by the rule that they break. They are in `import_rejects`, whole. */
  rejects: Schema.Array(RowsOfKind)
})
export type ImportedTable = typeof ImportedTable.Type

/** What an import came to. */
export const ImportReport = Schema.Struct({
  tables: Schema.Array(ImportedTable),
  imported: Count,
  rejected: Count,
  /** Columns and tables that the predecessor never had, where they hold something. They are not imported. */
  ignored: Schema.Array(RowsOfKind),
  /** Whether all of it was here already, from an import of the same file: then nothing was changed. */
  repeated: Schema.Boolean
})
export type ImportReport = typeof ImportReport.Type

/** One row of `legacy_imports`. */
export class ImportedSource extends Model.Class<ImportedSource>("ImportedSource")({
  /** Of the bytes of the file, in hexadecimal. */
  sourceSha256: Name,
  /** As it was given when the file was imported. */
  report: Json(ImportReport),
  importedAt: Timestamp
}, table({
  name: "legacy_imports",
  service: "LegacyImport",
  purpose: "Which files of the predecessor were imported, with the report on each, so that the same file again changes nothing."
})) {}
