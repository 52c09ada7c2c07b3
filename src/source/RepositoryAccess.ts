/**
 * The rule that decides whether a user may use a repository, and the setting that turns it off.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Statement } from "@effect/sql"
import { Context, Effect, Layer } from "effect"

/**
 * The rule by which the services decide whether a user may use a repository:
 *
 * - `granted` (default): the user has a grant on an active installation that contains the repository; or the repository
 *   is marked `openToAll` and no installation contains or ever contained it.
 * - `open`: every user may use every repository. For programs that do not keep GitHub grants in this database.
 *
 * Imported repositories, and repositories that were stored before `openToAll` existed, are not marked.
 *
 * The services read the setting when their layer is built:
 *
 * @example
 * ```ts
 * import { ControlPlane } from "@sealant/db"
 * import { RepositoryAccess } from "@sealant/db/source"
 * import { Layer } from "effect"
 *
 * export const services = ControlPlane.layer.pipe(Layer.provide(RepositoryAccess.layer("open")))
 * ```
 */
export class RepositoryAccess extends Context.Reference<RepositoryAccess>()("@sealant/db/RepositoryAccess", {
  defaultValue: (): "granted" | "open" => "granted"
}) {
  /** Sets the rule for the services that are built with this layer. */
  static readonly layer = (access: "granted" | "open"): Layer.Layer<RepositoryAccess> =>
    Layer.succeedContext(Context.make(RepositoryAccess, access))
}

/**
 * Builds the SQL condition that `userId` may use the repository whose id is `repositoryId`. Each is a column or a
 * parameter.
 */
export const repositoryAccess = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const access = yield* RepositoryAccess
  return (userId: string | null | Statement.Fragment, repositoryId: Statement.Fragment): Statement.Fragment =>
    access === "open"
      ? sql`EXISTS (SELECT 1 FROM repositories AS used WHERE used.id = ${repositoryId})`
      : sql`(
        EXISTS (
          SELECT 1 FROM github_installation_repositories AS seen
            CROSS JOIN github_app_installations AS installation
              ON installation.id = seen.installation_id AND installation.status = 'active'
            CROSS JOIN github_installation_user_grants AS access
              ON access.installation_id = seen.installation_id AND access.user_id = ${userId} AND access.revoked_at IS NULL
          WHERE seen.repository_id = ${repositoryId} AND seen.removed_at IS NULL)
        OR EXISTS (
          SELECT 1 FROM repositories AS used
          WHERE used.id = ${repositoryId} AND used.open_to_all = 1
            AND NOT EXISTS (SELECT 1 FROM github_installation_repositories AS seen WHERE seen.repository_id = used.id)))`
})

/** The function that builds the condition. */
export type RepositoryCondition = Effect.Effect.Success<typeof repositoryAccess>
