import { SqlClient, Statement } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Array, Chunk, Deferred, Effect, Exit, FastCheck, Fiber, Layer, Option, Ref, Scope, Stream } from "effect"
import { spawn } from "node:child_process"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import { gapsWithout } from "../../src/issue-workflow/executionTail.js"
import { IssueWorkflowExecutionRepo } from "../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import {
  badNames,
  gone,
  layers,
  line,
  queued,
  refusalOf,
  running,
  type Services,
  services,
  shell,
  tagOf
} from "./executionSupport.js"
import { migrated } from "../support/database.js"
import { eventually, turns } from "../support/eventLoop.js"
import { programAt } from "../support/programs.js"
import { temporaryDirectory } from "../support/directories.js"
import { volume } from "../support/volume.js"

const writer = programAt(new URL("./executionWriter.ts", import.meta.url))

const numbers = (from: number, to: number) => Array.range(from, to)

/** A tail in a fiber of its own, what it has given so far, and a way to wait until it has given so many. */
const tailing = (executionId: string, afterSequence?: number) =>
  Effect.gen(function* () {
    const repo = yield* IssueWorkflowExecutionRepo
    const got = yield* Ref.make<ReadonlyArray<number>>([])
    const waits = new Map<number, Deferred.Deferred<void>>()
    const fiber = yield* repo
      .tailEvents({ executionId, ...(afterSequence === undefined ? {} : { afterSequence }) })
      .pipe(
        Stream.runForEach(({ sequence }) =>
          Effect.flatMap(
            Ref.updateAndGet(got, (before) => [...before, sequence]),
            ({ length }) => {
              const wait = waits.get(length)
              return wait === undefined ? Effect.void : Deferred.succeed(wait, undefined)
            }
          )
        ),
        Effect.fork
      )
    const has = (count: number) =>
      Effect.gen(function* () {
        const wait = yield* Deferred.make<void>()
        waits.set(count, wait)
        if ((yield* Ref.get(got)).length < count) yield* Deferred.await(wait)
        return yield* Ref.get(got)
      })
    const all = Effect.zipRight(Fiber.join(fiber), Ref.get(got))
    return { fiber, has, all }
  })

const append = (executionId: string, count: number) =>
  Effect.flatMap(IssueWorkflowExecutionRepo, (repo) =>
    repo.appendEvents({ executionId, events: numbers(1, count).map((n) => line(`line ${n}`)) })
  )

const appendAt = (executionId: string, ...sequences: ReadonlyArray<number>) =>
  Effect.flatMap(IssueWorkflowExecutionRepo, (repo) =>
    repo.appendEvents({ executionId, events: sequences.map((sequence) => ({ sequence, ...line("x") })) })
  )

/** The contract of `IssueWorkflowExecutionRepo` for tails. The clock stands: nothing here waits for it. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`tails of executions (${name})`, () => {
    it.effect("emits stored events, then new ones, until the execution ends", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* queued
        const { id: other } = yield* running
        yield* append(executionId, 3)
        const tail = yield* tailing(executionId)
        expect(yield* tail.has(3)).toEqual([1, 2, 3])
        yield* append(executionId, 1)
        expect(yield* tail.has(4)).toEqual([1, 2, 3, 4])
        yield* append(other, 5)
        yield* repo.start(executionId)
        yield* append(executionId, 2)
        expect(yield* tail.has(6)).toEqual(numbers(1, 6))
        yield* repo.succeed(other)
        yield* append(executionId, 1)
        yield* repo.succeed(executionId)
        expect(yield* tail.all).toEqual(numbers(1, 7))
        // Late ones are for those who ask later.
        yield* append(executionId, 1)
        expect(yield* (yield* tailing(executionId)).all).toEqual(numbers(1, 8))
        expect(yield* (yield* tailing(executionId, 6)).all).toEqual([7, 8])
        expect(yield* (yield* tailing(executionId, 8)).all).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("ends with each end of an execution, also without events", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const ends = [
          (id: typeof gone) => repo.succeed(id),
          (id: typeof gone) => repo.fail(id),
          (id: typeof gone) => repo.cancel({ id, reason: "" })
        ]
        for (const end of ends) {
          const { id } = yield* running
          const tail = yield* tailing(id)
          yield* Effect.yieldNow()
          yield* end(id)
          expect(yield* tail.all).toEqual([])
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("emits every event that was stored before the end, once, to every reader", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const sql = yield* SqlClient.SqlClient
        const { id: executionId } = yield* running
        const tails = yield* Effect.forEach(numbers(1, 5), () => tailing(executionId))
        yield* Effect.forEach(numbers(1, 20), (n) => append(executionId, n * 5), { concurrency: 7, discard: true })
        // The last events and the end in one commit.
        yield* sql.withTransaction(Effect.zipRight(append(executionId, 600), repo.fail(executionId)))
        for (const tail of tails) expect(yield* tail.all).toEqual(numbers(1, 1650))
      }).pipe(Effect.provide(layer))
    )

    it.effect("emits events whose numbers are below those already emitted", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        yield* appendAt(executionId, 5, 7)
        const tail = yield* tailing(executionId, 1)
        expect(yield* tail.has(2)).toEqual([5, 7])
        yield* appendAt(executionId, 1, 3)
        expect(yield* tail.has(3)).toEqual([5, 7, 3])
        yield* appendAt(executionId, 2, 6, 9)
        expect(yield* tail.has(6)).toEqual([5, 7, 3, 2, 6, 9])
        yield* appendAt(executionId, 4)
        yield* appendAt(executionId, 8)
        yield* repo.succeed(executionId)
        expect((yield* tail.all).toSorted()).toEqual(numbers(2, 9))
      }).pipe(Effect.provide(layer))
    )

    it.effect("emits all events once for any order of numbers", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const runtime = yield* Effect.runtime<Services>()
        const check = (order: ReadonlyArray<number>, after: number) =>
          Effect.gen(function* () {
            const { id: executionId } = yield* running
            const tail = yield* tailing(executionId, after)
            yield* Effect.forEach(Array.chunksOf(order, 3), (sequences) => appendAt(executionId, ...sequences))
            yield* repo.succeed(executionId)
            expect((yield* tail.all).toSorted((a, b) => a - b)).toEqual(
              order.filter((sequence) => sequence > after).toSorted((a, b) => a - b)
            )
          })
        const numberings = FastCheck.uniqueArray(FastCheck.nat(40), { maxLength: 20 })
        yield* Effect.promise(() =>
          FastCheck.assert(
            FastCheck.asyncProperty(numberings, FastCheck.nat(10), (order, after) =>
              Effect.runPromise(Effect.provide(check(order, after), runtime))
            ),
            { numRuns: volume(40, 12) }
          )
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("can be interrupted while it waits, and reads no further than its consumer", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const tail = yield* tailing(executionId)
        yield* append(executionId, 1)
        yield* tail.has(1)
        expect(Exit.isInterrupted(yield* Fiber.interrupt(tail.fiber))).toBe(true)
        yield* append(executionId, 3)
        const two = yield* Stream.runCollect(Stream.take(repo.tailEvents({ executionId }), 2))
        expect(Chunk.toReadonlyArray(two).map(({ sequence }) => sequence)).toEqual([1, 2])
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects unknown executions and invalid input", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const run = (request: Parameters<typeof repo.tailEvents>[0]) => Stream.runDrain(repo.tailEvents(request))
        expect(yield* refusalOf(run({ executionId: gone }))).toMatchObject({
          _tag: "NotFound",
          entity: "IssueWorkflowExecution",
          id: "gone"
        })
        for (const afterSequence of [-1, 0.5, Number.NaN])
          expect(yield* tagOf(run({ executionId, afterSequence }))).toBe("InvalidInput")
        for (const bad of Object.values(badNames)) expect(yield* tagOf(run({ executionId: bad }))).toBe("InvalidInput")
        // It goes with its execution.
        const tail = yield* tailing(executionId)
        yield* append(executionId, 1)
        yield* tail.has(1)
        yield* shell("DELETE FROM issue_workflow_executions WHERE id = ?", executionId)
        expect(yield* tagOf(tail.all)).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("tails of executions", () => {
  it.live("follow another connection to the same file", () =>
    Effect.gen(function* () {
      const { id: executionId } = yield* running
      const [file] = yield* shell("PRAGMA database_list")
      const writer = Layer.fresh(
        Layer.provideMerge(IssueWorkflowExecutionRepo.layer, Database.layer({ filePath: String(Object(file)["file"]) }))
      )
      const tail = yield* tailing(executionId)
      yield* append(executionId, 1)
      yield* tail.has(1)
      yield* Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        yield* append(executionId, 2)
        expect(yield* tail.has(3)).toEqual([1, 2, 3])
        yield* append(executionId, 600)
        yield* repo.fail(executionId)
      }).pipe(Effect.provide(writer))
      expect(yield* tail.all).toEqual(numbers(1, 603))
    }).pipe(Effect.provide(layers.file))
  )

  it.live(
    "follow other processes, which number without gaps concurrently",
    () =>
      Effect.gen(function* () {
        const { id: executionId } = yield* running
        const [file] = yield* shell("PRAGMA database_list")
        const tail = yield* tailing(executionId)
        const write = (...options: ReadonlyArray<string>) =>
          Effect.async<{ readonly code: number | null; readonly errors: string }>((resume) => {
            const args = [writer, String(Object(file)["file"]), executionId, ...options]
            const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] })
            const errors: Array<string> = []
            child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text))
            child.on("close", (code) => resume(Effect.succeed({ code, errors: errors.join("") })))
            return Effect.sync(() => child.kill("SIGKILL"))
          })
        // Each of ours waits for one more of theirs: the three write beside each other to the end.
        const here = Effect.forEach(numbers(1, 40), (n) => Effect.zipRight(tail.has(3 * n - 2), append(executionId, 2)))
        const [first, second] = yield* Effect.all([write("60"), write("60"), here], { concurrency: "unbounded" })
        expect([first, second]).toEqual([
          { code: 0, errors: "" },
          { code: 0, errors: "" }
        ])
        expect(yield* tail.has(200)).toEqual(numbers(1, 200))
        expect(yield* write("5", "end")).toEqual({ code: 0, errors: "" })
        expect(yield* tail.all).toEqual(numbers(1, 205))
      }).pipe(Effect.provide(layers.file)),
    60_000
  )

  it.live("do not block writers while they wait", () =>
    Effect.gen(function* () {
      const { id: executionId } = yield* running
      const tail = yield* tailing(executionId)
      yield* append(executionId, 1)
      yield* tail.has(1)
      const [file] = yield* shell("PRAGMA database_list")
      // Fails at once where somebody holds the lock.
      const other = Layer.fresh(Database.layer({ filePath: String(Object(file)["file"]), busyTimeoutMs: 0 }))
      yield* shell("UPDATE issue_workflow_executions SET updated_at = 9").pipe(Effect.provide(other))
      // Truncates only when no connection reads an older moment (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint).
      expect(yield* shell("PRAGMA wal_checkpoint(TRUNCATE)")).toMatchObject([{ busy: 0, log: 0 }])
      yield* Fiber.interrupt(tail.fiber)
    }).pipe(Effect.provide(layers.file))
  )

  it.live("read nothing for events of other executions, and leave no reader open", () =>
    Effect.gen(function* () {
      const { id: busy } = yield* running
      const reads = { tails: 0, shared: 0 }
      const counting: Statement.Statement.Transformer = (statement) =>
        Effect.sync(() => {
          const [text] = statement.compile()
          if (text.includes("LEFT JOIN issue_workflow_execution_events")) reads.tails++
          if (text.includes("FROM issue_workflow_execution_ends")) reads.shared++
          return statement
        })
      const idle = yield* Effect.forEach(numbers(1, 20), () =>
        Effect.flatMap(running, ({ id }) =>
          Effect.locally(tailing(id), Statement.currentTransformer, Option.some(counting))
        )
      )
      // Each reads once before the shared reader follows, and once after.
      yield* eventually(Effect.sync(() => reads.tails >= 40))
      const quiet = reads.tails
      const tail = yield* tailing(busy)
      for (const count of numbers(1, 10)) {
        yield* append(busy, 1)
        yield* tail.has(count)
      }
      expect(reads.tails).toBe(quiet)
      expect(reads.shared).toBeGreaterThan(0)

      yield* Effect.forEach([tail, ...idle], ({ fiber }) => Fiber.interrupt(fiber))
      const before = reads.shared
      yield* append(busy, 1)
      yield* turns(10)
      expect(reads.shared).toBe(before)
    }).pipe(Effect.provide(layers.file))
  )

  it.live("emit events that reuse the rowids of deleted ones", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [{ id: executionId }, { id: other }] = yield* Effect.all([running, running])
      yield* append(other, 3)
      const tail = yield* tailing(executionId)
      yield* append(executionId, 1)
      yield* tail.has(1)
      yield* append(other, 2)
      // The newest rows are deleted, and new rows reuse their rowids at once.
      for (const count of numbers(2, 6)) {
        yield* sql.withTransaction(
          Effect.zipRight(
            shell("DELETE FROM issue_workflow_execution_events WHERE execution_id = ?", other),
            Effect.zipRight(append(executionId, 1), append(other, 1))
          )
        )
        expect(yield* tail.has(count)).toEqual(numbers(1, count))
      }
      yield* Fiber.interrupt(tail.fiber)
    }).pipe(Effect.provide(layers.file))
  )

  it.live("end even when the record of their own end was evicted by the ends of others", () =>
    Effect.gen(function* () {
      const repo = yield* IssueWorkflowExecutionRepo
      const sql = yield* SqlClient.SqlClient
      const { id: executionId } = yield* running
      const tail = yield* tailing(executionId)
      yield* append(executionId, 1)
      yield* tail.has(1)
      yield* sql.withTransaction(
        Effect.zipRight(
          repo.succeed(executionId),
          shell(
            "INSERT INTO issue_workflow_execution_ends (execution_id) SELECT 'other' FROM json_each(?)",
            JSON.stringify(numbers(1, 1500))
          )
        )
      )
      expect(yield* tail.all).toEqual([1])
      expect(yield* shell("SELECT count(*) AS kept FROM issue_workflow_execution_ends")).toEqual([{ kept: 1000 }])
    }).pipe(Effect.provide(layers.file))
  )

  it.live("fail when their database closes", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const scope = yield* Scope.make()
      const open = yield* Layer.buildWithScope(
        Layer.fresh(
          Layer.provideMerge(
            services,
            Layer.provideMerge(migrated, Layer.orDie(Database.layer({ filePath: join(directory, "test.sqlite") })))
          )
        ),
        scope
      )
      const tail = yield* Effect.provide(
        Effect.flatMap(running, ({ id }) =>
          Effect.tap(tailing(id), (tail) => Effect.zipRight(append(id, 1), tail.has(1)))
        ),
        open
      )
      yield* Scope.close(scope, Exit.void)
      expect(yield* refusalOf(tail.all)).toMatchObject({ _tag: "PersistenceError", cause: "SEALANT_CLOSED" })
    }).pipe(Effect.scoped)
  )

  it("gapsWithout removes the received numbers from the gaps", () => {
    const gap = FastCheck.tuple(FastCheck.nat(60), FastCheck.nat(60)).map(
      ([a, b]) => [Math.min(a, b), Math.max(a, b)] as const
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.array(gap, { maxLength: 5 }), FastCheck.array(FastCheck.nat(60)), (gaps, came) => {
        const open = new Set(gaps.flatMap(([first, last]) => numbers(first, last)))
        // Gaps as a tail has them: ascending, apart.
        const runs = [...open]
          .toSorted((a, b) => a - b)
          .flatMap((n) => (open.has(n - 1) ? [] : [[n, numbers(n, 99).find((m) => !open.has(m + 1)) ?? n] as const]))
        const ascending = [...new Set(came)].toSorted((a, b) => a - b)
        const left = gapsWithout(runs, ascending).flatMap(([first, last]) => numbers(first, last))
        expect(left).toEqual([...open].filter((n) => !came.includes(n)).toSorted((a, b) => a - b))
      })
    )
  })
})
