/**
 * The statements and rules of `RepositoryRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect, Option } from "effect"
import { v7 } from "uuid"
import { isTaken } from "../sql/engineError.js"
import { idOrNew } from "../sql/ids.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { endWithRepository } from "../events/deletions.js"
import { Repository, RepositoryByExternalId, RepositoryByName, RepositoryId, UpsertRepository } from "./Repository.js"
import { giveUpExternalIdsText, giveUpNamesText, type GivenRepository, storeText } from "./repositoryIdentity.js"
import type { RepositoryService } from "./RepositoryRepo.js"

const { input, present, read, write } = operations("RepositoryRepo", "Repository")

const storeOneText = `${storeText} RETURNING ${columnList(Repository)}`

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Repository))
  const repositories = yield* rowsOf(Repository)

  const byId = (id: RepositoryId) => repositories.first(sql`SELECT ${columns} FROM repositories WHERE id = ${id}`)

  const store = ({ lastSyncedAt, ...repository }: typeof UpsertRepository.Type) =>
    Effect.gen(function*() {
      const fresh = yield* idOrNew(repository.id, "repo", RepositoryId.make)
      const now = yield* Clock.currentTimeMillis
      const given: GivenRepository = { ...repository, fresh, lastSyncedAt: lastSyncedAt && DateTime.toEpochMillis(lastSyncedAt) }
      const batch = JSON.stringify([given])
      const stored = repositories.one(sql.unsafe(storeOneText, [batch, now]))
      const othersGiveWay = Effect.zipRight(
        sql.unsafe(giveUpExternalIdsText, [batch, now]),
        sql.unsafe(giveUpNamesText, [batch, now, `~${v7()}`])
      )
      // In nearly every call nothing is in the way, and one statement does it.
      return yield* Effect.catchIf(stored, isTaken, () => sql.withTransaction(Effect.zipRight(othersGiveWay, stored)))
    })

  const service: RepositoryService = {
    upsert: (request) =>
      input("upsert", UpsertRepository)(request).pipe(Effect.flatMap(store), write("upsert", ["InvalidInput"])),

    findById: (id) => byId(id).pipe(read("findById", { "repository.id": id })),

    getById: (id) => Effect.flatMap(byId(id), present(id)).pipe(read("getById", { "repository.id": id })),

    findByExternalId: (request) =>
      input("findByExternalId", RepositoryByExternalId)(request).pipe(
        Effect.flatMap(({ externalId, provider }) => repositories.first(sql`
          SELECT ${columns} FROM repositories WHERE provider = ${provider} AND external_id = ${externalId}`)),
        read("findByExternalId")
      ),

    findByOwnerAndName: (request) =>
      input("findByOwnerAndName", RepositoryByName)(request).pipe(
        Effect.flatMap(({ name, owner, provider }) => repositories.first(sql`
          SELECT ${columns} FROM repositories
          WHERE provider = ${provider} AND owner = ${owner} COLLATE NOCASE AND name = ${name} COLLATE NOCASE`)),
        read("findByOwnerAndName")
      ),

    list: (request) =>
      Effect.gen(function*() {
        const start = yield* Page.start("RepositoryRepo.list", request)
        const rows = yield* repositories.all(sql`
          SELECT ${columns} FROM repositories WHERE ${Page.below(sql, start)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(read("list")),

    delete: (id) =>
      Effect.zipRight(endWithRepository(sql, id), sql`DELETE FROM repositories WHERE id = ${id} RETURNING id`).pipe(
        Effect.flatMap(([deleted]) => present(id)(Option.fromNullable(deleted))),
        Effect.asVoid,
        sql.withTransaction,
        read("delete", { "repository.id": id })
      )
  }
  return service
})
