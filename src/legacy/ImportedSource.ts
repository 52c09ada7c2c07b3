/**
 * Imported files of the predecessor, with the report of each import.
 */
import { Schema } from "effect"
import { Count, Name, Timestamp } from "../sql/columns.js"
import { Json } from "../sql/json.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"

/** The number of rows with the same violated rule, the same repair, or the same ignored column or table. */
export const RowsOfKind = Schema.Struct({ what: Schema.String, rows: Count })
export type RowsOfKind = typeof RowsOfKind.Type

/** The result for one table. Each of its rows is imported or rejected. */
export const ImportedTable = Schema.Struct({
  table: Schema.String,
  imported: Count,
  rejected: Count,
  /** Imported rows with a repair, by repair. A row may have several. */
  repaired: Schema.Array(RowsOfKind),
  /** Rejected rows, by violated rule. `import_rejects` contains them. */
  rejects: Schema.Array(RowsOfKind)
})
export type ImportedTable = typeof ImportedTable.Type

/** The report of an import. */
export const ImportReport = Schema.Struct({
  tables: Schema.Array(ImportedTable),
  imported: Count,
  rejected: Count,
  /** Columns and tables with values that the predecessor never had. They are not imported. */
  ignored: Schema.Array(RowsOfKind),
  /** Whether the same file was imported before. If so, the import changed nothing. */
  repeated: Schema.Boolean
})
export type ImportReport = typeof ImportReport.Type

/** A row of `legacy_imports`. */
export class ImportedSource extends Model.Class<ImportedSource>("ImportedSource")(
  {
    /** SHA-256 of the file, in hexadecimal. */
    sourceSha256: Name,
    /** The report of the first import of the file. */
    report: Json(ImportReport),
    importedAt: Timestamp
  },
  table({
    name: "legacy_imports",
    service: "LegacyImport",
    purpose: "Imported files of the predecessor, with the report of each. A file that is in it is not imported again."
  })
) {}
