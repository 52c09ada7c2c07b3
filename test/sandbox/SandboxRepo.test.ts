import { describe, expect, it } from "@effect/vitest"
import { Chunk, type DateTime, Effect, type Layer, Option, Stream, TestClock } from "effect"
import { SandboxId, SandboxStatus, sandboxTransitions } from "../../src/sandbox/Sandbox.js"
import { SandboxAttemptId } from "../../src/sandbox/SandboxAttempt.js"
import { SandboxAttemptRepo } from "../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../../src/sandbox/SandboxRepo.js"
import { ada, badNames, eve, layers, pages, type Services, shell, tagOf } from "./support.js"
import { followsTransitions } from "../support/transitions.js"

const own = { name: "one", ownerUserId: ada }
const gone = SandboxId.make("gone")
const goneRun = SandboxAttemptId.make("gone")

const millis = (instant: Option.Option<DateTime.Utc>) => Option.map(instant, ({ epochMillis }) => epochMillis)

/** The contract of `SandboxRepo`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxRepo (${name})`, () => {
    it.effect("stores every field of the input", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        yield* TestClock.setTime(1000)
        const small = yield* repo.create(own)
        expect(small.id).toMatch(/^sbx_/)
        expect(small).toMatchObject({
          name: "one",
          ownerUserId: "ada",
          status: "queued",
          repositoryId: Option.none(),
          archivedAt: Option.none()
        })
        expect([small.createdAt.epochMillis, small.updatedAt.epochMillis]).toEqual([1000, 1000])
        const full = yield* repo.create({
          id: "given",
          name: "two 🐳",
          ownerUserId: ada,
          repositoryId: "rep",
          repositoryProfileRevisionId: "rpr",
          profileRevisionId: "ada-profile",
          requestedByUserId: eve,
          status: "ready"
        })
        expect(full).toMatchObject({
          id: "given",
          name: "two 🐳",
          status: "ready",
          repositoryId: Option.some("rep"),
          repositoryProfileRevisionId: Option.some("rpr"),
          profileRevisionId: Option.some("ada-profile"),
          requestedByUserId: Option.some("eve")
        })
        for (const sandbox of [small, full]) {
          expect(yield* repo.findById(sandbox.id)).toEqual(Option.some(sandbox))
          expect(yield* repo.getById(sandbox.id)).toEqual(sandbox)
        }
        expect(yield* repo.findById(gone)).toEqual(Option.none())
        expect(yield* Effect.flip(repo.getById(gone))).toMatchObject({
          _tag: "NotFound",
          entity: "Sandbox",
          id: "gone"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input for a new sandbox", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        yield* repo.create({ ...own, id: "taken" })
        expect(yield* Effect.flip(repo.create({ ...own, id: "taken" }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "sandboxes.id"
        })
        for (const field of [
          "ownerUserId",
          "requestedByUserId",
          "repositoryId",
          "repositoryProfileRevisionId",
          "profileRevisionId"
        ] as const) {
          expect(yield* Effect.flip(repo.create({ ...own, [field]: "nobody" }))).toMatchObject({
            _tag: "ReferenceNotFound",
            reference: field
          })
        }
        for (const [rule, bad] of Object.entries(badNames)) {
          const error = yield* Effect.flip(repo.create({ ...own, name: bad }))
          expect(error, rule).toMatchObject({
            _tag: "InvalidInput",
            operation: "SandboxRepo.create",
            issues: [expect.stringMatching(/^name: /)]
          })
          if (bad !== "") expect(JSON.stringify(error)).not.toContain(bad)
          for (const field of ["id", "ownerUserId", "repositoryId"] as const) {
            expect(yield* tagOf(repo.create({ ...own, [field]: bad })), `${field} ${rule}`).toBe("InvalidInput")
          }
        }
        expect(yield* tagOf(repo.create({ ...own, status: "dead" as "ready" }))).toBe("InvalidInput")
        expect((yield* repo.list({})).items).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports rows of other owners as NotFound", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        const attempts = yield* SandboxAttemptRepo
        const { id } = yield* repo.create({ ...own, repositoryId: "rep" })
        expect((yield* repo.getForOwner({ ownerUserId: ada, id })).id).toBe(id)
        expect(yield* Effect.flip(repo.getForOwner({ ownerUserId: eve, id }))).toMatchObject({ _tag: "NotFound", id })
        expect(yield* tagOf(repo.getForOwner({ ownerUserId: ada, id: gone }))).toBe("NotFound")
        for (const filter of [{}, { repositoryId: "rep" }, { statuses: ["queued"] as const }]) {
          expect((yield* repo.list({ ownerUserId: eve, ...filter })).items).toEqual([])
          expect((yield* repo.list({ ownerUserId: ada, ...filter })).items).toHaveLength(1)
        }
        // A missing owner does not match every tenant's rows.
        const lost: { readonly ownerUserId: string } = { ownerUserId: undefined as unknown as string }
        expect(yield* tagOf(repo.list(lost))).toBe("InvalidInput")

        // A profile and an attempt of another owner are reported as NotFound.
        expect(yield* Effect.flip(repo.create({ ...own, profileRevisionId: "eve-profile" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "profileRevisionId"
        })
        const hers = yield* attempts.createQueued({ ownerUserId: eve })
        const refusal = yield* Effect.flip(repo.linkAttempt({ sandboxId: id, attemptId: hers.id }))
        expect(refusal).toMatchObject({ _tag: "ReferenceNotFound", reference: "attemptId" })
        expect(yield* Effect.flip(repo.linkAttempt({ sandboxId: id, attemptId: goneRun }))).toEqual(refusal)
        yield* repo.linkAttempt({
          sandboxId: (yield* repo.create({ name: "hers", ownerUserId: eve })).id,
          attemptId: hers.id
        })
        expect(yield* Effect.flip(repo.linkAttempt({ sandboxId: id, attemptId: hers.id }))).toEqual(refusal)
        expect((yield* repo.listAttemptLinks({ sandboxId: id })).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("follows the declared transitions only", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        for (const to of SandboxStatus.literals) {
          yield* followsTransitions({
            entity: "Sandbox",
            machine: sandboxTransitions,
            to,
            run: (id) => repo.setStatus({ id, status: to }),
            rowIn: (status) => repo.create({ ...own, status }),
            getById: repo.getById
          })
        }
        expect(yield* tagOf(repo.setStatus({ id: gone, status: "ready" }))).toBe("NotFound")
        expect(yield* tagOf(repo.setStatus({ id: gone, status: "dead" as "ready" }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("the database rejects exactly the undeclared transitions", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        for (const from of SandboxStatus.literals) {
          for (const to of SandboxStatus.literals) {
            const { id } = yield* repo.create({ ...own, status: from })
            const taken = yield* Effect.isSuccess(shell("UPDATE sandboxes SET status = ? WHERE id = ?", to, id))
            expect(taken, `${from} → ${to}`).toBe(from === to || sandboxTransitions.allows(from, to))
          }
        }
        expect(yield* Effect.isFailure(shell("UPDATE sandboxes SET status = 'dead'"))).toBe(true)
        expect(yield* Effect.isFailure(shell("UPDATE sandboxes SET owner_user_id = 'eve'"))).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("changes the status once when many callers try concurrently", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        const { id } = yield* repo.create({ ...own, status: "running" })
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? ("ready" as const) : ("failed" as const))),
          (status) => Effect.map(tagOf(repo.setStatus({ id, status })), (tag) => [status, tag] as const),
          { concurrency: "unbounded" }
        )
        const { status } = yield* repo.getById(id)
        // ready may become failed afterwards; never the other way round.
        expect(status).toBe("failed")
        expect(outcomes.filter(([to]) => to === "failed").every(([, tag]) => tag === "ok")).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("renames, archives, unarchives and deletes", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        const { id } = yield* repo.create({ ...own, status: "ready" })
        yield* TestClock.adjust("1 second")
        expect((yield* repo.rename({ id, name: "new" })).name).toBe("new")
        for (const name of Object.values(badNames)) expect(yield* tagOf(repo.rename({ id, name }))).toBe("InvalidInput")

        const archived = yield* repo.archive(id)
        expect(millis(archived.archivedAt)).toEqual(Option.some(1000))
        expect(archived.status).toBe("ready")
        yield* TestClock.adjust("1 second")
        expect(yield* repo.archive(id)).toEqual(archived)
        expect((yield* repo.list({ ownerUserId: ada })).items).toEqual([])
        expect((yield* repo.list({ ownerUserId: ada, includeArchived: true })).items).toEqual([archived])

        const restored = yield* repo.unarchive(id)
        expect(restored).toMatchObject({ archivedAt: Option.none(), name: "new" })
        expect(restored.updatedAt.epochMillis).toBe(2000)
        yield* TestClock.adjust("1 second")
        expect(yield* repo.unarchive(id)).toEqual(restored)

        yield* repo.delete(id)
        for (const again of [repo.delete(id), repo.archive(id), repo.unarchive(id), repo.rename({ id, name: "x" })]) {
          expect(yield* tagOf<unknown, { readonly _tag: string }, never>(again)).toBe("NotFound")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("links attempts, and latestAttemptId is the newest", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        const attempts = yield* SandboxAttemptRepo
        const { id: sandboxId } = yield* repo.create(own)
        const runs: Array<SandboxAttemptId> = []
        for (let index = 0; index < 4; index++) {
          runs.push((yield* attempts.createQueued({ id: `run${index}`, ownerUserId: ada })).id)
          if (index !== 1) yield* TestClock.adjust("1 second") // run1 and run2 share an instant
        }
        const link = (attemptId: SandboxAttemptId | undefined, relation?: "retry") =>
          Effect.map(
            repo.linkAttempt({
              sandboxId,
              attemptId: attemptId ?? "",
              ...(relation === undefined ? {} : { relation })
            }),
            (sandbox) => Option.getOrNull(sandbox.latestAttemptId)
          )
        expect(yield* link(runs[1])).toBe("run1")
        expect(yield* link(runs[0])).toBe("run1")
        expect(yield* link(runs[2], "retry")).toBe("run2")
        expect(yield* link(runs[1])).toBe("run2")
        yield* TestClock.adjust("1 second")
        expect(yield* link(runs[3])).toBe("run3")

        const before = yield* repo.getById(sandboxId)
        yield* TestClock.adjust("1 second")
        expect(yield* link(runs[2])).toBe("run3")
        expect(yield* repo.getById(sandboxId)).toEqual(before)

        const { items } = yield* repo.listAttemptLinks({ sandboxId })
        expect(items.map(({ relation, attemptId }) => [attemptId, relation])).toEqual([
          ["run3", "launch"],
          ["run2", "retry"],
          ["run1", "launch"],
          ["run0", "launch"]
        ])
        expect(yield* pages((page) => repo.listAttemptLinks({ sandboxId, ...page }), 1)).toEqual(items)
        for (const run of runs)
          expect(Option.map(yield* repo.findByAttemptId(run), ({ id }) => id)).toEqual(Option.some(sandboxId))
        expect(yield* repo.findByAttemptId(goneRun)).toEqual(Option.none())

        // The newest goes: an older one that is linked again does not pass over what is newer.
        yield* shell("DELETE FROM sandbox_attempts WHERE id = 'run3'")
        expect((yield* repo.getById(sandboxId)).latestAttemptId).toEqual(Option.none())
        expect(yield* link(runs[0])).toBe(null)
        expect(yield* link(runs[2])).toBe("run2")
      }).pipe(Effect.provide(layer))
    )

    it.effect("an attempt belongs to one sandbox", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        const attempts = yield* SandboxAttemptRepo
        const [first, second] = [yield* repo.create(own), yield* repo.create(own)]
        const { id: attemptId } = yield* attempts.createQueued({ ownerUserId: ada })
        const linked = yield* repo.linkAttempt({ sandboxId: first.id, attemptId })
        expect(yield* Effect.flip(repo.linkAttempt({ sandboxId: second.id, attemptId }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "sandbox_run_links.run_id"
        })
        expect(yield* repo.getById(second.id)).toEqual(second)
        expect(yield* repo.getById(first.id)).toEqual(linked)
        expect(yield* tagOf(repo.linkAttempt({ sandboxId: gone, attemptId }))).toBe("NotFound")
        for (const bad of Object.values(badNames)) {
          expect(yield* tagOf(repo.linkAttempt({ sandboxId: bad, attemptId }))).toBe("InvalidInput")
        }
        expect(yield* tagOf(repo.linkAttempt({ sandboxId: first.id, attemptId, relation: "x" as "retry" }))).toBe(
          "InvalidInput"
        )

        // The sandbox goes: its links go with it, the attempt stays, and is free.
        yield* repo.delete(first.id)
        expect(Option.isSome(yield* attempts.findById(attemptId))).toBe(true)
        expect(yield* repo.findByAttemptId(attemptId)).toEqual(Option.none())
        expect((yield* repo.linkAttempt({ sandboxId: second.id, attemptId })).latestAttemptId).toEqual(
          Option.some(attemptId)
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("links an attempt once when many callers try concurrently", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        const attempts = yield* SandboxAttemptRepo
        const { id: attemptId } = yield* attempts.createQueued({ ownerUserId: ada })
        const sandboxes = yield* Effect.all(Array.from({ length: 4 }, () => repo.create(own)))
        const outcomes = yield* Effect.forEach(
          [...sandboxes, ...sandboxes],
          ({ id }) => tagOf(repo.linkAttempt({ sandboxId: id, attemptId })),
          { concurrency: "unbounded" }
        )
        expect(outcomes.filter((tag) => tag === "ok")).toHaveLength(2)
        expect(outcomes.filter((tag) => tag === "AlreadyExists")).toHaveLength(6)
        const latest = (yield* repo.list({})).items.filter(({ latestAttemptId }) => Option.isSome(latestAttemptId))
        expect(latest.map(({ id }) => id)).toEqual(
          Option.toArray(yield* repo.findByAttemptId(attemptId)).map(({ id }) => id)
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists newest first with every filter while rows are inserted and deleted", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        const statuses = SandboxStatus.literals
        for (let index = 0; index < 60; index++) {
          if (index % 4 === 0) yield* TestClock.adjust("1 second")
          const { id } = yield* repo.create({
            id: `s${String(index).padStart(2, "0")}`,
            name: "one",
            ownerUserId: index % 3 === 0 ? eve : ada,
            status: statuses[index % 5] ?? "queued",
            ...(index % 2 === 0 ? { repositoryId: "rep" } : {})
          })
          if (index % 7 === 0) yield* repo.archive(id)
        }
        const all = (yield* repo.list({ includeArchived: true, limit: 500 })).items
        expect(all.map(({ id }) => id)).toEqual(
          Array.from({ length: 60 }, (_, index) => `s${String(59 - index).padStart(2, "0")}`)
        )

        for (const ownerUserId of [undefined, ada, eve]) {
          for (const repositoryId of [undefined, "rep", "other"]) {
            for (const wanted of [undefined, [], ["ready"], ["failed", "queued", "failed"], statuses] as const) {
              for (const includeArchived of [undefined, false, true]) {
                const filter = {
                  ...(ownerUserId === undefined ? {} : { ownerUserId }),
                  ...(wanted === undefined ? {} : { statuses: wanted }),
                  repositoryId,
                  includeArchived
                }
                const expected = all.filter(
                  (sandbox) =>
                    (ownerUserId === undefined || sandbox.ownerUserId === ownerUserId) &&
                    (repositoryId === undefined || Option.contains(sandbox.repositoryId, repositoryId)) &&
                    (wanted === undefined || wanted.some((status) => status === sandbox.status)) &&
                    (includeArchived === true || Option.isNone(sandbox.archivedAt))
                )
                expect(yield* pages((page) => repo.list({ ...filter, ...page }), 7)).toEqual(expected)
                expect(Chunk.toReadonlyArray(yield* Stream.runCollect(repo.stream(filter)))).toEqual(expected)
              }
            }
          }
        }

        // Rows come above and go below and above while the list is read.
        let round = 0
        const meanwhile = Effect.suspend(() => {
          round++
          return Effect.all([
            repo.create({ ...own, id: `t${round}` }),
            Effect.ignore(repo.delete(SandboxId.make(`s${60 - round * 3}`))),
            Effect.ignore(repo.delete(SandboxId.make(`s0${round}`)))
          ])
        })
        const seen = (yield* pages((page) => repo.list({ includeArchived: true, ...page }), 9, meanwhile)).map(
          ({ id }) => id
        )
        expect(new Set(seen).size).toBe(seen.length)
        expect(seen.every((id) => id.startsWith("s"))).toBe(true)
        const left = (yield* repo.list({ includeArchived: true, limit: 500 })).items
          .map(({ id }) => id)
          .filter((id) => id.startsWith("s"))
        expect(left.every((id) => seen.includes(id))).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("list rejects invalid filters", () =>
      Effect.gen(function* () {
        const repo = yield* SandboxRepo
        const bad: ReadonlyArray<Parameters<typeof repo.list>[0]> = [
          ...[0, -1, 1.5, 501, Number.NaN, Number.POSITIVE_INFINITY].map((limit) => ({ limit })),
          ...["", "!", "bm9uc2Vuc2U", "W10", Buffer.from(JSON.stringify([1, "a\0b"])).toString("base64url")].map(
            (cursor) => ({ cursor })
          ),
          ...Object.values(badNames).map((ownerUserId) => ({ ownerUserId })),
          { statuses: ["dead" as "ready"] },
          { statuses: [], limit: 0 },
          { includeArchived: 1 as unknown as boolean }
        ]
        for (const request of bad)
          expect(yield* tagOf(repo.list(request)), JSON.stringify(request).slice(0, 80)).toBe("InvalidInput")
        const sandboxId = gone
        for (const page of [{ limit: 0 }, { cursor: "!" }]) {
          expect(yield* tagOf(repo.listAttemptLinks({ sandboxId, ...page }))).toBe("InvalidInput")
        }
        const many = Array.from({ length: 100_000 }, () => "ready" as const)
        expect((yield* repo.list({ statuses: many })).items).toEqual([])
        expect((yield* repo.list({ repositoryId: "rep", statuses: many })).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
