/**
 * Traces and metrics of the package with OpenTelemetry. Launches and builds one sandbox, then prints its spans as a
 * tree and the metrics as lines. `npm run example:telemetry`.
 *
 * A program with a collector passes its own span processor and metric reader instead.
 */
import { NodeSdk } from "@effect/opentelemetry"
import { NodeRuntime } from "@effect/platform-node"
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader
} from "@opentelemetry/sdk-metrics"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import {
  BuildWorker,
  ControlPlane,
  Database,
  KeyRing,
  Metrics,
  Migrations,
  SandboxLifecycle,
  UserRepo
} from "@sealant/db"
import { Console, Deferred, Effect, Fiber, Layer } from "effect"

const spans = new InMemorySpanExporter()
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 })

const telemetry = NodeSdk.layer(() => ({
  resource: { serviceName: "control-plane" },
  spanProcessor: new SimpleSpanProcessor(spans),
  metricReader: reader
}))

const built = {
  executorId: "stand-in",
  publishedReference: "local/app:latest",
  publishedDigestReference: "local/app@sha256:0",
  publishedDigest: "sha256:0"
}

/** Launches a sandbox and runs a worker until it is built. */
const launchAndBuild = Effect.gen(function* () {
  const { user } = yield* (yield* UserRepo).ensure({ name: "Ada", email: "ada@example.com" })
  const done = yield* Deferred.make<void>()
  const handler: BuildWorker.Handler<never> = () =>
    Effect.succeed(built).pipe(
      Effect.withSpan("docker build"),
      Effect.tap(() => Deferred.succeed(done, undefined))
    )
  const worker = yield* Effect.fork(BuildWorker.run(handler, { workerId: "worker-1" }))
  yield* (yield* SandboxLifecycle).launch({
    ownerUserId: user.id,
    name: "storefront",
    spec: { source: "https://github.com/acme/storefront", harness: "codex" },
    registryId: "local",
    repository: "acme/storefront",
    tag: "latest"
  })
  yield* Deferred.await(done)
  yield* Fiber.interrupt(worker)
})

const millisOf = ({ duration: [seconds, nanos] }: ReadableSpan) => (seconds * 1e3 + nanos / 1e6).toFixed(2)

/** Returns the lines of a span and its children, with their attributes, without the spans of single statements. */
const tree = (all: ReadonlyArray<ReadableSpan>, span: ReadableSpan, depth: number): ReadonlyArray<string> => {
  const children = all.filter(
    ({ name, parentSpanContext }) => parentSpanContext?.spanId === span.spanContext().spanId && !name.startsWith("sql.")
  )
  const attributes = Object.keys(span.attributes)
    .filter((key) => !key.startsWith("code."))
    .map((key) => `${key}=${String(span.attributes[key])}`)
  return [
    `${"  ".repeat(depth)}${span.name}  ${millisOf(span)} ms  ${attributes.join(" ")}`.trimEnd(),
    ...children.flatMap((child) => tree(all, child, depth + 1))
  ]
}

/** Prints the traces of the launch and the build, without those of an idle worker that polls. */
const traces = Effect.gen(function* () {
  const all = spans.getFinishedSpans()
  const roots = all.filter(({ parentSpanContext }) => parentSpanContext === undefined)
  const shown = roots
    .map((root) => tree(all, root, 0))
    .filter((lines) => lines.some((line) => /launch|work/.test(line)))
  yield* Console.log(shown.flat().join("\n"))
})

const counts = Effect.gen(function* () {
  yield* Effect.promise(() => reader.forceFlush())
  const latest = metrics.getMetrics().at(-1)
  for (const { dataPoints, descriptor } of latest?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []) {
    if (!descriptor.name.startsWith("sealant_db_")) continue
    for (const { attributes, value } of dataPoints) {
      const status = attributes["status"]
      const shown =
        typeof value === "object" && value !== null && "count" in value
          ? `count ${String(value.count)}, sum ${String(value.sum)}`
          : String(value)
      yield* Console.log(`${descriptor.name}${typeof status === "string" ? ` {status=${status}}` : ""}  ${shown}`)
    }
  }
})

const live = Layer.mergeAll(
  ControlPlane.layer,
  Metrics.layer({ every: "50 millis" }).pipe(Layer.provide(ControlPlane.layer))
).pipe(Layer.provideMerge(Migrations.layer), Layer.provideMerge(Layer.merge(Database.layerMemory, KeyRing.layer([]))))

const program = Effect.gen(function* () {
  yield* launchAndBuild
  // Waits for the next reading of the queue metrics.
  yield* Effect.sleep("100 millis")
  yield* Console.log("Traces\n")
  yield* traces
  yield* Console.log("\nMetrics\n")
  yield* counts
}).pipe(Effect.provide(live), Effect.provide(telemetry))

NodeRuntime.runMain(program)
