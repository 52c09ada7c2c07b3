/**
 * The revision methods of `RepositoryProfileRepo`: storing and reading a revision with its links.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Statement } from "@effect/sql"
import { Clock, Effect, Option, Schema } from "effect"
import { NotFound, ReferenceNotFound } from "../Errors.js"
import { jsonOrNull } from "../sql/batch.js"
import { engineErrorOf } from "../sql/engineError.js"
import { fingerprint } from "../sql/fingerprint.js"
import { idOrNew, newUuid } from "../sql/ids.js"
import * as Model from "../sql/model.js"
import { type ById, targetOf } from "../sql/ownerScope.js"
import { part, unionQuery } from "../sql/unions.js"
import { operations } from "../sql/operations.js"
import { columnList, joinedRows, rowsOf } from "../sql/rows.js"
import type { RepositoryCondition } from "../source/RepositoryAccess.js"
import {
  CreateRepositoryProfileRevision,
  ReplaceLinks,
  type RepositoryProfile,
  RepositoryProfileLink,
  RepositoryProfileRevision,
  RepositoryProfileRevisionId
} from "./RepositoryProfile.js"
import type { makeVersioned } from "./versioned.js"
import { encoderOf } from "../sql/decoder.js"

const { decodeInput, orNotFound, traced } = operations("RepositoryProfileRepo", "RepositoryProfileRevision")
const ofLinks = operations("RepositoryProfileRepo", "RepositoryProfileLink")

/** A revision of a repository profile and its links. */
export const RepositoryProfileRevisionGraph = Schema.Struct({
  revision: Model.Row(RepositoryProfileRevision),
  /** Ordered by precedence, then by the id of the linked revision. */
  links: Schema.Array(Model.Row(RepositoryProfileLink))
})
export interface RepositoryProfileRevisionGraph extends Schema.Schema.Type<typeof RepositoryProfileRevisionGraph> {}

/** The result of creating a revision of a repository profile. */
export const CreatedRepositoryProfileRevision = Schema.Struct({
  revision: Model.Row(RepositoryProfileRevision),
  /** False if a revision with the same content existed, which is returned. */
  created: Schema.Boolean
})
export interface CreatedRepositoryProfileRevision extends Schema.Schema.Type<typeof CreatedRepositoryProfileRevision> {}

type Input = typeof CreateRepositoryProfileRevision.Type
type InputLinks = (typeof ReplaceLinks.Type)["links"]

const encode = encoderOf(CreateRepositoryProfileRevision)

const profileRevisionNotFound = () =>
  new ReferenceNotFound({ entity: "RepositoryProfileLink", reference: "profileRevisionId" })

/** Sets the precedence of links without one to their index in the list. */
const withPrecedence = (links: InputLinks) =>
  links.map(({ isRequired, precedence, profileRevisionId }, index) => ({
    profileRevisionId,
    precedence: precedence ?? index,
    isRequired
  }))

type Ordered = Pick<RepositoryProfileLink, "precedence" | "profileRevisionId">

/** Sorts links by precedence. Sorting up to 1,000 links here saves an index. */
const sortLinks = <A extends Ordered>(links: ReadonlyArray<A>): ReadonlyArray<A> =>
  links.toSorted(
    (one, other) => one.precedence - other.precedence || (one.profileRevisionId < other.profileRevisionId ? -1 : 1)
  )

// ?1: id of the revision, ?2: links as JSON, ?3: now.
const deleteText = `
  DELETE FROM repository_profile_profile_links
  WHERE repository_profile_revision_id = ?1
    AND profile_revision_id NOT IN (SELECT value ->> 'profileRevisionId' FROM json_each(?2))`

// ?1: id of the revision, ?2: links as JSON, ?3: id of the user. Finds links to profiles of other users. A link that a
// revision of this repository profile has already is allowed, because the user can read it there.
const unusableText = `
  SELECT 1 FROM json_each(?2) AS l
  WHERE NOT EXISTS (
    SELECT 1 FROM profile_revisions AS r CROSS JOIN profiles AS p ON p.id = r.profile_id
    WHERE r.id = l.value ->> 'profileRevisionId' AND p.owner_user_id = ?3
  ) AND NOT EXISTS (
    SELECT 1 FROM repository_profile_profile_links AS k
      CROSS JOIN repository_profile_revisions AS r ON r.id = k.repository_profile_revision_id
    WHERE k.profile_revision_id = l.value ->> 'profileRevisionId' AND r.repository_profile_id = (
      SELECT repository_profile_id FROM repository_profile_revisions WHERE id = ?1)
  ) LIMIT 1`

// WHERE true: without it, SQLite parses ON CONFLICT as the constraint of a join
// (https://www.sqlite.org/lang_upsert.html).
const storeText = `
  INSERT INTO repository_profile_profile_links
    (id, repository_profile_revision_id, profile_revision_id, precedence, is_required, created_at)
  SELECT value ->> 'id', ?1, value ->> 'profileRevisionId', value ->> 'precedence', value ->> 'isRequired', ?3
  FROM json_each(?2) WHERE true
  ON CONFLICT (repository_profile_revision_id, profile_revision_id) DO UPDATE SET
    precedence = excluded.precedence, is_required = excluded.is_required
  RETURNING ${columnList(RepositoryProfileLink)}`

const graphOf = (revisionId: string) => {
  const revision = part(RepositoryProfileRevision, "repository_profile_revisions", `id = ${revisionId}`)
  const links = part(
    RepositoryProfileLink,
    "repository_profile_profile_links",
    `repository_profile_revision_id = ${revisionId}`
  )
  return { revision, links, text: unionQuery([revision, links]) }
}

const graphs = {
  ofId: graphOf("?1"),
  selected: graphOf("(SELECT id FROM selected)"),
  active: graphOf("(SELECT active_revision_id FROM repository_profiles WHERE id = ?1)")
}

type Versioned = Effect.Effect.Success<ReturnType<typeof makeVersioned<RepositoryProfile, RepositoryProfileRevision>>>

/** Builds the methods that store and read whole revisions. */
export const makeRevisions = (versioned: Versioned, mayUse: RepositoryCondition) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const run = yield* joinedRows
    const linkRows = yield* rowsOf(RepositoryProfileLink)

    /**
     * Replaces the links of an existing revision, inside a transaction of the caller. With `ownerUserId`, profiles of
     * other users are treated as missing.
     */
    const storeLinks = (revisionId: string, links: InputLinks, ownerUserId: string | undefined, now: number) =>
      Effect.gen(function* () {
        const batch = JSON.stringify(
          withPrecedence(links).map((link) => ({
            ...link,
            id: `lnk_${newUuid(now)}`,
            isRequired: link.isRequired ? 1 : 0
          }))
        )
        if (ownerUserId !== undefined) {
          const unusable = yield* sql.unsafe(unusableText, [revisionId, batch, ownerUserId])
          if (unusable.length > 0) return yield* profileRevisionNotFound()
        }
        yield* sql.unsafe(deleteText, [revisionId, batch])
        return sortLinks(yield* linkRows.findAll(sql.unsafe(storeText, [revisionId, batch, now])))
      }).pipe(
        // The revision exists until the transaction ends, so the missing row is the profile revision.
        Effect.catchIf(
          (error) => error._tag === "SqlError" && engineErrorOf(error).code === "SQLITE_CONSTRAINT_FOREIGNKEY",
          () => Effect.fail(profileRevisionNotFound())
        )
      )

    /** Selects the id of the revision if the user may use its repository. */
    const usableRevision = (id: string, userId: string | null) => sql`
      SELECT r.id FROM repository_profile_revisions AS r
        CROSS JOIN repository_profiles AS p ON p.id = r.repository_profile_id
      WHERE r.id = ${id} AND ${mayUse(userId, sql`p.repository_id`)}`

    const replace = ({ links, ownerUserId, revisionId }: typeof ReplaceLinks.Type) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const found = yield* ownerUserId === undefined
          ? sql`SELECT id FROM repository_profile_revisions WHERE id = ${revisionId}`
          : usableRevision(revisionId, ownerUserId)
        if (found.length === 0) return yield* new NotFound({ entity: "RepositoryProfileRevision", id: revisionId })
        return yield* storeLinks(revisionId, links, ownerUserId, now)
      }).pipe(sql.withTransaction)

    const create = (request: Input) =>
      Effect.gen(function* () {
        const id = yield* idOrNew(request.id, "rpv", RepositoryProfileRevisionId.make)
        const { links } = request
        const { policyConfig, runTemplate } = encode(request)
        const content = { runTemplate, policyConfig, links: sortLinks(withPrecedence(links ?? [])) }
        return yield* versioned.createRevision(
          {
            id,
            profile: { id: request.repositoryProfileId, ownerUserId: request.ownerUserId },
            fingerprint: fingerprint(content),
            content: {
              run_template: JSON.stringify(runTemplate),
              policy_config: jsonOrNull(policyConfig)
            },
            createdByUserId: request.createdByUserId,
            changeSummary: request.changeSummary,
            setAsActive: request.setAsActive
          },
          // Also for an existing revision, because its links may have been replaced since its creation.
          ({ revision }, now) =>
            links === undefined ? Effect.void : Effect.asVoid(storeLinks(revision.id, links, request.ownerUserId, now))
        )
      })

    const graph = ({ links, revision, text }: ReturnType<typeof graphOf>, id: string) =>
      decodeGraph({ links, revision }, sql.unsafe(text, [id]))

    /** Returns the revision whose id the query selects, or none. */
    const graphOfSelected = (query: Statement.Fragment) =>
      decodeGraph(graphs.selected, sql`WITH selected (id) AS (${query}) ${sql.literal(graphs.selected.text)}`)

    const decodeGraph = (
      { links, revision }: Omit<ReturnType<typeof graphOf>, "text">,
      statement: Statement.Statement<Readonly<Record<string, unknown>>>
    ) =>
      Effect.gen(function* () {
        const rows = yield* run(statement)
        const [found] = yield* revision.rowsIn(rows)
        if (found === undefined) return Option.none()
        const graph: RepositoryProfileRevisionGraph = { revision: found, links: sortLinks(yield* links.rowsIn(rows)) }
        return Option.some(graph)
      })

    return {
      createRevision: (request: typeof CreateRepositoryProfileRevision.Encoded) =>
        decodeInput(
          "createRevision",
          CreateRepositoryProfileRevision
        )(request).pipe(
          Effect.flatMap(create),
          traced("createRevision", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], {
            "profile.id": request.repositoryProfileId
          }),
          // The statement of the links has named its field already.
          Effect.catchTag("ReferenceNotFound", ({ entity, reference }) =>
            Effect.fail(
              new ReferenceNotFound({ entity, reference: reference === "unknown" ? "createdByUserId" : reference })
            )
          )
        ),

      getRevision: (by: ById) => {
        const { id, ownerUserId } = targetOf(by)
        const found =
          ownerUserId === undefined ? graph(graphs.ofId, id) : graphOfSelected(usableRevision(id, ownerUserId))
        return found.pipe(Effect.flatMap(orNotFound(id)), traced("getRevision", { "revision.id": id }))
      },

      getActiveRevision: (by: ById) =>
        Effect.gen(function* () {
          const target = targetOf(by)
          const found = yield* target.ownerUserId === undefined
            ? graph(graphs.active, target.id)
            : graphOfSelected(sql`
            SELECT active_revision_id FROM repository_profiles
            WHERE id = ${target.id} AND ${mayUse(target.ownerUserId, sql`repository_profiles.repository_id`)}`)
          return Option.isSome(found) ? found.value : yield* versioned.noActiveRevision(target)
        }).pipe(traced("getActiveRevision", { "profile.id": targetOf(by).id })),

      replaceLinks: (request: typeof ReplaceLinks.Encoded) =>
        decodeInput(
          "replaceLinks",
          ReplaceLinks
        )(request).pipe(
          Effect.flatMap(replace),
          ofLinks.traced("replaceLinks", ["InvalidInput"], { "revision.id": request.revisionId })
        )
    }
  })
