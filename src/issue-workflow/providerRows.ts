/**
 * The statements that issues and pull requests share: rows that follow what a provider tells, found by any of their
 * identities.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect, Option, type Schema } from "effect"
import type { InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import { conditionsOf, walk } from "../sql/filters.js"
import * as Page from "../sql/page.js"
import type { operations } from "../sql/operations.js"
import { columnList, columnName, givenColumns, type RowModel, rowsOf } from "../sql/rows.js"
import type { StateMachine } from "../sql/transitions.js"
import type { SourceProvider } from "../payloads/enumerations.js"
import type { RepositoryId } from "../source/Repository.js"
import { ByExternalId, ByNumber, defaultProvider } from "./ProviderRow.js"

interface ProviderRow {
  readonly id: string
  readonly syncedAt: Option.Option<DateTime.Utc>
  readonly createdAt: DateTime.Utc
}

/** What an upsert of either is given, as far as it matters to both. */
interface Told<S extends string> {
  readonly id?: string | undefined
  readonly provider?: SourceProvider | undefined
  readonly externalId?: string | null | undefined
  readonly repositoryId: string
  readonly number: number
  readonly state?: S | undefined
  readonly closedAt?: DateTime.Utc | null | undefined
  readonly syncedAt?: DateTime.Utc | null | undefined
}

interface Filter<Id extends string, S extends string> {
  readonly repositoryId: Id
  readonly state?: S | undefined
}

/** How rows of one table follow a provider. */
interface Following<A, S extends string, I> {
  readonly model: RowModel<A>
  readonly table: string
  readonly service: string
  /** Of new ids, and of span attributes. */
  readonly prefix: string
  readonly states: StateMachine<S>
  readonly filter: Schema.Schema<Filter<RepositoryId, S>, I>
}

/** The row came from the provider later than this was told. */
export const isNewer = ({ syncedAt }: ProviderRow, told: Pick<Told<string>, "syncedAt">): boolean =>
  told.syncedAt !== undefined && told.syncedAt !== null && Option.exists(syncedAt, DateTime.greaterThan(told.syncedAt))

export const makeProviderRows = <A extends ProviderRow, S extends string, I extends Filter<string, string>>(
  { input, present, read }: ReturnType<typeof operations>,
  { filter, model, prefix, service, states, table }: Following<A, S, I>
) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* rowsOf(model)
    const columns = sql.literal(columnList(model))
    const from = sql(table)
    const { along } = conditionsOf(sql)

    const byId = (id: string) => rows.first(sql`SELECT ${columns} FROM ${from} WHERE id = ${id}`)

    /** The ids under which the row may be known, the strongest identity first. */
    const known = ({ externalId, id, number, provider = defaultProvider, repositoryId }: Told<S>) =>
      sql.csv([
        ...(id === undefined ? [] : [sql`(SELECT id FROM ${from} WHERE id = ${id})`]),
        ...(externalId === undefined || externalId === null
          ? []
          : [sql`(SELECT id FROM ${from} WHERE provider = ${provider} AND external_id = ${externalId})`]),
        sql`(SELECT id FROM ${from} WHERE provider = ${provider} AND repository_id = ${repositoryId} AND number = ${number})`
      ])

    /** The row that the provider tells of, if it is here. */
    const look = (told: Told<S>) => rows.first(sql`SELECT ${columns} FROM ${from} WHERE id = coalesce(${known(told)}, NULL)`)

    /** What must hold of a row that is here: it can go to that state, and nothing later was told of it. */
    const guards = ({ state, syncedAt }: Told<S>) => [
      ...(state === undefined ? [] : [sql.in("state", [state, ...states.sources(state)])]),
      ...(syncedAt === undefined || syncedAt === null
        ? []
        : [sql`(synced_at IS NULL OR synced_at <= ${DateTime.toEpochMillis(syncedAt)})`])
    ]

    /** Stores what was told, in a new row or the one that is here; none when a guard kept that from being written. */
    const store = (told: Told<S>) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const newId = yield* idOrNew(told.id, prefix, String)
        const given = columnsOf(told)
        const names = Object.keys(given)
        const all = sql.csv(names)
        const taken = sql.csv(names.map((name) => sql.literal(`excluded.${name}`)))
        return yield* rows.first(sql`
          INSERT INTO ${from} (id, created_at, updated_at, ${all})
          VALUES (coalesce(${known(told)}, ${newId}), ${now}, ${now}, ${sql.csv(Object.values(given).map((value) => sql`${value}`))})
          ON CONFLICT (id) DO UPDATE SET
            updated_at = iif((${all}) IS (${taken}), updated_at, excluded.updated_at), (${all}) = (${taken})
          WHERE ${sql.and(guards(told))}
          RETURNING ${columns}`)
      })

    const list = (request: Page.PageRequest & I): Effect.Effect<Page.Page<A>, InvalidInput | PersistenceError> =>
      Effect.gen(function*() {
        const { repositoryId, state } = yield* input("list", filter)(request)
        const start = yield* Page.start(`${service}.list`, request)
        const walks = [[...along("repository_id", repositoryId), ...along("state", state)]]
        return Page.make(yield* rows.all(walk(sql, { columns, table }, walks, start)), start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(read("list", { "repository.id": request.repositoryId }))

    const attributesOf = (id: string) => ({ [`${prefix}.id`]: id })

    const reads = {
      findById: (id: string): Effect.Effect<Option.Option<A>, PersistenceError> => byId(id).pipe(read("findById", attributesOf(id))),

      getById: (id: string): Effect.Effect<A, NotFound | PersistenceError> =>
        Effect.flatMap(byId(id), present(id)).pipe(read("getById", attributesOf(id))),

      findByNumber: (request: typeof ByNumber.Encoded): Effect.Effect<Option.Option<A>, InvalidInput | PersistenceError> =>
        Effect.flatMap(input("findByNumber", ByNumber)(request), ({ number, provider, repositoryId }) =>
          rows.first(sql`
            SELECT ${columns} FROM ${from} WHERE provider = ${provider} AND repository_id = ${repositoryId} AND number = ${number}`)).pipe(
          read("findByNumber", { "repository.id": request.repositoryId })
        ),

      findByExternalId: (request: typeof ByExternalId.Encoded): Effect.Effect<Option.Option<A>, InvalidInput | PersistenceError> =>
        Effect.flatMap(input("findByExternalId", ByExternalId)(request), ({ externalId, provider }) =>
          rows.first(sql`SELECT ${columns} FROM ${from} WHERE provider = ${provider} AND external_id = ${externalId}`)).pipe(
          read("findByExternalId")
        ),

      list,

      stream: (filter: I) => Page.stream((page) => list({ ...filter, ...page }))
    }
    return { look, reads, store }
  })

type Stored = string | number | null

/** The columns that were given. Whatever is open is not closed: that instant goes with the state, unless it is given. */
const columnsOf = (told: Told<string>): Readonly<Record<string, Stored>> => {
  const isOpen = told.state === "open" || told.state === "draft"
  const { id: _, ...fields } = isOpen && told.closedAt === undefined ? { ...told, closedAt: null } : told
  const columns: ReadonlyArray<readonly [string, Stored | DateTime.Utc | undefined]> = Object.entries(fields)
  return givenColumns(Object.fromEntries(columns.map(([field, value]) =>
    [columnName(field), DateTime.isDateTime(value) ? DateTime.toEpochMillis(value) : value])))
}
