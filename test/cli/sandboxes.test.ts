import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { SandboxLifecycle, SandboxRepo, WorkspaceBuildJobRepo } from "@sealant/db"
import { Factories } from "@sealant/db/testing"
import { type Environment, inControlPlane, migratedFile, runHere } from "./support.js"

const spec = { source: "https://github.com/acme/hunter2", harness: "codex" } as const

const launchOf = (ownerUserId: string, name: string, maxAttempts = 1) =>
  Effect.flatMap(SandboxLifecycle, (lifecycle) =>
    lifecycle.launch({ ownerUserId, name, spec, registryId: "main", repository: "acme/a", tag: "v1", maxAttempts })
  )

/** A sandbox whose build failed, was tried again by its owner, and then ran until its runtime crashed. */
const crashed = Effect.gen(function* () {
  const lifecycle = yield* SandboxLifecycle
  const jobs = yield* WorkspaceBuildJobRepo
  const { id } = yield* Factories.make.user({ id: "ada" })
  const { attempt, job, sandbox } = yield* launchOf(id, "storefront")
  const first = yield* Effect.flatten(jobs.claimById({ id: job.id, workerId: "worker-1", leaseDuration: "1 minute" }))
  yield* lifecycle.beginBuild(first.lease)
  yield* lifecycle.failBuild(first.lease, { errorMessage: "the base image is gone", errorCode: "no-image" })
  const retried = yield* lifecycle.retry(sandbox.id)
  const second = yield* Effect.flatten(
    jobs.claimById({ id: retried.job.id, workerId: "worker-2", leaseDuration: "1 minute" })
  )
  yield* lifecycle.beginBuild(second.lease)
  yield* lifecycle.finishBuild(second.lease, {
    executorId: "builder",
    publishedReference: "registry/a:v1",
    publishedDigestReference: "registry/a@sha256:1",
    publishedDigest: "sha256:1",
    runtime: { adapter: "docker", resourceId: "c1", reference: "docker:c1", status: "running" }
  })
  yield* lifecycle.endRuntime(retried.attempt.id, {
    status: "failed",
    reason: "out-of-memory",
    errorCode: "oom",
    errorMessage: "killed at 2 GB"
  })
  return { sandboxId: sandbox.id, attempts: [retried.attempt.id, attempt.id], jobId: retried.job.id }
})

const rows = Effect.gen(function* () {
  const made = yield* crashed
  const { id } = yield* Factories.make.user({ id: "grace" })
  const waiting = yield* launchOf(id, "waiting")
  const archived = yield* launchOf(id, "archived")
  yield* Effect.flatMap(SandboxRepo, (sandboxes) => sandboxes.archive(archived.sandbox.id))
  return { ...made, waitingId: waiting.sandbox.id, archivedId: archived.sandbox.id }
})

const prepared = Effect.gen(function* () {
  const { environment, filePath } = yield* migratedFile
  return { environment, ...(yield* inControlPlane(rows, filePath)) }
})

/** The output of a command. It must not contain the specification of a sandbox. */
const run = (args: ReadonlyArray<string>, environment: Environment) =>
  Effect.map(runHere(["sandboxes", ...args], environment), (outcome) => {
    expect(JSON.stringify(outcome)).not.toContain("hunter2")
    return outcome
  })

interface ListedPage {
  readonly items: ReadonlyArray<{ readonly sandbox: { readonly id: string } }>
  readonly nextCursor?: string
}

it.scopedLive("sandboxes list prints the sandboxes of all owners in pages, with the code of their error", () =>
  Effect.gen(function* () {
    const { archivedId, environment, sandboxId, waitingId } = yield* prepared
    const list = yield* run(["list"], environment)
    expect(list).toMatchObject({ code: 0, stderr: "" })
    expect(list.stdout.split("\n").map((line) => line.split(/ {2,}/)[0])).toEqual(["ID", waitingId, sandboxId, ""])
    expect(list.stdout).toMatch(new RegExp(`^${sandboxId} {2}failed +\\S+ +ada +oom +storefront$`, "m"))
    expect(list.stdout).not.toContain("killed at 2 GB")

    const page = (...args: ReadonlyArray<string>) =>
      Effect.map(run(["list", "--json", ...args], environment), ({ stdout }): ListedPage => {
        expect(stdout).not.toContain("killed at 2 GB")
        return JSON.parse(stdout)
      })
    const ids = ({ items }: ListedPage) => items.map(({ sandbox }) => sandbox.id)
    expect(ids(yield* page("--archived"))).toEqual([archivedId, waitingId, sandboxId])
    expect(ids(yield* page("--owner", "ada"))).toEqual([sandboxId])
    expect(ids(yield* page("--status", "queued"))).toEqual([waitingId])
    expect((yield* run(["list", "--owner", "linus"], environment)).stdout).toBe("no sandboxes\n")

    const first = yield* page("--limit", "1")
    expect(ids(first)).toEqual([waitingId])
    const second = yield* page("--limit", "1", "--cursor", String(first.nextCursor))
    expect([...ids(second), second.nextCursor]).toEqual([sandboxId, undefined])
    expect((yield* run(["list", "--limit", "1"], environment)).stdout).toContain(
      `\n\nnext page: --cursor ${first.nextCursor}\n`
    )
    expect(yield* run(["list", "--cursor", "none"], environment)).toEqual({
      code: 1,
      stdout: "",
      stderr: "sealant-db: --cursor is not a cursor of this list\n"
    })
  })
)

it.scopedLive(
  "sandboxes show prints the attempts with their errors, the runtime and the timeline of a failed sandbox",
  () =>
    Effect.gen(function* () {
      const { attempts, environment, jobId, sandboxId } = yield* prepared
      const { code, stderr, stdout } = yield* run(["show", sandboxId], environment)
      expect([code, stderr]).toEqual([0, ""])
      const lines = stdout.split("\n")
      expect(stdout).toMatch(/^status +failed$/m)
      expect(stdout).toMatch(/^error +oom: killed at 2 GB$/m)
      expect(stdout).toMatch(/^stop reason +out-of-memory$/m)
      expect(stdout).toMatch(/^runtime +failed docker$/m)
      expect(stdout).toMatch(/^deadline +-$/m)
      const rows = lines.slice(lines.findIndex((line) => line.startsWith("ATTEMPT")) + 1)
      expect(rows[0]).toMatch(/ retry +failed .* out-of-memory +oom: killed at 2 GB$/)
      expect(rows[1]).toMatch(/ launch +failed .* no-image: the base image is gone$/)
      expect(rows.slice(0, 2).map((line) => line.split(" ")[0])).toEqual(attempts)
      const timeline = lines.slice(lines.indexOf("timeline") + 1, -1)
      expect(timeline[0]).toMatch(/ launch +queued /)
      expect(stdout).toMatch(new RegExp(`job ${jobId} +beginBuild +queued -> running +worker worker-2`))
      expect(timeline.at(-1)).toContain("endRuntime")

      const json: unknown = JSON.parse((yield* run(["show", sandboxId, "--json"], environment)).stdout)
      expect(json).toMatchObject({
        sandbox: { id: sandboxId, ownerUserId: "ada" },
        status: "failed",
        attempts: [{ error: { code: "oom" } }, { error: { code: "no-image" }, status: "failed" }],
        timeline: expect.arrayContaining([expect.objectContaining({ subjectId: jobId, eventType: "finishBuild" })])
      })
    })
)

it.scopedLive("sandboxes show prints a sandbox that waits, and fails for an unknown one", () =>
  Effect.gen(function* () {
    const { environment, waitingId } = yield* prepared
    expect((yield* run(["show", waitingId], environment)).stdout).toMatch(/^status +queued$/m)
    expect(yield* run(["show", "none"], environment)).toEqual({
      code: 1,
      stdout: "",
      stderr: "sealant-db: Sandbox none was not found\n"
    })
    expect((yield* run(["show"], environment)).stderr).toContain("Missing argument <id>")
  })
)
