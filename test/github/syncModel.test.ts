import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Schema, TestClock } from "effect"
import { GitHubInstallationRepo } from "../../src/github/GitHubInstallationRepo.js"
import { SyncInstallationRepositories } from "../../src/github/GitHubInstallationRepository.js"
import { makeInstallationSync } from "../../src/github/installationSync.js"
import { RepositoryRepo } from "../../src/source/RepositoryRepo.js"
import { type CachedRow, Model, type RepositoryRow, type Input } from "./model.js"
import { layers, type Services, shell } from "./support.js"
import { volume } from "../support/volume.js"

const names = fc.record({
  owner: fc.constantFrom("acme", "Acme", "org"),
  name: fc.constantFrom("a", "A", "b", "c"),
  isArchived: fc.boolean()
})
const externalId = fc.constantFrom("1", "2", "3", "4", "5")
const known = fc.record({ externalId }).chain((id) => names.map((rest) => ({ ...rest, ...id })))
const maybeKnown: fc.Arbitrary<Input> = fc.oneof(known, names)

const set = fc
  .uniqueArray(known, { selector: (one) => one.externalId, maxLength: 5 })
  .map((all) =>
    all.filter(
      (one, index) =>
        all.findIndex(
          ({ name, owner }) => `${owner}/${name}`.toLowerCase() === `${one.owner}/${one.name}`.toLowerCase()
        ) === index
    )
  )

type Command =
  | {
      readonly _tag: "sync"
      readonly installationId: "x" | "y"
      readonly set: ReadonlyArray<Input & { readonly externalId: string }>
    }
  | { readonly _tag: "upsert"; readonly told: Input }

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      _tag: fc.constant("sync" as const),
      installationId: fc.constantFrom("x" as const, "y" as const),
      set
    })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("upsert" as const), told: maybeKnown }) }
)

interface StoredRepository {
  readonly id: string
  readonly external_id: string | null
  readonly owner: string
  readonly name: string
  readonly is_archived: number
}

interface StoredCache {
  readonly id: string
  readonly installation_id: string
  readonly repository_id: string
  readonly external_repository_id: string
  readonly full_name: string
  readonly removed: number
}

/** The ids that rows had when they were first seen: they have them for ever. */
class Ids {
  private readonly repositories = new Map<RepositoryRow, string>()
  private readonly cached = new Map<string, string>()

  check(model: Model, stored: ReadonlyArray<StoredRepository>, caches: ReadonlyArray<StoredCache>) {
    expect(stored).toHaveLength(model.repositories.length)
    for (const row of model.repositories) {
      const known = this.repositories.get(row)
      const found = stored.find(({ external_id, id, name, owner }) =>
        known === undefined
          ? row.externalId === undefined
            ? name === row.name && owner === row.owner
            : external_id === row.externalId
          : id === known
      )
      expect(found).toMatchObject({
        external_id: row.externalId ?? null,
        owner: row.owner,
        name: row.gaveWay ? expect.stringMatching(new RegExp(`^${row.name}~[-0-9a-f]{36}$`)) : row.name,
        is_archived: row.isArchived ? 1 : 0
      })
      if (found !== undefined) this.repositories.set(row, found.id)
    }
    for (const [installation, cache] of model.caches) {
      const ofIt = caches.filter(({ installation_id }) => installation_id === installation)
      expect(ofIt).toHaveLength(cache.size)
      for (const row of ofIt) this.checkCached(row, cache.get(row.external_repository_id))
    }
  }

  private checkCached(stored: StoredCache, row: CachedRow | undefined) {
    expect(row).toBeDefined()
    if (row === undefined) return
    expect([stored.full_name, stored.removed, stored.repository_id]).toEqual([
      `${row.told.owner}/${row.told.name}`,
      row.removed ? 1 : 0,
      this.repositories.get(row.repository)
    ])
    const key = `${stored.installation_id} ${stored.external_repository_id}`
    expect(stored.id).toBe(this.cached.get(key) ?? stored.id)
    this.cached.set(key, stored.id)
  }
}

const decodeSync = Schema.decodeSync(SyncInstallationRepositories)

const follow = (commands: ReadonlyArray<Command>, pieceSize: number): Effect.Effect<void, unknown, Services> =>
  Effect.gen(function* () {
    const installations = yield* GitHubInstallationRepo
    const { sync } = yield* makeInstallationSync(pieceSize)
    const repositories = yield* RepositoryRepo
    yield* shell("DELETE FROM repositories")
    yield* shell("DELETE FROM github_app_installations")
    for (const id of ["x", "y"])
      yield* installations.upsert({ id, externalInstallationId: id, accountLogin: "acme", accountType: "user" })
    const model = new Model()
    const ids = new Ids()
    for (const next of commands) {
      yield* TestClock.adjust("1 second")
      if (next._tag === "upsert") {
        yield* repositories.upsert({ provider: "github", ...next.told })
        model.store([next.told])
      } else {
        const result = yield* sync(
          decodeSync({
            installationId: next.installationId,
            repositories: next.set.map(({ externalId, ...rest }) => ({ externalRepositoryId: externalId, ...rest }))
          })
        )
        expect(result).toEqual(model.sync(next.installationId, next.set))
      }
      ids.check(
        model,
        yield* shell<StoredRepository>("SELECT * FROM repositories"),
        yield* shell<StoredCache>("SELECT *, removed_at IS NOT NULL AS removed FROM github_installation_repositories")
      )
    }
  })

describe("syncs of installations", () => {
  it.effect.each([2000, 2, 1])(
    "match the model for random inputs in any order, in pieces of %i",
    (pieceSize) =>
      Effect.gen(function* () {
        const runtime = yield* Effect.runtime<Services>()
        const property = fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 12 }), (commands) =>
          Effect.runPromise(Effect.provide(follow(commands, pieceSize), runtime))
        )
        yield* Effect.promise(() => fc.assert(property, { numRuns: volume(80, 20) }))
      }).pipe(Effect.provide(layers.memory)),
    60_000
  )
})
