/**
 * Checks whether an owner may use the repositories of a request. The checks are guards in the batch of the operation, so
 * that a grant cannot be revoked between check and write.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Statement } from "@effect/sql"
import { Effect, Option } from "effect"
import { repositoryAccess } from "./RepositoryAccess.js"
import { ReferenceNotFound } from "../Errors.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { guard, type Write } from "../sql/writeAll.js"

/** The fields of a request that refer to a repository, directly or through another row. */
interface RepositoryReferences {
  readonly repositoryId?: string | undefined
  readonly repositoryProfileRevisionId?: string | undefined
  readonly issueId?: string | undefined
}

interface Users {
  readonly ownerUserId: string
  readonly requestedByUserId?: string | undefined
}

/** A value, or a column of the statement. */
type Parameter = string | Statement.Fragment

const fields = ["repositoryId", "repositoryProfileRevisionId", "issueId"] as const

export const makeAccess = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const mayUse = yield* repositoryAccess

  const conditions = {
    repositoryId: (userId: Parameter, id: Parameter) => mayUse(userId, sql`${id}`),
    repositoryProfileRevisionId: (userId: Parameter, id: Parameter) => sql`EXISTS (
      SELECT 1 FROM repository_profile_revisions AS r CROSS JOIN repository_profiles AS p ON p.id = r.repository_profile_id
      WHERE r.id = ${id} AND ${mayUse(userId, sql`p.repository_id`)})`,
    issueId: (userId: Parameter, id: Parameter) => sql`EXISTS (
      SELECT 1 FROM issues AS i WHERE i.id = ${id} AND ${mayUse(userId, sql`i.repository_id`)})`
  }

  /**
   * Fails for a missing or forbidden reference. If a user does not exist, the error names the field of the user
   * instead.
   */
  const refuse = (entity: string, field: string, { ownerUserId, requestedByUserId }: Users) =>
    resolveForeignKeyError(sql, () => [
      { field: "ownerUserId", table: "user", id: Option.some(ownerUserId) },
      { field: "requestedByUserId", table: "user", id: Option.fromNullable(requestedByUserId) }
    ])(new ReferenceNotFound({ entity, reference: "unknown" })).pipe(
      Effect.mapError(
        ({ reference }) => new ReferenceNotFound({ entity, reference: reference === "unknown" ? field : reference })
      )
    )

  /** Builds the guards that the owner may use every repository that the request refers to, each with its field. */
  const accessGuards = (request: Users & RepositoryReferences) =>
    fields.flatMap((field) => {
      const id = request[field]
      if (id === undefined) return []
      const [condition, values] = sql`${conditions[field](request.ownerUserId, id)}`.compile()
      return [{ field, write: guard(condition, values) }]
    })

  return {
    accessGuards,
    /** Builds the refusal of a decision: fails with `ReferenceNotFound` for the field of the guard that did not hold. */
    refusalOf:
      (entity: string, guards: ReturnType<typeof accessGuards>, users: Users) =>
      (failed: Write): ReturnType<typeof refuse> | undefined => {
        const refused = guards.find(({ write }) => write === failed)
        return refused === undefined ? undefined : refuse(entity, refused.field, users)
      },
    /** Builds the condition that the user may use the repository that contains the issue now. Both are columns. */
    mayUseIssueOf: conditions.issueId,
    /** Builds the condition that the user may use the repository of the revision of a repository profile. */
    mayUseRevisionOf: conditions.repositoryProfileRevisionId,
    /**
     * Builds the guard that a pull request exists and, with a user, that the user may use its repository, or the execution
     * is already linked to it.
     */
    pullRequestGuard: (userId: string | undefined, executionId: string, pullRequestId: string) => {
      const allowed =
        userId === undefined
          ? sql`true`
          : sql`(${mayUse(userId, sql`p.repository_id`)} OR EXISTS (
            SELECT 1 FROM issue_workflow_execution_pull_request_links
            WHERE execution_id = ${executionId} AND pull_request_id = ${pullRequestId}))`
      const [condition, values] =
        sql`EXISTS (SELECT 1 FROM pull_requests AS p WHERE p.id = ${pullRequestId} AND ${allowed})`.compile()
      return guard(condition, values)
    }
  }
})

export type Access = Effect.Effect.Success<typeof makeAccess>
