/**
 * The main job, end to end: an API-like part launches sandboxes from spec files, two worker processes build and start
 * them, one of them is killed in the middle, and every sandbox still gets ready, once.
 *
 * Run it with `npm run demo`. It works in a directory of its own, which it removes.
 */
import { FileSystem, Path } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Database, Migrations, SandboxLifecycle, Sandboxes, UserWorkspaceSpec } from "@sealant/db"
import { Factories } from "@sealant/db/testing"
import { Clock, Console, Effect, Layer, Schema } from "effect"
import { fileURLToPath } from "node:url"
import { progress } from "./progress.js"
import { balance, timeline } from "./report.js"
import type { WorkerMessage } from "./messages.js"
import { kill, startWorker, type Worker } from "./workers.js"

const sandboxCount = 24
const readyBeforeKill = 6

const readSpecs = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = fileURLToPath(new URL("specs", import.meta.url))
  const names = yield* files.readDirectory(directory)
  return yield* Effect.forEach(names.sort(), (name) =>
    files.readFileString(path.join(directory, name)).pipe(
      Effect.flatMap(Schema.decode(Schema.parseJson(Schema.encodedSchema(UserWorkspaceSpec)))),
      Effect.map((spec) => ({ name: path.basename(name, ".json"), spec }))
    ))
})

/** What the API of a control plane would do for a user who asks for sandboxes. */
const launchAll = (ownerUserId: string) =>
  Effect.gen(function*() {
    const lifecycle = yield* SandboxLifecycle
    const specs = yield* readSpecs
    yield* Console.log(`Launching ${sandboxCount} sandboxes from ${specs.length} spec files`)
    const orders = Array.from({ length: sandboxCount }, (_, index) => index + 1)
    yield* Effect.forEach(orders, (order) => {
      const { name, spec } = specs[order % specs.length] ?? { name: "none", spec: { harness: "codex" } }
      return lifecycle.launch({
        ownerUserId,
        name: `${name}-${String(order).padStart(2, "0")}`,
        spec,
        registryId: "local",
        repository: `acme/${name}`,
        tag: `order-${order}`,
        idempotencyKey: `demo-${order}`
      })
    })
  })

/** Waits until at least `count` sandboxes of the owner are ready, and shows how far they are. */
const untilReady = (ownerUserId: string, count: number) =>
  Effect.gen(function*() {
    const lifecycle = yield* SandboxLifecycle
    while (true) {
      const seen = yield* Database.version
      const { items } = yield* lifecycle.list({ ownerUserId, limit: 500 })
      yield* progress(items.map(({ status }) => status))
      if (items.filter(({ status }) => status === "ready").length >= count) return
      yield* Database.changedSince(seen)
    }
  })

/** Waits until the worker has told of a job that it has claimed and not built yet. */
const untilHolding = ({ messages }: Worker) =>
  Effect.gen(function*() {
    while (true) {
      const seen = yield* Database.version
      const count = (event: WorkerMessage["event"]) => messages.filter((message) => message.event === event).length
      if (count("claimed") > count("built")) return
      yield* Database.changedSince(seen)
    }
  })

const program = (filePath: string) =>
  Effect.gen(function*() {
    const lifecycle = yield* SandboxLifecycle
    const startedAt = yield* Clock.currentTimeMillis
    const { id: ownerUserId } = yield* Factories.make.user({ name: "Ada" })
    yield* launchAll(ownerUserId)
    const launchedAt = yield* Clock.currentTimeMillis

    const killed = yield* startWorker("worker-a", filePath)
    const other = yield* startWorker("worker-b", filePath)
    yield* untilReady(ownerUserId, readyBeforeKill)
    yield* untilHolding(killed)
    yield* kill(killed)
    const killedAt = yield* Clock.currentTimeMillis
    yield* Console.log("worker-a was killed (SIGKILL); its jobs wait for their leases to expire")
    yield* untilReady(ownerUserId, sandboxCount)
    const readyAt = yield* Clock.currentTimeMillis

    const { items } = yield* lifecycle.list({ ownerUserId, limit: 500 })
    const details = yield* Effect.forEach(items.toReversed(), ({ sandbox }) => lifecycle.getDetail({ ownerUserId, id: sandbox.id }))
    const story = { details, workers: [killed, other], killed, startedAt, killedAt }
    yield* timeline(story)
    yield* balance(story)
    yield* Console.log(`Launched in ${launchedAt - startedAt} ms; all ready ${((readyAt - launchedAt) / 1000).toFixed(1)} s later, with one worker killed on the way`)
  }).pipe(
    Effect.scoped,
    Effect.provide(Sandboxes.layer.pipe(
      Layer.provideMerge(Migrations.layer),
      Layer.provideMerge(Database.layer({ filePath }))
    ))
  )

const main = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "sealant-demo-" })
  yield* program(path.join(directory, "demo.sqlite"))
}).pipe(Effect.scoped, Effect.provide(NodeContext.layer))

NodeRuntime.runMain(main)
