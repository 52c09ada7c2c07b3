import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { issuesOf, recordStatements } from "../../support/plans.js"
import {
  ada,
  answer,
  building,
  claim,
  compileResult,
  eve,
  launch,
  layers,
  refusalOf,
  request,
  type Services,
  specification,
  stateOf,
  success,
  tagOf
} from "./support.js"

const imageOf = (tag: string) => ({
  executorId: "executor",
  resultPayload: compileResult,
  publishedReference: `registry/acme/app:${tag}`,
  publishedDigestReference: `registry/acme/app@sha256:${tag}`,
  publishedDigest: `sha256:${tag}`
})

/** Builds and launches a sandbox with an image of this tag. */
const builtAs = (tag: string, given: Parameters<typeof building>[0] = {}) =>
  Effect.gen(function* () {
    const { finishBuild } = yield* SandboxLifecycle
    const launched = yield* building(given)
    yield* finishBuild(launched.lease, { ...imageOf(tag), runtime: answer("running", tag) })
    yield* TestClock.adjust("1 second")
    return launched
  })

/** The contract of `launch({ reuseImage: true })`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`launches that reuse an image (${name})`, () => {
    it.effect(
      "the job contains the newest image of the owner's plan in the registry, and only the launch is left",
      () =>
        Effect.gen(function* () {
          const lifecycle = yield* SandboxLifecycle
          const jobs = yield* WorkspaceBuildJobRepo
          const first = yield* builtAs("1")
          yield* builtAs("2")
          const launched = yield* launch({ reuseImage: true, name: "two", tag: "other" })
          const { publishedDigest, publishedDigestReference, publishedReference } = imageOf("2")
          expect(launched.job).toMatchObject({
            status: "queued",
            tag: "other",
            planHash: first.job.planHash,
            executorId: Option.some("executor"),
            publishedReference: Option.some(publishedReference),
            publishedDigestReference: Option.some(publishedDigestReference),
            publishedDigest: Option.some(publishedDigest)
          })
          expect(Option.isSome(launched.job.resultPayload)).toBe(true)
          expect(yield* jobs.getById(launched.job.id)).toEqual(launched.job)

          const { lease } = yield* claim(launched)
          expect((yield* lifecycle.beginBuild(lease)).job.publishedReference).toEqual(Option.some(publishedReference))
          yield* lifecycle.recordRuntime(lease, answer("running"))
          yield* lifecycle.finishBuild(lease, imageOf("2"))
          expect(yield* stateOf(launched.sandbox.id)).toBe("ready succeeded succeeded running")
        }).pipe(Effect.provide(layer))
    )

    it.effect("a failed launch keeps the reused image, and a retry builds a new one", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        yield* builtAs("1")
        const launched = yield* launch({ reuseImage: true })
        const { lease } = yield* claim(launched)
        yield* lifecycle.beginBuild(lease)
        yield* lifecycle.failBuild(lease, { errorMessage: "no such image", retryable: false })
        expect(yield* stateOf(launched.sandbox.id)).toBe("failed failed succeeded failed")
        const { job } = yield* lifecycle.retry(launched.sandbox.id)
        expect(job).toMatchObject({ publishedReference: Option.none(), planHash: launched.job.planHash })
      }).pipe(Effect.provide(layer))
    )

    it.effect("a retry with the option starts from the image of an attempt whose runtime was not launched", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { attempt, lease, sandbox } = yield* building()
        yield* lifecycle.publishBuild(lease, imageOf("1"))
        yield* lifecycle.endRuntime(attempt.id, { status: "failed", reason: "launch-failed", resourceId: "r" })
        expect(yield* stateOf(sandbox.id)).toBe("failed failed succeeded failed")
        const owned = { id: sandbox.id, ownerUserId: ada }
        expect(yield* tagOf(lifecycle.retry({ id: sandbox.id, ownerUserId: eve, reuseImage: true }))).toBe("NotFound")
        for (const reuseImage of ["yes", 1, null]) {
          // @ts-expect-error -- an untyped caller
          expect(yield* tagOf(lifecycle.retry({ ...owned, reuseImage }))).toBe("InvalidInput")
        }
        const retried = yield* lifecycle.retry({ ...owned, reuseImage: true })
        expect(retried.job).toMatchObject({ status: "queued", publishedDigest: Option.some("sha256:1") })
        expect(yield* Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => jobs.getById(retried.job.id))).toEqual(
          retried.job
        )
        const { lease: next } = yield* claim(retried)
        yield* lifecycle.beginBuild(next)
        yield* lifecycle.recordRuntime(next, answer("running", "2"))
        yield* lifecycle.finishBuild(next, imageOf("1"))
        expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")

        yield* lifecycle.stop(owned)
        expect((yield* lifecycle.retry(owned)).job.publishedDigest).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "builds an image without the option, of another plan, registry or owner, and if no build has succeeded",
      () =>
        Effect.gen(function* () {
          const { failBuild, publishBuild } = yield* SandboxLifecycle
          const none = { publishedReference: Option.none(), executorId: Option.none(), resultPayload: Option.none() }
          expect((yield* launch({ reuseImage: true })).job).toMatchObject(none)
          const broken = yield* building()
          yield* failBuild(broken.lease, { errorMessage: "no", retryable: false })
          const published = yield* building()
          yield* publishBuild(published.lease, success)
          expect((yield* launch({ reuseImage: true })).job).toMatchObject(none)
          yield* builtAs("1")
          for (const other of [
            { reuseImage: false },
            { registryId: "other" },
            { ownerUserId: eve },
            { spec: { ...specification, env: { A: "2" } } },
            { resolvedSpec: { ...specification, env: { A: "2" } } }
          ]) {
            expect((yield* launch({ reuseImage: true, ...other })).job, JSON.stringify(other)).toMatchObject(none)
          }
          expect((yield* launch({ reuseImage: true })).job.publishedDigest).toEqual(Option.some("sha256:1"))
        }).pipe(Effect.provide(layer))
    )

    it.effect("a repeated request returns the launch with its image, also after a newer build", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        yield* builtAs("1")
        const keyed = { ...request, reuseImage: true, idempotencyKey: "key" }
        const first = yield* lifecycle.launch(keyed)
        yield* builtAs("2")
        expect(yield* lifecycle.launch(keyed)).toEqual({ ...first, created: false })
        expect(yield* refusalOf(lifecycle.launch({ ...keyed, reuseImage: false }))).toMatchObject({
          _tag: "IdempotencyConflict"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("findLatestByPlanHash returns the job that has succeeded last with a plan in a registry", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* builtAs("1")
        const { job } = yield* builtAs("2")
        yield* launch()
        const planHash = Option.getOrThrow(job.planHash)
        const found = yield* jobs.findLatestByPlanHash({ registryId: "registry", planHash })
        expect(found).toMatchObject(Option.some({ id: job.id, publishedDigest: Option.some("sha256:2") }))
        for (const other of [
          { registryId: "other", planHash },
          { registryId: "registry", planHash: "other" }
        ]) {
          expect(yield* jobs.findLatestByPlanHash(other)).toEqual(Option.none())
        }
        expect(yield* tagOf(jobs.findLatestByPlanHash({ registryId: "", planHash }))).toBe("InvalidInput")
        const { job: enqueued } = yield* jobs.enqueue({
          registryId: "registry",
          repository: "acme/app",
          tag: "latest",
          requestPayload: specification,
          planHash: "mine"
        })
        expect((yield* jobs.getById(enqueued.id)).planHash).toEqual(Option.some("mine"))
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

it.effect("a launch that reuses an image searches it by the index of plans", () =>
  Effect.gen(function* () {
    yield* builtAs("1")
    const statements = yield* recordStatements(launch({ reuseImage: true, ownerUserId: ada }))
    expect(yield* issuesOf(statements)).toEqual([])
  }).pipe(Effect.provide(layers.file))
)
