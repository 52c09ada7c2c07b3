/**
 * The rules of `PullRequestRepo`. How its rows follow their provider stands in `providerRows.ts`.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import { InvalidTransition } from "../Errors.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { isNewer, makeProviderRows } from "./providerRows.js"
import { PullRequest, PullRequestFilter, pullRequestTransitions, UpsertPullRequest } from "./PullRequest.js"
import type { PullRequestService } from "./PullRequestRepo.js"

const own = operations("PullRequestRepo", "PullRequest")

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { look, reads, store } = yield* makeProviderRows(own, {
    model: PullRequest,
    table: "pull_requests",
    service: "PullRequestRepo",
    prefix: "pr",
    states: pullRequestTransitions,
    filter: PullRequestFilter
  })

  const upsert = (told: typeof UpsertPullRequest.Type): Upserted =>
    Effect.flatMap(store(told), Option.match({ onSome: Effect.succeed, onNone: () => explain(told) }))

  /** Why nothing was written. A row that went or moved in between is no reason any more. */
  const explain = (told: typeof UpsertPullRequest.Type): Upserted =>
    Effect.flatMap(look(told), (found): Upserted => {
      const { state: to } = told
      if (Option.isNone(found)) return upsert(told)
      const { id, state: from } = found.value
      if (isNewer(found.value, told)) return Effect.succeed(found.value)
      return to === undefined || from === to || pullRequestTransitions.allows(from, to)
        ? upsert(told)
        : Effect.fail(new InvalidTransition({ entity: "PullRequest", id, from, to }))
    })

  type Upserted = Effect.Effect<PullRequest, Effect.Effect.Error<ReturnType<typeof store>> | InvalidTransition>

  const service: PullRequestService = {
    ...reads,

    upsert: (request) =>
      own.input("upsert", UpsertPullRequest)(request).pipe(
        Effect.flatMap(upsert),
        own.write("upsert", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "repositoryId", table: "repositories", id: Option.some(request.repositoryId) },
          { field: "authorUserId", table: "user", id: Option.fromNullable(request.authorUserId) }
        ]))
      )
  }
  return service
})
