/**
 * Factories of the source domain.
 */
import { DateTime, Effect } from "effect"
import { Repository, RepositoryId } from "../domain/source/Repository.js"
import { idOrNew } from "../internal/ids.js"
import { asId, factory, type Given, insert, type Made } from "./rows.js"

/** A repository of GitHub, of the owner `acme`. Its name is made from the id. */
export const repository = (given: Given<Repository> = {}): Made<Repository> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(RepositoryId, given.id), "repo", RepositoryId.make)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("repositories", Repository, {
      provider: "github",
      owner: "acme",
      name: id,
      createdAt: now,
      updatedAt: now,
      ...given,
      id
    })
  }).pipe(factory("repository"))
