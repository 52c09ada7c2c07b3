/**
 * What suites of repositories do: walk a list to its end, and go past the repository.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import type { Page, PageRequest } from "../../src/sql/page.js"

/** Runs a statement past the repository, as a person in a shell would. */
export const shell = <Row extends object>(text: string, ...params: ReadonlyArray<unknown>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Row>(text, params))

/** All items of a list, in pages of the given length; `between` runs before each page but the first. */
export const pages = <A, E, R>(
  list: (request: PageRequest) => Effect.Effect<Page<A>, E, R>,
  limit: number,
  between: Effect.Effect<unknown, E, R> = Effect.void
) =>
  Effect.gen(function* () {
    const first = yield* list({ limit })
    const items = [...first.items]
    for (let { nextCursor } = first; Option.isSome(nextCursor); ) {
      yield* between
      const page = yield* list({ limit, cursor: nextCursor.value })
      items.push(...page.items)
      nextCursor = page.nextCursor
    }
    return items
  })
