/**
 * Pagination of the API: the cursor of a page is a parameter of the next request.
 */
import { PageRequest } from "@sealant/db"
import { Schema } from "effect"

/** The URL parameters of a list: a `PageRequest` whose limit is text. The list checks its range. */
export const PageParams = Schema.Struct({ ...PageRequest.fields, limit: Schema.optional(Schema.NumberFromString) })
