import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { ProfileId, ProfileStatus, profileTransitions } from "../../src/profile/Profile.js"
import { ProfileRepo } from "../../src/profile/ProfileRepo.js"
import { followsTransitions } from "../support/transitions.js"
import {
  ada,
  badNames,
  eve,
  gone,
  layers,
  pages,
  profileOf,
  refusalOf,
  type Services,
  shell,
  tagOf
} from "./support.js"

const own = { ownerUserId: ada, slug: "home", name: "Home" }

/** The contract of `ProfileRepo` for profiles. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`ProfileRepo (${name})`, () => {
    it.effect("stores every field of the input", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        yield* TestClock.setTime(1000)
        const small = yield* repo.create(own)
        expect(small.id).toMatch(/^prf_/)
        expect(small).toMatchObject({
          ...own,
          description: Option.none(),
          status: "active",
          activeRevisionId: Option.none(),
          createdAt: { epochMillis: 1000 },
          updatedAt: { epochMillis: 1000 },
          archivedAt: Option.none()
        })
        const large = yield* repo.create({ ...own, id: "given", slug: "é/🐳", description: "" })
        expect(large).toMatchObject({ id: "given", slug: "é/🐳", description: Option.some("") })
        for (const profile of [small, large]) {
          expect(yield* repo.findById(profile.id)).toEqual(Option.some(profile))
          expect(yield* repo.getById(profile.id)).toEqual(profile)
          expect(yield* repo.findBySlug({ ownerUserId: own.ownerUserId, slug: profile.slug })).toEqual(
            Option.some(profile)
          )
        }
        expect(yield* repo.findById(gone)).toEqual(Option.none())
        expect(yield* refusalOf(repo.getById(gone))).toMatchObject({ _tag: "NotFound", entity: "Profile", id: "gone" })
        expect(yield* repo.findBySlug({ ownerUserId: own.ownerUserId, slug: "gone" })).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input for a new profile", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        yield* repo.create({ ...own, id: "taken" })
        expect(yield* refusalOf(repo.create({ ...own, slug: "x", id: "taken" }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "profiles.id"
        })
        expect(yield* refusalOf(repo.create(own))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "profiles.owner_user_id, profiles.slug"
        })
        expect(yield* tagOf(repo.create({ ...own, ownerUserId: eve }))).toBe("ok")
        expect(yield* refusalOf(repo.create({ ...own, ownerUserId: "nobody" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "ownerUserId"
        })
        for (const bad of Object.values(badNames)) {
          for (const field of ["id", "ownerUserId", "slug", "name"] as const) {
            expect(yield* refusalOf(repo.create({ ...own, [field]: bad }))).toMatchObject({
              _tag: "InvalidInput",
              issues: [expect.stringMatching(field)]
            })
          }
          if (bad !== "") expect(yield* tagOf(repo.create({ ...own, description: bad }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.findBySlug({ ownerUserId: own.ownerUserId, slug: bad }))).toBe("InvalidInput")
        }
        expect(yield* shell("SELECT 1 FROM profiles")).toHaveLength(2)
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports rows of other owners as NotFound", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id } = yield* repo.create(own)
        const { revision } = yield* repo.createRevision({ profileId: id, configPatch: {} })
        const before = yield* repo.getById(id)
        const as = (ownerUserId: typeof ada) => {
          const whole = { ownerUserId, id }
          const ofIt = { ownerUserId, profileId: id }
          return {
            findById: Effect.map(repo.findById(whole), (found) => (Option.isSome(found) ? "ok" : "NotFound")),
            getById: tagOf(repo.getById(whole)),
            update: tagOf(repo.update(whole)),
            renames: tagOf(repo.update({ ...whole, name: "Home" })),
            archive: tagOf(repo.archive(whole)),
            unarchive: tagOf(repo.unarchive(whole)),
            createRevision: tagOf(repo.createRevision({ ...ofIt, configPatch: {} })),
            another: tagOf(repo.createRevision({ ...ofIt, configPatch: {}, sshSettings: {}, setAsActive: false })),
            listRevisions: tagOf(repo.listRevisions(ofIt)),
            getRevision: tagOf(repo.getRevision({ ownerUserId, id: revision.id })),
            getActiveRevision: tagOf(repo.getActiveRevision(whole)),
            setActiveRevision: tagOf(repo.setActiveRevision({ ...ofIt, revisionId: revision.id }))
          }
        }
        for (const [method, outcome] of Object.entries(as(eve))) expect(yield* outcome, method).toBe("NotFound")
        expect(yield* repo.getById(id)).toEqual(before)
        for (const [method, outcome] of Object.entries(as(ada))) expect(yield* outcome, method).toBe("ok")
        expect((yield* repo.list({ ownerUserId: eve })).items).toEqual([])
        expect(yield* repo.findBySlug({ ownerUserId: eve, slug: own.slug })).toEqual(Option.none())
        // A missing owner does not match every owner's rows.
        const lost = { ownerUserId: undefined as unknown as typeof ada }
        const unconfined = [
          repo.list(lost),
          repo.update({ id, ...lost }),
          repo.listRevisions({ profileId: id, ...lost }),
          repo.createRevision({ profileId: id, configPatch: {}, ...lost }),
          repo.setActiveRevision({ profileId: id, revisionId: revision.id, ...lost })
        ].map((refused) => tagOf<unknown, { readonly _tag: string }, never>(refused))
        expect(yield* Effect.all(unconfined)).toEqual(unconfined.map(() => "InvalidInput"))
        expect(yield* Effect.isFailure(shell("UPDATE profiles SET owner_user_id = 'eve'"))).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("is archived and unarchived along the declared transitions", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const rowIn = (status: ProfileStatus) =>
          Effect.flatMap(profileOf(ada), (profile) =>
            status === "active" ? Effect.succeed(profile) : repo.archive(profile.id)
          )
        for (const [to, run] of [
          ["archived", repo.archive],
          ["active", repo.unarchive]
        ] as const) {
          yield* followsTransitions({
            entity: "Profile",
            machine: profileTransitions,
            to,
            run,
            rowIn,
            getById: repo.getById
          })
        }
        const { id } = yield* profileOf(ada)
        expect((yield* repo.archive(id)).archivedAt).not.toEqual(Option.none())
        expect((yield* repo.unarchive(id)).archivedAt).toEqual(Option.none())
        for (const method of [repo.archive, repo.unarchive]) expect(yield* tagOf(method(gone))).toBe("NotFound")
        expect(yield* Effect.isFailure(shell("UPDATE profiles SET status = 'dead'"))).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("changes the present fields only", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id } = yield* repo.create({ ...own, description: "about" })
        yield* repo.create({ ...own, slug: "other" })
        yield* TestClock.setTime(1000)
        const changed = yield* repo.update({ id, slug: "house", name: "House" })
        expect(changed).toMatchObject({
          slug: "house",
          name: "House",
          description: Option.some("about"),
          updatedAt: { epochMillis: 1000 }
        })
        yield* TestClock.setTime(2000)
        const same = [{}, { slug: "house" }, { name: "House", description: "about" }, { description: undefined }]
        for (const given of same) expect(yield* repo.update({ id, ...given } as { id: string })).toEqual(changed)
        const cleared = yield* repo.update({ id, description: null })
        expect(cleared).toMatchObject({ description: Option.none(), name: "House", updatedAt: { epochMillis: 2000 } })
        yield* TestClock.setTime(3000)
        expect(yield* repo.update({ id, description: null })).toEqual(cleared)
        expect(yield* refusalOf(repo.update({ id, slug: "other" }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "profiles.owner_user_id, profiles.slug"
        })
        for (const given of [{}, { name: "x" }])
          expect(yield* tagOf(repo.update({ id: gone, ...given }))).toBe("NotFound")
        for (const bad of Object.values(badNames)) {
          expect(yield* tagOf(repo.update({ id, slug: bad }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.update({ id, name: bad }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.update({ id: bad }))).toBe("InvalidInput")
          if (bad !== "") expect(yield* tagOf(repo.update({ id, description: bad }))).toBe("InvalidInput")
        }
        expect(yield* tagOf(repo.update({ id, name: null as unknown as string }))).toBe("InvalidInput")
        expect(yield* repo.getById(id)).toEqual(cleared)
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists the profiles of an owner newest first while rows are inserted and deleted", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const create = (id: string, ownerUserId = ada) => repo.create({ id, ownerUserId, slug: id, name: id })
        for (let index = 0; index < 40; index++) {
          if (index % 4 === 0) yield* TestClock.adjust("1 second")
          const { id } = yield* create(`p${String(index).padStart(2, "0")}`)
          if (index % 3 === 0) yield* repo.archive(id)
        }
        yield* create("hers", eve)
        const all = (yield* repo.list({ ownerUserId: ada, limit: 500 })).items
        expect(all.map(({ id }) => String(id))).toEqual(
          Array.from({ length: 40 }, (_, index) => `p${String(39 - index).padStart(2, "0")}`)
        )
        for (const status of [undefined, ...ProfileStatus.literals]) {
          const expected = all.filter((profile) => status === undefined || profile.status === status)
          expect(yield* pages((page) => repo.list({ ownerUserId: ada, status, ...page }), 7)).toEqual(expected)
        }
        let round = 0
        const meanwhile = Effect.suspend(() => {
          round++
          const deleted = [`p${40 - round * 3}`, `p0${round}`].map((id) =>
            Effect.orDie(shell("DELETE FROM profiles WHERE id = ?", id))
          )
          return Effect.all([create(`later${round}`), ...deleted])
        })
        const seen = (yield* pages(
          (page) => Effect.orDie(repo.list({ ownerUserId: ada, ...page })),
          9,
          Effect.orDie(meanwhile)
        )).map(({ id }) => id)
        expect(new Set(seen).size).toBe(seen.length)
        const left = (yield* repo.list({ ownerUserId: ada, limit: 500 })).items.map(({ id }) => id)
        for (const id of left.filter((id) => id.startsWith("p"))) expect(seen).toContain(id)
        expect(seen.every((id) => id.startsWith("p"))).toBe(true)

        const bad: ReadonlyArray<Omit<Parameters<typeof repo.list>[0], "ownerUserId">> = [
          ...[0, -1, 1.5, 501, Number.NaN].map((limit) => ({ limit })),
          ...["", "!", "W10"].map((cursor) => ({ cursor })),
          { status: "dead" as "active" }
        ]
        for (const request of bad)
          expect(yield* tagOf(repo.list({ ownerUserId: ada, ...request }))).toBe("InvalidInput")
        expect(yield* tagOf(repo.list({ ownerUserId: badNames.huge }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("is deleted with its owner, and with all dependent rows", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id: profileId } = yield* profileOf(ada)
        yield* repo.createRevision({
          profileId,
          configPatch: {},
          envVars: [{ key: "A", value: "1" }],
          secretBindings: [{ targetKey: "B", secretId: "ada-secret" }],
          sshKeys: [{ sshKeyId: "ada-key" }],
          sshSettings: {}
        })
        yield* shell("DELETE FROM user WHERE id = 'ada'")
        expect(yield* repo.findById(ProfileId.make(profileId))).toEqual(Option.none())
        for (const table of ["revisions", "env_vars", "secret_bindings", "ssh_settings", "ssh_key_bindings"]) {
          expect(yield* shell(`SELECT 1 FROM profile_${table}`), table).toEqual([])
        }
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
