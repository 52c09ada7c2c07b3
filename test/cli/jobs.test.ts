import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Environment, migratedFile, runHere, tamper } from "./support.js"

const secret = "hunter2-in-a-payload"

const spec = JSON.stringify({ source: `https://github.com/acme/${secret}`, harness: "codex" })

const jobsText = `
  INSERT INTO oci_image_build_jobs (id, status, registry_id, repository, tag, request_payload, result_payload, available_at, max_attempts,
    attempt_count, lease_token, lease_outcome, finished_at, error_code, error_message, created_at, updated_at)
  VALUES
    ('job-1', 'queued', 'main', 'acme/one', 'v1', '${spec}', NULL, 0, 3, 0, 0, NULL, NULL, NULL, NULL, 1, 1),
    ('job-2', 'failed', 'main', 'acme/two', 'v1', '${spec}', NULL, 0, 3, 1, 1, 'failed', 5, 'no-image', 'the base image is gone', 2, 2),
    ('job-3', 'queued', 'main', 'acme/three', 'v1', '{"env":"${secret}"}', NULL, 0, 3, 0, 0, NULL, NULL, NULL, NULL, 3, 3)`

const prepared = Effect.gen(function* () {
  const { environment, filePath } = yield* migratedFile
  tamper(filePath, jobsText)
  return environment
})

/** The output of a command. It must not contain secrets. */
const run = (args: ReadonlyArray<string>, environment: Environment) =>
  Effect.map(runHere(args, environment), (outcome) => {
    expect(JSON.stringify(outcome)).not.toContain("hunter2")
    return outcome
  })

it.scopedLive("jobs show, redrive and cancel accept the longest id that an import stores", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    const id = "j".repeat(1000)
    tamper(environment.DATABASE_FILE_PATH, `UPDATE oci_image_build_jobs SET id = '${id}' WHERE id = 'job-2'`)
    expect((yield* run(["jobs", "show", id], environment)).code).toBe(0)
    expect(yield* run(["jobs", "redrive", id], environment)).toMatchObject({ code: 0, stdout: `queued ${id}\n` })
    expect(yield* run(["jobs", "cancel", id], environment)).toMatchObject({ code: 0, stdout: `cancelled ${id}\n` })
    const tooLong = yield* run(["jobs", "show", `${id}j`], environment)
    expect(tooLong.code).not.toBe(0)
    expect(tooLong.stderr).toContain("must be 1 to 1000 characters")
  })
)

it.scopedLive("jobs list and show print jobs without their documents, also unreadable ones", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    const list = yield* run(["jobs", "list"], environment)
    expect(list).toMatchObject({ code: 0, stderr: "" })
    expect(list.stdout.split("\n").map((line) => line.split(/ {2,}/)[0])).toEqual(["ID", "job-3", "job-2", "job-1", ""])
    expect(list.stdout).toMatch(/^job-2 {2}failed {2}\S+ \S+ {2}1\/3 +- +no-image +main\/acme\/two:v1$/m)
    expect(list.stdout).not.toContain("the base image is gone")

    const ids = (text: string) => (JSON.parse(text) as ReadonlyArray<{ readonly id: string }>).map(({ id }) => id)
    expect(ids((yield* run(["jobs", "list", "--json", "--status", "queued"], environment)).stdout)).toEqual([
      "job-3",
      "job-1"
    ])
    expect(ids((yield* run(["jobs", "list", "--json", "--limit", "2"], environment)).stdout)).toEqual([
      "job-3",
      "job-2"
    ])
    expect((yield* run(["jobs", "list", "--status", "running"], environment)).stdout).toBe("no jobs\n")

    const shown = yield* run(["jobs", "show", "job-2"], environment)
    expect(shown.stdout).toMatch(/^errorMessage +the base image is gone$/m)
    expect(JSON.parse((yield* run(["jobs", "show", "job-2", "--json"], environment)).stdout)).toMatchObject({
      id: "job-2",
      status: "failed",
      errorCode: "no-image",
      createdAt: "1970-01-01T00:00:00.002Z"
    })
    for (const command of [["stats"], ["stats", "--json"], ["doctor"], ["purge", "--dry-run"]])
      yield* run(command, environment)
  })
)

it.scopedLive("jobs escapes control characters in the texts of workers", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    const said = "\u001b]0;title\u0007 gone\u001b[2J\r\nover \u009b1m\u202Eback"
    // By code points, because other tools cut the text.
    const text = [...said].map((character) => `char(${character.codePointAt(0)})`).join(" || ")
    tamper(
      environment.DATABASE_FILE_PATH,
      `UPDATE oci_image_build_jobs SET error_message = ${text}, error_code = ${text} WHERE id = 'job-2'`
    )
    const harmless = "\uFFFD]0;title\uFFFD gone\uFFFD[2J over \uFFFD1m\uFFFDback"
    expect((yield* run(["jobs", "list"], environment)).stdout).toContain(harmless)
    expect((yield* run(["jobs", "show", "job-2"], environment)).stdout).toContain(`${harmless}\n`)
    expect(JSON.parse((yield* run(["jobs", "show", "job-2", "--json"], environment)).stdout)).toMatchObject({
      errorMessage: said,
      errorCode: said
    })
    expect(yield* run(["jobs", "show", "no\u001b[2Jjob"], environment)).toMatchObject({
      stderr: expect.not.stringContaining("\u001b")
    })
  })
)

it.scopedLive("jobs redrive, fail and cancel change the job", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    expect(yield* run(["jobs", "cancel", "job-1", "--reason", "a typo"], environment)).toEqual({
      code: 0,
      stdout: "cancelled job-1\n",
      stderr: ""
    })
    expect(JSON.parse((yield* run(["jobs", "show", "job-1", "--json"], environment)).stdout)).toMatchObject({
      status: "cancelled",
      cancelReason: "a typo"
    })
    expect(yield* run(["jobs", "redrive", "job-1"], environment)).toEqual({
      code: 0,
      stdout: "queued job-1\n",
      stderr: ""
    })
    expect(yield* run(["jobs", "fail", "job-1", "--message", "no such registry"], environment)).toEqual({
      code: 0,
      stdout: "failed job-1\n",
      stderr: ""
    })
    expect(JSON.parse((yield* run(["jobs", "show", "job-1", "--json"], environment)).stdout)).toMatchObject({
      status: "failed",
      errorCode: "operator",
      errorMessage: "no such registry"
    })
    const printed = (...args: ReadonlyArray<string>) =>
      Effect.map(run(args, environment), ({ stderr, stdout }) => [stderr, JSON.parse(stdout || "null")])
    expect(yield* printed("jobs", "redrive", "--json", "job-1")).toEqual(["", { queued: ["job-1"] }])
    expect(yield* printed("jobs", "cancel", "--json", "job-1")).toEqual(["", { cancelled: ["job-1"] }])
    expect(yield* printed("jobs", "redrive", "--json", "job-1")).toEqual(["", { queued: ["job-1"] }])
    const [, refused] = yield* printed("jobs", "cancel", "--json", "none")
    expect(refused).toEqual({ error: { tag: "NotFound", message: "WorkspaceBuildJob none was not found" } })
    const refusals: ReadonlyArray<readonly [ReadonlyArray<string>, number, string]> = [
      [["jobs", "redrive", "job-1", "none"], 1, "WorkspaceBuildJob none was not found"],
      [["jobs", "cancel", "none"], 1, "WorkspaceBuildJob none was not found"],
      [["jobs", "cancel", "job-2"], 1, "WorkspaceBuildJob job-2 cannot go from failed to cancelled"],
      [["jobs", "show"], 2, "Missing argument <id> (see sealant-db jobs show --help)"],
      [
        ["jobs", "list", "--limit", "501"],
        2,
        "--limit must be a whole number from 1 to 500 (see sealant-db jobs list --help)"
      ]
    ]
    for (const [args, code, message] of refusals) {
      expect(yield* run(args, environment)).toMatchObject({ code, stderr: `sealant-db: ${message}\n` })
    }
  })
)

it.scopedLive("jobs changes nothing when an unknown option follows an id", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    for (const [command, ...rest] of [
      ["fail", "--reason", "a typo"],
      ["cancel", "-r", "a typo"]
    ]) {
      const outcome = yield* run(["jobs", String(command), "job-1", ...rest], environment)
      expect(outcome).toEqual({
        code: 2,
        stdout: "",
        stderr: `sealant-db: unknown option '${rest[0]}' (see sealant-db jobs ${String(command)} --help)\n`
      })
    }
    expect((yield* run(["jobs", "list", "--status", "queued"], environment)).stdout).toContain("job-1")
  })
)

it.scopedLive("stats and purge print text, and JSON for scripts", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    const stats = yield* run(["stats", "--json"], environment)
    expect(JSON.parse(stats.stdout)).toMatchObject({
      tables: { oci_image_build_jobs: 3, user: 0 },
      queue: {
        byStatus: { queued: 2, running: 0, succeeded: 0, failed: 1, cancelled: 0 },
        oldestQueuedMs: expect.any(Number)
      },
      inbox: { oldestQueuedMs: null },
      fileBytes: expect.any(Number),
      walBytes: expect.any(Number)
    })
    expect((yield* run(["stats"], environment)).stdout).toMatch(
      /^jobs +queued 2, running 0, succeeded 0, failed 1, cancelled 0; the oldest is due for \d+d/m
    )

    const removes = (verb: string) => `oci_image_build_jobs  1\n${verb} 1 row\n`
    const keep = ["purge", "--keep", "oci_image_build_jobs=keep"]
    expect(yield* run(keep, environment)).toEqual({ code: 0, stdout: "removed 0 rows\n", stderr: "" })
    expect(yield* run(["purge", "--dry-run"], environment)).toEqual({
      code: 0,
      stdout: removes("would remove"),
      stderr: ""
    })
    expect(yield* run(["purge"], environment)).toEqual({ code: 0, stdout: removes("removed"), stderr: "" })
    const again = yield* run(["purge", "--json"], environment)
    expect(JSON.parse(again.stdout)).toMatchObject({
      dryRun: false,
      total: 0,
      tables: { oci_image_build_jobs: 0, session: 0 }
    })
    for (const unknown of ["user=1 day", "session"]) {
      const { code, stderr } = yield* run(["purge", "--keep", unknown], environment)
      expect(code).toBe(2)
      expect(stderr).toMatch(/^sealant-db: --keep must be TABLE=DURATION or TABLE=keep; the tables are session, .*\n$/)
    }
    const both = ["purge", "--keep", "session=keep", "--keep", "oci_image_build_jobs=30 days"]
    expect((yield* run(both, environment)).stdout).toBe("removed 0 rows\n")
    expect(yield* run(["purge", "--keep", "session=soon"], environment)).toMatchObject({
      code: 1,
      stderr: "sealant-db: policy.session: must be a duration of up to a hundred years, or `keep`\n"
    })
  })
)
