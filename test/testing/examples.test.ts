/**
 * The examples in the docstrings of `src/testing`: compiled and run here, and compared with the docstrings.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { readFileSync } from "node:fs"
import { PersistenceError, SandboxRepo, WorkspaceBuildJobRepo } from "@sealant/db"
import { Factories, layerTest } from "@sealant/db/testing"

const { make } = Factories

const busy = Layer.mock(SandboxRepo, {
  getById: () =>
    Effect.fail(new PersistenceError({ operation: "SandboxRepo.getById", reason: "Busy", cause: "SQLITE_BUSY" }))
})

it.effect("a stub fails with the configured error", () =>
  Effect.gen(function* () {
    const sandboxes = yield* SandboxRepo
    expect(yield* Effect.flip(sandboxes.getById("any"))).toMatchObject({ reason: "Busy" })
  }).pipe(Effect.provide(busy))
)

it.effect("a stopped sandbox can be queued again", () =>
  Effect.gen(function* () {
    const sandboxes = yield* SandboxRepo
    const { id } = yield* Factories.make.sandbox({ status: "stopped" })
    const queued = yield* sandboxes.setStatus({ id, status: "queued" })
    expect(queued.status).toBe("queued")
  }).pipe(Effect.provide(layerTest))
)

it.effect("a released job has its attempt uncounted", () =>
  Effect.gen(function* () {
    const jobs = yield* WorkspaceBuildJobRepo
    const { lease } = yield* make.claimedJob({ workerId: "worker-1", attemptCount: 2 })
    const job = yield* jobs.release(lease)
    expect(job.attemptCount).toBe(1)
  }).pipe(Effect.provide(layerTest))
)

/** Code without white space, because the formatter does not format docstrings. */
const condensed = (code: string) => code.replaceAll(/\s/g, "")

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")

describe("docstrings", () => {
  const here = condensed(read("./examples.test.ts"))
  for (const file of ["index.ts", "layerTest.ts", "Factories.ts"]) {
    it(`the examples in ${file} are run by this test`, () => {
      const text = read(`../../src/testing/${file}`).replaceAll(/^ \* ?/gm, "")
      const examples = Array.from(text.matchAll(/```ts\n([\s\S]*?)```/g), ([, code = ""]) =>
        code
          .split("\n")
          .filter((line) => !line.startsWith("import "))
          .join("\n")
          .replaceAll(/^export /gm, "")
          .trim()
      )
      expect(examples.length).toBeGreaterThan(0)
      for (const example of examples) {
        for (const part of example.split("\n\n")) expect(here).toContain(condensed(part))
      }
    })
  }
})
