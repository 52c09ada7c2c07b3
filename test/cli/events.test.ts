import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { migratedFile, runHere, runProcess, tamper } from "./support.js"

const jobText = `
  INSERT INTO oci_image_build_jobs (id, status, registry_id, repository, tag, request_payload, available_at, max_attempts,
    attempt_count, lease_token, lease_outcome, created_at, updated_at)
  VALUES ('job-1', 'queued', 'main', 'acme/one', 'v1', '{"source":"https://github.com/acme/one","harness":"codex"}', 0, 3, 1, 1, 'failed', 1, 1)`

const eventsText = `
  INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, from_state, to_state, actor_type, actor_id,
    payload, occurred_at)
  VALUES
    ('job', 'job-1', 1, 'launch', NULL, 'queued', 'user', 'user-1', '{"sandboxId":"sandbox-1"}', 1000),
    ('job', 'job-1', 2, 'beginBuild', 'queued', 'running', 'worker', 'worker-1', NULL, 2000),
    ('job', 'job-1', 3, 'failBuild', 'running', 'queued', 'worker', 'worker-1', '{"errorCode":"no-image"}', 3000),
    ('sandbox', 'sandbox-1', 1, 'launch', NULL, 'building', 'user', 'user-1', NULL, 4000)`

const prepared = Effect.gen(function* () {
  const { environment, filePath } = yield* migratedFile
  expect((yield* runHere(["events", "list"], environment)).stdout).toBe("no events\n")
  tamper(filePath, jobText, eventsText)
  return environment
})

const firstCells = (text: string) => text.split("\n").map((line) => line.split(/ {2,}/).slice(0, 2).join(" "))

it.scopedLive("events list prints the newest events of the journal, or those of one subject", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    const list = yield* runHere(["events", "list"], environment)
    expect(list).toMatchObject({ code: 0, stderr: "" })
    expect(firstCells(list.stdout)).toEqual([
      "POSITION SUBJECT",
      "1 job job-1",
      "2 job job-1",
      "3 job job-1",
      "4 sandbox sandbox-1",
      ""
    ])
    expect(list.stdout).toContain('failBuild   running -> queued  worker worker-1  {"errorCode":"no-image"}')
    const positions = (text: string) =>
      (JSON.parse(text) as ReadonlyArray<{ readonly position: number }>).map(({ position }) => position)
    const json = (...args: ReadonlyArray<string>) =>
      Effect.map(runHere(["events", "list", "--json", ...args], environment), ({ stdout }) => positions(stdout))
    expect(yield* json("--limit", "2")).toEqual([3, 4])
    expect(yield* json("--after", "1", "--limit", "2")).toEqual([2, 3])
    expect(yield* json("sandbox", "sandbox-1")).toEqual([4])
    const refused = yield* runHere(["events", "list", "--after", "9"], environment)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain("must not be beyond the last event of the journal")
  })
)

it.scopedLive("events tail prints events until it is interrupted", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    const outcome = yield* Effect.promise(() =>
      runProcess(["events", "tail", "--after", "2", "--json"], environment, (child) => {
        let lines = 0
        child.stdout?.on("data", (text: string) => {
          lines += text.split("\n").length - 1
          if (lines === 2) child.kill("SIGINT")
        })
      })
    )
    expect(outcome).toMatchObject({ code: 130, stderr: "" })
    const subjects = outcome.stdout
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line))
    expect(subjects).toMatchObject([
      { position: 3, subjectId: "job-1" },
      { position: 4, subjectId: "sandbox-1" }
    ])
  })
)

it.scopedLive("jobs show prints each try of the job with its worker and the code of its error", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    const { stdout } = yield* runHere(["jobs", "show", "job-1"], environment)
    expect(stdout).toContain("\nhistory\n")
    expect(stdout).toMatch(/beginBuild +queued -> running +worker worker-1/)
    expect(stdout).toContain('{"errorCode":"no-image"}')
    const json = yield* runHere(["jobs", "show", "job-1", "--json"], environment)
    expect(JSON.parse(json.stdout)).toMatchObject({
      id: "job-1",
      history: [{ eventType: "launch" }, { eventType: "beginBuild" }, { eventType: "failBuild" }]
    })
  })
)
