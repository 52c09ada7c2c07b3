import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { SandboxId } from "../../src/sandbox/Sandbox.js"
import { SandboxAttemptId } from "../../src/sandbox/SandboxAttempt.js"
import { SandboxAttemptRepo } from "../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../../src/sandbox/SandboxRepo.js"
import { SandboxRuntimeInstanceRepo } from "../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import { planIssues, planOf, recordStatements } from "../support/plans.js"
import { ada, blueprint, layers, type Services, shell, specification } from "./support.js"

const id = SandboxId.make("gone")
const attemptId = SandboxAttemptId.make("gone")

/** Every combination of the filters. */
const combinations = <A>(...fields: ReadonlyArray<ReadonlyArray<A>>): ReadonlyArray<ReadonlyArray<A>> =>
  fields.reduce<ReadonlyArray<ReadonlyArray<A>>>(
    (all, values) => all.flatMap((some) => values.map((value) => [...some, value])),
    [[]]
  )

const filtersOf = (...fields: ReadonlyArray<ReadonlyArray<object>>) =>
  combinations(...fields).map((some): object => Object.assign({}, ...some))

const owners = [{}, { ownerUserId: ada }]
const ofRepository = [{}, { repositoryId: "rep" }]

const sandboxMethods = Effect.map(SandboxRepo, (repo) => ({
  create: repo.create({ name: "one", ownerUserId: ada }),
  findById: repo.findById(id),
  getById: repo.getById(id),
  getForOwner: repo.getForOwner({ ownerUserId: ada, id }),
  findByAttemptId: repo.findByAttemptId(attemptId),
  list: Effect.forEach(
    filtersOf(
      owners,
      ofRepository,
      [{}, { statuses: ["ready"] }, { statuses: ["ready", "failed", "queued"] }],
      [{}, { includeArchived: true }]
    ),
    (filter) => repo.list(filter)
  ),
  stream: Stream.runDrain(repo.stream({ ownerUserId: ada })),
  rename: repo.rename({ id, name: "two" }),
  setStatus: repo.setStatus({ id, status: "ready" }),
  linkAttempt: Effect.all([
    repo.linkAttempt({ sandboxId: "one", attemptId: "one" }),
    Effect.ignore(repo.linkAttempt({ sandboxId: "one", attemptId: attemptId }))
  ]),
  listAttemptLinks: repo.listAttemptLinks({ sandboxId: id }),
  archive: repo.archive(id),
  unarchive: repo.unarchive(id),
  delete: repo.delete(id)
}))

const attemptMethods = Effect.map(SandboxAttemptRepo, (repo) => ({
  createQueued: repo.createQueued({ ownerUserId: ada }),
  findById: repo.findById(attemptId),
  getById: repo.getById(attemptId),
  list: Effect.forEach(
    filtersOf(
      owners,
      ofRepository,
      [{}, { issueId: "iss" }],
      [{}, { sandboxId: id }],
      [{}, { statuses: ["failed"] }, { statuses: ["failed", "queued"] }]
    ),
    (filter) => repo.list(filter)
  ),
  stream: Stream.runDrain(repo.stream({ ownerUserId: ada })),
  markRunning: repo.markRunning({ id: attemptId }),
  requestStop: repo.requestStop(attemptId),
  markSucceeded: repo.markSucceeded({ id: attemptId }),
  markFailed: repo.markFailed({ id: attemptId }),
  markCancelled: repo.markCancelled({ id: attemptId, reason: "enough" }),
  setSnapshot: repo.setSnapshot({
    attemptId: "one",
    userSpecPayload: specification,
    resolvedSpecPayload: specification,
    blueprintPayload: blueprint
  }),
  findSnapshot: repo.findSnapshot(attemptId),
  listByIds: repo.listByIds([attemptId, attemptId])
}))

const runtimeMethods = Effect.map(SandboxRuntimeInstanceRepo, (repo) => ({
  upsert: Effect.forEach(["pending", "running", "running", "failed", "stopped", "failed"] as const, (status) =>
    repo.upsert({ attemptId: "one", status })
  ),
  findByAttemptId: repo.findByAttemptId(attemptId),
  listByAttemptIds: repo.listByAttemptIds([attemptId, attemptId]),
  listByStatus: repo.listByStatus({ status: "running" }),
  claimInspections: repo.claimInspections({ every: "1 minute", limit: 10 })
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
  SandboxRepo: { methods: sandboxMethods, service: SandboxRepo },
  SandboxAttemptRepo: { methods: attemptMethods, service: SandboxAttemptRepo },
  SandboxRuntimeInstanceRepo: { methods: runtimeMethods, service: SandboxRuntimeInstanceRepo }
}

describe("sandbox query plans", () => {
  for (const [name, { methods, service }] of Object.entries(cases)) {
    it.effect(`every statement of ${name} uses an index`, () =>
      Effect.gen(function* () {
        yield* shell("INSERT INTO sandboxes (id, owner_user_id, created_at, updated_at) VALUES ('one', 'ada', 0, 0)")
        yield* shell(
          "INSERT INTO sandbox_attempts (id, owner_user_id, queued_at, created_at, updated_at) VALUES ('one', 'ada', 0, 0, 0)"
        )
        const all = yield* methods
        expect(new Set(Object.keys(all))).toEqual(new Set(Object.keys(yield* service)))
        for (const [method, effect] of Object.entries(all)) {
          expect(yield* planIssues(Effect.ignore(effect)), method).toEqual([])
        }
      }).pipe(Effect.provide(layers.file))
    )
  }

  it.effect("the check detects a scan and a sort", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      expect(yield* planIssues(sql`SELECT id FROM sandboxes WHERE name = 'x'`)).toHaveLength(1)
      expect(yield* planIssues(sql`SELECT id FROM sandboxes WHERE owner_user_id = 'x' ORDER BY name`)).toHaveLength(1)
      expect(yield* planIssues(sql`UPDATE sandboxes SET name = 'y' WHERE name = 'x'`)).toHaveLength(1)
      expect(yield* planIssues(Effect.void)).toHaveLength(1)
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("lists use the intended index", () =>
    Effect.gen(function* () {
      const repo = yield* SandboxRepo
      const indexesOf = (filter: Parameters<typeof repo.list>[0]) =>
        Effect.gen(function* () {
          const statements = yield* recordStatements(repo.list(filter))
          const lines = (yield* Effect.forEach(statements, planOf)).flat()
          return lines.flatMap((line) => /^SEARCH .* INDEX (\S+)/.exec(line)?.[1] ?? [])
        })
      expect(yield* indexesOf({})).toEqual(["sandboxes_created_at_idx"])
      expect(yield* indexesOf({ ownerUserId: ada })).toEqual(["sandboxes_owner_user_id_created_at_idx"])
      expect(yield* indexesOf({ ownerUserId: ada, repositoryId: "rep" })).toEqual([
        "sandboxes_owner_user_id_created_at_idx"
      ])
      expect(yield* indexesOf({ repositoryId: "rep", statuses: ["ready", "failed"] })).toEqual([
        "sandboxes_repository_id_created_at_idx"
      ])
      expect(yield* indexesOf({ ownerUserId: ada, statuses: ["ready", "failed"] })).toEqual([
        "sandboxes_owner_user_id_status_created_at_idx",
        "sandboxes_owner_user_id_status_created_at_idx"
      ])
      expect(yield* indexesOf({ statuses: ["ready"] })).toEqual(["sandboxes_status_created_at_idx"])
    }).pipe(Effect.provide(layers.file))
  )
})
