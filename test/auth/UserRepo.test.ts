import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { Factories } from "@sealant/db/testing"
import { UserId } from "../../src/auth/User.js"
import { UserRepo } from "../../src/auth/UserRepo.js"
import { overDatabases } from "../support/database.js"
import { shell } from "../support/lists.js"
import { planIssues } from "../support/plans.js"
import { badNames, refusalOf, tagOf } from "../support/refusals.js"

const layers = overDatabases(UserRepo.layer)

const gone = UserId.make("gone")
const grace = { name: "Grace", email: "grace@example.com" }

const suite = (name: string, layer: Layer.Layer<UserRepo | SqlClient.SqlClient>) =>
  describe(`UserRepo (${name})`, () => {
    it.effect("stores every field of the input, with the email in lower case", () =>
      Effect.gen(function* () {
        const users = yield* UserRepo
        yield* TestClock.setTime(1000)
        const user = yield* users.create({ ...grace, email: " Grace@Example.com ", image: "https://example.com/g.png" })
        expect(user).toMatchObject({
          ...grace,
          emailVerified: false,
          image: Option.some("https://example.com/g.png"),
          createdAt: { epochMillis: 1000 }
        })
        expect(user.id).toMatch(/^user_/)
        expect(yield* users.getById(user.id)).toEqual(user)
        expect(yield* users.findById(user.id)).toEqual(Option.some(user))
        expect(yield* users.findByEmail("GRACE@example.com")).toEqual(Option.some(user))
        expect(yield* users.findByEmail("nobody@example.com")).toEqual(Option.none())
        expect(yield* users.findById(gone)).toEqual(Option.none())
        expect(yield* refusalOf(users.getById(gone))).toMatchObject({ _tag: "NotFound", entity: "User", id: "gone" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects a second user with the same email without showing it", () =>
      Effect.gen(function* () {
        const users = yield* UserRepo
        const { id } = yield* users.create({ ...grace, id: "grace" })
        const refusal = yield* refusalOf(users.create({ ...grace, email: "GRACE@example.com" }))
        expect(refusal).toMatchObject({ _tag: "AlreadyExists", entity: "User", constraint: "user.email" })
        expect(JSON.stringify(refusal).toLowerCase()).not.toContain("grace@")
        expect(yield* tagOf(users.create({ name: "other", email: "o@example.com", id }))).toBe("AlreadyExists")
      }).pipe(Effect.provide(layer))
    )

    it.effect("creates one user when many callers ensure it concurrently", () =>
      Effect.gen(function* () {
        const users = yield* UserRepo
        const all = yield* Effect.all(
          Array.from({ length: 30 }, (_, index) =>
            users.ensure({ name: `name ${index}`, email: index % 2 === 0 ? "A@x" : "a@X" })
          ),
          { concurrency: "unbounded" }
        )
        expect(new Set(all.map(({ user }) => user.id)).size).toBe(1)
        expect(all.filter(({ created }) => created)).toHaveLength(1)
        yield* TestClock.adjust("1 second")
        const again = yield* users.ensure({ name: "another name", email: "a@x" })
        expect([again.created, again.user]).toEqual([false, all[0]?.user])
      }).pipe(Effect.provide(layer))
    )

    it.effect("changes the present fields only", () =>
      Effect.gen(function* () {
        const users = yield* UserRepo
        const { id } = yield* users.create({ ...grace, image: "one" })
        yield* users.create({ name: "Ada", email: "ada@example.com" })
        yield* TestClock.adjust("1 second")
        expect(yield* users.update({ id, name: "Grace H.", emailVerified: true })).toMatchObject({
          name: "Grace H.",
          email: grace.email,
          emailVerified: true,
          image: Option.some("one"),
          updatedAt: { epochMillis: 1000 }
        })
        expect(yield* users.update({ id, image: null, emailVerified: false, email: "G@example.com" })).toMatchObject({
          name: "Grace H.",
          email: "g@example.com",
          emailVerified: false,
          image: Option.none()
        })
        const now = yield* users.getById(id)
        yield* TestClock.adjust("1 second")
        expect(yield* users.update({ id })).toEqual(now)
        expect(
          yield* users.update({ id, name: now.name, email: "G@EXAMPLE.com", emailVerified: false, image: null })
        ).toEqual(now)
        expect(yield* tagOf(users.update({ id, email: "ADA@example.com" }))).toBe("AlreadyExists")
        expect(yield* tagOf(users.update({ id: "gone", name: "x" }))).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )

    it.effect("deletes a user with all dependent rows", () =>
      Effect.gen(function* () {
        const users = yield* UserRepo
        const { sandbox } = yield* Factories.make.launch({ job: { status: "running" } })
        yield* users.delete(sandbox.ownerUserId)
        for (const table of ["user", "sandboxes", "sandbox_attempts"])
          expect(yield* shell(`SELECT 1 FROM ${table}`), table).toEqual([])
        expect(yield* tagOf(users.delete(sandbox.ownerUserId))).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input before it writes anything", () =>
      Effect.gen(function* () {
        const users = yield* UserRepo
        const { id } = yield* users.create(grace)
        for (const [rule, bad] of Object.entries({
          ...badNames,
          plain: "grace",
          two: "a@b@c",
          space: "a b@c",
          long: `${"a".repeat(400)}@b`
        })) {
          for (const call of [
            Effect.asVoid(users.create({ name: "x", email: bad })),
            Effect.asVoid(users.ensure({ name: "x", email: bad })),
            Effect.asVoid(users.update({ id, email: bad })),
            Effect.asVoid(users.findByEmail(bad))
          ]) {
            expect(yield* tagOf(call), rule).toBe("InvalidInput")
          }
        }
        for (const bad of [badNames.huge, badNames.nul, badNames.surrogate]) {
          expect(yield* tagOf(users.create({ name: bad, email: "x@y" }))).toBe("InvalidInput")
          expect(yield* tagOf(users.update({ id, image: bad }))).toBe("InvalidInput")
        }
        expect(yield* shell("SELECT 1 FROM user")).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("UserRepo", () => {
  it.effect("uses an index in every statement", () =>
    Effect.gen(function* () {
      const users = yield* UserRepo
      const methods = {
        create: Effect.asVoid(users.create(grace)),
        ensure: Effect.asVoid(users.ensure(grace)),
        findById: Effect.asVoid(users.findById(gone)),
        findByEmail: Effect.asVoid(users.findByEmail(grace.email)),
        update: Effect.ignore(users.update({ id: "gone", name: "x" })),
        delete: Effect.ignore(users.delete(gone))
      }
      for (const [method, effect] of Object.entries(methods)) {
        // The engine reads the index of each table that refers to a user.
        expect(yield* planIssues(effect), method).toEqual([])
      }
    }).pipe(Effect.provide(layers.file))
  )
})
