/**
 * Statements that issues and pull requests share: rows that store a provider's reports, found by any of their
 * identities.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, DateTime, Effect, Option, type Schema } from "effect"
import type { InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import { conditionsOf, keysetQuery } from "../sql/filters.js"
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

/** The fields of an upsert that both tables have. */
interface Report<S extends string> {
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

/** One of the two tables. */
interface ProviderTable<A, S extends string, I> {
  readonly model: RowModel<A>
  readonly table: string
  readonly service: string
  /** The prefix of new ids and of span attributes. */
  readonly prefix: string
  readonly states: StateMachine<S>
  readonly filter: Schema.Schema<Filter<RepositoryId, S>, I>
}

/** Returns whether the row has a later `syncedAt` than the report. */
export const isNewer = ({ syncedAt }: ProviderRow, report: Pick<Report<string>, "syncedAt">): boolean =>
  report.syncedAt !== undefined &&
  report.syncedAt !== null &&
  Option.exists(syncedAt, DateTime.greaterThan(report.syncedAt))

export const makeProviderRows = <A extends ProviderRow, S extends string, I extends Filter<string, string>>(
  { decodeFilter, decodeInput, orNotFound, traced }: ReturnType<typeof operations>,
  { filter, model, prefix, service, states, table }: ProviderTable<A, S, I>
) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* rowsOf(model)
    const columns = sql.literal(columnList(model))
    const from = sql(table)
    const { indexedBy } = conditionsOf(sql)

    const byId = (id: string) => rows.findOne(sql`SELECT ${columns} FROM ${from} WHERE id = ${id}`)

    /** Builds the ids of the rows that match each identity, the strongest identity first. */
    const matchingIds = ({ externalId, id, number, provider = defaultProvider, repositoryId }: Report<S>) =>
      sql.csv([
        ...(id === undefined ? [] : [sql`(SELECT id FROM ${from} WHERE id = ${id})`]),
        ...(externalId === undefined || externalId === null
          ? []
          : [sql`(SELECT id FROM ${from} WHERE provider = ${provider} AND external_id = ${externalId})`]),
        sql`(SELECT id FROM ${from} WHERE provider = ${provider} AND repository_id = ${repositoryId} AND number = ${number})`
      ])

    /** Finds the row that the report is about. */
    const findExisting = (report: Report<S>) =>
      rows.findOne(sql`SELECT ${columns} FROM ${from} WHERE id = coalesce(${matchingIds(report)}, NULL)`)

    /** Builds the conditions for updating an existing row: the transition is allowed, and the row is not newer. */
    const guards = ({ state, syncedAt }: Report<S>) => [
      ...(state === undefined ? [] : [sql.in("state", [state, ...states.sources(state)])]),
      ...(syncedAt === undefined || syncedAt === null
        ? []
        : [sql`(synced_at IS NULL OR synced_at <= ${DateTime.toEpochMillis(syncedAt)})`])
    ]

    /** Stores the report in the matching row, or in a new one. Returns none if a guard prevented the update. */
    const store = (report: Report<S>) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const newId = yield* idOrNew(report.id, prefix, String)
        const reported = columnsOf(report)
        const names = Object.keys(reported)
        const all = sql.csv(names)
        const excluded = sql.csv(names.map((name) => sql.literal(`excluded.${name}`)))
        const values = sql.csv(Object.values(reported).map((value) => sql`${value}`))
        return yield* rows.findOne(sql`
          INSERT INTO ${from} (id, created_at, updated_at, ${all})
          VALUES (coalesce(${matchingIds(report)}, ${newId}), ${now}, ${now}, ${values})
          ON CONFLICT (id) DO UPDATE SET
            updated_at = iif((${all}) IS (${excluded}), updated_at, excluded.updated_at), (${all}) = (${excluded})
          WHERE ${sql.and(guards(report))}
          RETURNING ${columns}`)
      })

    const list = (request: Page.PageRequest & I): Effect.Effect<Page.Page<A>, InvalidInput | PersistenceError> =>
      Effect.gen(function* () {
        const { repositoryId, state } = yield* decodeFilter("list", filter)(request)
        const start = yield* Page.start(`${service}.list`, request)
        const conditions = [...indexedBy("repository_id", repositoryId), ...indexedBy("state", state)]
        const found = yield* rows.findPage(keysetQuery(sql, { columns, table }, [conditions], start))
        return Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(traced("list", { "repository.id": request.repositoryId }))

    const attributesOf = (id: string) => ({ [`${prefix}.id`]: id })

    const reads = {
      findById: (id: string): Effect.Effect<Option.Option<A>, PersistenceError> =>
        byId(id).pipe(traced("findById", attributesOf(id))),

      getById: (id: string): Effect.Effect<A, NotFound | PersistenceError> =>
        Effect.flatMap(byId(id), orNotFound(id)).pipe(traced("getById", attributesOf(id))),

      findByNumber: (
        request: typeof ByNumber.Encoded
      ): Effect.Effect<Option.Option<A>, InvalidInput | PersistenceError> =>
        Effect.flatMap(decodeInput("findByNumber", ByNumber)(request), ({ number, provider, repositoryId }) =>
          rows.findOne(sql`
            SELECT ${columns} FROM ${from} WHERE provider = ${provider} AND repository_id = ${repositoryId} AND number = ${number}`)
        ).pipe(traced("findByNumber", { "repository.id": request.repositoryId })),

      findByExternalId: (
        request: typeof ByExternalId.Encoded
      ): Effect.Effect<Option.Option<A>, InvalidInput | PersistenceError> =>
        Effect.flatMap(decodeInput("findByExternalId", ByExternalId)(request), ({ externalId, provider }) =>
          rows.findOne(sql`SELECT ${columns} FROM ${from} WHERE provider = ${provider} AND external_id = ${externalId}`)
        ).pipe(traced("findByExternalId")),

      list,

      stream: (filter: I) => Page.stream((page) => list({ ...filter, ...page }))
    }
    return { findExisting, reads, store }
  })

type Stored = string | number | null

/** Returns the columns that the report sets. An open state clears `closed_at`, unless the report sets it. */
const columnsOf = (report: Report<string>): Readonly<Record<string, Stored>> => {
  const isOpen = report.state === "open" || report.state === "draft"
  const { id: _, ...fields } = isOpen && report.closedAt === undefined ? { ...report, closedAt: null } : report
  const columns: ReadonlyArray<readonly [string, Stored | DateTime.Utc | undefined]> = Object.entries(fields)
  return givenColumns(
    Object.fromEntries(
      columns.map(([field, value]) => [
        columnName(field),
        DateTime.isDateTime(value) ? DateTime.toEpochMillis(value) : value
      ])
    )
  )
}
