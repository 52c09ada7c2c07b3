/**
 * What lists share over HTTP: the cursor of a page is a parameter of the next request.
 */
import { Schema } from "effect"

/** A field that is absent when there is nothing. */
export const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { as: "Option" })

/** Where a list begins, and how much of it is asked for. */
export const PageParams = Schema.Struct({
  limit: Schema.optional(Schema.NumberFromString),
  cursor: Schema.optional(Schema.String)
})

/** The same without what was not given. */
export const pageOf = ({ cursor, limit }: typeof PageParams.Type) => ({
  ...(cursor === undefined ? {} : { cursor }),
  ...(limit === undefined ? {} : { limit })
})

/** Some items, and the cursor of those that follow, if any do. */
export const Page = <A, I>(item: Schema.Schema<A, I>) => Schema.Struct({ items: Schema.Array(item), nextCursor: optional(Schema.String) })
