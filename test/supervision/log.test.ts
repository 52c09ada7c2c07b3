import { expect, it } from "@effect/vitest"
import { Effect, Logger, TestClock } from "effect"
import { SandboxLifecycle, WorkspaceBuildJobRepo } from "@sealant/db"
import { Factories, layerTest } from "@sealant/db/testing"

it.effect("supervision logs one line with the rule when no runtime was reported in time", () =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const collector = Logger.make(({ message }) => void lines.push(String(message)))
    const lifecycle = yield* SandboxLifecycle
    const jobs = yield* WorkspaceBuildJobRepo
    const { id } = yield* Factories.make.user({})
    const { job, sandbox } = yield* lifecycle.launch({
      ownerUserId: id,
      name: "storefront",
      spec: { source: "https://github.com/acme/storefront", harness: "codex" },
      registryId: "main",
      repository: "acme/storefront",
      tag: "latest"
    })
    const { lease } = yield* Effect.flatten(
      jobs.claimById({ id: job.id, workerId: "worker-1", leaseDuration: "1 minute" })
    )
    yield* lifecycle.beginBuild(lease)
    // The result of a handler without a runtime.
    yield* lifecycle.finishBuild(lease, {
      executorId: "builder",
      publishedReference: "registry/a:1",
      publishedDigestReference: "registry/a@sha256:1",
      publishedDigest: "sha256:1"
    })
    const supervise = lifecycle
      .supervise({ limit: 10, runtimeDeadline: "15 minutes" })
      .pipe(Effect.provide(Logger.replace(Logger.defaultLogger, collector)))
    yield* supervise
    expect(lines).toEqual([])
    yield* TestClock.adjust("16 minutes")
    yield* supervise
    yield* supervise
    expect(lines).toEqual([expect.stringMatching(new RegExp(`^supervision changed job ${job.id}: .*runtime-missing`))])
    expect((yield* lifecycle.getDetail({ id: sandbox.id, ownerUserId: id })).status).toBe("failed")
  }).pipe(Effect.provide(layerTest))
)
