/**
 * The statements that store GitHub's report of a repository in its rows of all installations.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect } from "effect"
import type { DeletedInstallationRepository, UpdateInstallationRepository } from "./GitHubInstallationRepository.js"

const updated = {
  owner: "?3",
  name: "?4",
  full_name: "?5",
  default_branch: "coalesce(?6, default_branch)",
  is_private: "coalesce(?7, is_private)",
  is_archived: "coalesce(?8, is_archived)",
  pushed_at: "iif(?9, pushed_at, ?10)"
}
const columns = Object.keys(updated).join(", ")
const values = Object.values(updated).join(", ")

// ?1: the repository, ?2: now.
const updateText = `
  UPDATE github_installation_repositories SET updated_at = ?2, (${columns}) = (${values})
  WHERE repository_id = ?1 AND (${columns}) IS NOT (${values})
  RETURNING id`.trim()

export const makeInstallationReports = (sql: SqlClient.SqlClient) => ({
  /** Stores a report. Returns the number of changed rows. */
  update: (report: typeof UpdateInstallationRepository.Type) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { defaultBranch = null, fullName, isArchived = null, isPrivate = null, name, owner, pushedAt } = report
      const changed = yield* sql.unsafe(updateText, [
        report.repositoryId,
        now,
        owner,
        name,
        fullName ?? `${owner}/${name}`,
        defaultBranch,
        isPrivate,
        isArchived,
        pushedAt === undefined,
        pushedAt ? DateTime.toEpochMillis(pushedAt) : null
      ])
      return changed.length
    }),

  /** Removes a repository. Additions from before `at` do not restore it. Returns the number of changed rows. */
  markDeleted: ({ at, repositoryId }: typeof DeletedInstallationRepository.Type) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const deletedAt = DateTime.toEpochMillis(at)
      const removed = yield* sql`
        UPDATE github_installation_repositories SET
          removed_at = coalesce(removed_at, ${now}), updated_at = ${now},
          last_synced_at = max(coalesce(last_synced_at, 0), ${deletedAt})
        WHERE repository_id = ${repositoryId} AND (removed_at IS NULL OR coalesce(last_synced_at, 0) < ${deletedAt})
        RETURNING id`
      return removed.length
    })
})
