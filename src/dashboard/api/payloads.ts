/**
 * The documents of rows, which may be confidential. The group does not exist with `--no-payloads` or `--read-only`.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import { Schema } from "effect"
import { NotFound } from "../../Errors.js"
import { ById } from "./common.js"
import { paths } from "./paths.js"

/** A JSON document as indented text, to be shown as text. Absent if the row has none. */
const Document = Schema.optional(Schema.String)

/** Reads of documents. */
export const payloads = HttpApiGroup.make("payloads")
  .add(
    HttpApiEndpoint.get("job", paths.payloads.job[1])
      .setPath(ById)
      .addSuccess(Schema.Struct({ request: Document, result: Document }))
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.get("webhook", paths.payloads.webhook[1])
      .setPath(ById)
      .addSuccess(Schema.Struct({ payload: Document }))
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.get("executionEvent", paths.payloads.executionEvent[1])
      .setPath(Schema.Struct({ id: Schema.String, sequence: Schema.NumberFromString }))
      .addSuccess(Schema.Struct({ payload: Document }))
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.get("artifact", paths.payloads.artifact[1])
      .setPath(ById)
      .addSuccess(Schema.Struct({ content: Document }))
      .addError(NotFound)
  )
