/**
 * The statements and rules of `RepositoryProfileRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { ReferenceNotFound } from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import { targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { repositoryAccess } from "../source/RepositoryAccess.js"
import {
  CreateRepositoryProfile,
  RepositoryProfile,
  RepositoryProfileFilter,
  RepositoryProfileId,
  RepositoryProfileRevision,
  RepositoryProfileRevisionFilter,
  SetActiveRepositoryProfileRevision,
  UpdateRepositoryProfile
} from "./RepositoryProfile.js"
import type { RepositoryProfileService } from "./RepositoryProfileRepo.js"
import { makeRevisions } from "./repositoryProfileRevisions.js"
import { makeVersioned } from "./versioned.js"

const { input, read, write } = operations("RepositoryProfileRepo", "RepositoryProfile")

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(RepositoryProfile))
  const profiles = yield* rowsOf(RepositoryProfile)
  const mayUse = yield* repositoryAccess
  const versioned = yield* makeVersioned<RepositoryProfile, RepositoryProfileRevision>({
    model: RepositoryProfile,
    entity: "RepositoryProfile",
    table: "repository_profiles",
    scope: "repository_id",
    isWithin: (userId) => mayUse(userId, sql`repository_profiles.repository_id`),
    revisionModel: RepositoryProfileRevision,
    revisionEntity: "RepositoryProfileRevision",
    revisionTable: "repository_profile_revisions",
    parent: "repository_profile_id"
  })

  const service: RepositoryProfileService = {
    create: (request) =>
      Effect.gen(function*() {
        const { description, id: given, name, ownerUserId, repositoryId } = yield* input("create", CreateRepositoryProfile)(request)
        const id = yield* idOrNew(given, "rpf", RepositoryProfileId.make)
        const now = yield* Clock.currentTimeMillis
        const usable = ownerUserId === undefined ? sql`true` : mayUse(ownerUserId, sql`${repositoryId}`)
        const created = yield* profiles.first(sql`
          INSERT INTO repository_profiles (id, repository_id, name, description, created_at, updated_at)
          SELECT ${id}, ${repositoryId}, ${name}, ${description ?? null}, ${now}, ${now} WHERE ${usable}
          RETURNING ${columns}`)
        return Option.isSome(created)
          ? created.value
          : yield* new ReferenceNotFound({ entity: "RepositoryProfile", reference: "repositoryId" })
      }).pipe(
        write("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "repositoryId", table: "repositories", id: Option.some(request.repositoryId) }
        ]))
      ),

    findById: (by) => versioned.find(targetOf(by)).pipe(read("findById", { "profile.id": targetOf(by).id })),

    getById: (by) => versioned.get(targetOf(by)).pipe(read("getById", { "profile.id": targetOf(by).id })),

    list: (request) =>
      Effect.gen(function*() {
        const { ownerUserId, repositoryId, status } = yield* input("list", RepositoryProfileFilter)(request)
        const start = yield* Page.start("RepositoryProfileRepo.list", request)
        const usable = ownerUserId === undefined ? [] : [mayUse(ownerUserId, sql`${repositoryId}`)]
        return yield* versioned.list(repositoryId, status, start, usable)
      }).pipe(read("list", { "repository.id": request.repositoryId })),

    update: (request) =>
      Effect.gen(function*() {
        const { id, ownerUserId, ...changes } = yield* input("update", UpdateRepositoryProfile)(request)
        return yield* versioned.update({ id, ownerUserId }, changes)
      }).pipe(write("update", ["AlreadyExists", "InvalidInput"], { "profile.id": request.id })),

    archive: (by) => versioned.archive(targetOf(by)).pipe(read("archive", { "profile.id": targetOf(by).id })),

    restore: (by) => versioned.restore(targetOf(by)).pipe(read("restore", { "profile.id": targetOf(by).id })),

    ...(yield* makeRevisions(versioned, mayUse)),

    listRevisions: (request) =>
      Effect.gen(function*() {
        const { ownerUserId, repositoryProfileId: id } = yield* input("listRevisions", RepositoryProfileRevisionFilter)(request)
        const start = yield* Page.start("RepositoryProfileRepo.listRevisions", request)
        return yield* versioned.listRevisions({ id, ownerUserId }, start)
      }).pipe(read("listRevisions", { "profile.id": request.repositoryProfileId })),

    setActiveRevision: (request) =>
      Effect.gen(function*() {
        const { ownerUserId, repositoryProfileId: id, revisionId } = yield* input("setActiveRevision", SetActiveRepositoryProfileRevision)(request)
        return yield* versioned.setActiveRevision({ id, ownerUserId }, revisionId)
      }).pipe(read("setActiveRevision", { "profile.id": request.repositoryProfileId }))
  }
  return service
})
