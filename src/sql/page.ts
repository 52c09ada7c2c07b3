/**
 * Keyset pages, newest first: each page starts below the last key of the one before, so that rows which come or go in
 * between neither repeat others nor hide them (https://use-the-index-luke.com/no-offset).
 */
import type { SqlClient, Statement } from "@effect/sql"
import { DateTime, Effect, Either, Option, ParseResult, Schema, type Stream } from "effect"
import { InvalidInput } from "../Errors.js"
import { storable } from "./columns.js"
import { pages } from "./paging.js"

/** One page, and the cursor of the next one, if there is one. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly nextCursor: Option.Option<string>
}

/** How much, and from where. `limit` is 1 to 500, by default 50; `cursor` is the `nextCursor` of the page before. */
export interface PageRequest {
  readonly limit?: number
  readonly cursor?: string
}

type Key = readonly [at: number, id: string]

/** Where a page starts and how long it is. */
export interface Start {
  readonly at: number
  readonly id: string
  readonly limit: number
}

const defaultLimit = 50
/** How many items a page may have. */
export const maxLimit = 500

// Longer than that of any id.
const maxCursorLength = 10_000

/** A cursor that holds this, as text that says nothing to whom it is given. */
export const cursorOf = <A, I>(key: Schema.Schema<A, I>) =>
  Schema.compose(
    Schema.compose(Schema.String.pipe(Schema.maxLength(maxCursorLength)), Schema.StringFromBase64Url),
    Schema.parseJson(key)
  )

const Cursor = cursorOf(Schema.Tuple(Schema.Int, storable(Schema.String)))
const decodeCursor = ParseResult.decodeUnknownEither(Cursor)
const encodeCursor = Schema.encodeSync(Cursor)

// Above every key: no instant is later.
const top: Key = [Number.MAX_SAFE_INTEGER, ""]

/** Fails with `InvalidInput` for a limit out of range or a cursor that is none of ours. */
export const start = (operation: string, { cursor, limit = defaultLimit }: PageRequest): Effect.Effect<Start, InvalidInput> => {
  const issues: Array<string> = []
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) issues.push(`limit: must be a whole number from 1 to ${maxLimit}`)
  const key = cursor === undefined ? Option.some(top) : Either.getRight(decodeCursor(cursor))
  if (Option.isNone(key)) issues.push("cursor: is not a cursor of this list")
  return Option.isSome(key) && issues.length === 0
    ? Effect.succeed({ at: key.value[0], id: key.value[1], limit })
    : Effect.fail(new InvalidInput({ operation, issues }))
}

/** The condition that a row stands below the start of the page. The key's columns are `created_at` and `id` if not given. */
export const below = (
  sql: SqlClient.SqlClient,
  { at, id }: Start,
  atColumn = "created_at",
  idColumn = "id"
): Statement.Fragment => sql`(${sql.literal(atColumn)}, ${sql.literal(idColumn)}) < (${at}, ${id})`

/**
 * A page out of up to `limit + 1` rows: the one too many only says that there is more. A key begins with an instant, or
 * with a number that grows.
 */
export const make = <A>(rows: ReadonlyArray<A>, { limit }: Start, key: (row: A) => readonly [at: DateTime.Utc | number, id: string]): Page<A> => {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  if (rows.length <= limit || last === undefined) return { items, nextCursor: Option.none() }
  const [at, id] = key(last)
  return { items, nextCursor: Option.some(encodeCursor([typeof at === "number" ? at : DateTime.toEpochMillis(at), id])) }
}

/** All items of a list, page by page. */
export const stream = <A, E>(list: (request: PageRequest) => Effect.Effect<Page<A>, E>): Stream.Stream<A, E> =>
  pages(Option.none<string>(), (cursor, limit) =>
    Effect.map(
      list({ limit, ...Option.match(cursor, { onNone: () => ({}), onSome: (cursor) => ({ cursor }) }) }),
      ({ items, nextCursor }) => [items, Option.map(nextCursor, Option.some)]
    ))
