/**
 * Transactions of Better Auth as transactions of the database.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, type Layer, ManagedRuntime } from "effect"
import { AsyncLocalStorage } from "node:async_hooks"
import type { DBAdapter } from "better-auth/adapters"
import { APIError } from "better-auth/api"
import { betterAuthAdapter } from "@sealant/db/better-auth"
import * as Database from "../../src/Database.js"
import { databaseLayers } from "../support/database.js"
import { turns } from "../support/eventLoop.js"
import { shell } from "../support/lists.js"
import { createTable, type Gadget, makeAdapter, model } from "./plugin.js"
import { quickPasswords, quiet, serve } from "./support.js"

type Statements = Pick<DBAdapter, "create" | "findMany" | "update" | "incrementOne">

const add = (adapter: Statements, displayName: string, itemCount = 0) =>
  adapter.create<Record<string, unknown>, Gadget>({ model, data: { displayName, itemCount } })

const namesIn = async (adapter: Statements) =>
  (await adapter.findMany<Gadget>({ model })).map(({ displayName }) => displayName).toSorted()

const stored = Effect.map(shell("SELECT display_name AS name FROM gadget_box ORDER BY name"), (rows) =>
  rows.map((row) => (row as { readonly name: string }).name)
)

const signal = () => {
  let give = () => {}
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { given, give: () => give() }
}

const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "it was not refused",
    (reason: unknown) => reason
  )

const suite = (name: string, layer: Layer.Layer<SqlClient.SqlClient>) =>
  describe(`transactions (${name})`, () => {
    it.effect("commit all or nothing, and reject with the thrown error", () =>
      Effect.gen(function* () {
        yield* createTable
        const adapter = yield* makeAdapter()
        const thrown = { reason: "the caller's own" }
        const given = yield* Effect.promise(() =>
          adapter.transaction(async (trx) => {
            await add(trx, "kept")
            return namesIn(trx)
          })
        )
        expect(given).toEqual(["kept"])
        const rejected = adapter.transaction(async (trx) => {
          await add(trx, "one")
          await add(trx, "two")
          expect(await namesIn(trx)).toEqual(["kept", "one", "two"])
          throw thrown
        })
        expect(yield* Effect.promise(() => reasonOf(rejected))).toBe(thrown)
        expect(yield* stored).toEqual(["kept"])
        // A rejected statement does not end the transaction, as in SQLite.
        yield* Effect.promise(() =>
          adapter.transaction(async (trx) => {
            expect(await reasonOf(add(trx, "forbidden"))).toMatchObject({ _tag: "InvalidInput" })
            await add(trx, "after")
          })
        )
        expect(yield* stored).toEqual(["after", "kept"])
        yield* Effect.promise(() => adapter.transaction(async () => undefined))
      }).pipe(Effect.provide(layer))
    )

    it.effect("are savepoints when nested, also through the adapter of the database", () =>
      Effect.gen(function* () {
        yield* createTable
        const adapter = yield* makeAdapter()
        yield* Effect.promise(() =>
          adapter.transaction(async (trx) => {
            await add(trx, "outer")
            const failing = (statements: Statements, rowName: string) =>
              adapter.transaction(async (inner) => {
                await add(inner, `${rowName} by the inner`)
                await add(statements, `${rowName} by the outer`)
                expect(await namesIn(trx)).toHaveLength(3)
                throw new Error("taken back")
              })
            for (const statements of [trx, adapter]) {
              expect(await reasonOf(failing(statements, "gone"))).toMatchObject({ message: "taken back" })
              expect(await namesIn(trx)).toEqual(["outer"])
            }
            await adapter.transaction((inner) => add(inner, "inner"))
            await Promise.all([
              adapter.transaction((inner) => add(inner, "left")),
              add(trx, "right"),
              add(adapter, "beside")
            ])
          })
        )
        expect(yield* stored).toEqual(["beside", "inner", "left", "outer", "right"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("run one after the other when many are concurrent", () =>
      Effect.gen(function* () {
        yield* createTable
        const adapter = yield* makeAdapter()
        const { id } = yield* Effect.promise(() => add(adapter, "counter"))
        const where = [{ field: "id", value: id }]
        const outcomes = yield* Effect.promise(() =>
          Promise.allSettled(
            Array.from({ length: 30 }, (_, index) =>
              adapter.transaction(async (trx) => {
                // The first write takes the lock, so no other transaction can change the row after the read.
                await add(trx, `row ${index}`)
                const [counter] = await trx.findMany<Gadget>({ model, where })
                await trx.update({ model, where, update: { itemCount: (counter?.itemCount ?? 0) + 1 } })
                if (index % 3 === 0) throw new Error("taken back")
              })
            )
          )
        )
        expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(20)
        expect(yield* shell("SELECT item_count FROM gadget_box WHERE id = ?", id)).toEqual([{ item_count: 20 }])
        expect(yield* stored).toHaveLength(21)
      }).pipe(Effect.provide(layer))
    )

    it.effect("take no lock before their first write, and exclude statements of others", () =>
      Effect.gen(function* () {
        yield* createTable
        const adapter = yield* makeAdapter()
        const opened = signal()
        const written = signal()
        const reading = adapter.transaction(async (trx) => {
          expect(await namesIn(trx)).toEqual([])
          opened.give()
          await written.given
          expect(await namesIn(trx)).toEqual(["outside"])
          await add(trx, "inside")
          throw new Error("taken back")
        })
        yield* Effect.promise(() => opened.given)
        // If the transaction began with its read, this would wait forever.
        yield* Effect.promise(() => add(adapter, "outside"))
        written.give()
        expect(yield* Effect.promise(() => reasonOf(reading))).toMatchObject({ message: "taken back" })
        expect(yield* stored).toEqual(["outside"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("accept no statements after their end", () =>
      Effect.gen(function* () {
        yield* createTable
        const adapter = yield* makeAdapter()
        let late: Promise<unknown> = Promise.resolve()
        const ended = signal()
        const trx = yield* Effect.promise(() =>
          adapter.transaction(async (inner) => {
            await add(inner, "in time")
            // The statement is sent after the end of the transaction.
            late = ended.given.then(() => add(adapter, "late"))
            return inner
          })
        )
        ended.give()
        yield* Effect.promise(() => late)
        expect(yield* Effect.promise(() => reasonOf(add(trx, "too late")))).toMatchObject({
          _tag: "PersistenceError",
          cause: "SEALANT_TRANSACTION_OVER"
        })
        expect(yield* stored).toEqual(["in time", "late"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("of concurrent requests are separate", () =>
      Effect.gen(function* () {
        const { browser } = yield* serve({
          emailAndPassword: { enabled: true, password: quickPasswords },
          databaseHooks: {
            session: {
              create: {
                // User and account are written by now. The others get their turns before the rollback.
                before: async (_, context) => {
                  await Effect.runPromise(turns(3))
                  if (/odd/.test(String(context?.body?.email)))
                    throw new APIError("FORBIDDEN", { message: "no session" })
                }
              }
            }
          }
        })
        const emails = Array.from(
          { length: 20 },
          (_, index) => `${index % 2 === 0 ? "even" : "odd"}${index}@example.com`
        )
        // The write that waits for the transaction is woken by its end, and must run outside it.
        const signUp = (email: string) =>
          Effect.zipRight(
            shell("UPDATE user SET name = 'y'"),
            browser().post("/sign-up/email", { name: "x", email, password: "a long passphrase" })
          )
        const answers = yield* Effect.forEach(emails, (email, index) => Effect.zipRight(turns(index), signUp(email)), {
          concurrency: "unbounded"
        })
        expect(answers.map(({ status }) => status)).toEqual(
          emails.map((email) => (email.startsWith("even") ? 200 : 403))
        )
        const rows = yield* shell(`
          SELECT email FROM user JOIN account ON account.user_id = user.id JOIN session ON session.user_id = user.id ORDER BY email`)
        expect(rows.map((row) => (row as { readonly email: string }).email)).toEqual(
          emails.filter((email) => email.startsWith("even")).toSorted()
        )
        expect(yield* shell("SELECT 1 FROM user")).toHaveLength(10)
      }).pipe(Effect.provide(layer))
    )

    it.effect("keep the context of each request separate", () =>
      Effect.gen(function* () {
        yield* createTable
        const adapter = yield* makeAdapter()
        const requests = new AsyncLocalStorage<string>()
        const [begun, written] = [signal(), signal()]
        const seen: Array<string | undefined> = []
        // The write queue becomes idle, so that the request starts it again.
        yield* turns(5)
        const request = requests.run("a request", () =>
          adapter.transaction(async (trx) => {
            await add(trx, "of the request")
            seen.push(requests.getStore())
            begun.give()
            await written.given
            await add(trx, "of the request, too")
            seen.push(requests.getStore())
          })
        )
        yield* Effect.promise(() => begun.given)
        // It waits for the end of the transaction.
        const beside = yield* Effect.fork(
          Effect.zipRight(
            shell("UPDATE gadget_box SET item_count = 1"),
            Effect.sync(() => requests.getStore())
          )
        )
        yield* turns(5)
        written.give()
        yield* Effect.promise(() => request)
        expect(yield* beside).toBe(undefined)
        expect(seen).toEqual(["a request", "a request"])
        expect(requests.getStore()).toBe(undefined)
      }).pipe(Effect.provide(layer))
    )

    it.effect("join the transaction of the runtime", () =>
      Effect.gen(function* () {
        yield* createTable
        const within = (fails: boolean) =>
          Database.transaction(
            Effect.gen(function* () {
              const adapter = yield* makeAdapter()
              yield* Effect.promise(() => add(adapter, "one"))
              yield* Effect.promise(() =>
                adapter.transaction(async (trx) => {
                  expect(await namesIn(trx)).toEqual(["one"])
                  await add(trx, "two")
                })
              )
              if (fails) yield* Effect.fail("taken back")
            })
          )
        expect(yield* Effect.flip(within(true))).toBe("taken back")
        expect(yield* stored).toEqual([])
        yield* within(false)
        expect(yield* stored).toEqual(["one", "two"])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(databaseLayers)) suite(name, layer)

describe("a managed runtime", () => {
  it("works until it is disposed of", async () => {
    const runtime = ManagedRuntime.make(databaseLayers.memory)
    const adapter = betterAuthAdapter(runtime)(quiet)
    const user = {
      name: "Ada",
      email: "ada@example.com",
      emailVerified: false,
      createdAt: new Date(1),
      updatedAt: new Date(1)
    }
    await adapter.transaction((trx) => trx.create({ model: "user", data: user }))
    expect(await adapter.count({ model: "user" })).toBe(1)
    expect(
      Exit.isSuccess(
        await runtime.runPromiseExit(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1 FROM user`))
      )
    ).toBe(true)
    await runtime.dispose()
    expect(await reasonOf(adapter.count({ model: "user" }))).toMatch(/disposed/)
  })
})
