/**
 * Values that Better Auth stores can be read by every reader, and missing tables and columns are named.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { admin, twoFactor } from "better-auth/plugins"
import { Session, User, UserRepo } from "@sealant/db"
import { betterAuthAdapter } from "@sealant/db/better-auth"
import { columnList, rowsOf } from "../../src/sql/rows.js"
import { databaseLayers, memoryLayer } from "../support/database.js"
import { quickPasswords, quiet, serve } from "./support.js"

const signUp = (name: string, image?: string) => ({
  name,
  email: "ada@example.com",
  password: "a long passphrase",
  image
})

describe("a sign-up beyond the input limits of this package", () => {
  it.effect("creates a user that every reader can read and encode", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { browser } = yield* serve({ emailAndPassword: { enabled: true, password: quickPasswords } })
      const name = "x".repeat(1001)
      const { status } = yield* browser().post("/sign-up/email", signUp(name, `data:,${"y".repeat(100_001)}`))
      expect(status).toBe(200)
      const users = yield* rowsOf(User)
      const user = yield* users.single(sql`SELECT ${sql.literal(columnList(User))} FROM user`)
      expect(Schema.encodeSync(Schema.Array(User.json))([user])).toMatchObject([{ name }])
      expect((yield* (yield* UserRepo).getById(user.id)).name).toBe(name)
      const sessions = yield* rowsOf(Session)
      expect(yield* sessions.findAll(sql`SELECT ${sql.literal(columnList(Session))} FROM session`)).toHaveLength(1)
    }).pipe(Effect.provide(UserRepo.layer), Effect.provide(memoryLayer))
  )

  it.effect("is refused when the id is too long or a date is beyond the range of Date", () =>
    Effect.gen(function* () {
      const adapter = betterAuthAdapter(yield* Effect.runtime<SqlClient.SqlClient>())(quiet)
      const user = {
        name: "Ada",
        email: "ada@example.com",
        emailVerified: false,
        createdAt: new Date(0),
        updatedAt: new Date(0)
      }
      const refusal = (data: object) =>
        Effect.promise(() =>
          adapter.create({ model: "user", data: { ...user, ...data }, forceAllowId: true }).then(
            () => undefined,
            (error: unknown) => error
          )
        )
      expect(yield* refusal({ id: "x".repeat(256) })).toMatchObject({
        _tag: "InvalidInput",
        issues: ["id: must be up to 255 characters"]
      })
      expect(yield* refusal({ id: "u", createdAt: 8.64e15 + 1 })).toMatchObject({
        _tag: "InvalidInput",
        issues: ["createdAt: must be a date"]
      })
    }).pipe(Effect.provide(memoryLayer))
  )
})

describe("a missing table or column of a plugin", () => {
  for (const [kind, layer] of Object.entries(databaseLayers)) {
    it.effect(`is named with the statement that adds it (${kind})`, () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const runtime = yield* Effect.runtime<SqlClient.SqlClient>()
        const adapter = betterAuthAdapter(runtime)({
          ...quiet,
          plugins: [admin(), twoFactor()],
          advanced: { database: { joins: true } }
        })
        const causeOf = (call: () => Promise<unknown>) =>
          Effect.promise(() =>
            call().then(
              () => "it was not refused",
              (error: { readonly reason?: unknown; readonly cause?: unknown }) => [error.reason, error.cause]
            )
          )
        const session = {
          userId: "ada",
          token: "t",
          expiresAt: new Date(1),
          createdAt: new Date(1),
          updatedAt: new Date(1),
          impersonatedBy: "eve"
        }
        const column = "ALTER TABLE session ADD COLUMN impersonated_by TEXT"
        expect(yield* causeOf(() => adapter.create({ model: "session", data: session }))).toEqual([
          "SchemaMismatch",
          `session has no column impersonated_by: ${column}`
        ])
        const where = [{ field: "token", value: "t" }]
        expect(yield* causeOf(() => adapter.findOne({ model: "session", where }))).toEqual([
          "SchemaMismatch",
          `session has no column impersonated_by: ${column}`
        ])
        expect(yield* causeOf(() => adapter.findMany({ model: "twoFactor" }))).toEqual([
          "SchemaMismatch",
          expect.stringMatching(
            /^there is no table two_factor: create it with the columns id TEXT, secret TEXT, backup_codes TEXT, user_id TEXT/
          )
        ])
        yield* sql.unsafe(column)
        expect(yield* causeOf(() => adapter.findOne({ model: "session", where, join: { user: true } }))).toEqual([
          "SchemaMismatch",
          expect.stringMatching(/^user has no column \w+: ALTER TABLE user ADD COLUMN \w+ (TEXT|INTEGER)$/)
        ])
      }).pipe(Effect.provide(layer))
    )
  }
})
