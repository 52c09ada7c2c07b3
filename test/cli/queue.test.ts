import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Environment, migratedFile, runHere, tamper } from "./support.js"

const hour = 3_600_000

/** A database with three jobs of owner `a`, due for three hours. */
const prepared = Effect.gen(function* () {
  const { environment, filePath } = yield* migratedFile
  const now = Date.now()
  tamper(
    filePath,
    "INSERT INTO user (id, name, email, created_at, updated_at) VALUES ('a', 'A', 'a@example.com', 0, 0)",
    ...["one", "two", "three"].map(
      (id) => `
        INSERT INTO oci_image_build_jobs (id, owner_user_id, registry_id, concurrency_key, repository, tag,
          request_payload, available_at, created_at, updated_at)
        VALUES ('${id}', 'a', 'main', 'app', 'r', 't', '{}', ${now - 3 * hour}, 0, 0)`
    )
  )
  return { environment, filePath }
})

const run = (environment: Environment, ...args: ReadonlyArray<string>) =>
  Effect.map(runHere(["queue", ...args], environment), ({ stdout }) => stdout.trim())

/** The problems that the doctor finds in the queue and its jobs. */
const problems = (environment: Environment) =>
  Effect.map(runHere(["doctor", "--json"], environment), ({ stdout }) => {
    const { findings }: { readonly findings: ReadonlyArray<Readonly<Record<"check" | "outcome" | "text", string>>> } =
      JSON.parse(stdout)
    return findings.flatMap(({ check, outcome, text }) =>
      outcome === "problem" && ["jobs", "queue"].includes(check) ? [`${check}: ${text}`] : []
    )
  })

it.scopedLive("queue stats prints the load by owner and priority, and why jobs wait", () =>
  Effect.gen(function* () {
    const { environment } = yield* prepared
    expect((yield* run(environment, "stats")).split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["OWNER", "PRIORITY", "QUEUED", "RUNNING", "OLDEST", "BLOCKED"],
      ["a", "5", "3", "0", "3h", "-"]
    ])
    yield* run(environment, "pause", "--registry", "main", "--reason", "maintenance")
    const { load, pauses } = JSON.parse(yield* run(environment, "stats", "--json"))
    expect(load).toMatchObject([{ ownerUserId: "a", priority: 5, queued: 3, running: 0, blockedBy: "registry-paused" }])
    expect(pauses).toEqual([{ scope: "registry", subject: "main", reason: "maintenance" }])
  })
)

it.scopedLive("queue limits sets the limits of an owner, and prints those that apply", () =>
  Effect.gen(function* () {
    const { environment } = yield* prepared
    yield* run(environment, "limits", "--max-queued-builds", "9")
    const limits = yield* run(environment, "limits", "a", "--weight", "3", "--max-running-builds", "2", "--json")
    expect(JSON.parse(limits)).toEqual({
      weight: 3,
      maxRunningBuilds: 2,
      maxQueuedBuilds: 9,
      maxLiveSandboxes: null
    })
  })
)

it.scopedLive("doctor reports due jobs, unless a pause or a limit keeps them from being claimed", () =>
  Effect.gen(function* () {
    const { environment, filePath } = yield* prepared
    expect(yield* problems(environment)).toEqual([expect.stringMatching(/^jobs: 3 jobs due for up to 3h/)])
    for (const part of [[], ["--owner", "a"], ["--registry", "main"]]) {
      yield* run(environment, "pause", ...part)
      expect(yield* problems(environment)).toEqual([])
      yield* run(environment, "resume", ...part)
    }
    yield* run(environment, "limits", "a", "--max-running-builds", "0")
    expect(yield* problems(environment)).toEqual([])
    yield* run(environment, "limits", "a", "--weight", "1")
    // Another job with the key runs.
    tamper(
      filePath,
      `UPDATE oci_image_build_jobs SET status = 'running', attempt_count = 1, claimed_at = 0, started_at = 0,
         worker_id = 'w', lease_token = 1, lease_expires_at = ${Date.now() + hour}, lease_outcome = NULL WHERE id = 'one'`
    )
    expect(yield* problems(environment)).toEqual([])
  })
)

it.scopedLive("queue repair corrects the counters that doctor reports", () =>
  Effect.gen(function* () {
    const { environment, filePath } = yield* prepared
    yield* run(environment, "pause")
    tamper(filePath, "UPDATE build_queue_flows SET queued = 7")
    expect(yield* problems(environment)).toEqual([
      "queue: the counters of 1 owner differ from their jobs; start a worker, which repairs them, or run `sealant-db queue repair`"
    ])
    expect(yield* run(environment, "repair")).toBe("repaired the counters of 1 owner")
    expect(yield* problems(environment)).toEqual([])
    expect(JSON.parse(yield* run(environment, "repair", "--json"))).toEqual({ repairedOwners: 0 })
  })
)
