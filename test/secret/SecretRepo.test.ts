import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { SecretId } from "../../src/secret/Secret.js"
import { SecretRepo } from "../../src/secret/SecretRepo.js"
import { SecretVault } from "../../src/secret/SecretVault.js"
import { seedProfileRevision } from "../support/database.js"
import { ada, badNames, eve, layers, pages, redacted, refusalOf, type Services, shell, tagOf } from "./support.js"

const gone = SecretId.make("gone")

const create = (name: string, ownerUserId = ada) =>
  Effect.flatMap(SecretVault, (vault) => vault.create({ name, ownerUserId, value: redacted(name) }))

const millis = Option.map(({ epochMillis }: { readonly epochMillis: number }) => epochMillis)

/** The contract of `SecretRepo`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SecretRepo (${name})`, () => {
    it.effect("finds secrets of their owner only", () =>
      Effect.gen(function* () {
        const repo = yield* SecretRepo
        const secret = yield* create("TOKEN")
        const hers = yield* create("TOKEN", eve)
        expect(yield* repo.findById(secret.id)).toEqual(Option.some(secret))
        expect(yield* repo.getById(secret.id)).toEqual(secret)
        expect(yield* repo.getById({ ownerUserId: ada, id: secret.id })).toEqual(secret)
        expect(yield* refusalOf(repo.getById({ ownerUserId: eve, id: secret.id }))).toMatchObject({
          _tag: "NotFound",
          entity: "Secret",
          id: secret.id
        })
        expect(yield* repo.findByName({ ownerUserId: ada, name: "TOKEN" })).toEqual(Option.some(secret))
        expect(yield* repo.findByName({ ownerUserId: eve, name: "TOKEN" })).toEqual(Option.some(hers))
        expect(yield* repo.findByName({ ownerUserId: ada, name: "token" })).toEqual(Option.none())
        for (const bad of Object.values(badNames)) {
          expect(yield* tagOf(repo.findByName({ ownerUserId: ada, name: bad }))).toBe("InvalidInput")
        }
        expect(yield* repo.findById(gone)).toEqual(Option.none())
        expect(yield* tagOf(repo.getById(gone))).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists newest first while rows are inserted and deleted", () =>
      Effect.gen(function* () {
        const repo = yield* SecretRepo
        const names: Array<string> = []
        for (let index = 0; index < 7; index++) {
          names.unshift((yield* create(`s${index}`)).name)
          if (index % 2 === 0) yield* TestClock.adjust("1 second")
        }
        yield* create("hers", eve)
        let more = 0
        const later = Effect.suspend(() => create(`later${more++}`)).pipe(Effect.orDie, Effect.provide(layer))
        const list = (request: object) => repo.list({ ownerUserId: ada, ...request })
        expect((yield* pages(list, 2)).map(({ name }) => name)).toEqual(names)
        expect((yield* pages(list, 3, Effect.asVoid(later))).map(({ name }) => name)).toEqual(names)
        expect((yield* list({ limit: 1 })).items).toHaveLength(1)

        const first = yield* repo.findByName({ ownerUserId: ada, name: "s3" })
        yield* repo.archive(Option.getOrThrow(first).id)
        expect((yield* list({})).items.map(({ name }) => name)).toEqual(names.filter((other) => other !== "s3"))
        expect((yield* list({ includeArchived: true })).items.map(({ name }) => name)).toEqual(names)

        expect(yield* tagOf(repo.list({ ownerUserId: undefined as unknown as string }))).toBe("InvalidInput")
        for (const bad of [
          { cursor: "x" },
          { limit: 0 },
          { limit: 501 },
          { limit: Number.NaN },
          { includeArchived: "yes" as unknown as boolean }
        ]) {
          expect(yield* tagOf(repo.list({ ownerUserId: ada, ...bad }))).toBe("InvalidInput")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns versions, and the ciphertext of one", () =>
      Effect.gen(function* () {
        const repo = yield* SecretRepo
        const vault = yield* SecretVault
        const { id: secretId } = yield* create("TOKEN")
        for (let index = 0; index < 4; index++) {
          if (index % 2 === 0) yield* TestClock.adjust("1 second")
          yield* vault.put({ ownerUserId: ada, secretId, value: redacted("next") })
        }
        const { items } = yield* repo.listVersions({ secretId })
        expect(items.map(({ version }) => version)).toEqual([5, 4, 3, 2, 1])
        expect(yield* pages((page) => repo.listVersions({ secretId, ...page }), 2)).toEqual(items)
        expect((yield* repo.listVersions({ secretId: gone })).items).toEqual([])
        expect(yield* tagOf(repo.listVersions({ secretId, limit: 0 }))).toBe("InvalidInput")

        const latest = Option.getOrThrow(yield* repo.findVersion({ secretId }))
        expect(latest).toMatchObject({ ...items[0], valueSha256: Option.none() })
        expect(latest.encryptedValue).not.toContain("next")
        expect(Option.map(yield* repo.findVersion({ secretId, version: 2 }), ({ id }) => id)).toEqual(
          Option.fromNullable(items[3]?.id)
        )
        expect(yield* repo.findVersion({ secretId, version: 9 })).toEqual(Option.none())
        expect(yield* repo.findVersion({ secretId: gone })).toEqual(Option.none())
        for (const bad of [0, -1, 1.5, Number.NaN, Infinity, 1e300]) {
          expect(yield* tagOf(repo.findVersion({ secretId, version: bad })), String(bad)).toBe("InvalidInput")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("renames, archives, unarchives and deletes", () =>
      Effect.gen(function* () {
        const repo = yield* SecretRepo
        const vault = yield* SecretVault
        const { id } = yield* create("TOKEN")
        yield* create("TAKEN")
        yield* create("FREE", eve)
        yield* TestClock.adjust("1 second")
        expect(yield* repo.rename({ id, name: "FREE" })).toMatchObject({
          name: "FREE",
          updatedAt: { epochMillis: 1000 }
        })
        expect(yield* refusalOf(repo.rename({ id, name: "TAKEN" }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "secrets.owner_user_id, secrets.name"
        })
        for (const bad of Object.values(badNames))
          expect(yield* tagOf(repo.rename({ id, name: bad }))).toBe("InvalidInput")

        const archived = yield* repo.archive(id)
        expect(millis(archived.archivedAt)).toEqual(Option.some(1000))
        yield* TestClock.adjust("1 second")
        expect(yield* repo.archive(id)).toEqual(archived)
        const restored = yield* repo.unarchive(id)
        expect(restored).toMatchObject({ archivedAt: Option.none(), updatedAt: { epochMillis: 2000 } })
        yield* TestClock.adjust("1 second")
        expect(yield* repo.unarchive(id)).toEqual(restored)

        yield* vault.put({ ownerUserId: ada, secretId: id, value: redacted("two") })
        yield* repo.delete(id)
        expect(yield* shell("SELECT count(*) AS count FROM secret_versions WHERE secret_id = ?", id)).toEqual([
          { count: 0 }
        ])
        for (const again of [repo.delete(id), repo.archive(id), repo.unarchive(id), repo.rename({ id, name: "x" })]) {
          expect(yield* tagOf<unknown, { readonly _tag: string }, never>(again)).toBe("NotFound")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects the deletion of a referenced secret", () =>
      Effect.gen(function* () {
        const repo = yield* SecretRepo
        const bound = yield* create("BOUND")
        const [key, passphrase] = [yield* create("KEY"), yield* create("PASSPHRASE")]
        yield* seedProfileRevision("rev", ada)
        yield* shell(
          `INSERT INTO profile_secret_bindings (id, profile_revision_id, target_key, secret_id, created_at)
           VALUES ('b', 'rev', 'TOKEN', ?, 0)`,
          bound.id
        )
        yield* shell(
          `INSERT INTO ssh_keys (id, owner_user_id, name, public_key, private_key_secret_id, passphrase_secret_id, fingerprint, created_at, updated_at)
           VALUES ('k', 'ada', 'k', 'k', ?, ?, 'k', 0, 0)`,
          key.id,
          passphrase.id
        )
        for (const { id } of [bound, key, passphrase]) {
          expect(yield* refusalOf(repo.delete(id))).toMatchObject({ _tag: "SecretInUse", secretId: id })
          expect(Option.isSome(yield* repo.findVersion({ secretId: id }))).toBe(true)
        }
        // Its owner goes, and all of it with them.
        yield* shell("DELETE FROM user WHERE id = 'ada'")
        expect(yield* shell("SELECT count(*) AS count FROM secret_versions")).toEqual([{ count: 0 }])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
