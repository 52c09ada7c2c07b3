/**
 * Random commands against the repositories and against a simple model of what they promise; and long lists.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck, Option } from "effect"
import { ProfileId } from "../../src/profile/Profile.js"
import { ProfileRepo } from "../../src/profile/ProfileRepo.js"
import { RepositoryProfileRepo } from "../../src/profile/RepositoryProfileRepo.js"
import { ada, layers, pages, profileOf, profileOfRepository, type Services, shell } from "./support.js"

/** A profile: the contents of its revisions in order, and the active one. */
interface Model<Content> {
  readonly revisions: Array<{ readonly id: string; readonly content: string; now: Content }>
  active: string | undefined
}

const stored = <Content>(model: Model<Content>, content: string) =>
  model.revisions.find((revision) => revision.content === content)

const check = <A>(commands: FastCheck.Arbitrary<A>, run: (commands: A) => Effect.Effect<void, unknown, Services>) =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<Services>()
    yield* Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(commands, (some) => Effect.runPromise(Effect.provide(run(some), runtime))),
        { numRuns: 40 }
      )
    )
  })

const keys = ["A", "B", "C"]
const envVars = FastCheck.uniqueArray(
  FastCheck.record({ key: FastCheck.constantFrom(...keys), value: FastCheck.constantFrom("1", "2") }),
  {
    selector: ({ key }) => key
  }
)

const profileCommands = FastCheck.array(
  FastCheck.oneof(
    FastCheck.record({ command: FastCheck.constant("create" as const), envVars, setAsActive: FastCheck.boolean() }),
    FastCheck.record({ command: FastCheck.constant("setActive" as const), place: FastCheck.nat(5) })
  ),
  { maxLength: 15 }
)

const linked = ["linked-0", "linked-1", "linked-2"]
const links = FastCheck.uniqueArray(
  FastCheck.record({
    profileRevisionId: FastCheck.constantFrom(...linked),
    precedence: FastCheck.integer({ min: -1, max: 1 })
  }),
  { selector: ({ profileRevisionId }) => profileRevisionId }
)
type Links = ReadonlyArray<{ readonly profileRevisionId: string; readonly precedence: number }>

const inOrder = (links: Links) =>
  links.toSorted(
    (one, other) => one.precedence - other.precedence || one.profileRevisionId.localeCompare(other.profileRevisionId)
  )

const repositoryCommands = FastCheck.array(
  FastCheck.oneof(
    FastCheck.record({
      command: FastCheck.constant("create" as const),
      value: FastCheck.nat(1),
      links: FastCheck.option(links, { nil: undefined }),
      setAsActive: FastCheck.boolean()
    }),
    FastCheck.record({ command: FastCheck.constant("setActive" as const), place: FastCheck.nat(5) }),
    FastCheck.record({ command: FastCheck.constant("replaceLinks" as const), place: FastCheck.nat(5), links })
  ),
  { maxLength: 15 }
)

describe("profiles and their models", () => {
  it.effect("match for a profile after random commands", () =>
    check(profileCommands, (commands) =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id: profileId } = yield* profileOf(ada)
        const model: Model<ReadonlyArray<{ readonly key: string; readonly value: string }>> = {
          revisions: [],
          active: undefined
        }
        for (const command of commands) {
          if (command.command === "create") {
            const sorted = command.envVars.toSorted((one, other) => one.key.localeCompare(other.key))
            const known = stored(model, JSON.stringify(sorted))
            const { created, revision } = yield* repo.createRevision({
              envVars: command.envVars,
              setAsActive: command.setAsActive,
              profileId,
              configPatch: {}
            })
            expect([created, revision.id]).toEqual([known === undefined, known?.id ?? revision.id])
            if (known === undefined)
              model.revisions.push({ id: revision.id, content: JSON.stringify(sorted), now: sorted })
            if (command.setAsActive) model.active = revision.id
          } else {
            const revisionId = model.revisions[command.place]?.id
            yield* Effect.either(repo.setActiveRevision({ profileId, revisionId: revisionId ?? "gone" }))
            model.active = revisionId ?? model.active
          }
        }
        const { items } = yield* repo.listRevisions({ profileId })
        expect(items.toReversed().map(({ id, version }) => [id, version])).toEqual(
          model.revisions.map(({ id }, index) => [id, index + 1])
        )
        for (const { id, now } of items.flatMap(({ id }) =>
          model.revisions.filter((revision) => revision.id === id).map(({ now }) => ({ id, now }))
        )) {
          expect((yield* repo.getRevision(id)).envVars.map(({ key, value }) => ({ key, value }))).toEqual(now)
        }
        expect((yield* repo.getById(profileId)).activeRevisionId).toEqual(Option.fromNullable(model.active))
      })
    ).pipe(Effect.provide(layers.memory))
  )

  it.effect("match for a repository profile after random commands", () =>
    Effect.gen(function* () {
      const profiles = yield* ProfileRepo
      for (const id of linked)
        yield* profiles.createRevision({ id, profileId: (yield* profileOf(ada)).id, configPatch: {} })
      yield* check(repositoryCommands, (commands) =>
        Effect.gen(function* () {
          const repo = yield* RepositoryProfileRepo
          const { id: repositoryProfileId } = yield* profileOfRepository
          const model: Model<Links> = { revisions: [], active: undefined }
          for (const command of commands) {
            if (command.command === "create") {
              const content = JSON.stringify([command.value, inOrder(command.links ?? [])])
              const known = stored(model, content)
              const { created, revision } = yield* repo.createRevision({
                repositoryProfileId,
                runTemplate: {},
                policyConfig: { value: command.value },
                links: command.links,
                setAsActive: command.setAsActive
              })
              expect([created, revision.id]).toEqual([known === undefined, known?.id ?? revision.id])
              if (known === undefined) model.revisions.push({ id: revision.id, content, now: command.links ?? [] })
              else known.now = command.links ?? known.now
              if (command.setAsActive) model.active = revision.id
            } else if (command.command === "setActive") {
              const revisionId = model.revisions[command.place]?.id
              yield* Effect.either(repo.setActiveRevision({ repositoryProfileId, revisionId: revisionId ?? "gone" }))
              model.active = revisionId ?? model.active
            } else {
              const revision = model.revisions[command.place]
              yield* Effect.either(repo.replaceLinks({ revisionId: revision?.id ?? "gone", links: command.links }))
              if (revision !== undefined) revision.now = command.links
            }
          }
          const { items } = yield* repo.listRevisions({ repositoryProfileId })
          expect(items.toReversed().map(({ id, version }) => [id, version])).toEqual(
            model.revisions.map(({ id }, index) => [id, index + 1])
          )
          for (const [index, { id }] of items.toReversed().entries()) {
            const { links } = yield* repo.getRevision(id)
            expect(links.map(({ precedence, profileRevisionId }) => ({ profileRevisionId, precedence }))).toEqual(
              inOrder(model.revisions[index]?.now ?? [])
            )
          }
          expect((yield* repo.getById(repositoryProfileId)).activeRevisionId).toEqual(Option.fromNullable(model.active))
        })
      )
    }).pipe(Effect.provide(layers.memory))
  )
})

const total = 10_000
const idOf = (index: number) => `p${String(index).padStart(5, "0")}`

/** Deletes one row that was seen, one that was not, and adds one, before each page. */
const churn = (table: string, insert: (round: number) => Effect.Effect<unknown, unknown, Services>) => {
  let round = 0
  return Effect.suspend(() => {
    round++
    const deleted = [total - round, round].map((index) => shell(`DELETE FROM ${table} WHERE id = ?`, idOf(index)))
    return Effect.all([...deleted, insert(round)], { concurrency: "unbounded" })
  }).pipe(Effect.orDie)
}

/** Nothing twice, in order, and all that was there from beginning to end. */
const expectWhole = (seen: ReadonlyArray<string>, left: ReadonlyArray<string>) => {
  expect(seen).toEqual([...new Set(seen)].toSorted().toReversed())
  const found = new Set(seen)
  expect(left.filter((id) => !found.has(id))).toEqual([])
  expect(seen.length).toBeGreaterThan(total - 100)
}

const left = (table: string) =>
  Effect.map(shell(`SELECT id FROM ${table} WHERE id LIKE 'p%' AND id NOT LIKE 'prf%'`), (rows) =>
    rows.map((row) => String(Object.values(row)[0]))
  )

// Three of an instant, so that pages end in the middle of one.
const series = "json_each(?)"
const numbers = JSON.stringify(
  Array.from({ length: total }, (_, index) => ({ id: idOf(index), at: Math.floor(index / 3), index }))
)

describe("long lists of profiles", () => {
  it.effect("are read completely while rows are inserted and deleted", () =>
    Effect.gen(function* () {
      const repo = yield* ProfileRepo
      yield* shell(
        `INSERT INTO profiles (id, owner_user_id, slug, name, created_at, updated_at)
         SELECT value ->> 'id', 'ada', value ->> 'id', 'x', value ->> 'at', value ->> 'at' FROM ${series}`,
        numbers
      )
      const late =
        "INSERT INTO profiles (id, owner_user_id, slug, name, created_at, updated_at) VALUES (?1, 'ada', ?1, 'x', 99999, 0)"
      const between = churn("profiles", (round) => shell(late, `later-${round}`))
      const seen = yield* pages((page) => Effect.orDie(repo.list({ ownerUserId: ada, ...page })), 487, between)
      expectWhole(
        seen.map(({ id }) => id),
        yield* left("profiles")
      )
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("of revisions are read completely, too", () =>
    Effect.gen(function* () {
      const repo = yield* ProfileRepo
      const { id: profileId } = yield* repo.create({
        id: ProfileId.make("one"),
        ownerUserId: ada,
        slug: "one",
        name: "one"
      })
      yield* shell(
        `INSERT INTO profile_revisions (id, profile_id, version, fingerprint, config_patch, created_at)
         SELECT value ->> 'id', 'one', 1 + (value ->> 'index'), value ->> 'id', '{}', 0 FROM ${series}`,
        numbers
      )
      const store = (round: number) =>
        repo.createRevision({ profileId, configPatch: {}, envVars: [{ key: "A", value: String(round) }] })
      const seen = yield* pages(
        (page) => Effect.orDie(repo.listRevisions({ profileId, ...page })),
        487,
        churn("profile_revisions", store)
      )
      expectWhole(
        seen.map(({ id }) => id),
        (yield* left("profile_revisions")).filter((id) => !id.startsWith("prv"))
      )
    }).pipe(Effect.provide(layers.memory))
  )
})
