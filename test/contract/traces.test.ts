/**
 * The traces of workers: one from a claim to the end of its job.
 */
import { describe, expect, it } from "@effect/vitest"
import { BuildWorker, InvalidInput, Metrics, WebhookInbox, WorkspaceBuildJobRepo } from "@sealant/db"
import { WebhookOutcome } from "@sealant/db/github"
import { Factories, layerTest } from "@sealant/db/testing"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Option, TestClock } from "effect"
import { isDeepStrictEqual } from "node:util"
import { collectSpans, type SeenSpan } from "../support/spans.js"
import { eventually, sleeping } from "../support/eventLoop.js"
import { services } from "./services.js"
import { outcomeOf, placesOf } from "./walk.js"
import { request } from "../build-job/support.js"
import { sharedFixture } from "./fixture.js"

const { make } = Factories

const published = {
  executorId: "e",
  publishedReference: "r",
  publishedDigestReference: "d",
  publishedDigest: "sha256:0"
}

/** The span names from a span up to the root of its trace. */
const pathOf = (span: SeenSpan): ReadonlyArray<string> => [
  span.name,
  ...Option.match(span.parent, {
    onNone: () => [],
    onSome: (parent) => (parent._tag === "Span" ? pathOf(parent as SeenSpan) : ["external"])
  })
]

const inTrace = (spans: ReadonlyArray<SeenSpan>, of: SeenSpan) => spans.filter(({ traceId }) => traceId === of.traceId)

describe("traces", () => {
  it.effect("contain a claim, its handler, its heartbeats and its end in one trace", () => {
    const { layer, spans } = collectSpans()
    return Effect.gen(function* () {
      yield* make.launch()
      const begun = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const done = yield* Deferred.make<void>()
      const handler: BuildWorker.Handler<never> = () =>
        Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(go)).pipe(
          Effect.as(published),
          Effect.withSpan("the handler's own"),
          Effect.tap(() => Deferred.succeed(done, undefined))
        )
      const worker = yield* Effect.fork(
        BuildWorker.run(handler, { workerId: "worker", leaseDuration: "30 seconds", drainTimeout: "1 hour" })
      )
      yield* Deferred.await(begun)
      yield* TestClock.adjust("10 seconds")
      yield* Deferred.succeed(go, undefined)
      yield* Deferred.await(done)
      yield* Fiber.interrupt(worker)

      const own = spans.find(({ name }) => name === "the handler's own") as SeenSpan
      expect(pathOf(own)).toEqual(["the handler's own", "BuildWorker.work", "BuildWorker.claim"])
      expect(inTrace(spans, own).map(pathOf)).toContainEqual(["WorkspaceBuildJobRepo.claimNext", "BuildWorker.claim"])
      for (const name of [
        "SandboxLifecycle.beginBuild",
        "WorkspaceBuildJobRepo.heartbeat",
        "SandboxLifecycle.finishBuild"
      ]) {
        expect(
          inTrace(spans, own)
            .filter((span) => span.name === name)
            .map(pathOf),
          name
        ).toContainEqual([name, "BuildWorker.work", "BuildWorker.claim"])
      }
      expect(spans.every(({ ended }) => ended)).toBe(true)
    }).pipe(Effect.provide(layer), Effect.provide(layerTest))
  })

  it.effect("contain each supervision in its own trace, regardless of the worker's trace", () => {
    const { layer, spans } = collectSpans()
    return Effect.gen(function* () {
      const inbox = yield* WebhookInbox
      const workers = yield* Effect.all(
        [
          BuildWorker.run(() => Effect.never, { workerId: "worker" }),
          inbox.run({ workerId: "worker", supervise: false }, () => Effect.never)
        ],
        { concurrency: "unbounded" }
      ).pipe(Effect.withSpan("the whole day"), Effect.fork)
      const seen = [
        "SandboxLifecycle.supervise",
        "IssueWorkflowLifecycle.supervise",
        "GitHubWebhookDeliveryRepo.reapExpired"
      ].map((name) => [name, "Supervisor.supervise"])
      const times = (path: ReadonlyArray<string>) =>
        spans.filter((span) => span.ended && isDeepStrictEqual(pathOf(span), path)).length
      for (const count of [1, 2]) {
        yield* eventually(Effect.sync(() => seen.every((path) => times(path) === count)))
        yield* sleeping(15)
        yield* TestClock.adjust("15 seconds")
      }
      yield* Fiber.interrupt(workers)
      const roots = spans.filter(({ name }) => name === "Supervisor.supervise")
      expect(new Set(roots.map(({ traceId }) => traceId)).size).toBe(roots.length)
    }).pipe(Effect.provide(layer), Effect.provide(layerTest))
  })

  it.effect("contain each poll of the metrics in its own trace", () => {
    const { layer, spans } = collectSpans()
    return Effect.gen(function* () {
      yield* Layer.build(Metrics.layer({ every: "15 seconds" })).pipe(Effect.withSpan("the whole day"))
      yield* sleeping(15)
      const paths = spans.map(pathOf)
      for (const repository of ["WorkspaceBuildJobRepo", "GitHubWebhookDeliveryRepo"])
        expect(paths).toContainEqual([`${repository}.stats`, "Metrics.look"])
    }).pipe(Effect.scoped, Effect.provide(layer), Effect.provide(layerTest))
  })

  it.effect("connect an enqueue or a received delivery to its processing by an id", () => {
    const { layer, spans } = collectSpans()
    return Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      const inbox = yield* WebhookInbox
      const { job } = yield* jobs.enqueue(request)
      const { delivery } = yield* inbox.receive({ deliveryId: "guid", eventType: "issues" })
      const attributeOf = (name: string, key: string) => spans.find((span) => span.name === name)?.attributes.get(key)
      expect(attributeOf("WorkspaceBuildJobRepo.enqueue", "job.id")).toBe(job.id)
      expect(attributeOf("GitHubWebhookDeliveryRepo.record", "delivery.id")).toBe(delivery.id)
    }).pipe(Effect.provide(layer), Effect.provide(layerTest))
  })

  it.effect("contain a delivery and its handler in one trace", () => {
    const { layer, spans } = collectSpans()
    return Effect.gen(function* () {
      const inbox = yield* WebhookInbox
      yield* inbox.receive({ deliveryId: "guid", eventType: "issues" })
      const done = yield* Deferred.make<void>()
      const handler = () =>
        Effect.as(Deferred.succeed(done, undefined), WebhookOutcome.processed).pipe(
          Effect.withSpan("the handler's own")
        )
      const worker = yield* Effect.fork(inbox.run({ workerId: "worker", drainTimeout: "1 hour" }, handler))
      yield* Deferred.await(done)
      yield* Fiber.interrupt(worker)
      const own = spans.find(({ name }) => name === "the handler's own") as SeenSpan
      expect(pathOf(own)).toEqual(["the handler's own", "WebhookInbox.attempt", "WebhookInbox.claim"])
      const end = inTrace(spans, own).find(({ name }) => name === "GitHubWebhookDeliveryRepo.markProcessed") as SeenSpan
      expect(pathOf(end)).toEqual([
        "GitHubWebhookDeliveryRepo.markProcessed",
        "WebhookInbox.attempt",
        "WebhookInbox.claim"
      ])
    }).pipe(Effect.provide(layer), Effect.provide(layerTest))
  })
})

// Endless loops: their iterations have spans of their own.
const loops = new Set(["consume", "run"])

const pages: ReadonlyArray<string> = [
  "GitHubWebhookDeliveryRepo",
  "IssueRepo",
  "IssueWorkflowExecutionRepo",
  "IssueWorkflowRepo",
  "PullRequestRepo",
  "SandboxAttemptRepo",
  "SandboxRepo"
]

/** A stream has a span of its method for each page, and a rotation one for each step. */
const rootsOf: Readonly<Record<string, ReadonlyArray<string>>> = {
  ...Object.fromEntries(pages.map((name) => [`${name}.stream`, ["list"]])),
  "IssueWorkflowExecutionRepo.streamArtifacts": ["listArtifacts"],
  "SecretVault.rotateKeys": ["rotateKeys", "rotateKeys"],
  "SecretVault.streamRotation": ["rotateKeys", "rotateKeys"]
}

/** A text with a character that no input accepts. */
const invalid = "\0"

/** The names of the spans that have no parent, without those of the transaction around the call. */
const rootNames = (spans: ReadonlyArray<SeenSpan>) =>
  spans.filter((span) => Option.isNone(span.parent) && !span.name.startsWith("sql.")).map((span) => span.name)

const withFixture = sharedFixture()

describe.each(services)("the spans of $name", (service) => {
  const { name } = service
  const withService = withFixture(service)
  const expected = (method: string) => (rootsOf[`${name}.${method}`] ?? [method]).map((root) => `${name}.${root}`)

  it.effect("are one per method, and contain the spans of the methods that it calls", () =>
    withService((instance, samples) =>
      Effect.gen(function* () {
        for (const [method, args] of samples) {
          if (loops.has(method)) continue
          const { layer, spans } = collectSpans()
          yield* outcomeOf(instance, method, args).pipe(Effect.provide(layer))
          expect([method, rootNames(spans)]).toEqual([method, expected(method)])
        }
      })
    )
  )

  it.effect("are one per method if the input is invalid", () =>
    withService((instance, samples) =>
      Effect.gen(function* () {
        for (const [method, args] of samples) {
          for (const { path, replacedBy } of placesOf(args)) {
            const { layer, spans } = collectSpans()
            const outcome = yield* outcomeOf(instance, method, replacedBy(invalid)).pipe(Effect.provide(layer))
            const error = Exit.isFailure(outcome)
              ? Option.getOrUndefined(Cause.failureOption(outcome.cause))
              : undefined
            if (!(error instanceof InvalidInput)) continue
            expect([method, path, new Set(rootNames(spans))]).toEqual([method, path, new Set(expected(method))])
          }
        }
      })
    )
  )
})
