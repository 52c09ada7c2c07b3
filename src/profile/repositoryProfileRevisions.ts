/**
 * Revisions of repository profiles and their links: how they are stored and read.
 */
import { SqlClient, type Statement } from "@effect/sql"
import { Clock, Effect, Option, Schema } from "effect"
import { v7 } from "uuid"
import { NotFound, ReferenceNotFound } from "../Errors.js"
import { engineErrorOf } from "../sql/engineError.js"
import { fingerprint } from "../sql/fingerprint.js"
import { idOrNew } from "../sql/ids.js"
import { targetOf } from "../sql/ownerScope.js"
import { part, together } from "../sql/unions.js"
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
import type { RepositoryProfileRevisionGraph, RepositoryProfileService } from "./RepositoryProfileRepo.js"
import type { makeVersioned } from "./versioned.js"

const { input, present, read, write } = operations("RepositoryProfileRepo", "RepositoryProfileRevision")
const ofLinks = operations("RepositoryProfileRepo", "RepositoryProfileLink")

type Given = typeof CreateRepositoryProfileRevision.Type
type GivenLinks = typeof ReplaceLinks.Type["links"]

const encode = Schema.encodeSync(CreateRepositoryProfileRevision)

const profileRevisionNotFound = () => new ReferenceNotFound({ entity: "RepositoryProfileLink", reference: "profileRevisionId" })

/** Links with what was left out filled in. */
const complete = (links: GivenLinks) =>
  links.map(({ isRequired, precedence, profileRevisionId }, place) => ({ profileRevisionId, precedence: precedence ?? place, isRequired }))

type Ordered = Pick<RepositoryProfileLink, "precedence" | "profileRevisionId">

/** By precedence: 1,000 at most, which are not worth an index of their own. */
const inOrder = <A extends Ordered>(links: ReadonlyArray<A>): ReadonlyArray<A> =>
  links.toSorted((one, other) => one.precedence - other.precedence || (one.profileRevisionId < other.profileRevisionId ? -1 : 1))

// ?1: the revision, ?2: the links, ?3: now.
const deleteText = `
  DELETE FROM repository_profile_profile_links
  WHERE repository_profile_revision_id = ?1 AND profile_revision_id NOT IN (SELECT value ->> 'profileRevisionId' FROM json_each(?2))`

// ?1: the revision, ?2: the links, ?3: the user. Links to profiles of other users, unless a revision of this repository profile
// has such a link: the user can read it there.
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

// WHERE true: without it, SQLite would read ON CONFLICT as the constraint of a join (https://www.sqlite.org/lang_upsert.html).
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
  const links = part(RepositoryProfileLink, "repository_profile_profile_links", `repository_profile_revision_id = ${revisionId}`)
  return { revision, links, text: together([revision, links]) }
}

const graphs = {
  ofId: graphOf("?1"),
  wanted: graphOf("(SELECT id FROM wanted)"),
  active: graphOf("(SELECT active_revision_id FROM repository_profiles WHERE id = ?1)")
}

type Revisions = Pick<RepositoryProfileService, "createRevision" | "getRevision" | "getActiveRevision" | "replaceLinks">

type Versioned = Effect.Effect.Success<ReturnType<typeof makeVersioned<RepositoryProfile, RepositoryProfileRevision>>>

export const makeRevisions = (versioned: Versioned, mayUse: RepositoryCondition) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const run = yield* joinedRows
    const linkRows = yield* rowsOf(RepositoryProfileLink)

    /**
     * Replaces the links of an existing revision. For a user, a profile of another user does not exist. In a transaction.
     */
    const storeLinks = (revisionId: string, given: GivenLinks, ownerUserId: string | undefined, now: number) =>
      Effect.gen(function*() {
        const batch = JSON.stringify(complete(given).map((link) => ({ ...link, id: `lnk_${v7()}`, isRequired: link.isRequired ? 1 : 0 })))
        if (ownerUserId !== undefined) {
          const unusable = yield* sql.unsafe(unusableText, [revisionId, batch, ownerUserId])
          if (unusable.length > 0) return yield* profileRevisionNotFound()
        }
        yield* sql.unsafe(deleteText, [revisionId, batch])
        return inOrder(yield* linkRows.all(sql.unsafe(storeText, [revisionId, batch, now])))
      }).pipe(
        // The revision was there, and stays while the transaction writes.
        Effect.catchIf(
          (error) => error._tag === "SqlError" && engineErrorOf(error).code === "SQLITE_CONSTRAINT_FOREIGNKEY",
          () => Effect.fail(profileRevisionNotFound())
        )
      )

    /** The revision of a repository that the user may use. */
    const usableRevision = (id: string, userId: string | null) => sql`
      SELECT r.id FROM repository_profile_revisions AS r CROSS JOIN repository_profiles AS p ON p.id = r.repository_profile_id
      WHERE r.id = ${id} AND ${mayUse(userId, sql`p.repository_id`)}`

    const replace = ({ links, ownerUserId, revisionId }: typeof ReplaceLinks.Type) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const found = yield* ownerUserId === undefined
          ? sql`SELECT id FROM repository_profile_revisions WHERE id = ${revisionId}`
          : usableRevision(revisionId, ownerUserId)
        if (found.length === 0) return yield* new NotFound({ entity: "RepositoryProfileRevision", id: revisionId })
        return yield* storeLinks(revisionId, links, ownerUserId, now)
      }).pipe(sql.withTransaction)

    const create = (given: Given) =>
      Effect.gen(function*() {
        const id = yield* idOrNew(given.id, "rpv", RepositoryProfileRevisionId.make)
        const { links } = given
        const { policyConfig, runTemplate } = encode(given)
        const content = { runTemplate, policyConfig, links: inOrder(complete(links ?? [])) }
        return yield* versioned.createRevision(
          {
            id,
            profile: { id: given.repositoryProfileId, ownerUserId: given.ownerUserId },
            fingerprint: fingerprint(content),
            content: {
              run_template: JSON.stringify(runTemplate),
              policy_config: policyConfig === undefined ? null : JSON.stringify(policyConfig)
            },
            createdByUserId: given.createdByUserId,
            changeSummary: given.changeSummary,
            setAsActive: given.setAsActive
          },
          // Also those of a revision that is there: they may have been replaced since.
          ({ revision }, now) => links === undefined
            ? Effect.void
            : Effect.asVoid(storeLinks(revision.id, links, given.ownerUserId, now))
        )
      })

    const graph = ({ links, revision, text }: ReturnType<typeof graphOf>, id: string) =>
      whole({ links, revision }, sql.unsafe(text, [id]))

    /** Returns the revision that the query `wanted` selects, or none. */
    const graphWithin = (wanted: Statement.Fragment) =>
      whole(graphs.wanted, sql`WITH wanted (id) AS (${wanted}) ${sql.literal(graphs.wanted.text)}`)

    const whole = (
      { links, revision }: Omit<ReturnType<typeof graphOf>, "text">,
      statement: Statement.Statement<Readonly<Record<string, unknown>>>
    ) =>
      Effect.gen(function*() {
        const rows = yield* run(statement)
        const [found] = yield* revision.rowsIn(rows)
        if (found === undefined) return Option.none()
        const all: RepositoryProfileRevisionGraph = { revision: found, links: inOrder(yield* links.rowsIn(rows)) }
        return Option.some(all)
      })

    const service: Revisions = {
      createRevision: (request) =>
        input("createRevision", CreateRepositoryProfileRevision)(request).pipe(
          Effect.flatMap(create),
          write("createRevision", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], { "profile.id": request.repositoryProfileId }),
          // What a link refers to was named where it was stored.
          Effect.catchTag("ReferenceNotFound", ({ entity, reference }) =>
            Effect.fail(new ReferenceNotFound({ entity, reference: reference === "unknown" ? "createdByUserId" : reference })))
        ),

      getRevision: (by) => {
        const { id, ownerUserId } = targetOf(by)
        const found = ownerUserId === undefined ? graph(graphs.ofId, id) : graphWithin(usableRevision(id, ownerUserId))
        return found.pipe(Effect.flatMap(present(id)), read("getRevision", { "revision.id": id }))
      },

      getActiveRevision: (by) =>
        Effect.gen(function*() {
          const target = targetOf(by)
          const found = yield* target.ownerUserId === undefined ? graph(graphs.active, target.id) : graphWithin(sql`
            SELECT active_revision_id FROM repository_profiles
            WHERE id = ${target.id} AND ${mayUse(target.ownerUserId, sql`repository_profiles.repository_id`)}`)
          return Option.isSome(found) ? found.value : yield* versioned.noActiveRevision(target)
        }).pipe(read("getActiveRevision", { "profile.id": targetOf(by).id })),

      replaceLinks: (request) =>
        input("replaceLinks", ReplaceLinks)(request).pipe(
          Effect.flatMap(replace),
          ofLinks.write("replaceLinks", ["InvalidInput"], { "revision.id": request.revisionId })
        )
    }
    return service
  })
