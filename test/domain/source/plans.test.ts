import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { RepositoryId } from "../../../src/domain/source/Repository.js"
import { RepositoryRepo } from "../../../src/domain/source/RepositoryRepo.js"
import { planIssues } from "../../support/plans.js"
import { layers, type Services } from "./support.js"

const app = { provider: "github", owner: "acme", name: "app" } as const
const gone = RepositoryId.make("gone")

const repositoryMethods = Effect.map(RepositoryRepo, (repo) => ({
  // The last one takes both the name and the external id of another row.
  upsert: Effect.forEach([app, { ...app, externalId: "1" }, { ...app, id: "two", name: "other" }, { ...app, id: "two", externalId: "1" }], repo.upsert),
  findById: repo.findById(gone),
  getById: repo.getById(gone),
  findByExternalId: repo.findByExternalId({ provider: "github", externalId: "1" }),
  findByOwnerAndName: repo.findByOwnerAndName(app),
  list: repo.list({}),
  delete: repo.delete(gone)
}))

type Methods = Readonly<Record<string, Effect.Effect<unknown, unknown>>>

const cases: Readonly<Record<string, { readonly methods: Effect.Effect<Methods, never, Services>; readonly service: Effect.Effect<object, never, Services> }>> = {
  RepositoryRepo: { methods: repositoryMethods, service: RepositoryRepo }
}

describe("source query plans", () => {
  for (const [name, { methods, service }] of Object.entries(cases)) {
    it.effect(`no statement of ${name} scans or sorts what grows`, () =>
      Effect.gen(function*() {
        const all = yield* methods
        expect(new Set(Object.keys(all))).toEqual(new Set(Object.keys(yield* service)))
        for (const [method, effect] of Object.entries(all)) {
          expect(yield* planIssues(Effect.ignore(effect)), method).toEqual([])
        }
      }).pipe(Effect.provide(layers.file)))
  }
})
