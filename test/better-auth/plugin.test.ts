/**
 * A model of a plugin: its names, its values, its joins, and the rejected values.
 */
import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck as fc, type Layer } from "effect"
import type { BetterAuthOptions } from "better-auth"
import type { DBAdapter } from "better-auth/adapters"
import { betterAuthAdapter } from "@sealant/db/better-auth"
import { snakeCase } from "../../src/better-auth/names.js"
import { databaseLayers, seedUser } from "../support/database.js"
import { shell } from "../support/lists.js"
import { createTable, type Gadget, makeAdapter, model, plain } from "./plugin.js"
import { quiet } from "./support.js"

const full = {
  displayName: "Box",
  ownerId: "ada",
  itemCount: 3,
  isOpen: true,
  openedAt: new Date(1234),
  settings: { size: [1, { deep: null }], at: "2024-01-01T00:00:00.000Z" },
  tagNames: ["a", "b,c", '"', "é😀"],
  topScores: [1, 2.5, -3]
}

const create = (adapter: DBAdapter, data: Record<string, unknown>) =>
  adapter.create<Record<string, unknown>, Gadget>({ model, data })

const suite = (name: string, layer: Layer.Layer<SqlClient.SqlClient>) =>
  describe(`a model of a plugin (${name})`, () => {
    it.effect("is stored in snake_case columns with SQLite types", () =>
      Effect.gen(function* () {
        yield* createTable
        yield* seedUser("ada")
        const adapter = yield* makeAdapter()
        const made = yield* Effect.promise(() => create(adapter, full))
        expect(made).toEqual({ ...full, id: made.id })
        expect(yield* shell("SELECT * FROM gadget_box")).toEqual([
          {
            id: made.id,
            display_name: "Box",
            owner_id: "ada",
            item_count: 3,
            is_open: 1,
            opened_at: 1234,
            settings: JSON.stringify(full.settings),
            tag_names: JSON.stringify(full.tagNames),
            top_scores: JSON.stringify(full.topScores)
          }
        ])
        const where = [{ field: "id", value: made.id }]
        expect(
          yield* Effect.promise(() => adapter.update({ model, where, update: { ...plain, displayName: "" } }))
        ).toEqual({ ...plain, displayName: "", id: made.id })
        const nulls =
          "SELECT 1 FROM gadget_box WHERE coalesce(owner_id, item_count, is_open, opened_at, settings, tag_names, top_scores) IS NULL"
        expect(yield* shell(nulls)).toHaveLength(1)
        // A date can be text, as in the body of a request.
        const opened = yield* Effect.promise(() =>
          adapter.update<Gadget>({ model, where, update: { openedAt: "1970-01-01T00:00:01.000Z" } })
        )
        expect(opened?.openedAt).toEqual(new Date(1000))
        expect(yield* Effect.promise(() => adapter.update({ model, where, update: {} }))).toEqual(opened)
        expect(yield* Effect.promise(() => adapter.updateMany({ model, where, update: {} }))).toBe(1)
        expect(
          yield* Effect.promise(() => adapter.findOne({ model, where, select: ["displayName", "openedAt"] }))
        ).toEqual({ displayName: "", openedAt: new Date(1000) })
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps any document, list, number and date", () =>
      Effect.gen(function* () {
        yield* createTable
        const adapter = yield* makeAdapter()
        const settings = fc.jsonValue({ maxDepth: 3 }).map((value): unknown => JSON.parse(JSON.stringify(value)))
        const any = fc.record({
          settings,
          tagNames: fc.array(fc.fullUnicodeString()),
          topScores: fc.array(
            fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value))
          ),
          itemCount: fc.maxSafeInteger().map((value) => (value === 0 ? 0 : value)),
          openedAt: fc.date({ noInvalidDate: true })
        })
        const survives = fc.asyncProperty(any, async (given) => {
          const { id } = await create(adapter, { displayName: "", ...given })
          expect(await adapter.findOne({ model, where: [{ field: "id", value: id }] })).toMatchObject(given)
        })
        yield* Effect.promise(() => fc.assert(survives, { numRuns: 100 }))
      }).pipe(Effect.provide(layer))
    )

    it.effect("is joined with its user, and a user with its rows, as Better Auth does it itself", () =>
      Effect.gen(function* () {
        yield* createTable
        yield* Effect.forEach(["ada", "bob"], seedUser)
        const [slow, joining] = [yield* makeAdapter(), yield* makeAdapter({ joins: true })]
        for (const ownerId of ["ada", "ada", "ada", null])
          yield* Effect.promise(() => create(slow, { ...full, ownerId }))
        const ask = (adapter: DBAdapter) =>
          Effect.promise(async () => ({
            users: await adapter.findMany({
              model: "user",
              sortBy: { field: "email", direction: "asc" },
              join: { gadgetBox: true }
            }),
            few: await adapter.findOne<{ readonly gadgetBox: ReadonlyArray<unknown> }>({
              model: "user",
              where: [{ field: "id", value: "ada" }],
              join: { gadgetBox: { limit: 2 } }
            }),
            owned: await adapter.findMany({ model, sortBy: { field: "id", direction: "asc" }, join: { user: true } }),
            nobody: await adapter.findOne({
              model: "user",
              where: [{ field: "id", value: "eve" }],
              join: { gadgetBox: true }
            }),
            chosen: await adapter.findOne({
              model,
              where: [{ field: "ownerId", value: "ada" }],
              select: ["isOpen"],
              join: { user: true }
            })
          }))
        const [one, other] = [yield* ask(slow), yield* ask(joining)]
        const byId = (left: Gadget, right: Gadget) => (left.id < right.id ? -1 : 1)
        const sorted = ({ few, nobody, owned, users }: typeof one) =>
          JSON.stringify({ few: few?.gadgetBox.length, nobody, owned, users }, (key, value) =>
            key === "gadgetBox" ? value.toSorted(byId) : value
          )
        expect(sorted(other)).toBe(sorted(one))
        expect(other.few?.gadgetBox).toHaveLength(2)
        expect(other.few?.gadgetBox).toEqual([expect.objectContaining(full), expect.objectContaining(full)])
        expect(other.chosen).toMatchObject({ isOpen: true, user: { id: "ada", createdAt: new Date(0) } })
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid values: names the field and shows no value", () =>
      Effect.gen(function* () {
        yield* createTable
        const adapter = yield* makeAdapter()
        const secret = "s3cr3t"
        const { id } = yield* Effect.promise(() => create(adapter, { displayName: "box" }))
        const where = [{ field: "id", value: id }]
        const find = (clause: object) =>
          adapter.findMany({ model, where: [{ field: "displayName", value: "", ...clause }] })
        const refused: ReadonlyArray<readonly [() => Promise<unknown>, object]> = [
          [
            () => create(adapter, { displayName: `${secret}\0` }),
            { _tag: "InvalidInput", issues: ["displayName: must not contain NUL characters or lone surrogates"] }
          ],
          [() => create(adapter, { displayName: { secret } }), { issues: ["displayName: must be text"] }],
          [
            () => create(adapter, { displayName: "x", itemCount: Number.NaN }),
            { issues: ["itemCount: must be a finite number"] }
          ],
          [
            () => create(adapter, { displayName: "x", itemCount: secret }),
            { issues: ["itemCount: must be a finite number"] }
          ],
          [() => create(adapter, { displayName: "x", isOpen: secret }), { issues: ["isOpen: must be true or false"] }],
          [() => create(adapter, { displayName: "x", openedAt: secret }), { issues: ["openedAt: must be a date"] }],
          [() => create(adapter, { displayName: "x", tagNames: secret }), { issues: ["tagNames: must be a list"] }],
          [() => create(adapter, { displayName: "x", settings: { n: 1n } }), { issues: ["settings: must be JSON"] }],
          [
            () => create(adapter, { displayName: "forbidden" }),
            { _tag: "InvalidInput", issues: ["gadget_box_display_name"] }
          ],
          [
            () => create(adapter, { displayName: "x", ownerId: secret }),
            { _tag: "ReferenceNotFound", entity: "gadgetBox", reference: "ownerId" }
          ],
          [
            () => adapter.create({ model, data: { id, displayName: secret }, forceAllowId: true }),
            { _tag: "AlreadyExists", entity: "gadgetBox", constraint: "gadget_box.id" }
          ],
          [
            () => create(adapter, { displayName: "x", itemCount: 0.5 }),
            { _tag: "InvalidInput", issues: ["a value is not of the column's type"] }
          ],
          [
            () => adapter.incrementOne({ model, where, increment: { itemCount: Number.POSITIVE_INFINITY } }),
            { issues: ["itemCount: must be a finite number"] }
          ],
          [
            () => adapter.incrementOne({ model, where, increment: { displayName: 1 } }),
            { issues: ["displayName: is not a number, so it cannot be incremented"] }
          ],
          [() => find({ value: undefined }), { issues: ["displayName: must be text"] }],
          [() => find({ value: `${secret}\uD800` }), { _tag: "InvalidInput" }],
          [() => find({ operator: "contains", value: null }), { issues: ["displayName: must be text"] }],
          [
            () => find({ operator: "in", value: [secret, null] }),
            { issues: ["displayName: must be a list without null"] }
          ],
          [
            () => find({ operator: `= 1; DROP TABLE gadget_box; --` }),
            { issues: ["displayName: has an unknown operator"] }
          ],
          [() => find({ field: "constructor" }), { _tag: "InvalidInput" }],
          [() => adapter.findMany({ model, limit: 1.5 }), { _tag: "InvalidInput" }],
          [() => adapter.findMany({ model, limit: -1 }), { _tag: "InvalidInput" }]
        ]
        for (const [call, wanted] of refused) {
          const error: unknown = yield* Effect.promise(() =>
            call().then(
              () => "it was not refused",
              (reason: unknown) => reason
            )
          )
          expect(error, String(call)).toMatchObject(wanted)
          expect(`${String(error)}${JSON.stringify(error)}`).not.toContain(secret)
        }
        const unknown = [
          { field: `id"; DROP TABLE gadget_box; --`, direction: "asc" as const },
          { field: "__proto__", direction: "asc" as const }
        ]
        for (const sortBy of unknown) {
          expect(
            yield* Effect.promise(() =>
              adapter.findMany({ model, sortBy }).then(
                () => "sorted",
                () => "refused"
              )
            )
          ).toBe("refused")
        }
        expect(yield* Effect.promise(() => adapter.findMany({ model }))).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(databaseLayers)) suite(name, layer)

describe("names", () => {
  it("are in snake_case", () => {
    const names = [
      "user",
      "emailVerified",
      "accessTokenExpiresAt",
      "credentialID",
      "oauth2Token",
      "JWKSKey",
      "already_snake"
    ]
    expect(names.map(snakeCase)).toEqual([
      "user",
      "email_verified",
      "access_token_expires_at",
      "credential_id",
      "oauth2_token",
      "jwks_key",
      "already_snake"
    ])
  })

  it.effect("that are invalid or map to the same column are rejected before the first statement", () =>
    Effect.gen(function* () {
      const runtime = yield* Effect.runtime<SqlClient.SqlClient>()
      const start = (options: BetterAuthOptions) => () => betterAuthAdapter(runtime)({ ...quiet, ...options })
      const field = { type: "string" } as const
      expect(start({ user: { modelName: "people; DROP TABLE user" } })).toThrow(/name of the model user/)
      expect(start({ user: { fields: { email: 'e"mail' } } })).toThrow(/name of the field/)
      expect(start({ user: { additionalFields: { email_verified: field } } })).toThrow(
        /two fields of user would share the column email_verified/
      )
      expect(start({ advanced: { database: { generateId: "serial" } } })).toThrow(/numeric ids/)
      expect(start({ user: { modelName: "person", fields: { email: "mailAddress" } } })).not.toThrow()
    }).pipe(Effect.provide(databaseLayers.memory))
  )

  it.effect("can differ from those of Better Auth", () =>
    Effect.gen(function* () {
      yield* shell(
        "CREATE TABLE login_code (id TEXT PRIMARY KEY NOT NULL, mail_address TEXT, value TEXT, expires_at INTEGER, created_at INTEGER, updated_at INTEGER) STRICT"
      )
      const runtime = yield* Effect.runtime<SqlClient.SqlClient>()
      const adapter = betterAuthAdapter(runtime)({
        ...quiet,
        verification: { modelName: "loginCode", fields: { identifier: "mailAddress" } }
      })
      const data = {
        identifier: "ada",
        value: "code",
        expiresAt: new Date(5),
        createdAt: new Date(1),
        updatedAt: new Date(2)
      }
      yield* Effect.promise(async () => {
        expect(await adapter.create({ model: "verification", data })).toMatchObject(data)
        const find = {
          where: [{ field: "identifier", value: "ada" }],
          sortBy: { field: "identifier", direction: "asc" as const },
          select: ["identifier"]
        }
        expect(await adapter.findMany({ model: "verification", ...find })).toMatchObject([{ identifier: "ada" }])
        expect(await adapter.findMany({ model: "loginCode", ...find })).toMatchObject([{ identifier: "ada" }])
      })
      expect(yield* shell("SELECT mail_address FROM login_code")).toEqual([{ mail_address: "ada" }])
    }).pipe(Effect.provide(databaseLayers.memory))
  )
})
