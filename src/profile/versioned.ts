/**
 * Statements that profiles of users and of repositories share: a profile that can be archived, and its immutable
 * revisions, numbered without gaps, of which one is active.
 *
 * The caller passes the names of the two tables, and stores the rows of a revision in further tables.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError, Statement } from "@effect/sql"
import { Clock, type DateTime, Effect, Option } from "effect"
import { NotFound, ReferenceNotFound } from "../Errors.js"
import { conditionsOf, keysetQuery, unionByStatus } from "../sql/filters.js"
import { operations } from "../sql/operations.js"
import type { Target } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { columnList, type CorruptRow, type RowModel, rowsOf } from "../sql/rows.js"

interface ProfileRow {
  readonly id: string
  readonly createdAt: DateTime.Utc
}

interface RevisionRow {
  readonly id: string
  readonly version: number
}

/** The tables and models of a kind of profile. */
export interface Kind<P, R> {
  readonly service: string
  readonly model: RowModel<P>
  readonly entity: string
  readonly table: string
  /** The column with the owner, or the repository, of a profile. */
  readonly scope: string
  /** Builds the condition that a user may use a profile; null matches no user. */
  readonly isWithin: (userId: string | null) => Statement.Fragment
  readonly revisionModel: RowModel<R>
  readonly revisionEntity: string
  readonly revisionTable: string
  /** The column of a revision with the id of its profile. */
  readonly parent: string
}

/** A revision to insert, without its rows in other tables. */
export interface NewRevision {
  readonly id: string
  readonly profile: Target
  readonly fingerprint: string
  /** The values of the content columns, by column name. */
  readonly content: Readonly<Record<string, string | null>>
  readonly createdByUserId: string | undefined
  readonly changeSummary: string | undefined
  readonly setAsActive: boolean
}

type StoreError = SqlError.SqlError | CorruptRow

/** New values by column name. A column whose value is `undefined` stays unchanged. */
export type Changes = Readonly<Record<string, string | null | undefined>>

export const makeVersioned = <P extends ProfileRow, R extends RevisionRow>(kind: Kind<P, R>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { orNotFound } = operations(kind.service, kind.entity)
    const profiles = yield* rowsOf(kind.model)
    const revisions = yield* rowsOf(kind.revisionModel)
    const columns = sql.literal(columnList(kind.model))
    const revisionColumns = sql.literal(columnList(kind.revisionModel))
    const table = sql(kind.table)
    const revisionTable = sql(kind.revisionTable)
    const parent = sql.literal(kind.parent)
    const { indexedBy } = conditionsOf(sql)

    const isTarget = ({ id, ownerUserId }: Target): Statement.Fragment =>
      sql.and([sql`id = ${id}`, ...(ownerUserId === undefined ? [] : [kind.isWithin(ownerUserId)])])

    const find = (target: Target) => profiles.findOne(sql`SELECT ${columns} FROM ${table} WHERE ${isTarget(target)}`)

    const get = (target: Target) => Effect.flatMap(find(target), orNotFound(target.id))

    /** Lists the profiles of an owner or a repository that fulfil `conditions`, newest first. */
    const list = (
      scope: string,
      status: string | undefined,
      start: Page.Start,
      conditions: ReadonlyArray<Statement.Fragment> = []
    ) =>
      Effect.map(
        profiles.findPage(
          keysetQuery(
            sql,
            { columns, table: kind.table },
            unionByStatus(sql, status === undefined ? undefined : [status], [
              ...indexedBy(kind.scope, scope),
              ...conditions
            ]),
            start
          )
        ),
        (found) => Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
      )

    /** Updates the columns of `changes`, and `updated_at` if a value differs. */
    const update = (target: Target, changes: Changes): Effect.Effect<P, NotFound | StoreError> =>
      Effect.gen(function* () {
        const assignments = Object.entries(changes).flatMap(([column, value]) =>
          value === undefined ? [] : [{ column: sql.literal(column), value }]
        )
        if (assignments.length === 0) return yield* get(target)
        const now = yield* Clock.currentTimeMillis
        const isUnchanged = sql.and(assignments.map(({ column, value }) => sql`${column} IS ${value}`))
        const updated = yield* profiles.findOne(sql`
          UPDATE ${table} SET
            ${sql.csv(assignments.map(({ column, value }) => sql`${column} = ${value}`))},
            updated_at = iif(${isUnchanged}, updated_at, ${now})
          WHERE ${isTarget(target)}
          RETURNING ${columns}`)
        return yield* orNotFound(target.id)(updated)
      })

    const archive = (target: Target): Effect.Effect<P, NotFound | StoreError> =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        return yield* profiles
          .findOne(sql`
          UPDATE ${table} SET
            status = 'archived', archived_at = coalesce(archived_at, ${now}),
            updated_at = iif(status = 'archived', updated_at, ${now})
          WHERE ${isTarget(target)}
          RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      })

    const unarchive = (target: Target): Effect.Effect<P, NotFound | StoreError> =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        return yield* profiles
          .findOne(sql`
          UPDATE ${table} SET
            status = 'active', archived_at = NULL, updated_at = iif(status = 'active', updated_at, ${now})
          WHERE ${isTarget(target)}
          RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      })

    /**
     * Inserts the revision with the next number. Returns none if the profile does not exist or has a revision with this
     * content.
     */
    const insert = ({ content, profile, ...revision }: NewRevision, now: number) => {
      const names = Object.keys(content).map((column) => sql.literal(column))
      const values = Object.values(content).map((value) => sql`${value}`)
      return revisions.findOne(sql`
        INSERT INTO ${revisionTable}
          (id, ${parent}, version, created_by_user_id, change_summary, fingerprint, created_at, ${sql.csv(names)})
        SELECT ${revision.id}, id, (SELECT coalesce(max(version), 0) + 1 FROM ${revisionTable} WHERE ${parent} = ${profile.id}),
          ${revision.createdByUserId ?? null}, ${revision.changeSummary ?? null}, ${revision.fingerprint}, ${now},
          ${sql.csv(values)}
        FROM ${table} WHERE ${isTarget(profile)}
        ON CONFLICT (${parent}, fingerprint) DO NOTHING
        RETURNING ${revisionColumns}`)
    }

    const activate = (profileId: string, revisionId: string) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => sql`
        UPDATE ${table} SET active_revision_id = ${revisionId}, updated_at = ${now}
        WHERE id = ${profileId} AND active_revision_id IS NOT ${revisionId}`
      )

    /**
     * Stores a revision and its parts, or finds the revision with the same content, in one transaction. Its first
     * statement takes the write lock, so concurrent writers can neither take the number nor store the same content.
     */
    const createRevision = <E>(
      newRevision: NewRevision,
      storeParts: (
        stored: { readonly revision: R; readonly created: boolean },
        now: number
      ) => Effect.Effect<unknown, E>
    ) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const inserted = yield* insert(newRevision, now)
        const created = Option.isSome(inserted)
        const revision = created ? inserted.value : yield* existing(newRevision)
        yield* storeParts({ revision, created }, now)
        if (newRevision.setAsActive) yield* activate(newRevision.profile.id, revision.id)
        return { revision, created }
      }).pipe(sql.withTransaction)

    /** Returns the revision with the content of `fingerprint`. Fails with `NotFound` if the profile does not exist. */
    const existing = ({ fingerprint, profile }: NewRevision) =>
      Effect.zipRight(
        get(profile),
        revisions.single(sql`
          SELECT ${revisionColumns} FROM ${revisionTable} WHERE ${parent} = ${profile.id} AND fingerprint = ${fingerprint}`)
      )

    /** Lists the revisions of a profile, latest first. Ordered by number, because clocks can go backwards. */
    const listRevisions = (target: Target, start: Page.Start): Effect.Effect<Page.Page<R>, NotFound | StoreError> =>
      Effect.gen(function* () {
        const found = yield* revisions.findPage(sql`
          SELECT ${revisionColumns} FROM ${revisionTable}
          WHERE ${parent} = (SELECT id FROM ${table} WHERE ${isTarget(target)}) AND version < ${start.at}
          ORDER BY version DESC LIMIT ${start.limit + 1}`)
        if (found.rows.length === 0) yield* get(target)
        return Page.make(found, start, ({ id, version }) => [version, id])
      })

    /** Activates a revision of the profile. If no row matches, reads which of the two is missing. */
    const setActiveRevision = (
      target: Target,
      revisionId: string
    ): Effect.Effect<P, NotFound | ReferenceNotFound | StoreError> =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const updated = yield* profiles.findOne(sql`
          UPDATE ${table} SET
            active_revision_id = ${revisionId}, updated_at = iif(active_revision_id IS ${revisionId}, updated_at, ${now})
          WHERE ${isTarget(target)}
            AND EXISTS (SELECT 1 FROM ${revisionTable} AS r WHERE r.id = ${revisionId} AND r.${parent} = ${target.id})
          RETURNING ${columns}`)
        if (Option.isSome(updated)) return updated.value
        yield* get(target)
        return yield* new ReferenceNotFound({ entity: kind.entity, reference: "revisionId" })
      })

    /** Fails with `NotFound`: of the profile if it does not exist, else of its active revision. */
    const noActiveRevision = (target: Target) =>
      Effect.flatMap(get(target), () => Effect.fail(new NotFound({ entity: kind.revisionEntity, id: target.id })))

    return {
      find,
      get,
      list,
      update,
      archive,
      unarchive,
      createRevision,
      listRevisions,
      setActiveRevision,
      noActiveRevision
    }
  })
