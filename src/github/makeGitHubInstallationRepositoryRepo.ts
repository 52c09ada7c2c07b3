/**
 * The statements and rules of `GitHubInstallationRepositoryRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import {
  ApplyInstallationChange,
  GitHubInstallationRepository,
  InstallationRepositoryByExternalId,
  InstallationRepositoryByRepository,
  InstallationRepositoryFilter,
  RepositoryUser,
  SyncInstallationRepositories,
  UserRepositoryFilter
} from "./GitHubInstallationRepository.js"
import type { GitHubInstallationRepositoryService } from "./GitHubInstallationRepositoryRepo.js"
import { makeSyncs } from "./installationSync.js"
import { repositoryAccess } from "../source/RepositoryAccess.js"
import { userRepositoriesText } from "../source/userRepositories.js"

const { input, read, write } = operations("GitHubInstallationRepositoryRepo", "GitHubInstallationRepository")

/** What LIKE finds where the text stands somewhere; nothing to find where it is empty. */
const patternOf = (search: string | undefined): string | null =>
  search === undefined || search === "" ? null : `%${search.replace(/[\\%_]/g, "\\$&")}%`

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(GitHubInstallationRepository))
  const repositories = yield* rowsOf(GitHubInstallationRepository)
  const { apply, sync } = yield* makeSyncs
  const mayUse = yield* repositoryAccess

  const service: GitHubInstallationRepositoryService = {
    sync: (request) =>
      input("sync", SyncInstallationRepositories)(request).pipe(
        Effect.flatMap(sync),
        write("sync", ["InvalidInput"], { "installation.id": request.installationId })
      ),

    apply: (request) =>
      input("apply", ApplyInstallationChange)(request).pipe(
        Effect.flatMap(apply),
        write("apply", ["InvalidInput"], { "installation.id": request.installationId })
      ),

    listForInstallation: (request) =>
      Effect.gen(function*() {
        const { includeRemoved, installationId, search } = yield* input("listForInstallation", InstallationRepositoryFilter)(request)
        const start = yield* Page.start("GitHubInstallationRepositoryRepo.listForInstallation", request)
        const pattern = patternOf(search)
        const conditions = [
          sql`installation_id = ${installationId}`,
          ...(includeRemoved ? [] : [sql`+removed_at IS NULL`]),
          ...(pattern === null ? [] : [sql`full_name LIKE ${pattern} ESCAPE '\\'`]),
          Page.below(sql, start)
        ]
        const rows = yield* repositories.all(sql`
          SELECT ${columns} FROM github_installation_repositories WHERE ${sql.and(conditions)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(read("listForInstallation", { "installation.id": request.installationId })),

    listForUser: (request) =>
      Effect.gen(function*() {
        const { search, userId } = yield* input("listForUser", UserRepositoryFilter)(request)
        const start = yield* Page.start("GitHubInstallationRepositoryRepo.listForUser", request)
        const last = request.cursor === undefined ? null : start.id
        const rows = yield* repositories.all(
          sql.unsafe(userRepositoriesText, [userId, last, patternOf(search), start.limit + 1])
        )
        return Page.make(rows, start, ({ createdAt, repositoryId }) => [createdAt, repositoryId])
      }).pipe(read("listForUser", { "user.id": request.userId })),

    mayUse: (request) =>
      input("mayUse", RepositoryUser)(request).pipe(
        Effect.flatMap(({ repositoryId, userId }) => sql`SELECT 1 WHERE ${mayUse(userId, sql`${repositoryId}`)}`),
        Effect.map(({ length }) => length > 0),
        read("mayUse", { "repository.id": request.repositoryId, "user.id": request.userId })
      ),

    findById: (id) =>
      repositories.first(sql`SELECT ${columns} FROM github_installation_repositories WHERE id = ${id}`).pipe(
        read("findById", { "installation_repository.id": id })
      ),

    findByExternalId: (request) =>
      input("findByExternalId", InstallationRepositoryByExternalId)(request).pipe(
        Effect.flatMap(({ externalRepositoryId, installationId }) => repositories.first(sql`
          SELECT ${columns} FROM github_installation_repositories
          WHERE installation_id = ${installationId} AND external_repository_id = ${externalRepositoryId}`)),
        read("findByExternalId", { "installation.id": request.installationId })
      ),

    findByRepositoryId: (request) =>
      input("findByRepositoryId", InstallationRepositoryByRepository)(request).pipe(
        Effect.flatMap(({ installationId, repositoryId }) => repositories.first(sql`
          SELECT ${columns} FROM github_installation_repositories WHERE id = coalesce(
            (SELECT id FROM github_installation_repositories
             WHERE installation_id = ${installationId} AND repository_id = ${repositoryId} AND removed_at IS NULL),
            (SELECT id FROM github_installation_repositories
             WHERE +installation_id = ${installationId} AND repository_id = ${repositoryId}
             ORDER BY created_at DESC, id DESC LIMIT 1))`)),
        read("findByRepositoryId", { "installation.id": request.installationId })
      )
  }
  return service
})
