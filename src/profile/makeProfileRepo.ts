/**
 * The statements and rules of `ProfileRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { idOrNew } from "../sql/ids.js"
import { targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { CreateProfile, OwnedProfile, Profile, ProfileFilter, ProfileId, ProfileSlug, UpdateProfile } from "./Profile.js"
import { ProfileRevision, ProfileRevisionFilter, SetActiveProfileRevision } from "./ProfileRevision.js"
import type { ProfileService } from "./ProfileRepo.js"
import { makeRevisions } from "./profileRevisions.js"
import { makeVersioned } from "./versioned.js"

const { input, read, write } = operations("ProfileRepo", "Profile")

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Profile))
  const profiles = yield* rowsOf(Profile)
  const versioned = yield* makeVersioned<Profile, ProfileRevision>({
    model: Profile,
    entity: "Profile",
    table: "profiles",
    scope: "owner_user_id",
    isWithin: (userId) => sql`owner_user_id = ${userId}`,
    revisionModel: ProfileRevision,
    revisionEntity: "ProfileRevision",
    revisionTable: "profile_revisions",
    parent: "profile_id"
  })

  // Decoded: without an owner it would be a profile of any owner.
  const owned = (method: string, request: typeof OwnedProfile.Encoded) => input(method, OwnedProfile)(request)

  const service: ProfileService = {
    create: (request) =>
      Effect.gen(function*() {
        const { description, id: given, name, ownerUserId, slug } = yield* input("create", CreateProfile)(request)
        const id = yield* idOrNew(given, "prf", ProfileId.make)
        const now = yield* Clock.currentTimeMillis
        return yield* profiles.one(sql`
          INSERT INTO profiles (id, owner_user_id, slug, name, description, created_at, updated_at)
          VALUES (${id}, ${ownerUserId}, ${slug}, ${name}, ${description ?? null}, ${now}, ${now})
          RETURNING ${columns}`)
      }).pipe(
        write("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "ownerUserId", table: "user", id: Option.some(request.ownerUserId) }
        ]))
      ),

    findById: (by) => versioned.find(targetOf(by)).pipe(read("findById", { "profile.id": targetOf(by).id })),

    getById: (by) => versioned.get(targetOf(by)).pipe(read("getById", { "profile.id": targetOf(by).id })),

    getForOwner: (request) =>
      owned("getForOwner", request).pipe(
        Effect.flatMap(versioned.get),
        read("getForOwner", { "profile.id": request.id, "user.id": request.ownerUserId })
      ),

    findBySlug: (request) =>
      Effect.gen(function*() {
        const { ownerUserId, slug } = yield* input("findBySlug", ProfileSlug)(request)
        return yield* profiles.first(sql`
          SELECT ${columns} FROM profiles WHERE owner_user_id = ${ownerUserId} AND slug = ${slug}`)
      }).pipe(read("findBySlug", { "user.id": request.ownerUserId })),

    list: (request) =>
      Effect.gen(function*() {
        const { ownerUserId, status } = yield* input("list", ProfileFilter)(request)
        const start = yield* Page.start("ProfileRepo.list", request)
        return yield* versioned.list(ownerUserId, status, start)
      }).pipe(read("list", { "user.id": request.ownerUserId })),

    update: (request) =>
      Effect.gen(function*() {
        const { id, ownerUserId, ...changes } = yield* input("update", UpdateProfile)(request)
        return yield* versioned.update({ id, ownerUserId }, changes)
      }).pipe(write("update", ["AlreadyExists", "InvalidInput"], { "profile.id": request.id })),

    archive: (by) => versioned.archive(targetOf(by)).pipe(read("archive", { "profile.id": targetOf(by).id })),

    archiveForOwner: (request) =>
      owned("archiveForOwner", request).pipe(
        Effect.flatMap(versioned.archive),
        read("archiveForOwner", { "profile.id": request.id, "user.id": request.ownerUserId })
      ),

    restore: (by) => versioned.restore(targetOf(by)).pipe(read("restore", { "profile.id": targetOf(by).id })),

    restoreForOwner: (request) =>
      owned("restoreForOwner", request).pipe(
        Effect.flatMap(versioned.restore),
        read("restoreForOwner", { "profile.id": request.id, "user.id": request.ownerUserId })
      ),

    ...(yield* makeRevisions(versioned)),

    listRevisions: (request) =>
      Effect.gen(function*() {
        const { ownerUserId, profileId } = yield* input("listRevisions", ProfileRevisionFilter)(request)
        const start = yield* Page.start("ProfileRepo.listRevisions", request)
        return yield* versioned.listRevisions({ id: profileId, ownerUserId }, start)
      }).pipe(read("listRevisions", { "profile.id": request.profileId })),

    setActiveRevision: (request) =>
      Effect.gen(function*() {
        const { ownerUserId, profileId, revisionId } = yield* input("setActiveRevision", SetActiveProfileRevision)(request)
        return yield* versioned.setActiveRevision({ id: profileId, ownerUserId }, revisionId)
      }).pipe(read("setActiveRevision", { "profile.id": request.profileId }))
  }
  return service
})
