import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { EncryptionKeyId } from "../../src/secret/EncryptionKey.js"
import { SecretId } from "../../src/secret/Secret.js"
import { SecretRepo } from "../../src/secret/SecretRepo.js"
import { SecretVault } from "../../src/secret/SecretVault.js"
import { planIssues, planOf, recordStatements } from "../support/plans.js"
import { ada, layers, redacted, vaultWith } from "./support.js"

const gone = SecretId.make("gone")
const value = redacted("x")

const repoMethods = Effect.map(SecretRepo, (repo) => ({
  findById: repo.findById(gone),
  getById: Effect.forEach([gone, { ownerUserId: ada, id: gone }], (by) => Effect.ignore(repo.getById(by))),
  findByName: repo.findByName({ ownerUserId: ada, name: "x" }),
  list: Effect.all([repo.list({ ownerUserId: ada }), repo.list({ ownerUserId: ada, includeArchived: true })]),
  listVersions: repo.listVersions({ secretId: gone }),
  findVersion: Effect.all([repo.findVersion({ secretId: gone }), repo.findVersion({ secretId: gone, version: 1 })]),
  rename: repo.rename({ id: gone, name: "x" }),
  archive: repo.archive(gone),
  unarchive: repo.unarchive(gone),
  delete: repo.delete(gone)
}))

const vaultMethods = Effect.gen(function* () {
  const vault = yield* SecretVault
  const next = yield* vaultWith("k2", "k1")
  const { id: secretId } = yield* vault.create({ ownerUserId: ada, name: "one", value })
  return {
    create: Effect.all([
      vault.create({ ownerUserId: ada, name: "two", value }),
      Effect.ignore(vault.create({ ownerUserId: ada, name: "three", value, createdByUserId: "nobody" }))
    ]),
    put: vault.put({ ownerUserId: ada, secretId, value }),
    reveal: Effect.all([
      vault.reveal({ ownerUserId: ada, secretId }),
      vault.reveal({ ownerUserId: ada, secretId, version: 1 }),
      Effect.ignore(vault.reveal({ ownerUserId: ada, secretId: gone }))
    ]),
    list: vault.list({ ownerUserId: ada }),
    listVersions: vault.listVersions({ ownerUserId: ada, secretId }),
    archive: vault.archive({ ownerUserId: ada, secretId }),
    rotateKeys: Effect.all([Stream.runDrain(Stream.take(next.streamRotation({ batchSize: 1 }), 1)), next.rotateKeys()]),
    streamRotation: Stream.runDrain(next.streamRotation()),
    keyStatus: vault.keyStatus,
    retireKey: Effect.ignore(
      Effect.all(["k1", "k2", "k1"].map((id) => Effect.either(next.retireKey(EncryptionKeyId.make(id)))))
    )
  }
})

describe("statements of secrets", () => {
  it.effect("use an index in every statement", () =>
    Effect.gen(function* () {
      const services = [
        [yield* SecretRepo, yield* repoMethods],
        [yield* SecretVault, yield* vaultMethods]
      ] as const
      for (const [service, methods] of services) {
        const known: Readonly<Record<string, Effect.Effect<unknown, unknown>>> = methods
        expect(Object.keys(known).toSorted()).toEqual(Object.keys(service).toSorted())
        for (const [method, effect] of Object.entries(known))
          expect(yield* planIssues(Effect.ignore(effect)), method).toEqual([])
      }
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("rewrap a batch by its ids, regardless of the number of versions under the key", () =>
    Effect.gen(function* () {
      const vault = yield* SecretVault
      const next = yield* vaultWith("k2", "k1")
      yield* vault.create({ ownerUserId: ada, name: "one", value })
      const [batch] = (yield* recordStatements(next.rotateKeys())).filter(({ text }) => text.includes("AS batch"))
      const plan = batch === undefined ? [] : yield* planOf(batch)
      expect(plan.filter((line) => line.includes(" secret_versions "))).toEqual([
        expect.stringMatching(/^SEARCH .*\(id=\?\)$/)
      ])
    }).pipe(Effect.provide(layers.file))
  )
})
