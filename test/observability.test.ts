/**
 * What docs/observability.md says, and its example.
 */
import { expect, it } from "@effect/vitest"
import { Metrics } from "@sealant/db"
import { Effect, Metric } from "effect"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

it.effect("the table of metrics is that of the program", () =>
  Effect.gen(function*() {
    const text = readFileSync(`${root}/docs/observability.md`, "utf8")
    const told = Array.from(text.matchAll(/^\| `(sealant_db_\w+)` \|/gm), ([, name]) => name)
    for (const value of Object.values(Metrics)) {
      if (typeof value === "function" && "register" in value) value.register()
    }
    const names = (yield* Metric.snapshot).map(({ metricKey }) => metricKey.name).filter((name) => name.startsWith("sealant_db_"))
    expect([...new Set(names)].toSorted()).toEqual(told.toSorted())
    expect(told.length).toBeGreaterThan(5)
  }))

it("the example prints the traces of a launch and of a build, and the metrics", async () => {
  const { code, text } = await new Promise<{ readonly code: number | null; readonly text: string }>((resolve) => {
    const child = execFile("npm", ["run", "--silent", "example:telemetry"], { cwd: root }, (_, stdout, stderr) => resolve({ code: child.exitCode, text: stdout + stderr }))
  })
  expect([code, text]).toEqual([0, expect.stringMatching(/^SandboxLifecycle\.launch /m)])
  const lines = text.split("\n")
  const depthOf = (name: string) => lines.find((line) => line.trimStart().startsWith(`${name} `))?.search(/\S/)
  expect(["BuildWorker.claim", "BuildWorker.work", "docker build", "SandboxLifecycle.finishBuild"].map(depthOf)).toEqual([0, 2, 4, 4])
  expect(lines).toContain("sealant_db_jobs_claimed  1")
  expect(text).not.toContain("sql.execute")
}, 60_000)
