import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { GitHubInstallationId } from "../../src/github/GitHubInstallation.js"
import { GitHubInstallationRepo } from "../../src/github/GitHubInstallationRepo.js"
import { GitHubInstallationRepositoryId } from "../../src/github/GitHubInstallationRepository.js"
import { GitHubInstallationRepositoryRepo } from "../../src/github/GitHubInstallationRepositoryRepo.js"
import { RepositoryId } from "../../src/source/Repository.js"
import { RepositoryRepo } from "../../src/source/RepositoryRepo.js"
import { planIssues, planOf, recordStatements } from "../support/plans.js"
import { ada, layers, type Services, shell } from "./support.js"

const app = { provider: "github", owner: "acme", name: "app" } as const
const gone = RepositoryId.make("gone")
const installationId = GitHubInstallationId.make("inst")

const repositoryMethods = Effect.map(RepositoryRepo, (repo) => ({
  // The last one takes both the name and the external id of another row.
  upsert: Effect.forEach(
    [app, { ...app, externalId: "1" }, { ...app, id: "two", name: "other" }, { ...app, id: "two", externalId: "1" }],
    repo.upsert
  ),
  findById: repo.findById(gone),
  getById: repo.getById(gone),
  findByExternalId: repo.findByExternalId({ provider: "github", externalId: "1" }),
  findByOwnerAndName: repo.findByOwnerAndName(app),
  list: repo.list({}),
  delete: repo.delete(gone)
}))

const installationMethods = Effect.map(GitHubInstallationRepo, (repo) => ({
  upsert: Effect.forEach([{}, { status: "suspended" }, { reinstalled: true }] as const, (more) =>
    repo.upsert({ externalInstallationId: "inst", accountLogin: "acme", accountType: "user", ...more })
  ),
  findById: repo.findById(installationId),
  getById: repo.getById(installationId),
  findByExternalId: repo.findByExternalId("inst"),
  listForUser: repo.listForUser({ userId: ada }),
  listActive: repo.listActive({}),
  setStatus: Effect.ignore(repo.setStatus({ id: installationId, status: "suspended" })),
  grantToUser: Effect.forEach(["inst", "gone"], (id) =>
    Effect.ignore(repo.grantToUser({ installationId: id, userId: ada }))
  ),
  revokeGrant: repo.revokeGrant({ installationId, userId: ada }),
  userHasGrant: repo.userHasGrant({ installationId, userId: ada }),
  listGrants: repo.listGrants({ installationId })
}))

const set = [
  { externalRepositoryId: "1", owner: "acme", name: "app" },
  { externalRepositoryId: "2", owner: "acme", name: "lib" }
]

const cacheMethods = Effect.map(GitHubInstallationRepositoryRepo, (repo) => ({
  sync: repo.sync({ installationId, repositories: set }),
  apply: repo.apply({ installationId, added: set, removed: ["gone"] }),
  listForInstallation: Effect.forEach(
    [{}, { search: "app" }, { includeRemoved: true }, { search: "app", includeRemoved: true }],
    (filter) => repo.listForInstallation({ installationId, ...filter })
  ),
  listForUser: Effect.forEach([{}, { search: "app" }], (filter) => repo.listForUser({ userId: ada, ...filter })),
  findById: repo.findById(GitHubInstallationRepositoryId.make("gone")),
  findByExternalId: repo.findByExternalId({ installationId, externalRepositoryId: "1" }),
  findByRepositoryId: repo.findByRepositoryId({ installationId, repositoryId: gone }),
  mayUse: Effect.all([
    repo.mayUse({ userId: ada, repositoryId: gone }),
    repo.mayUse({ userId: ada, installationRepositoryId: "gone" })
  ]),
  upsert: repo.upsert({ installationId, externalRepositoryId: "3", owner: "acme", name: "new" }),
  update: repo.update({ repositoryId: gone, owner: "acme", name: "new" }),
  markDeleted: repo.markDeleted({ repositoryId: gone, at: DateTime.unsafeMake(0) })
}))

type Methods = Readonly<Record<string, Effect.Effect<unknown, unknown>>>

const cases: Readonly<
  Record<
    string,
    {
      readonly methods: Effect.Effect<Methods, never, Services>
      readonly service: Effect.Effect<object, never, Services>
    }
  >
> = {
  RepositoryRepo: { methods: repositoryMethods, service: RepositoryRepo },
  GitHubInstallationRepo: { methods: installationMethods, service: GitHubInstallationRepo },
  GitHubInstallationRepositoryRepo: { methods: cacheMethods, service: GitHubInstallationRepositoryRepo }
}

describe("source query plans", () => {
  for (const [name, { methods, service }] of Object.entries(cases)) {
    it.effect(`every statement of ${name} uses an index`, () =>
      Effect.gen(function* () {
        yield* shell(`
          INSERT INTO github_app_installations (id, external_installation_id, account_login, account_type, created_at, updated_at)
          VALUES ('inst', 'inst', 'acme', 'user', 0, 0)`)
        const all = yield* methods
        expect(new Set(Object.keys(all))).toEqual(new Set(Object.keys(yield* service)))
        for (const [method, effect] of Object.entries(all)) {
          expect(yield* planIssues(Effect.ignore(effect)), method).toEqual([])
        }
      }).pipe(Effect.provide(layers.file))
    )
  }

  it.effect("lists use the intended index", () =>
    Effect.gen(function* () {
      const repo = yield* GitHubInstallationRepositoryRepo
      const indexesOf = (list: Effect.Effect<unknown, unknown, Services>) =>
        Effect.gen(function* () {
          const lines = (yield* Effect.forEach(yield* recordStatements(list), planOf)).flat()
          return lines.flatMap((line) => /^SEARCH \S+ USING (?:COVERING )?INDEX (\S+)/.exec(line)?.[1] ?? [])
        })
      for (const filter of [{}, { search: "app" }, { includeRemoved: true }]) {
        expect(yield* indexesOf(repo.listForInstallation({ installationId, ...filter }))).toEqual([
          "github_installation_repositories_installation_id_created_at_idx"
        ])
      }
      expect(yield* indexesOf(repo.listForUser({ userId: ada }))).toContain(
        "github_installation_repositories_installation_repository_id_idx"
      )
    }).pipe(Effect.provide(layers.file))
  )
})
