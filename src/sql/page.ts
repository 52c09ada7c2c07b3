/**
 * Keyset pagination, newest first. Each page starts after the last key of the previous page, so rows that are inserted
 * or deleted in between neither repeat nor hide other rows (https://use-the-index-luke.com/no-offset).
 */
import type { SqlClient, SqlError, Statement } from "@effect/sql"
import { DateTime, Effect, Either, Option, ParseResult, Schema, type Stream } from "effect"
import { InvalidInput } from "../Errors.js"
import { storable } from "./columns.js"
import { maxCursorLength, maxLimit, type Page, type PageRequest } from "./pageSchemas.js"
import { pages } from "./paging.js"
import type { Found } from "./rows.js"

export { maxLimit, Page, PageRequest } from "./pageSchemas.js"

/** The fields of `PageRequest`. */
export const fields: ReadonlyArray<string> = ["cursor", "limit"]

type Key = readonly [at: number, id: string]

/** The key after which a page starts, and its length. */
export interface Start {
  readonly at: number
  readonly id: string
  readonly limit: number
}

const defaultLimit = 50

const malformedCursor = "cursor: is not a cursor of this list"

/** Builds the schema of an opaque cursor: the key as JSON in base64url. */
export const cursorOf = <A, I>(key: Schema.Schema<A, I>) =>
  Schema.compose(
    Schema.compose(Schema.String.pipe(Schema.maxLength(maxCursorLength)), Schema.StringFromBase64Url),
    Schema.parseJson(key)
  )

const Cursor = cursorOf(Schema.Tuple(Schema.Int, storable(Schema.String)))
const decodeCursor = ParseResult.decodeUnknownEither(Cursor)
const encodeCursor = Schema.encodeSync(Cursor)

// Greater than every key: no instant is later.
const top: Key = [Number.MAX_SAFE_INTEGER, ""]

/** Decodes a page request. Fails with `InvalidInput` if the limit is out of range or the cursor is malformed. */
export const start = (
  operation: string,
  { cursor, limit = defaultLimit }: PageRequest
): Effect.Effect<Start, InvalidInput> => {
  const issues: Array<string> = []
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit)
    issues.push(`limit: must be a whole number from 1 to ${maxLimit}`)
  const key = cursor === undefined ? Option.some(top) : Either.getRight(decodeCursor(cursor))
  if (Option.isNone(key)) issues.push(malformedCursor)
  return Option.isSome(key) && issues.length === 0
    ? Effect.succeed({ at: key.value[0], id: key.value[1], limit })
    : Effect.fail(new InvalidInput({ operation, issues }))
}

/** Builds the condition that a row comes after the start of the page. The key is `created_at` and `id` by default. */
export const afterCursor = (
  sql: SqlClient.SqlClient,
  { at, id }: Start,
  atColumn = "created_at",
  idColumn = "id"
): Statement.Fragment => sql`(${sql.literal(atColumn)}, ${sql.literal(idColumn)}) < (${at}, ${id})`

/** The rows of a list without rows. */
export const nothingFound: Found<never> = { rows: [], isCut: false }

/**
 * Builds a page from up to `limit + 1` rows, or fewer if the read ended early. The extra row is not part of the page; it
 * shows that there is a next one. A key begins with an instant or an increasing number.
 */
export const make = <A>(
  found: Found<A>,
  { limit }: Start,
  key: (row: A) => readonly [at: DateTime.Utc | number, id: string]
): Page<A> =>
  pageOf(found, limit, (last) => {
    const [at, id] = key(last)
    return encodeCursor([typeof at === "number" ? at : DateTime.toEpochMillis(at), id])
  })

/** Returns the items of a page and what `cursorAfter` returns for the last one, if there is a next page. */
export const pageOf = <A, Cursor>({ isCut, rows }: Found<A>, limit: number, cursorAfter: (last: A) => Cursor) => {
  const items = rows.slice(0, isCut ? rows.length - 1 : limit)
  const last = items.at(-1)
  const nextCursor =
    items.length === rows.length || last === undefined ? Option.none<Cursor>() : Option.some(cursorAfter(last))
  return { items, nextCursor }
}

/**
 * The number of rows that one page of a filter without an index examines: some 10 ms. Such a page may have few items, or
 * none, and a next page.
 */
const examinedRows = 10_000

/** The key of the last row that a page examines. `None` if it examines all rows after its start. */
export type Floor = Option.Option<Key>

/**
 * Finds the last row that a page examines. Each source is a table and the conditions of a range of one of its indexes,
 * behind the start of the page, whose key has the columns `at` and `id`.
 */
export const floorOf = (
  sql: SqlClient.SqlClient,
  ranges: ReadonlyArray<Statement.Fragment>,
  at: string,
  id: string,
  examined = examinedRows
): Effect.Effect<Floor, SqlError.SqlError> => {
  const keys = ranges.map((range) => sql`SELECT ${sql.literal(at)} AS at, ${sql.literal(id)} AS id ${range}`)
  const query = sql<{ readonly at: number; readonly id: string }>`
    ${sql.join(" UNION ALL ", false)(keys)} ORDER BY at DESC, id DESC LIMIT 1 OFFSET ${examined - 1}`
  return Effect.map(query, ([row]) => Option.map(Option.fromNullable(row), ({ at, id }): Key => [at, id]))
}

/** Builds the condition that a row is not after the last one that a page examines. */
export const untilFloor = (
  sql: SqlClient.SqlClient,
  floor: Floor,
  atColumn = "created_at",
  idColumn = "id"
): Statement.Fragment =>
  Option.match(floor, {
    onNone: () => sql`true`,
    onSome: ([at, id]) => sql`(${sql.literal(atColumn)}, ${sql.literal(idColumn)}) >= (${at}, ${id})`
  })

/** Builds a page as `make` does. If it is not full, the next one starts after the last row that it has examined. */
export const makeExamined = <A>(
  found: Found<A>,
  start: Start,
  floor: Floor,
  key: (row: A) => readonly [at: DateTime.Utc | number, id: string]
): Page<A> => {
  const page = make(found, start, key)
  return Option.isSome(page.nextCursor) ? page : { items: page.items, nextCursor: Option.map(floor, encodeCursor) }
}

/** The name and id after which a page starts that is in the order of names, and its length. */
export interface NameStart {
  readonly name: string
  readonly id: string
  readonly limit: number
}

const NameCursor = cursorOf(Schema.Tuple(storable(Schema.String), storable(Schema.String)))
const decodeNameCursor = ParseResult.decodeUnknownEither(NameCursor)
const encodeNameCursor = Schema.encodeSync(NameCursor)

/** Decodes the request for a page in the order of names. Fails as `start` does, also for a cursor of another order. */
export const startByName = (
  operation: string,
  { cursor, limit = defaultLimit }: PageRequest
): Effect.Effect<NameStart, InvalidInput> =>
  Effect.flatMap(start(operation, { limit }), () => {
    const key = cursor === undefined ? Option.some(["", ""] as const) : Either.getRight(decodeNameCursor(cursor))
    return Option.isSome(key)
      ? Effect.succeed({ name: key.value[0], id: key.value[1], limit })
      : Effect.fail(new InvalidInput({ operation, issues: [malformedCursor] }))
  })

/** Builds a page in the order of names, as `make` does. */
export const makeByName = <A>(
  found: Found<A>,
  { limit }: NameStart,
  key: (row: A) => readonly [name: string, id: string]
): Page<A> => pageOf(found, limit, (last) => encodeNameCursor(key(last)))

/** Streams all items of a list, page by page. */
export const stream = <A, E>(list: (request: PageRequest) => Effect.Effect<Page<A>, E>): Stream.Stream<A, E> =>
  pages(Option.none<string>(), (cursor, limit) =>
    Effect.map(
      list({ limit, ...Option.match(cursor, { onNone: () => ({}), onSome: (cursor) => ({ cursor }) }) }),
      ({ items, nextCursor }) => [items, Option.map(nextCursor, Option.some)]
    )
  )
