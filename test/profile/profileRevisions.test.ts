import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, Redacted, TestClock } from "effect"
import { ProfileRepo, type ProfileService } from "../../src/profile/ProfileRepo.js"
import { recordStatements } from "../support/plans.js"
import { collectOutput } from "../support/outputCollector.js"
import {
  ada,
  badNames,
  eve,
  full,
  gone,
  goneRevision,
  layers,
  pages,
  profileOf,
  refusalOf,
  type Services,
  shell,
  tagOf
} from "./support.js"

type Given = Omit<Parameters<ProfileService["createRevision"]>[0], "profileId">

const rowsOf = (table: string) => Effect.map(shell(`SELECT 1 FROM ${table}`), ({ length }) => length)

const tables = [
  "profile_revisions",
  "profile_env_vars",
  "profile_secret_bindings",
  "profile_ssh_settings",
  "profile_ssh_key_bindings"
]

const counts = Effect.forEach(tables, rowsOf)

const many = <A>(count: number, make: (index: number) => A): ReadonlyArray<A> =>
  Array.from({ length: count }, (_, index) => make(index))

/** The contract of `ProfileRepo` for revisions. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`revisions of profiles (${name})`, () => {
    it.effect("stores all of a revision", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id: profileId } = yield* profileOf(ada)
        yield* TestClock.setTime(1000)
        const { created, revision } = yield* repo.createRevision({ ...full, id: "given", profileId })
        expect(created).toBe(true)
        expect(revision).toMatchObject({
          id: "given",
          profileId,
          version: 1,
          createdByUserId: Option.some("eve"),
          changeSummary: Option.some("all of it"),
          fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
          configPatch: full.configPatch,
          createdAt: { epochMillis: 1000 }
        })
        const graph = yield* repo.getRevision(revision.id)
        expect(graph.revision).toEqual(revision)
        const [b, a] = full.envVars
        expect(graph.envVars.map(({ key, value }) => ({ key, value }))).toEqual([b, a])
        expect(
          graph.envVars.every(({ id, profileRevisionId }) => id.startsWith("env_") && profileRevisionId === "given")
        ).toBe(true)
        expect(graph.secretBindings).toMatchObject([
          { targetKey: "OTHER", secretId: "ada-other", secretVersionId: Option.none(), isRequired: true },
          {
            targetKey: "TOKEN",
            secretId: "ada-secret",
            secretVersionId: Option.some("ada-secret-1"),
            isRequired: false
          }
        ])
        expect(graph.secretBindings.every(({ id }) => id.startsWith("bnd_"))).toBe(true)
        expect(graph.sshSettings).toMatchObject(
          Option.some({
            enabled: true,
            listenPort: 22,
            hostAllowlist: ["*.example.com", "10.0.0.0/8"],
            sessionTimeoutMinutes: Option.some(30),
            authorizedKeysRef: Option.some("keys"),
            createdAt: { epochMillis: 1000 }
          })
        )
        expect(graph.sshKeys.map(({ purpose, sshKeyId }) => [sshKeyId, purpose])).toEqual([
          ["ada-key", "git-auth"],
          ["ada-key", "login"]
        ])
        expect(yield* repo.getActiveRevision(profileId)).toEqual(graph)
        expect(yield* repo.getRevision({ ownerUserId: ada, id: revision.id })).toEqual(graph)
        expect(yield* repo.getActiveRevision({ ownerUserId: ada, id: profileId })).toEqual(graph)
        expect((yield* repo.getById(profileId)).activeRevisionId).toEqual(Option.some("given"))
        expect(yield* recordStatements(repo.getRevision(revision.id))).toHaveLength(1)

        const small = yield* repo.createRevision({ profileId, configPatch: {}, sshSettings: {} })
        expect(small.revision).toMatchObject({
          id: expect.stringMatching(/^prv_/),
          version: 2,
          createdByUserId: Option.none(),
          changeSummary: Option.none()
        })
        expect(yield* repo.getRevision(small.revision.id)).toMatchObject({
          envVars: [],
          secretBindings: [],
          sshSettings: Option.some({
            enabled: false,
            listenPort: 2222,
            hostAllowlist: [],
            sessionTimeoutMinutes: Option.none()
          }),
          sshKeys: []
        })
        const none = yield* repo.createRevision({ profileId, configPatch: {} })
        expect(none.revision.version).toBe(3)
        expect((yield* repo.getRevision(none.revision.id)).sshSettings).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores identical content once, in any order, and activates it", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id: profileId } = yield* profileOf(ada)
        const first = yield* repo.createRevision({ ...full, profileId })
        const second = yield* repo.createRevision({ profileId, configPatch: {} })
        const sameContent: ReadonlyArray<Given> = [
          full,
          { ...full, id: first.revision.id },
          { ...full, id: "another", createdByUserId: "ada", changeSummary: "again" },
          {
            configPatch: { packages: [" git "], env: { A: "1" }, harness: "codex" },
            envVars: full.envVars.toReversed(),
            secretBindings: full.secretBindings.toReversed(),
            sshKeys: [{ sshKeyId: "ada-key", purpose: "login" }, full.sshKeys[0]],
            sshSettings: { ...full.sshSettings, hostAllowlist: full.sshSettings.hostAllowlist.toReversed() }
          }
        ]
        for (const content of sameContent) {
          yield* repo.setActiveRevision({ profileId, revisionId: second.revision.id })
          expect(yield* repo.createRevision({ ...content, profileId })).toEqual({
            revision: first.revision,
            created: false
          })
          expect((yield* repo.getById(profileId)).activeRevisionId).toEqual(Option.some(first.revision.id))
        }
        const [envVar, ...envVars] = full.envVars
        const [binding, ...bindings] = full.secretBindings
        const others: ReadonlyArray<Given> = [
          { ...full, configPatch: {} },
          { ...full, envVars },
          { ...full, envVars: [{ ...envVar, value: "x" }, ...envVars] },
          { ...full, secretBindings: [{ ...binding, isRequired: true }, ...bindings] },
          { ...full, secretBindings: [{ targetKey: "TOKEN", secretId: "ada-secret", isRequired: false }, ...bindings] },
          { ...full, sshSettings: { ...full.sshSettings, listenPort: 23 } },
          { ...full, sshKeys: [full.sshKeys[0]] }
        ]
        for (const [index, content] of others.entries()) {
          const { created, revision } = yield* repo.createRevision({ ...content, profileId, setAsActive: false })
          expect([created, revision.version]).toEqual([true, index + 3])
        }
        expect((yield* repo.getById(profileId)).activeRevisionId).toEqual(Option.some(first.revision.id))
        // Of another profile it is another revision.
        const elsewhere = yield* profileOf(ada)
        expect(yield* repo.createRevision({ ...full, profileId: elsewhere.id })).toMatchObject({
          created: true,
          revision: { version: 1 }
        })
        expect(
          yield* refusalOf(repo.createRevision({ profileId: elsewhere.id, id: first.revision.id, configPatch: {} }))
        ).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "profile_revisions.id"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("numbers concurrently created revisions without gaps, and stores identical content once", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id: profileId } = yield* profileOf(ada)
        const store = (value: number) =>
          repo.createRevision({ profileId, configPatch: {}, envVars: [{ key: "A", value: String(value) }] })
        const different = yield* Effect.forEach(
          many(32, (index) => index),
          store,
          { concurrency: "unbounded" }
        )
        expect(different.map(({ revision }) => revision.version).toSorted((a, b) => a - b)).toEqual(
          many(32, (index) => index + 1)
        )
        expect(different.every(({ created }) => created)).toBe(true)
        const same = yield* Effect.forEach(
          many(32, () => 99),
          store,
          { concurrency: "unbounded" }
        )
        expect(same.filter(({ created }) => created)).toHaveLength(1)
        expect(new Set(same.map(({ revision }) => revision.id)).size).toBe(1)
        expect(same[0]?.revision.version).toBe(33)
        expect((yield* repo.getActiveRevision(profileId)).revision).toEqual(same[0]?.revision)
        // Half of them the same, half of them not.
        const mixed = yield* Effect.forEach(
          many(32, (index) => (index % 2 === 0 ? 200 : 300 + index)),
          store,
          { concurrency: "unbounded" }
        )
        const versions = new Set(mixed.map(({ revision }) => revision.version))
        expect([...versions].toSorted((a, b) => a - b)).toEqual(many(17, (index) => index + 34))
        expect(yield* rowsOf("profile_env_vars")).toBe(50)
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "stores a revision completely or not at all, and names references that are missing or of another owner",
      () =>
        Effect.gen(function* () {
          const repo = yield* ProfileRepo
          const { id: profileId } = yield* profileOf(ada)
          const base = { profileId, configPatch: {}, envVars: [{ key: "A", value: "1" }] }
          const ok = { targetKey: "OK", secretId: "ada-secret" }
          const cases: ReadonlyArray<readonly [Partial<Given>, string]> = [
            [{ createdByUserId: "nobody" }, "createdByUserId"],
            ...["gone", "eve-secret"].flatMap(
              (secretId): ReadonlyArray<readonly [Partial<Given>, string]> => [
                [{ secretBindings: [ok, { targetKey: "X", secretId }] }, "secretId"],
                [{ secretBindings: [{ targetKey: "X", secretId, secretVersionId: `${secretId}-1` }, ok] }, "secretId"]
              ]
            ),
            ...["gone", "eve-secret-1", "ada-other-1"].map((secretVersionId): readonly [Partial<Given>, string] => [
              { secretBindings: [{ ...ok, secretVersionId }] },
              "secretVersionId"
            ]),
            ...["gone", "eve-key"].map((sshKeyId): readonly [Partial<Given>, string] => [
              { sshSettings: {}, sshKeys: [{ sshKeyId: "ada-key" }, { sshKeyId }] },
              "sshKeyId"
            ])
          ]
          for (const [given, reference] of cases) {
            const refusal = yield* refusalOf(repo.createRevision({ ...base, ...given }))
            expect({ ...(refusal as object) }, JSON.stringify(given)).toMatchObject({
              _tag: "ReferenceNotFound",
              entity: "ProfileRevision",
              reference
            })
          }
          expect(yield* counts).toEqual(tables.map(() => 0))
          expect((yield* repo.getById(profileId)).activeRevisionId).toEqual(Option.none())
          expect(yield* refusalOf(repo.createRevision({ ...base, profileId: "gone" }))).toMatchObject({
            _tag: "NotFound",
            entity: "Profile",
            id: "gone"
          })
          // What failed took no number.
          expect((yield* repo.createRevision(base)).revision.version).toBe(1)
        }).pipe(Effect.provide(layer))
    )

    it.effect("accepts keys of environment variables that Docker accepts", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id: profileId } = yield* profileOf(ada)
        const keys = ["1A", "MY-VAR", "npm_config.registry", "npm_config_//registry.example.com/:_x", "É"]
        const { revision } = yield* repo.createRevision({
          profileId,
          configPatch: {},
          envVars: keys.map((key) => ({ key, value: "v" })),
          secretBindings: keys.map((key) => ({ targetKey: `${key}-S`, secretId: "ada-secret" }))
        })
        const graph = yield* repo.getRevision(revision.id)
        expect(graph.envVars.map(({ key }) => key)).toEqual(keys)
        expect(graph.secretBindings.map(({ targetKey }) => targetKey)).toEqual(keys.map((key) => `${key}-S`))
      }).pipe(Effect.provide(layer))
    )

    it.effect("accepts the documented maximum, and rejects more", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id: profileId } = yield* profileOf(ada)
        const store = (given: Partial<Given>) => repo.createRevision({ profileId, configPatch: {}, ...given })
        const most: Partial<Given> = {
          envVars: [
            { key: "K".repeat(255), value: "\u0001".repeat(32_768) },
            ...many(999, (index) => ({ key: `K${index}`, value: "v" }))
          ],
          secretBindings: many(1000, (index) => ({ targetKey: `S${index}`, secretId: "ada-secret" })),
          sshSettings: {
            listenPort: 65_535,
            sessionTimeoutMinutes: 1,
            hostAllowlist: ["h".repeat(255), ...many(999, (index) => `host-${index}`)]
          }
        }
        const few = yield* recordStatements(
          store({
            envVars: [{ key: "A", value: "" }],
            secretBindings: [{ targetKey: "B", secretId: "ada-secret" }],
            sshSettings: {}
          })
        )
        const large = yield* recordStatements(store(most))
        expect(large).toHaveLength(few.length)
        const graph = yield* repo.getActiveRevision(profileId)
        expect([graph.envVars.length, graph.secretBindings.length]).toEqual([1000, 1000])
        expect(graph.envVars.find(({ key }) => key.length === 255)?.value).toBe("\u0001".repeat(32_768))
        expect(Option.map(graph.sshSettings, ({ hostAllowlist }) => hostAllowlist.length)).toEqual(Option.some(1000))

        const value = "x"
        const secretId = "ada-secret"
        const bad: ReadonlyArray<Partial<Given>> = [
          ...["=", "A=B", "A B", "A\u00a0B", "A\n", "\u0007", "K".repeat(256), ...Object.values(badNames)].flatMap(
            (key): ReadonlyArray<Partial<Given>> => [
              { envVars: [{ key, value }] },
              { secretBindings: [{ targetKey: key, secretId }] }
            ]
          ),
          ...["v".repeat(32_769), badNames.nul, badNames.surrogate].map((text) => ({
            envVars: [{ key: "A", value: text }]
          })),
          ...Object.values(badNames).flatMap(
            (text): ReadonlyArray<Partial<Given>> => [
              { id: text },
              { createdByUserId: text },
              { secretBindings: [{ targetKey: "A", secretId: text }] },
              { secretBindings: [{ targetKey: "A", secretId, secretVersionId: text }] },
              { sshKeys: [{ sshKeyId: text }] },
              { sshSettings: { hostAllowlist: [text] } },
              { sshSettings: { authorizedKeysRef: text } },
              ...(text === "" ? [] : [{ changeSummary: text }])
            ]
          ),
          {
            envVars: [
              { key: "A", value },
              { key: "B", value },
              { key: "A", value }
            ]
          },
          {
            secretBindings: [
              { targetKey: "A", secretId },
              { targetKey: "A", secretId: "ada-other" }
            ]
          },
          { envVars: [{ key: "A", value }], secretBindings: [{ targetKey: "A", secretId }] },
          { sshKeys: [{ sshKeyId: "ada-key" }, { sshKeyId: "ada-key", purpose: "login" }] },
          { envVars: many(1001, (index) => ({ key: `K${index}`, value })) },
          { secretBindings: many(100_000, (index) => ({ targetKey: `K${index}`, secretId })) },
          { sshKeys: many(1001, (index) => ({ sshKeyId: `k${index}` })) },
          { sshSettings: { hostAllowlist: many(1001, (index) => `h${index}`) } },
          { sshSettings: { hostAllowlist: ["a", "a"] } },
          ...["a b", "h".repeat(256), "a\n"].map((host) => ({ sshSettings: { hostAllowlist: [host] } })),
          ...[0, 65_536, 1.5, -1, Number.NaN].map((listenPort) => ({ sshSettings: { listenPort } })),
          ...[0, -1, 1.5, 527_041, Number.NaN, Infinity].map((sessionTimeoutMinutes) => ({
            sshSettings: { sessionTimeoutMinutes }
          })),
          { sshKeys: [{ sshKeyId: "ada-key", purpose: "sign" as "login" }] },
          { configPatch: { harness: "codex", nonsense: 1 } as Given["configPatch"] },
          { configPatch: { env: { A: 1 } } as unknown as Given["configPatch"] },
          { configPatch: { env: { A: "x".repeat(10_000_000) } } },
          { setAsActive: 1 as unknown as boolean }
        ]
        const before = yield* counts
        for (const given of bad)
          expect(yield* tagOf(store(given)), JSON.stringify(given).slice(0, 90)).toBe("InvalidInput")
        expect(
          yield* refusalOf(
            store({
              envVars: [
                { key: "A", value },
                { key: "A", value }
              ]
            })
          )
        ).toMatchObject({ issues: ["envVars.1.key: is given twice"] })
        expect(
          yield* refusalOf(store({ envVars: [{ key: "A", value }], secretBindings: [{ targetKey: "A", secretId }] }))
        ).toMatchObject({
          issues: ["secretBindings.0.targetKey: is an environment variable already"]
        })
        expect(yield* counts).toEqual(before)
      }).pipe(Effect.provide(layer))
    )

    it.effect("shows no value of a variable in an error, a log or a span", () => {
      const { layer: watched, record, output } = collectOutput()
      return Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id: profileId } = yield* profileOf(ada)
        const sentinel = "correct-horse-battery-staple"
        const envVars = [{ key: "A", value: sentinel }]
        const store = (given: Partial<Given>) => repo.createRevision({ profileId, configPatch: {}, ...given })
        yield* store({ envVars })
        expect(yield* store({ envVars })).toMatchObject({ created: false })
        expect((yield* repo.getActiveRevision(profileId)).envVars[0]?.value).toBe(sentinel)
        const refused: ReadonlyArray<Partial<Given>> = [
          { envVars, sshSettings: {}, createdByUserId: "nobody" },
          { envVars, secretBindings: [{ targetKey: "B", secretId: "eve-secret" }] },
          { envVars, id: badNames.nul },
          { envVars: [{ key: "A", value: `${sentinel}\0` }] },
          { envVars: [{ key: sentinel, value: sentinel.repeat(9999) }] },
          { envVars: [...envVars, ...envVars] },
          { envVars: [{ key: "A", value: Redacted.make(sentinel) as unknown as string }] },
          { envVars: [{ key: "A", value: [sentinel] as unknown as string }] }
        ]
        for (const given of refused) {
          const error = yield* refusalOf(store(given))
          record(error, String(error), JSON.stringify(error))
        }
        yield* shell(
          "CREATE TRIGGER refuse BEFORE INSERT ON profile_env_vars BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        record(yield* refusalOf(store({ envVars, sshSettings: {} })))
        yield* shell("DROP TABLE profile_env_vars")
        record(yield* refusalOf(store({ envVars, sshSettings: {} })))
        yield* Effect.logDebug("done")
        expect(output.filter((text) => text.includes(sentinel))).toEqual([])
        expect(output.some((text) => text.includes("ProfileRepo.createRevision"))).toBe(true)
        expect(output.some((text) => text.includes("done"))).toBe(true)
      }).pipe(Effect.provide(watched), Effect.provide(layer))
    })

    it.effect("activates only a revision of its own", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id: profileId } = yield* profileOf(ada)
        const other = yield* profileOf(ada)
        const hers = yield* profileOf(eve)
        expect(yield* refusalOf(repo.getActiveRevision(profileId))).toMatchObject({
          _tag: "NotFound",
          entity: "ProfileRevision",
          id: profileId
        })
        expect(yield* refusalOf(repo.getActiveRevision(gone))).toMatchObject({
          _tag: "NotFound",
          entity: "Profile",
          id: "gone"
        })
        expect(yield* refusalOf(repo.getActiveRevision({ ownerUserId: eve, id: profileId }))).toMatchObject({
          _tag: "NotFound",
          entity: "Profile"
        })
        const one = yield* repo.createRevision({ profileId, configPatch: {}, setAsActive: false })
        expect((yield* repo.getById(profileId)).activeRevisionId).toEqual(Option.none())
        const foreign = [other, hers].map(({ id }) => repo.createRevision({ profileId: id, configPatch: {} }))
        for (const { revision } of yield* Effect.all(foreign)) {
          expect(yield* refusalOf(repo.setActiveRevision({ profileId, revisionId: revision.id }))).toMatchObject({
            _tag: "ReferenceNotFound",
            entity: "Profile",
            reference: "revisionId"
          })
          expect(
            yield* Effect.isFailure(
              shell("UPDATE profiles SET active_revision_id = ? WHERE id = ?", revision.id, profileId)
            )
          ).toBe(true)
        }
        expect(yield* refusalOf(repo.setActiveRevision({ profileId, revisionId: "gone" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "revisionId"
        })
        expect(
          yield* refusalOf(repo.setActiveRevision({ profileId: "gone", revisionId: one.revision.id }))
        ).toMatchObject({ _tag: "NotFound", id: "gone" })
        yield* TestClock.setTime(5000)
        const active = yield* repo.setActiveRevision({ profileId, revisionId: one.revision.id })
        expect(active).toMatchObject({
          activeRevisionId: Option.some(one.revision.id),
          updatedAt: { epochMillis: 5000 }
        })
        yield* TestClock.setTime(6000)
        expect(yield* repo.setActiveRevision({ profileId, revisionId: one.revision.id })).toEqual(active)
        yield* repo.createRevision({ profileId, configPatch: {} })
        expect(yield* repo.getById(profileId)).toEqual(active)
        for (const bad of Object.values(badNames)) {
          expect(yield* tagOf(repo.setActiveRevision({ profileId, revisionId: bad }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.setActiveRevision({ profileId: bad, revisionId: "x" }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.createRevision({ profileId: bad, configPatch: {} }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.listRevisions({ profileId: bad }))).toBe("InvalidInput")
        }
        expect(yield* refusalOf(repo.getRevision(goneRevision))).toMatchObject({
          _tag: "NotFound",
          entity: "ProfileRevision",
          id: "gone"
        })
        expect(yield* tagOf(repo.getRevision({ ownerUserId: ada, id: goneRevision }))).toBe("NotFound")
        // Nobody changes what is stored.
        for (const change of ["profile_revisions SET config_patch = '{}'", "profile_revisions SET version = 9"]) {
          expect(yield* Effect.isFailure(shell(`UPDATE ${change}`)), change).toBe(true)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists revisions from the last to the first, also after the clock was set back", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id: profileId } = yield* profileOf(ada)
        const store = (index: number) =>
          repo.createRevision({
            profileId,
            configPatch: {},
            envVars: [{ key: "A", value: String(index) }],
            setAsActive: false
          })
        for (let index = 0; index < 20; index++) {
          yield* TestClock.setTime(1000 - index)
          yield* store(index)
        }
        const all = (yield* repo.listRevisions({ profileId, limit: 500 })).items
        expect(all.map(({ version }) => version)).toEqual(many(20, (index) => 20 - index))
        let round = 100
        const seen = yield* pages(
          (page) => repo.listRevisions({ profileId, ...page }),
          3,
          Effect.suspend(() => store(round++))
        )
        expect(seen).toEqual(all)
        expect(yield* tagOf(repo.listRevisions({ profileId: "gone" }))).toBe("NotFound")
        expect((yield* repo.listRevisions({ profileId: (yield* profileOf(ada)).id })).items).toEqual([])
        for (const page of [{ limit: 0 }, { cursor: "!" }])
          expect(yield* tagOf(repo.listRevisions({ profileId, ...page }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("is read from a consistent snapshot, and rolls back with the caller's transaction", () =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const sql = yield* SqlClient.SqlClient
        const { id: profileId } = yield* profileOf(ada)
        const store = (index: number) =>
          repo.createRevision({
            profileId,
            configPatch: {},
            envVars: many(index, (n) => ({ key: `K${n}`, value: String(index) }))
          })
        yield* store(1)
        const reads = Effect.forEach(
          many(60, () => 0),
          () => repo.getActiveRevision(profileId),
          { concurrency: 4 }
        )
        const [graphs] = yield* Effect.all(
          [
            reads,
            Effect.forEach(
              many(20, (index) => index + 2),
              store
            )
          ],
          { concurrency: 2 }
        )
        for (const { envVars, revision } of graphs) expect(envVars).toHaveLength(revision.version)
        const before = yield* repo.getActiveRevision(profileId)
        yield* Effect.ignore(sql.withTransaction(Effect.zipRight(store(30), Effect.fail("no"))))
        expect(yield* repo.getActiveRevision(profileId)).toEqual(before)
        expect((yield* store(40)).revision.version).toBe(before.revision.version + 1)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
