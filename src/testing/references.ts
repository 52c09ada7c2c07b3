/**
 * Factories of what sandboxes refer to. The models of these tables are not here yet, so they give what a test refers
 * to: ids, and what is unique.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect } from "effect"
import { IssueId } from "../domain/issue-workflow/Issue.js"
import { ProfileRevisionId } from "../domain/profile/Profile.js"
import { RepositoryProfileRevisionId } from "../domain/profile/RepositoryProfile.js"
import { RepositoryId } from "../domain/source/Repository.js"
import { idOrNew } from "../internal/ids.js"
import { owner } from "./auth.js"
import { ensure, factory, insertPlain } from "./rows.js"

export { owner }

/** The given id or a new one, and the moment of the row. */
const identity = <Id extends string>(given: string | undefined, prefix: string, make: (id: string) => Id) =>
  Effect.all({ id: idOrNew(given === undefined ? undefined : make(given), prefix, make), now: Clock.currentTimeMillis })

const asIs = (id: string) => id

/** A repository of GitHub, of the owner `acme`. Its name is made from the id. */
export const repository = (given: { readonly id?: string; readonly owner?: string; readonly name?: string } = {}) =>
  Effect.gen(function*() {
    const { id, now } = yield* identity(given.id, "repo", RepositoryId.make)
    const row = { owner: "acme", name: id, ...given, id }
    yield* insertPlain("repositories", { ...row, provider: "github", createdAt: now, updatedAt: now })
    return row
  }).pipe(factory("repository"))

/** A profile of a user. Its slug and name are made from the id. */
export const profile = (given: { readonly id?: string; readonly ownerUserId?: string; readonly slug?: string } = {}) =>
  Effect.gen(function*() {
    const { id, now } = yield* identity(given.id, "profile", asIs)
    const ownerUserId = yield* owner(given.ownerUserId)
    const row = { slug: id, ...given, id, ownerUserId }
    yield* insertPlain("profiles", { ...row, name: row.slug, createdAt: now, updatedAt: now })
    return row
  }).pipe(factory("profile"))

/** The next revision of a profile, of a new one when none is given. */
export const profileRevision = (
  given: { readonly id?: string; readonly profileId?: string; readonly ownerUserId?: string } = {}
) =>
  Effect.gen(function*() {
    const { id, now } = yield* identity(given.id, "profile_revision", ProfileRevisionId.make)
    const { ownerUserId, profileId } = given
    const ofOwner = ownerUserId === undefined ? {} : { ownerUserId }
    yield* ensure("profiles", profileId, (id) => profile({ id, ...ofOwner }))
    const profileOfIt = profileId ?? (yield* profile(ofOwner)).id
    const version = yield* next("profile_revisions", "version", "profile_id", profileOfIt)
    yield* insertPlain("profile_revisions", { id, profileId: profileOfIt, version, fingerprint: id, configPatch: {}, createdAt: now })
    return { id, profileId: profileOfIt, version }
  }).pipe(factory("profileRevision"))

/** A profile of a repository. Its name is made from the id. */
export const repositoryProfile = (
  given: { readonly id?: string; readonly repositoryId?: string; readonly name?: string } = {}
) =>
  Effect.gen(function*() {
    const { id, now } = yield* identity(given.id, "repository_profile", asIs)
    const row = { name: id, ...given, id, repositoryId: yield* repositoryOf(given.repositoryId) }
    yield* insertPlain("repository_profiles", { ...row, createdAt: now, updatedAt: now })
    return row
  }).pipe(factory("repositoryProfile"))

/** The next revision of a profile of a repository, of a new one when none is given. */
export const repositoryProfileRevision = (
  given: { readonly id?: string; readonly repositoryProfileId?: string; readonly repositoryId?: string } = {}
) =>
  Effect.gen(function*() {
    const { id, now } = yield* identity(given.id, "repository_profile_revision", RepositoryProfileRevisionId.make)
    const ofRepository = given.repositoryId === undefined ? {} : { repositoryId: given.repositoryId }
    yield* ensure("repository_profiles", given.repositoryProfileId, (id) => repositoryProfile({ id, ...ofRepository }))
    const repositoryProfileId = given.repositoryProfileId ?? (yield* repositoryProfile(ofRepository)).id
    const version = yield* next("repository_profile_revisions", "version", "repository_profile_id", repositoryProfileId)
    const row = { id, repositoryProfileId, version }
    yield* insertPlain("repository_profile_revisions", { ...row, fingerprint: id, runTemplate: {}, createdAt: now })
    return row
  }).pipe(factory("repositoryProfileRevision"))

/** An issue of a repository, with the next number there. */
export const issue = (
  given: { readonly id?: string; readonly repositoryId?: string; readonly number?: number; readonly title?: string } = {}
) =>
  Effect.gen(function*() {
    const { id, now } = yield* identity(given.id, "issue", IssueId.make)
    const repositoryId = yield* repositoryOf(given.repositoryId)
    const number = given.number ?? (yield* next("issues", "number", "repository_id", repositoryId))
    const row = { title: id, ...given, id, repositoryId, number }
    yield* insertPlain("issues", { ...row, createdAt: now, updatedAt: now })
    return row
  }).pipe(factory("issue"))

/** The repository of this id, made when missing; a new one when none is given. */
const repositoryOf = (given: string | undefined) =>
  Effect.gen(function*() {
    yield* ensure("repositories", given, (id) => repository({ id }))
    return given === undefined ? (yield* repository()).id : RepositoryId.make(given)
  })

/** The number after the highest among the rows of one parent. */
const next = (table: string, column: string, parentColumn: string, parent: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly number: number }>`
      SELECT coalesce(max(${sql(column)}), 0) + 1 AS number FROM ${sql(table)} WHERE ${sql(parentColumn)} = ${parent}`
    return row?.number ?? 1
  })
