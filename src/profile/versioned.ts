/**
 * What profiles of users and of repositories have in common: a row that is put away and restored, and immutable
 * revisions of it, numbered without gaps, of which one is active.
 *
 * The statements of both, for tables that are named here. What a revision holds beside its own row, its repository adds.
 */
import { SqlClient, type SqlError, type Statement } from "@effect/sql"
import { Clock, type DateTime, Effect, Option } from "effect"
import { NotFound, ReferenceNotFound } from "../Errors.js"
import { conditionsOf, walk, walksByStatus } from "../sql/filters.js"
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

/** The two tables of a kind of profile. */
export interface Kind<P, R> {
  readonly model: RowModel<P>
  readonly entity: string
  readonly table: string
  /** The column of the owner, or of the repository, that the profiles are of. */
  readonly scope: string
  /** Builds the condition that a user may use a profile; null matches no user. */
  readonly isWithin: (userId: string | null) => Statement.Fragment
  readonly revisionModel: RowModel<R>
  readonly revisionEntity: string
  readonly revisionTable: string
  /** The column of a revision that has the profile. */
  readonly parent: string
}

/** A revision as it is stored, without what belongs to it in other tables. */
export interface NewRevision {
  readonly id: string
  readonly profile: Target
  readonly fingerprint: string
  /** The columns that hold what it says. */
  readonly content: Readonly<Record<string, string | null>>
  readonly createdByUserId: string | undefined
  readonly changeSummary: string | undefined
  readonly setAsActive: boolean
}

type StoreError = SqlError.SqlError | CorruptRow

/** What of a column is to change: nothing where it is `undefined`. */
export type Changes = Readonly<Record<string, string | null | undefined>>

export const makeVersioned = <P extends ProfileRow, R extends RevisionRow>(kind: Kind<P, R>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const profiles = yield* rowsOf(kind.model)
    const revisions = yield* rowsOf(kind.revisionModel)
    const columns = sql.literal(columnList(kind.model))
    const revisionColumns = sql.literal(columnList(kind.revisionModel))
    const table = sql(kind.table)
    const revisionTable = sql(kind.revisionTable)
    const parent = sql.literal(kind.parent)
    const { along } = conditionsOf(sql)

    const whichIs = ({ id, ownerUserId }: Target): Statement.Fragment =>
      sql.and([sql`id = ${id}`, ...(ownerUserId === undefined ? [] : [kind.isWithin(ownerUserId)])])

    const find = (target: Target) => profiles.first(sql`SELECT ${columns} FROM ${table} WHERE ${whichIs(target)}`)

    const present = ({ id }: Target) => (row: Option.Option<P>): Effect.Effect<P, NotFound> =>
      Option.isSome(row) ? Effect.succeed(row.value) : Effect.fail(new NotFound({ entity: kind.entity, id }))

    const get = (target: Target) => Effect.flatMap(find(target), present(target))

    /** The profiles of a scope, newest first. */
    const list = (scope: string, status: string | undefined, start: Page.Start, more: ReadonlyArray<Statement.Fragment> = []) =>
      Effect.map(
        profiles.all(walk(
          sql,
          { columns, table: kind.table },
          walksByStatus(sql, status === undefined ? undefined : [status], [...along(kind.scope, scope), ...more]),
          start
        )),
        (rows) => Page.make(rows, start, ({ createdAt, id }) => [createdAt, id])
      )

    /** Changes these columns, and `updated_at` when that makes a difference. */
    const update = (target: Target, changes: Changes): Effect.Effect<P, NotFound | StoreError> =>
      Effect.gen(function*() {
        const given = Object.entries(changes).flatMap(([column, value]) =>
          value === undefined ? [] : [{ column: sql.literal(column), value }])
        if (given.length === 0) return yield* get(target)
        const now = yield* Clock.currentTimeMillis
        const same = sql.and(given.map(({ column, value }) => sql`${column} IS ${value}`))
        const updated = yield* profiles.first(sql`
          UPDATE ${table} SET
            ${sql.csv(given.map(({ column, value }) => sql`${column} = ${value}`))},
            updated_at = iif(${same}, updated_at, ${now})
          WHERE ${whichIs(target)}
          RETURNING ${columns}`)
        return yield* present(target)(updated)
      })

    const archive = (target: Target): Effect.Effect<P, NotFound | StoreError> =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        return yield* profiles.first(sql`
          UPDATE ${table} SET
            status = 'archived', archived_at = coalesce(archived_at, ${now}),
            updated_at = iif(status = 'archived', updated_at, ${now})
          WHERE ${whichIs(target)}
          RETURNING ${columns}`).pipe(Effect.flatMap(present(target)))
      })

    const restore = (target: Target): Effect.Effect<P, NotFound | StoreError> =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        return yield* profiles.first(sql`
          UPDATE ${table} SET
            status = 'active', archived_at = NULL, updated_at = iif(status = 'active', updated_at, ${now})
          WHERE ${whichIs(target)}
          RETURNING ${columns}`).pipe(Effect.flatMap(present(target)))
      })

    /** The revision under the next number; none where the profile is not there, or has one of this content. */
    const insert = ({ content, profile, ...revision }: NewRevision, now: number) => {
      const names = Object.keys(content).map((column) => sql.literal(column))
      const values = Object.values(content).map((value) => sql`${value}`)
      return revisions.first(sql`
        INSERT INTO ${revisionTable}
          (id, ${parent}, version, created_by_user_id, change_summary, fingerprint, created_at, ${sql.csv(names)})
        SELECT ${revision.id}, id, (SELECT coalesce(max(version), 0) + 1 FROM ${revisionTable} WHERE ${parent} = ${profile.id}),
          ${revision.createdByUserId ?? null}, ${revision.changeSummary ?? null}, ${revision.fingerprint}, ${now}, ${sql.csv(values)}
        FROM ${table} WHERE ${whichIs(profile)}
        ON CONFLICT (${parent}, fingerprint) DO NOTHING
        RETURNING ${revisionColumns}`)
    }

    const activate = (profileId: string, revisionId: string) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => sql`
        UPDATE ${table} SET active_revision_id = ${revisionId}, updated_at = ${now}
        WHERE id = ${profileId} AND active_revision_id IS NOT ${revisionId}`)

    /**
     * Stores a revision with its parts, or finds the one that says the same, in one transaction: its first statement has
     * the write lock, so nobody takes a number or stores the same in between.
     */
    const createRevision = <E>(
      given: NewRevision,
      storeParts: (stored: { readonly revision: R; readonly created: boolean }, now: number) => Effect.Effect<unknown, E>
    ) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const inserted = yield* insert(given, now)
        const created = Option.isSome(inserted)
        const revision = created ? inserted.value : yield* existing(given)
        yield* storeParts({ revision, created }, now)
        if (given.setAsActive) yield* activate(given.profile.id, revision.id)
        return { revision, created }
      }).pipe(sql.withTransaction)

    const existing = ({ fingerprint, profile }: NewRevision) =>
      Effect.zipRight(
        get(profile),
        revisions.one(sql`
          SELECT ${revisionColumns} FROM ${revisionTable} WHERE ${parent} = ${profile.id} AND fingerprint = ${fingerprint}`)
      )

    /** The revisions of a profile, the last first. By number: it grows with each, whatever the clock says. */
    const listRevisions = (target: Target, start: Page.Start): Effect.Effect<Page.Page<R>, NotFound | StoreError> =>
      Effect.gen(function*() {
        const rows = yield* revisions.all(sql`
          SELECT ${revisionColumns} FROM ${revisionTable}
          WHERE ${parent} = (SELECT id FROM ${table} WHERE ${whichIs(target)}) AND version < ${start.at}
          ORDER BY version DESC LIMIT ${start.limit + 1}`)
        if (rows.length === 0) yield* get(target)
        return Page.make(rows, start, ({ id, version }) => [version, id])
      })

    /** Makes a revision of this very profile the active one, or looks at why it cannot be. */
    const setActiveRevision = (target: Target, revisionId: string): Effect.Effect<P, NotFound | ReferenceNotFound | StoreError> =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const moved = yield* profiles.first(sql`
          UPDATE ${table} SET
            active_revision_id = ${revisionId}, updated_at = iif(active_revision_id IS ${revisionId}, updated_at, ${now})
          WHERE ${whichIs(target)}
            AND EXISTS (SELECT 1 FROM ${revisionTable} AS r WHERE r.id = ${revisionId} AND r.${parent} = ${target.id})
          RETURNING ${columns}`)
        if (Option.isSome(moved)) return moved.value
        yield* get(target)
        return yield* new ReferenceNotFound({ entity: kind.entity, reference: "revisionId" })
      })

    /** Which thing is not there, where a profile's active revision was looked for and not found. */
    const noActiveRevision = (target: Target) =>
      Effect.flatMap(get(target), () => Effect.fail(new NotFound({ entity: kind.revisionEntity, id: target.id })))

    return {
      find,
      get,
      list,
      update,
      archive,
      restore,
      createRevision,
      listRevisions,
      setActiveRevision,
      noActiveRevision
    }
  })
