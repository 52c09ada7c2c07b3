/**
 * Pagination of the API: the cursor of a page is a parameter of the next request.
 */
import { Schema } from "effect"

/** Makes a field that is absent if it is `None`. */
export const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { as: "Option" })

/** The URL parameters of a list. */
export const PageParams = Schema.Struct({
  limit: Schema.optional(Schema.NumberFromString),
  cursor: Schema.optional(Schema.String)
})

/** Returns the parameters without undefined ones. */
export const pageOf = ({ cursor, limit }: typeof PageParams.Type) => ({
  ...(cursor === undefined ? {} : { cursor }),
  ...(limit === undefined ? {} : { limit })
})

/** Makes the schema of a page: items, and the cursor of the next page if there is one. */
export const Page = <A, I>(item: Schema.Schema<A, I>) =>
  Schema.Struct({ items: Schema.Array(item), nextCursor: optional(Schema.String) })
