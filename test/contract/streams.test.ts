/**
 * Every stream lets the event loop turn between its pages, so that long streams do not block the process.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as db from "@sealant/db"
import { Factories, layerTest, type TestServices } from "@sealant/db/testing"
import { streamPageSize } from "../../src/sql/paging.js"
import { countingTurns } from "../support/eventLoop.js"
import { samplesOf } from "./samples.js"
import { services } from "./services.js"
import { makeFixture } from "./fixtureRows.js"

const { make } = Factories

const isStream = (value: unknown): value is Stream.Stream<unknown, unknown> =>
  typeof value === "object" && value !== null && Stream.StreamTypeId in value

// Two pages and a half.
const rows = streamPageSize * 2.5

const many = <A, E, R>(one: Effect.Effect<A, E, R>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.withTransaction(Effect.replicateEffect(one, rows, { discard: true }))
  )

const manyEvents = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) =>
    sql`
    INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, actor_type, occurred_at)
    SELECT 'job', 'one', key + 1, 'launch', 'system', 0 FROM json_each(${JSON.stringify(Array.from({ length: rows }))})`
)

/** Streams of at least `rows` items, with a transaction that creates their rows. */
const manyRows = Effect.gen(function* () {
  const ofAda = { ownerUserId: (yield* make.user({ id: "ada" })).id }
  const sandboxes = yield* db.SandboxRepo
  const attempts = yield* db.SandboxAttemptRepo
  const deliveries = yield* db.GitHubWebhookDeliveryRepo
  const issues = yield* db.IssueRepo
  const pullRequests = yield* db.PullRequestRepo
  const workflows = yield* db.IssueWorkflowRepo
  const executions = yield* db.IssueWorkflowExecutionRepo
  const vault = yield* db.SecretVault
  const journal = yield* db.ControlPlaneEvents

  const repositoryId = (yield* make.repository()).id
  const { id: issueWorkflowId } = yield* make.workflow({ ...ofAda, issueId: (yield* make.issue({ repositoryId })).id })
  const { id: executionId } = yield* make.execution({ issueWorkflowId, status: "running" })
  const { id: secretId } = yield* make.secret(ofAda)
  yield* many(make.sandbox(ofAda))
  yield* many(make.attempt(ofAda))
  yield* many(make.webhookDelivery())
  yield* many(Effect.flatMap(make.issue({ repositoryId }), ({ id }) => make.workflow({ ...ofAda, issueId: id })))
  yield* many(make.pullRequest({ repositoryId }))
  yield* many(make.execution({ issueWorkflowId }))
  yield* many(make.executionArtifact({ executionId }))
  yield* many(make.executionEvent({ executionId }))
  yield* manyEvents
  yield* make.encryptionKey({ id: "old" })
  yield* make.secretVersion({ secretId })
  const unending = (stream: Stream.Stream<unknown, unknown>) => Stream.take(stream, rows)
  return {
    SandboxRepo: { stream: sandboxes.stream(ofAda) },
    SandboxAttemptRepo: { stream: attempts.stream(ofAda) },
    GitHubWebhookDeliveryRepo: { stream: deliveries.stream({}) },
    IssueRepo: { stream: issues.stream({ repositoryId }) },
    PullRequestRepo: { stream: pullRequests.stream({ repositoryId }) },
    IssueWorkflowRepo: { stream: workflows.stream(ofAda) },
    IssueWorkflowExecutionRepo: {
      stream: executions.stream({ issueWorkflowId }),
      tailEvents: unending(executions.tailEvents({ executionId })),
      streamArtifacts: executions.streamArtifacts({ executionId })
    },
    ControlPlaneEvents: { tail: unending(journal.tail({})) },
    SecretVault: { streamRotation: vault.streamRotation({ batchSize: 1 }) }
  } satisfies Record<string, Record<string, Stream.Stream<unknown, unknown>>>
})

/** The number of items in each turn of the event loop, without empty turns. */
const itemsPerTurn = (stream: Stream.Stream<unknown, unknown>) =>
  countingTurns((turn) =>
    Effect.map(
      Stream.runFold(stream, new Map<number, number>(), (items) => items.set(turn(), (items.get(turn()) ?? 0) + 1)),
      (items) => [...items.values()]
    )
  )

describe("streams", () => {
  it.effect("includes every method that returns a stream", () =>
    Effect.gen(function* () {
      const fixture = yield* makeFixture
      const found = yield* Effect.forEach(services, ({ name, tag }) =>
        Effect.map(tag as Effect.Effect<object, never, TestServices>, (service) =>
          Object.entries(samplesOf(fixture)[name] ?? {}).flatMap(([method, args]) => {
            const member: unknown = Reflect.get(service, method)
            return typeof member === "function" && isStream(Reflect.apply(member, service, [...args]))
              ? [`${name}.${method}`]
              : []
          })
        )
      )
      const known = Object.entries(yield* Effect.provide(manyRows, Layer.fresh(layerTest))).flatMap(([name, streams]) =>
        Object.keys(streams).map((method) => `${name}.${method}`)
      )
      expect(found.flat().toSorted()).toEqual(known.toSorted())
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("emit at most a page of items per turn of the event loop", () =>
    Effect.gen(function* () {
      for (const [name, streams] of Object.entries(yield* manyRows)) {
        for (const [method, stream] of Object.entries<Stream.Stream<unknown, unknown>>(streams)) {
          // Its items are steps of many rows each.
          if (method === "streamRotation") continue
          const counts = yield* itemsPerTurn(stream)
          expect(
            counts.reduce((sum, count) => sum + count, 0),
            `${name}.${method}`
          ).toBeGreaterThanOrEqual(rows)
          expect(Math.max(...counts), `${name}.${method}`).toBeLessThanOrEqual(streamPageSize)
        }
      }
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("of consumers emit each batch of events in its own turn", () =>
    Effect.gen(function* () {
      yield* manyEvents
      const { consume } = yield* db.ControlPlaneEvents
      const turns = yield* countingTurns((turn) => {
        const seen: Array<number> = []
        return consume({ consumer: "mail", batchSize: 10 }, () =>
          seen.push(turn()) < rows / 10 ? Effect.void : Effect.fail("enough")
        ).pipe(Effect.ignore, Effect.as(seen))
      })
      expect(new Set(turns).size).toBe(rows / 10)
    }).pipe(Effect.provide(layerTest))
  )

  it.live("of purges emit each batch in its own turn", () =>
    Effect.gen(function* () {
      yield* manyEvents
      const policy = { control_plane_events: "0 millis", session: "keep" } as const
      const batches = yield* itemsPerTurn(
        db.Retention.purgeBatches({ policy, batchSize: 10, pause: 0, dryRun: true }).pipe(
          Stream.provideContext(yield* Effect.context<SqlClient.SqlClient>())
        )
      )
      expect(batches.length).toBeGreaterThan(rows / 10)
      expect(Math.max(...batches)).toBe(1)
    }).pipe(Effect.provide(layerTest))
  )
})
