/**
 * Passwords, their hashes and tokens are stored in rows, and appear in no error, span or log of this package or of Better
 * Auth.
 */
import type { SqlClient } from "@effect/sql"
import { describe, expect, it, vi } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import { betterAuthAdapter } from "@sealant/db/better-auth"
import * as Auth from "../../src/auth/index.js"
import { AccountRepo } from "../../src/auth/AccountRepo.js"
import { SessionRepo } from "../../src/auth/SessionRepo.js"
import { UserRepo } from "../../src/auth/UserRepo.js"
import { databaseLayers } from "../support/database.js"
import { shell } from "../support/lists.js"
import { collectOutput } from "../support/outputCollector.js"
import { quiet, serve } from "./support.js"

const sentinel = "correct-horse-battery-staple"

// A hash that contains a sentinel.
const password = { hash: async (given: string) => `hash of ${given}`, verify: async () => true }

const valuesOf = (table: string, columns: string) =>
  Effect.map(shell(`SELECT ${columns} FROM ${table}`), (rows) =>
    rows.flatMap((row) =>
      Object.values(row).filter((value): value is string => typeof value === "string" && value !== "")
    )
  )

describe("secrets of Better Auth", () => {
  for (const [name, database] of Object.entries(databaseLayers)) {
    it.effect(`are in no error, span or log (${name})`, () => {
      const { layer: watched, record, output } = collectOutput()
      return Effect.scoped(
        Effect.gen(function* () {
          // Better Auth logs unexpected errors here.
          const printed = vi.spyOn(console, "error").mockImplementation(record)
          yield* Effect.addFinalizer(() => Effect.sync(() => printed.mockRestore()))
          const resets: Array<string> = []
          const { auth, browser } = yield* serve({
            logger: { level: "debug", log: (level, message, ...rest) => record(level, message, ...rest) },
            emailAndPassword: {
              enabled: true,
              password,
              sendResetPassword: async ({ token }) => void resets.push(token)
            }
          })
          const laptop = browser()
          const ada = { name: "Ada", email: "ada@example.com", password: sentinel }
          expect((yield* laptop.post("/sign-up/email", ada)).status).toBe(200)
          yield* laptop.post("/sign-up/email", ada)
          yield* laptop.post("/request-password-reset", { email: ada.email })
          yield* laptop.get("/get-session")
          const secrets = [
            sentinel,
            ...resets,
            ...(yield* valuesOf("session", "token")),
            ...(yield* valuesOf("account", "password")),
            ...(yield* valuesOf("verification", "identifier, value"))
          ]
          expect(secrets).toHaveLength(6)

          // The rows as the repositories return them.
          const user = Option.getOrThrow(yield* (yield* UserRepo).findByEmail(ada.email))
          const { items: sessions } = yield* (yield* SessionRepo).listForUser({ userId: user.id })
          const { items: accounts } = yield* (yield* AccountRepo).listForUser({ userId: user.id })
          record(JSON.stringify([sessions, accounts]), String(sessions), String(accounts))
          expect(Redacted.value(sessions[0]?.token ?? Redacted.make(""))).toBe(secrets[2])

          // Rejected by a rule, by a constraint, by a missing table, and inside a transaction.
          const runtime = yield* Effect.runtime<SqlClient.SqlClient>()
          const adapter = betterAuthAdapter(runtime)({
            ...quiet,
            logger: { log: (level, message, ...rest) => record(level, message, ...rest) }
          })
          const session = {
            userId: user.id,
            token: secrets[2],
            expiresAt: new Date(1),
            createdAt: new Date(1),
            updatedAt: new Date(1)
          }
          const refused = (call: () => Promise<unknown>) =>
            Effect.promise(() =>
              call().then(
                () => "it was not refused",
                (error: unknown) => error
              )
            ).pipe(
              Effect.tap((error) => {
                record(error, String(error), JSON.stringify(error), error instanceof Error ? error.stack : "")
                expect(error).toBeInstanceOf(Error)
              })
            )
          yield* refused(() => adapter.create({ model: "session", data: session }))
          yield* refused(() => adapter.create({ model: "session", data: { ...session, token: `${sentinel}\0` } }))
          yield* refused(() =>
            adapter.create({ model: "session", data: { ...session, token: `${sentinel}2`, userId: sentinel } })
          )
          yield* refused(() =>
            adapter.create({ model: "session", data: { ...session, token: `${sentinel}3`, expiresAt: new Date(-1) } })
          )
          yield* refused(() =>
            adapter.findMany({
              model: "session",
              where: [{ field: "token", operator: "in", value: [`${sentinel}\uD800`] }]
            })
          )
          yield* refused(() =>
            adapter.update({
              model: "session",
              where: [{ field: "token", value: String(secrets[2]) }],
              update: { userId: sentinel }
            })
          )
          yield* refused(() => adapter.transaction((trx) => trx.create({ model: "session", data: session })))
          yield* shell("ALTER TABLE account RENAME COLUMN password TO pass_word")
          yield* refused(() =>
            adapter.updateMany({
              model: "account",
              where: [{ field: "userId", value: user.id }],
              update: { password: sentinel }
            })
          )
          yield* refused(() =>
            adapter.transaction((trx) =>
              trx.update({
                model: "account",
                where: [{ field: "password", value: sentinel }],
                update: { password: sentinel }
              })
            )
          )
          const { status } = yield* Effect.promise(() =>
            auth.handler(
              new Request(`${quiet.baseURL}/api/auth/sign-up/email`, {
                method: "POST",
                headers: { "content-type": "application/json" },
                body: JSON.stringify({ ...ada, email: "bob@example.com" })
              })
            )
          )
          expect(status).toBe(500)

          const all = output.join("\n")
          expect(all).toContain("BetterAuthAdapter.create")
          expect(all).toContain("BetterAuthAdapter.transaction")
          expect(all).toContain("SchemaMismatch")
          expect(printed).toHaveBeenCalled()
          for (const secret of new Set(secrets.filter((value) => value !== user.id)))
            expect(all.includes(secret), secret).toBe(false)
        })
      ).pipe(Effect.provide(Layer.provideMerge(Auth.layer, database)), Effect.provide(watched))
    })
  }
})
