/**
 * The demo of the control plane, over its HTTP API: `npm run demo`.
 *
 * Two users sign up and launch sandboxes. One worker is killed during the builds, and another one takes over its jobs.
 * An agent works on an issue while its events are streamed. Three sandboxes end in different ways. The demo checks the
 * results, and two requests that must fail. One of two tenants floods the queue. The database is in a temporary directory.
 *
 * A Dashboard shows the database meanwhile. With `--keep` it stays open until the demo is interrupted.
 */
import { FileSystem, HttpServer, Path } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { ControlPlane, Database, KeyRing, Migrations } from "@sealant/db"
import { Dashboard } from "@sealant/db/dashboard"
import { UserWorkspaceSpec } from "@sealant/db/payloads"
import { Clock, Console, Effect, Layer, Logger, LogLevel, Option, Schema, Stream } from "effect"
import { fileURLToPath } from "node:url"
import { type Client, signUp } from "./client.js"
import { endThree } from "./endings.js"
import { end, startWorker } from "./processes.js"
import { httpLayer, serverLayer } from "./server.js"
import { floodedQueue } from "./tenants.js"
import { watch } from "./watching.js"

const sandboxCount = 24
const readyBeforeKill = 6

const readSpecs = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = fileURLToPath(new URL("specs", import.meta.url))
  const names = yield* files.readDirectory(directory)
  return yield* Effect.forEach(names.sort(), (name) =>
    files.readFileString(path.join(directory, name)).pipe(
      Effect.flatMap(Schema.decode(Schema.parseJson(UserWorkspaceSpec))),
      Effect.map((spec) => ({ name: path.basename(name, ".json"), spec }))
    )
  )
})

const launchAll = ({ api }: Client) =>
  Effect.gen(function* () {
    const specs = yield* readSpecs
    yield* Console.log(`Launching ${sandboxCount} sandboxes from ${specs.length} spec files`)
    yield* Effect.forEach(
      specs.flatMap((spec) => Array.from({ length: sandboxCount / specs.length }, (_, copy) => ({ ...spec, copy }))),
      ({ copy, name, spec }) =>
        api.sandboxes.launch({
          headers: { "idempotency-key": `${name}-${copy}` },
          payload: { name: `${name}-${copy}`, spec }
        }),
      { concurrency: 8 }
    )
  })

/** Polls the list until `count` sandboxes are ready, and prints the progress. */
const untilReady = ({ api }: Client, count: number) =>
  Effect.gen(function* () {
    while (true) {
      const { items } = yield* api.sandboxes.list({ urlParams: { limit: 500 } })
      const ready = items.filter(({ status }) => status === "ready").length
      if (ready >= count) return yield* Console.log(`  ${ready} of ${items.length} are ready`)
      yield* Effect.sleep("100 millis")
    }
  })

/** Starts an agent on an issue, and prints its events while it works. */
const workOnIssue = ({ api, http }: Client) =>
  Effect.gen(function* () {
    const { workflow } = yield* api.workflows.open({
      payload: { repository: { owner: "acme", name: "storefront" }, issue: { number: 7, title: "The cart forgets" } }
    })
    const { execution } = yield* api.workflows.start({
      path: { id: workflow.id },
      headers: { "idempotency-key": "first-try" },
      payload: { name: "agent", spec: { source: "https://github.com/acme/storefront", harness: "opencode" } }
    })
    yield* Console.log(`An agent works on issue 7 (${execution.id}):`)
    yield* Stream.runForEach(watch(http, execution.id), ({ data, id }) =>
      Console.log(`  event ${id}: ${JSON.parse(data).message}`)
    )
    const { summary } = yield* api.executions.get({ path: { id: execution.id } })
    const detail = yield* api.workflows.get({ path: { id: workflow.id } })
    const markdown = Option.flatMap(summary, ({ summaryMarkdown }) => summaryMarkdown)
    yield* Console.log(`  the workflow is ${detail.workflow.status}: ${Option.getOrElse(markdown, () => "no summary")}`)
    return detail.workflow.status
  })

const checks = (ada: Client, eve: Client) =>
  Effect.gen(function* () {
    const { items } = yield* ada.api.sandboxes.list({ urlParams: { limit: 500 } })
    const details = yield* Effect.forEach(items, ({ sandbox }) => ada.api.sandboxes.get({ path: { id: sandbox.id } }), {
      concurrency: 8
    })
    const {
      sandbox: { id }
    } = yield* Option.fromNullable(items[0])
    const foreignRead = yield* Effect.flip(eve.api.sandboxes.get({ path: { id } }))
    const reusedKey = yield* Effect.flip(
      ada.api.sandboxes.launch({
        headers: { "idempotency-key": "web-app-0" },
        payload: { name: "web-app-0", spec: { source: "https://github.com/acme/other", harness: "codex" } }
      })
    )
    const succeeded = details.filter(({ job }) => Option.exists(job, ({ status }) => status === "succeeded"))
    const takenOver = details.filter(({ job }) => Option.exists(job, ({ attemptCount }) => attemptCount > 1))
    return [
      [
        `${items.length} sandboxes, ${items.filter(({ status }) => status === "ready").length} ready`,
        items.every(({ status }) => status === "ready")
      ],
      [
        `${succeeded.length} jobs succeeded, ${takenOver.length} of them taken over from the worker that was killed`,
        succeeded.length === items.length && takenOver.length > 0
      ],
      [`a request for another user's sandbox fails with ${foreignRead._tag}`, foreignRead._tag === "NotFound"],
      [`an idempotency key with another body fails with ${reusedKey._tag}`, reusedKey._tag === "IdempotencyConflict"]
    ] as const
  })

/** Serves a Dashboard on a port of its own. */
const dashboardLayer = Layer.scopedDiscard(
  Effect.gen(function* () {
    yield* HttpServer.serveEffect(yield* Dashboard.httpApp({ actor: "demo" }))
    yield* HttpServer.addressFormattedWith((url) => Console.log(`The Dashboard shows its database at ${url}/`))
  })
).pipe(Layer.provide(httpLayer(0)))

const keepsOpen = process.argv.includes("--keep")

const demo = (environment: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const baseUrl = yield* HttpServer.addressFormattedWith(Effect.succeed)
    yield* Console.log(`The control plane listens on ${baseUrl}`)
    const ada = yield* signUp(baseUrl, "Ada")
    const eve = yield* signUp(baseUrl, "Eve")
    const startedAt = yield* Clock.currentTimeMillis
    yield* launchAll(ada)
    const killed = yield* startWorker("worker-a", environment)
    yield* untilReady(ada, readyBeforeKill)
    // Until here it is the only worker, so it holds leases.
    yield* end(killed, "SIGKILL")
    yield* Console.log("worker-a was killed (SIGKILL); worker-b takes over its jobs when their leases expire")
    yield* startWorker("worker-b", environment)
    yield* untilReady(ada, sandboxCount)
    const status = yield* workOnIssue(ada)
    yield* untilReady(ada, sandboxCount + 1)
    const results = [
      ...(yield* checks(ada, eve)),
      [`the workflow on issue 7 is ${status}`, status === "completed"] as const,
      yield* Effect.map(
        endThree(ada),
        (ends) =>
          [
            `the sandboxes ended: ${ends.join(", ")}`,
            ends.join() === "crashing failed (crashed),idle stopped (idle),stopped stopped (user)"
          ] as const
      ),
      yield* Effect.map(
        floodedQueue,
        ([equal, weighted]) =>
          [
            `behind 1,000 builds of Ada, the 10 builds of Eve are claimed within ${equal} claims, with weight 3 within ${weighted}`,
            equal <= 22 && weighted < equal
          ] as const
      )
    ]
    for (const [line, holds] of results) yield* Console.log(`${holds ? "ok " : "NOT"} ${line}`)
    yield* Console.log(`The demo took ${(((yield* Clock.currentTimeMillis) - startedAt) / 1000).toFixed(1)} s`)
    if (keepsOpen) {
      yield* Console.log("The Dashboard stays open; Ctrl-C ends it")
      return yield* Effect.never
    }
    if (results.some(([, holds]) => !holds)) return yield* Effect.fail(new Error("a check of the demo failed"))
  }).pipe(Effect.scoped)

const main = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const filePath = path.join(yield* files.makeTempDirectoryScoped({ prefix: "sealant-demo-" }), "demo.sqlite")
  const live = Layer.merge(Layer.provideMerge(serverLayer, httpLayer(0)), dashboardLayer).pipe(
    Layer.provideMerge(ControlPlane.layer),
    Layer.provide(Migrations.layer),
    Layer.provide(Layer.merge(Database.layer({ filePath }), KeyRing.layerConfig))
  )
  yield* Effect.provide(demo({ DATABASE_FILE_PATH: filePath }), live)
}).pipe(Effect.scoped, Logger.withMinimumLogLevel(LogLevel.Warning), Effect.provide(NodeContext.layer))

NodeRuntime.runMain(main)
