/**
 * The schemas of pages. `page.ts` reads pages; this file imports no part of the engine, so a browser can import it.
 */
import { type Option, Schema } from "effect"

/** The maximum number of items in a page. */
export const maxLimit = 500

// Enough for the longest id of an existing row.
export const maxCursorLength = 10_000

/**
 * One page, and the cursor of the next page, if there is one. A page of long rows ends before its limit: only a page
 * without `nextCursor` is the last one.
 */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly nextCursor: Option.Option<string>
}

/** Builds the schema of a page of items: `Page(SandboxView)`. */
export const Page = <Item extends Schema.Schema.Any>(item: Item) =>
  Schema.Struct({
    items: Schema.Array(item),
    nextCursor: Schema.optionalWith(Schema.String, { as: "Option" })
  })

/** Request for one page. `limit` is 1 to 500, default 50; `cursor` is the `nextCursor` of the previous page. */
export const PageRequest = Schema.Struct({
  limit: Schema.optional(Schema.Int.pipe(Schema.between(1, maxLimit))),
  cursor: Schema.optional(Schema.String.pipe(Schema.maxLength(maxCursorLength)))
})
export interface PageRequest extends Schema.Schema.Type<typeof PageRequest> {}
