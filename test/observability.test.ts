/**
 * The tables of docs/observability.md, and its example.
 */
import { expect, it } from "@effect/vitest"
import { Metrics } from "@sealant/db"
import { Factories, layerTest } from "@sealant/db/testing"
import { Effect, Layer, Metric, type MetricKey, MetricKeyType } from "effect"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { sleeping } from "./support/eventLoop.js"
import { programAt } from "./support/programs.js"

const root = fileURLToPath(new URL("..", import.meta.url))

const kindOf = ({ keyType }: MetricKey.MetricKey.Untyped) =>
  MetricKeyType.isCounterKey(keyType)
    ? "counter"
    : MetricKeyType.isGaugeKey(keyType)
      ? "gauge"
      : MetricKeyType.isHistogramKey(keyType)
        ? "histogram"
        : "other"

it.effect("docs/observability.md lists the metrics of the program with kinds and tags", () =>
  Effect.gen(function* () {
    const text = readFileSync(`${root}/docs/observability.md`, "utf8")
    const documented = new Map(
      Array.from(text.matchAll(/^\| `(sealant_db_\w+)` \| (.*?) \|/gm), ([, name = "", kind = ""]) => [name, kind])
    )
    for (const value of Object.values(Metrics)) {
      if (typeof value === "function" && "register" in value) value.register()
    }
    // The gauges by owner have series of owners with jobs only.
    yield* Factories.make.buildJob()
    yield* Layer.build(Metrics.layer({ every: "1 second" }))
    // It has looked once, and waits to look again.
    yield* sleeping(1)
    const kinds = new Map<string, string>()
    const tags = new Map<string, ReadonlySet<string>>()
    for (const { metricKey } of yield* Metric.snapshot) {
      const { name } = metricKey
      if (!name.startsWith("sealant_db_")) continue
      kinds.set(name, kindOf(metricKey))
      tags.set(name, new Set([...(tags.get(name) ?? []), ...metricKey.tags.map(({ key }) => key)]))
    }
    const found = Array.from(kinds, ([name, kind]) => {
      const by = Array.from(tags.get(name) ?? [], (tag) => `\`${tag}\``).join(" and ")
      return [name, by === "" ? kind : `${kind}, by ${by}`] as const
    })
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(documented))
    expect(documented.size).toBeGreaterThan(5)
  }).pipe(Effect.scoped, Effect.provide(layerTest))
)

it("the example prints the traces of a launch and of a build, and the metrics", async () => {
  const { code, text } = await new Promise<{ readonly code: number | null; readonly text: string }>((resolve) => {
    const program = programAt(new URL("../examples/telemetry/main.ts", import.meta.url))
    const child = execFile(process.execPath, [program], { cwd: root }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, text: stdout + stderr })
    )
  })
  expect([code, text]).toEqual([0, expect.stringMatching(/^SandboxLifecycle\.launch /m)])
  const lines = text.split("\n")
  const depthOf = (name: string) => lines.find((line) => line.trimStart().startsWith(`${name} `))?.search(/\S/)
  expect(
    ["BuildWorker.claim", "BuildWorker.work", "docker build", "SandboxLifecycle.finishBuild"].map(depthOf)
  ).toEqual([0, 2, 4, 4])
  expect(lines).toContain("sealant_db_jobs_claimed  1")
  expect(text).not.toContain("sql.execute")
}, 60_000)
