/**
 * Rows of the predecessor that an import rejected.
 */
import { Schema } from "effect"
import { Count, Name, Timestamp } from "../sql/columns.js"
import { JsonObject, Json } from "../sql/json.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"

/** A row of `import_rejects`. */
export class ImportReject extends Model.Class<ImportReject>("ImportReject")(
  {
    id: Count,
    sourceTable: Name,
    /** The primary key of the row in the source; JSON if the key has several columns. */
    sourceKey: Schema.String,
    /** The complete source row. It may contain secrets. */
    rowPayload: Json(JsonObject),
    /** The violated rule. */
    reason: Name,
    importedAt: Timestamp
  },
  table({
    name: "import_rejects",
    service: "LegacyImport",
    purpose: "Complete rows of the predecessor that an import rejected."
  })
) {}
