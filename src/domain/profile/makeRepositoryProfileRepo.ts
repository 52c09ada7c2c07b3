/**
 * The statements and rules of `RepositoryProfileRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { idOrNew } from "../../internal/ids.js"
import * as Page from "../../internal/page.js"
import { operations } from "../../internal/query.js"
import { nameMissing } from "../../internal/references.js"
import { columnList, rowsOf } from "../../internal/rows.js"
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
  const versioned = yield* makeVersioned<RepositoryProfile, RepositoryProfileRevision>({
    model: RepositoryProfile,
    entity: "RepositoryProfile",
    table: "repository_profiles",
    scope: "repository_id",
    revisionModel: RepositoryProfileRevision,
    revisionEntity: "RepositoryProfileRevision",
    revisionTable: "repository_profile_revisions",
    parent: "repository_profile_id"
  })

  const service: RepositoryProfileService = {
    create: (request) =>
      Effect.gen(function*() {
        const { description, id: given, name, repositoryId } = yield* input("create", CreateRepositoryProfile)(request)
        const id = yield* idOrNew(given, "rpf", RepositoryProfileId.make)
        const now = yield* Clock.currentTimeMillis
        return yield* profiles.one(sql`
          INSERT INTO repository_profiles (id, repository_id, name, description, created_at, updated_at)
          VALUES (${id}, ${repositoryId}, ${name}, ${description ?? null}, ${now}, ${now})
          RETURNING ${columns}`)
      }).pipe(
        write("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "repositoryId", table: "repositories", id: Option.some(request.repositoryId) }
        ]))
      ),

    findById: (id) => versioned.find({ id }).pipe(read("findById", { "profile.id": id })),

    getById: (id) => versioned.get({ id }).pipe(read("getById", { "profile.id": id })),

    list: (request) =>
      Effect.gen(function*() {
        const { repositoryId, status } = yield* input("list", RepositoryProfileFilter)(request)
        const start = yield* Page.start("RepositoryProfileRepo.list", request)
        return yield* versioned.list(repositoryId, status, start)
      }).pipe(read("list", { "repository.id": request.repositoryId })),

    update: (request) =>
      Effect.gen(function*() {
        const { id, ...changes } = yield* input("update", UpdateRepositoryProfile)(request)
        return yield* versioned.update({ id }, changes)
      }).pipe(write("update", ["AlreadyExists", "InvalidInput"], { "profile.id": request.id })),

    archive: (id) => versioned.archive({ id }).pipe(read("archive", { "profile.id": id })),

    restore: (id) => versioned.restore({ id }).pipe(read("restore", { "profile.id": id })),

    ...(yield* makeRevisions(versioned)),

    listRevisions: (request) =>
      Effect.gen(function*() {
        const { repositoryProfileId: id } = yield* input("listRevisions", RepositoryProfileRevisionFilter)(request)
        const start = yield* Page.start("RepositoryProfileRepo.listRevisions", request)
        return yield* versioned.listRevisions({ id }, start)
      }).pipe(read("listRevisions", { "profile.id": request.repositoryProfileId })),

    setActiveRevision: (request) =>
      Effect.gen(function*() {
        const { repositoryProfileId: id, revisionId } = yield* input("setActiveRevision", SetActiveRepositoryProfileRevision)(request)
        return yield* versioned.setActiveRevision({ id }, revisionId)
      }).pipe(read("setActiveRevision", { "profile.id": request.repositoryProfileId }))
  }
  return service
})
