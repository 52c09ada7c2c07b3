/**
 * A Dashboard on a database of its own, for a browser.
 */
import { HttpRouter, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { ControlPlane, Database, KeyRing, Migrations } from "@sealant/db"
import { Dashboard } from "@sealant/db/dashboard"
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { existsSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { temporaryDirectory } from "../../../support/directories.js"

/** The built page, which `npm test` builds before it runs the tests. */
const page = fileURLToPath(new URL("../../../../dist/dashboard/index.html", import.meta.url))

const keys = Layer.orDie(
  KeyRing.layer([
    { id: "2026-06", key: Redacted.make(new Uint8Array(32).fill(7)) },
    { id: "2025-12", key: Redacted.make(new Uint8Array(32).fill(3)) }
  ])
)

// Tests end browsers, not machines, so a commit need not wait for the disk.
const database = Layer.unwrapScoped(
  Effect.map(temporaryDirectory, (directory) =>
    Database.layer({ filePath: join(directory, "control-plane.sqlite"), synchronous: "normal" })
  )
)

const services = ControlPlane.layer.pipe(
  Layer.provideMerge(keys),
  Layer.provideMerge(Migrations.layer),
  Layer.provideMerge(database)
)

const server = NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })

/** A running Dashboard: its address, and the services of its database. */
export interface TestDashboard {
  readonly url: string
  readonly run: <A, E>(effect: Effect.Effect<A, E, Layer.Layer.Success<typeof services>>) => Promise<A>
  readonly close: () => Promise<void>
}

/** Starts a Dashboard on loopback, over an empty database in a file. */
export const openDashboard = async (
  options: Dashboard.DashboardOptions & { readonly path?: `/${string}` } = {}
): Promise<TestDashboard> => {
  if (!existsSync(page)) throw new Error("the page is not built: run `npm run build:dashboard`")
  const path = options.path ?? ""
  const serving = Layer.scopedDiscard(
    Effect.gen(function* () {
      const app = yield* Dashboard.httpApp({ actor: "tester", ...options })
      yield* HttpServer.serveEffect(path === "" ? app : HttpRouter.mountApp(HttpRouter.empty, path, app))
    })
  )
  const runtime = ManagedRuntime.make(Layer.provideMerge(serving, Layer.merge(services, server)))
  const url = await runtime.runPromise(HttpServer.addressFormattedWith(Effect.succeed))
  return { url: `${url}${path}`, run: runtime.runPromise, close: () => runtime.dispose() }
}
