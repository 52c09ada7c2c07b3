import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Array, DateTime, Effect, FastCheck, Layer, Option, TestClock } from "effect"
import * as Database from "../../src/Database.js"
import { IssueWorkflowExecutionEventLevel } from "../../src/issue-workflow/ExecutionEvent.js"
import {
  IssueWorkflowExecutionRepo,
  type IssueWorkflowExecutionService
} from "../../src/issue-workflow/IssueWorkflowExecutionRepo.js"
import { recordStatements } from "../support/plans.js"
import {
  badNames,
  gone,
  layers,
  line,
  pages,
  queued,
  refusalOf,
  running,
  type Services,
  shell,
  tagOf
} from "./executionSupport.js"
import { volume } from "../support/volume.js"

type NewEvent = Parameters<IssueWorkflowExecutionService["appendEvents"]>[0]["events"][number]

const at = (millis: number) => DateTime.unsafeMake(millis)

/** All events of an execution, as `sequence message`. */
const eventLines = (executionId: string) =>
  Effect.gen(function* () {
    const repo = yield* IssueWorkflowExecutionRepo
    const events = yield* pages((page) => repo.listEvents({ executionId, ...page }), 500)
    return events.map(({ message, sequence }) => `${sequence} ${message}`)
  })

const numbers = (from: number, to: number) => Array.range(from, to)

/** The contract of `IssueWorkflowExecutionRepo` for events. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`events of executions (${name})`, () => {
    it.effect("stores every field of the input", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* queued
        yield* TestClock.setTime(1000)
        const payload = { z: 1, a: [null, "é\0\uD800", 1e21, -0.5], __proto__: 1, nested: { "'\"\\": "\n" } }
        const events = [
          line("short"),
          { id: "own", ...line("'\"\\\n\t 👍 é"), level: "error" as const, payload, occurredAt: at(7) },
          { ...line(""), payload: {} }
        ]
        expect(yield* repo.appendEvents({ executionId, events })).toEqual({
          appended: 3,
          range: Option.some({ first: 1, last: 3 })
        })
        const { items, nextCursor } = yield* repo.listEvents({ executionId })
        expect(nextCursor).toEqual(Option.none())
        expect(items).toMatchObject([
          { executionId, sequence: 1, ...line("short"), level: "info", payload: Option.none(), occurredAt: at(1000) },
          {
            id: "own",
            sequence: 2,
            message: "'\"\\\n\t 👍 é",
            level: "error",
            payload: Option.some(payload),
            occurredAt: at(7)
          },
          { sequence: 3, message: "", payload: Option.some({}) }
        ])
        expect(items[0]?.id).toMatch(/^evt_/)
        for (const level of IssueWorkflowExecutionEventLevel.literals) {
          yield* repo.appendEvents({ executionId, events: [{ ...line(level), level }] })
        }
        expect((yield* repo.listEvents({ executionId, afterSequence: 3 })).items.map(({ level }) => level)).toEqual(
          IssueWorkflowExecutionEventLevel.literals
        )
        // As it was written, not as the engine would write it.
        expect(yield* shell("SELECT payload FROM issue_workflow_execution_events WHERE id = 'own'")).toEqual([
          { payload: JSON.stringify(payload) }
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("numbers the events of each execution from 1, and continues after stored ones", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const one = yield* queued
        const other = yield* queued
        const append = (executionId: string, ...messages: ReadonlyArray<string>) =>
          repo.appendEvents({ executionId, events: messages.map(line) })
        expect((yield* append(one.id, "a", "b")).range).toEqual(Option.some({ first: 1, last: 2 }))
        expect((yield* append(other.id, "c")).range).toEqual(Option.some({ first: 1, last: 1 }))
        yield* repo.appendEvents({ executionId: one.id, events: [{ sequence: 9, ...line("given") }] })
        expect((yield* append(one.id, "d", "e", "f")).range).toEqual(Option.some({ first: 10, last: 12 }))
        expect(yield* eventLines(one.id)).toEqual(["1 a", "2 b", "9 given", "10 d", "11 e", "12 f"])
        expect(yield* eventLines(other.id)).toEqual(["1 c"])
        yield* repo.appendEvents({ executionId: (yield* queued).id, events: [{ sequence: 0, ...line("zero") }] })
        expect(yield* repo.appendEvents({ executionId: one.id, events: [] })).toEqual({
          appended: 0,
          range: Option.none()
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("numbers without gaps when many callers write concurrently", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const sql = yield* SqlClient.SqlClient
        const { id: executionId } = yield* queued
        const write = (writer: number) =>
          Effect.forEach(numbers(1, 5), (round) => {
            const append = repo.appendEvents({
              executionId,
              events: numbers(1, (writer % 4) + 1).map((n) => line(`${writer}.${round}.${n}`))
            })
            // Some in transactions, of which some are taken back.
            if (writer % 5 === 0) return Effect.ignore(sql.withTransaction(Effect.zipRight(append, Effect.fail("no"))))
            return writer % 5 === 1 ? sql.withTransaction(append) : append
          })
        yield* Effect.forEach(numbers(1, 20), write, { concurrency: "unbounded", discard: true })
        const lines = yield* eventLines(executionId)
        const expected = numbers(1, 20)
          .filter((writer) => writer % 5 !== 0)
          .flatMap((writer) =>
            numbers(1, 5).flatMap((round) => numbers(1, (writer % 4) + 1).map((n) => `${writer}.${round}.${n}`))
          )
        expect(lines.map((eventLines) => eventLines.split(" ")[0])).toEqual(expected.map((_, index) => `${index + 1}`))
        const messages = lines.map((eventLines) => eventLines.split(" ")[1] ?? "")
        expect(messages.toSorted()).toEqual(expected.toSorted())
        // The events of one call stand together, in its order.
        const places = messages.map((message, place) => ({ call: message.replace(/\.\d+$/, ""), message, place }))
        for (const call of Object.values(Array.groupBy(places, ({ call }) => call))) {
          const [{ place: first }] = call
          expect(call.map(({ message, place }) => [place - first, message.replace(/.*\./, "")])).toEqual(
            call.map((_, n) => [n, `${n + 1}`])
          )
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("accepts a repeated event if it is identical, and rejects a different one", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const first = { sequence: 1, ...line("one"), payload: { a: 1, b: { c: 2, d: 3 } } }
        const second = { sequence: 2, id: "second", ...line("two"), occurredAt: at(5) }
        yield* repo.appendEvents({ executionId, events: [first, second] })
        const before = (yield* repo.listEvents({ executionId })).items
        yield* TestClock.adjust("1 second")

        const same: ReadonlyArray<NewEvent> = [
          first,
          { ...first, level: "info", payload: { b: { d: 3, c: 2 }, a: 1 } },
          { ...first, id: before[0]?.id },
          { ...first, occurredAt: before[0]?.occurredAt },
          second,
          { sequence: 2, ...line("two") }
        ]
        for (const event of same) {
          expect(yield* repo.appendEvents({ executionId, events: [event] })).toMatchObject({ appended: 0 })
          expect(yield* repo.appendEvents({ executionId, events: [event, event] })).toMatchObject({ appended: 0 })
        }
        const others: ReadonlyArray<NewEvent> = [
          { ...first, message: "another" },
          { ...first, phase: "another" },
          { ...first, eventType: "another" },
          { ...first, level: "warn" },
          { ...first, payload: { a: 1 } },
          { ...first, payload: undefined },
          { ...first, id: "another" },
          { ...first, occurredAt: at(77) },
          { ...second, occurredAt: at(6) }
        ]
        for (const event of others) {
          const refusal = yield* refusalOf(
            repo.appendEvents({
              executionId,
              events: [{ sequence: 8, ...line("new") }, event, { sequence: 9, ...line("new") }]
            })
          )
          expect(refusal, JSON.stringify(event)).toMatchObject({
            _tag: "SequenceConflict",
            executionId,
            sequence: event.sequence
          })
        }
        expect((yield* repo.listEvents({ executionId })).items).toEqual(before)
        // What is new of a call is stored beside what was there.
        expect(
          yield* repo.appendEvents({ executionId, events: [{ sequence: 4, ...line("four") }, second, first] })
        ).toEqual({
          appended: 1,
          range: Option.some({ first: 1, last: 4 })
        })
        expect(yield* eventLines(executionId)).toEqual(["1 one", "2 two", "4 four"])
        expect((yield* repo.listEvents({ executionId })).items.slice(0, 2)).toEqual(before)
        // Another execution has sequences of its own.
        const { id: other } = yield* queued
        expect(
          yield* repo.appendEvents({ executionId: other, events: [{ ...first, message: "another" }] })
        ).toMatchObject({ appended: 1 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("accepts a repeated event without sequence by its id", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const { id: other } = yield* running
        const a = { id: "a", ...line("one") }
        const b = { id: "b", ...line("two") }
        expect(yield* repo.appendEvents({ executionId, events: [a, b, a] })).toMatchObject({ appended: 2 })
        expect(yield* repo.appendEvents({ executionId, events: [b, line("three"), a] })).toEqual({
          appended: 1,
          range: Option.some({ first: 1, last: 3 })
        })
        expect(yield* eventLines(executionId)).toEqual(["1 one", "2 two", "3 three"])
        const taken = { _tag: "AlreadyExists", constraint: "issue_workflow_execution_events.id" }
        const refused: ReadonlyArray<Parameters<typeof repo.appendEvents>[0]> = [
          { executionId, events: [line("new"), { ...a, message: "another" }] },
          {
            executionId,
            events: [
              { id: "c", ...line("new") },
              { id: "c", ...line("another") }
            ]
          },
          { executionId: other, events: [line("new"), a] },
          { executionId: other, events: [{ sequence: 1, ...a }] },
          { executionId, events: [{ sequence: 7, ...a }] },
          {
            executionId,
            events: [
              { sequence: 7, ...line("new"), id: "c" },
              { sequence: 8, ...line("new"), id: "c" }
            ]
          }
        ]
        for (const request of refused)
          expect(yield* refusalOf(repo.appendEvents(request)), JSON.stringify(request)).toMatchObject(taken)
        expect(yield* eventLines(executionId)).toEqual(["1 one", "2 two", "3 three"])
        expect(yield* eventLines(other)).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores each event once when writers race, and rejects conflicting ones", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const calls = numbers(1, 40).map((n) =>
          numbers(n, n + 3).map((sequence) => ({ sequence, ...line(n % 10 === 0 ? `wrong ${n}` : `line ${sequence}`) }))
        )
        const tags = yield* Effect.forEach(calls, (events) => tagOf(repo.appendEvents({ executionId, events })), {
          concurrency: "unbounded"
        })
        const stored = yield* eventLines(executionId)
        expect(stored).toHaveLength(new Set(stored.map((eventLines) => eventLines.split(" ")[0])).size)
        for (const [index, events] of calls.entries()) {
          const isThere = events.every(({ message, sequence }) => stored.includes(`${sequence} ${message}`))
          expect(tags[index]).toBe(isThere ? "ok" : "SequenceConflict")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores ten thousand events in one statement, and repeats them in four", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const many = numbers(1, 10_000).map((n) => ({ ...line(`line ${n}`), payload: { n } }))
        const given = many.map((event, index) => ({ ...event, sequence: index + 1 }))
        expect(yield* recordStatements(repo.appendEvents({ executionId, events: many }))).toHaveLength(1)
        expect(
          (yield* recordStatements(
            repo.appendEvents({ executionId, events: [...given, { sequence: 10_001, ...line("last") }] })
          )).length
        ).toBeLessThanOrEqual(4)
        expect(
          yield* shell(
            "SELECT count(*) AS count, min(sequence) AS first, max(sequence) AS last FROM issue_workflow_execution_events"
          )
        ).toEqual([{ count: 10_001, first: 1, last: 10_001 }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("accepts events after the end, and joins the caller's transaction", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const sql = yield* SqlClient.SqlClient
        const { id: executionId } = yield* running
        const ended = yield* repo.succeed(executionId)
        yield* repo.appendEvents({ executionId, events: [line("late")] })
        expect(yield* repo.getById(executionId)).toEqual(ended)
        const again = { sequence: 1, ...line("late") }
        yield* Effect.ignore(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* repo.appendEvents({ executionId, events: [line("taken back")] })
              yield* repo.appendEvents({ executionId, events: [again, { sequence: 3, ...line("taken back") }] })
              return yield* Effect.fail("no")
            })
          )
        )
        expect(yield* eventLines(executionId)).toEqual(["1 late"])
        // A conflict inside a transaction takes only its own call back.
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* repo.appendEvents({ executionId, events: [line("kept")] })
            expect(
              yield* tagOf(
                repo.appendEvents({
                  executionId,
                  events: [
                    { sequence: 5, ...line("no") },
                    { ...again, message: "no" }
                  ]
                })
              )
            ).toBe("SequenceConflict")
            yield* repo.appendEvents({ executionId, events: [again, { sequence: 4, ...line("kept, too") }] })
          })
        )
        expect(yield* eventLines(executionId)).toEqual(["1 late", "2 kept", "4 kept, too"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists pages in the order of the sequence", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const sequences = [0, 3, 4, 5, 20, 21, 100]
        yield* repo.appendEvents({
          executionId,
          events: sequences.toReversed().map((sequence) => ({ sequence, ...line("x") }))
        })
        const all = yield* pages((page) => repo.listEvents({ executionId, ...page }), 2)
        expect(all.map(({ sequence }) => sequence)).toEqual(sequences)
        for (const afterSequence of [0, 2, 4, 99, 100, 1000]) {
          const { items, nextCursor } = yield* repo.listEvents({ executionId, afterSequence, limit: 3 })
          const expected = sequences.filter((sequence) => sequence > afterSequence)
          expect(items.map(({ sequence }) => sequence)).toEqual(expected.slice(0, 3))
          expect(Option.isSome(nextCursor)).toBe(expected.length > 3)
        }
        expect(yield* repo.listEvents({ executionId: gone })).toEqual({ items: [], nextCursor: Option.none() })
        const bad: ReadonlyArray<Parameters<typeof repo.listEvents>[0]> = [
          ...[0, 501, 1.5, Number.NaN].map((limit) => ({ executionId, limit })),
          ...["", "!", "W10", "W251bGxd"].map((cursor) => ({ executionId, cursor })),
          ...[-1, 0.5, Number.NaN, Infinity].map((afterSequence) => ({ executionId, afterSequence })),
          ...Object.values(badNames).map((executionId) => ({ executionId }))
        ]
        for (const request of bad)
          expect(yield* tagOf(repo.listEvents(request)), JSON.stringify(request).slice(0, 80)).toBe("InvalidInput")
        const { nextCursor } = yield* repo.listEvents({ executionId, limit: 1 })
        expect(
          yield* tagOf(repo.listEvents({ executionId, cursor: Option.getOrThrow(nextCursor), afterSequence: 1 }))
        ).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores U+FFFD for characters that SQLite cannot keep in a message, and marks the event", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        const events = ["fine", "a\0b", "a\uD800b\uDC00", "\u{1F600}"].map(line)
        expect(yield* repo.appendEvents({ executionId, events })).toMatchObject({ appended: 4 })
        const { items } = yield* repo.listEvents({ executionId })
        expect(items.map(({ message, sanitized }) => [message, sanitized])).toEqual([
          ["fine", false],
          ["a\uFFFDb", true],
          ["a\uFFFDb\uFFFD", true],
          ["\u{1F600}", false]
        ])
        // Appending the same event again returns the stored one.
        expect(yield* repo.appendEvents({ executionId, events: [{ sequence: 2, ...line("a\0b") }] })).toMatchObject({
          appended: 0
        })
        expect(yield* tagOf(repo.appendEvents({ executionId, events: [{ sequence: 2, ...line("a\0c") }] }))).toBe(
          "SequenceConflict"
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid events", () =>
      Effect.gen(function* () {
        const repo = yield* IssueWorkflowExecutionRepo
        const { id: executionId } = yield* running
        expect(yield* refusalOf(repo.appendEvents({ executionId: gone, events: [line("x")] }))).toMatchObject({
          _tag: "NotFound",
          entity: "IssueWorkflowExecution",
          id: "gone"
        })
        expect(yield* tagOf(repo.appendEvents({ executionId: gone, events: [] }))).toBe("NotFound")
        expect(yield* tagOf(repo.appendEvents({ executionId: gone, events: [{ sequence: 1, ...line("x") }] }))).toBe(
          "NotFound"
        )
        const cyclic: Record<string, unknown> = {}
        cyclic["self"] = cyclic
        const big = "x".repeat(90_000)
        const bad: ReadonlyArray<ReadonlyArray<NewEvent>> = [
          ...[-1, 0.5, Number.NaN, Infinity, 1e15 + 1].map((sequence) => [{ sequence, ...line("x") }]),
          [{ sequence: 1, ...line("x") }, line("x")],
          [line("x"), { sequence: 1, ...line("x") }],
          ...Object.values(badNames).flatMap((name) => [
            [{ ...line("x"), phase: name }],
            [{ ...line("x"), eventType: name }],
            [{ ...line("x"), id: name }]
          ]),
          [line(badNames.huge)],
          [{ ...line("x"), level: "fatal" as "error" }],
          [{ ...line("x"), occurredAt: at(-1) }],
          [{ ...line("x"), payload: cyclic }],
          [{ ...line("x"), payload: { a: 1n } }],
          [{ ...line("x"), payload: { a: undefined } }],
          [{ ...line("x"), payload: [] as unknown as Record<string, unknown> }],
          numbers(1, 2300).map(() => line(big))
        ]
        for (const events of bad)
          expect(
            yield* tagOf(repo.appendEvents({ executionId, events })),
            JSON.stringify(events[0]?.message).slice(0, 80)
          ).toBe("InvalidInput")
        expect(yield* eventLines(executionId)).toEqual([])
        const sentinel = "sentinel-7f3a"
        const refusal = yield* refusalOf(
          repo.appendEvents({ executionId, events: [{ ...line(sentinel), payload: { sentinel, a: undefined } }] })
        )
        expect(JSON.stringify(refusal)).not.toContain(sentinel)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

/** The documented behaviour of an append, over a plain array. */
interface Input {
  readonly sequence: number
  readonly id: string | undefined
  readonly message: string
}

const modelAppend = (
  stored: ReadonlyArray<Input>,
  events: ReadonlyArray<{ readonly sequence?: number; readonly id?: string; readonly message: string }>
) => {
  const next = [...stored]
  for (const { id, message, sequence } of events) {
    const known =
      sequence === undefined
        ? next.find((event) => id !== undefined && event.id === id)
        : next.find((event) => event.sequence === sequence)
    if (known === undefined) {
      if (id !== undefined && next.some((event) => event.id === id)) return "AlreadyExists"
      next.push({ sequence: sequence ?? Math.max(0, ...next.map(({ sequence }) => sequence)) + 1, id, message })
    } else if (known.message !== message || (id !== undefined && known.id !== undefined && known.id !== id)) {
      return sequence === undefined ? "AlreadyExists" : "SequenceConflict"
    }
  }
  return next
}

const messages = FastCheck.constantFrom("a", "b")
const numbered = FastCheck.array(FastCheck.record({ message: messages }), { maxLength: 4 })
const byId = FastCheck.array(
  FastCheck.record({ message: messages, id: FastCheck.constantFrom("i", "j", "k") }, { requiredKeys: ["message"] }),
  { maxLength: 4 }
)
const given = FastCheck.array(FastCheck.record({ message: messages, sequence: FastCheck.nat(6) }), { maxLength: 4 })

describe("events of executions", () => {
  it.effect("match the model for random inputs in any order", () =>
    Effect.gen(function* () {
      const repo = yield* IssueWorkflowExecutionRepo
      const runtime = yield* Effect.runtime<Services>()
      let round = 0
      const check = (
        calls: ReadonlyArray<
          ReadonlyArray<{ readonly sequence?: number; readonly id?: string; readonly message: string }>
        >
      ) =>
        Effect.gen(function* () {
          const { id: executionId } = yield* queued
          round++
          let model: ReadonlyArray<Input> = []
          for (const call of calls) {
            const events = call.map(({ id, message, sequence }) => ({
              ...line(message),
              ...(sequence === undefined ? {} : { sequence }),
              ...(id === undefined ? {} : { id: `${id}${round}` })
            }))
            const expected = modelAppend(model, call)
            const tag = yield* tagOf(repo.appendEvents({ executionId, events }))
            expect(tag).toBe(typeof expected === "string" ? expected : "ok")
            if (typeof expected !== "string") model = expected
            expect(yield* eventLines(executionId)).toEqual(
              model.toSorted((a, b) => a.sequence - b.sequence).map(({ message, sequence }) => `${sequence} ${message}`)
            )
          }
        })
      const calls = FastCheck.array(FastCheck.oneof(numbered, byId, given), { maxLength: 8 })
      yield* Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(calls, (calls) => Effect.runPromise(Effect.provide(check(calls), runtime))),
          { numRuns: volume(150, 50) }
        )
      )
    }).pipe(Effect.provide(layers.memory))
  )

  it.live("are numbered without gaps by several connections to one file", () =>
    Effect.gen(function* () {
      const repo = yield* IssueWorkflowExecutionRepo
      const { id: executionId } = yield* queued
      const [file] = yield* shell("PRAGMA database_list")
      const other = Layer.fresh(
        Layer.provide(
          IssueWorkflowExecutionRepo.layer,
          Database.layer({ filePath: String(Object(file)["file"]), busyTimeoutMs: 20_000 })
        )
      )
      const append = (writer: string) =>
        Effect.flatMap(IssueWorkflowExecutionRepo, (repo) =>
          Effect.forEach(
            numbers(1, 25),
            (n) => repo.appendEvents({ executionId, events: [line(`${writer} ${n}`), line("and")] }),
            { concurrency: 5 }
          )
        )
      yield* Effect.all([append("a"), Effect.provide(append("b"), other), Effect.provide(append("c"), other)], {
        concurrency: "unbounded"
      })
      const all = yield* pages((page) => repo.listEvents({ executionId, ...page }), 100)
      expect(all.map(({ sequence }) => sequence)).toEqual(numbers(1, 150))
      for (let index = 1; index < all.length; index += 2) expect(all[index]?.message).toBe("and")
    }).pipe(Effect.provide(layers.file))
  )
})
