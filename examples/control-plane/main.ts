/**
 * The control plane on one machine: `npm run example`. The API in this process, a worker in another, on one database file;
 * prints the address. Ends with SIGINT or SIGTERM, which let both finish what they have begun.
 *
 * Environment: PORT (default 8787, 0 for any that is free), DATABASE_FILE_PATH and the others of `@sealant/db`,
 * BETTER_AUTH_SECRET, GITHUB_WEBHOOK_SECRET.
 */
import { HttpServer } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { ControlPlane, Database, Migrations } from "@sealant/db"
import { Config, Console, Effect, Layer } from "effect"
import { createServer } from "node:http"
import { startWorker } from "./processes.js"
import { serverLayer } from "./server.js"

// An empty variable counts as unset.
const port = Config.all([Config.nonEmptyString("PORT"), Config.integer("PORT")]).pipe(Config.map(([, port]) => port), Config.withDefault(8787))

const httpLayer = Layer.unwrapEffect(
  Effect.map(port, (port) => NodeHttpServer.layer(createServer, { host: "127.0.0.1", port }))
)

// A deployment has a step of its own for this, before anything starts.
const migrate = Effect.provide(Migrations.run, Database.layerConfig)

const program = Effect.gen(function*() {
  yield* HttpServer.addressFormattedWith((address) => Console.log(`listening on ${address}, documentation at ${address}/docs`))
  yield* startWorker("worker-1")
  return yield* Effect.never
}).pipe(Effect.scoped)

const live = serverLayer.pipe(Layer.provideMerge(httpLayer), Layer.provide(ControlPlane.layerConfig))

NodeRuntime.runMain(Effect.zipRight(migrate, Effect.provide(program, live)))
