/**
 * A row of the predecessor that an import could not accept.
 */
import { Schema } from "effect"
import { Count, JsonObject, Json, Name, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"

/** One row of `import_rejects`. */
export class ImportReject extends Model.Class<ImportReject>("ImportReject")({
  id: Count,
  sourceTable: Name,
  /** The primary key of the row there, as JSON where it has several columns. */
  sourceKey: Schema.String,
  /** The row as it was found, whole. It may hold secrets. */
  rowPayload: Json(JsonObject),
  /** Which rule it breaks. */
  reason: Name,
  importedAt: Timestamp
}, table({
  name: "import_rejects",
  service: "LegacyImport",
  purpose: "Rows of the predecessor that an import could not accept, whole, so that nothing is lost."
})) {}
