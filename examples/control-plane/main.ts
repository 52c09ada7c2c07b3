/**
 * The control plane on one machine: `npm run example`. Runs the API in this process and a worker in another, on one
 * database file, and prints the address. On SIGINT or SIGTERM, both finish their current work and end.
 *
 * Environment: PORT (default 8787; 0 selects a free port), BETTER_AUTH_SECRET, GITHUB_WEBHOOK_SECRET, and the variables
 * of `@sealant/db`, such as DATABASE_FILE_PATH.
 */
import { HttpServer } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { ControlPlane, Database, Migrations } from "@sealant/db"
import { Config, Console, Effect, Layer } from "effect"
import { startWorker } from "./processes.js"
import { httpLayer, serverLayer } from "./server.js"

// An empty variable counts as unset.
const port = Config.all([Config.nonEmptyString("PORT"), Config.integer("PORT")]).pipe(
  Config.map(([, port]) => port),
  Config.withDefault(8787)
)

// In a deployment, this is a separate step before any process starts.
const migrate = Effect.provide(Migrations.run, Database.layerConfig)

const program = Effect.gen(function* () {
  yield* HttpServer.addressFormattedWith((address) =>
    Console.log(`listening on ${address}, documentation at ${address}/docs`)
  )
  yield* startWorker("worker-1")
  return yield* Effect.never
}).pipe(Effect.scoped)

const live = serverLayer.pipe(
  Layer.provideMerge(Layer.unwrapEffect(Effect.map(port, httpLayer))),
  Layer.provide(ControlPlane.layerConfig)
)

NodeRuntime.runMain(Effect.zipRight(migrate, Effect.provide(program, live)))
