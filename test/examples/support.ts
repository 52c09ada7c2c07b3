/**
 * The example as its tests run it: the API on a free port, on a database in memory or in a file that goes with the test.
 */
import { HttpServer } from "@effect/platform"
import { ControlPlane, Database, KeyRing, Migrations } from "@sealant/db"
import { layerTest } from "@sealant/db/testing"
import { ConfigProvider, Effect, Layer, Logger, LogLevel } from "effect"
import { httpLayer, serverLayer } from "../../examples/control-plane/server.js"

export const webhookSecret = "it is between us"

const over = <Services, E>(services: Layer.Layer<Services, E>) =>
  serverLayer.pipe(
    Layer.provideMerge(httpLayer(0)),
    Layer.provideMerge(services),
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["GITHUB_WEBHOOK_SECRET", webhookSecret]])))),
    Layer.provide(Logger.minimumLogLevel(LogLevel.Error))
  )

/** On a database in memory. */
export const memoryServer = over(layerTest)

/** For processes that share the cores with other tests: whoever holds the lock may be without a core for long. */
export const patientMs = 60_000

/** On a file, which other processes can open. */
export const fileServer = (filePath: string) =>
  over(
    ControlPlane.layer.pipe(
      Layer.provideMerge(Migrations.layer),
      Layer.provideMerge(Layer.merge(Database.layer({ filePath, busyTimeoutMs: patientMs }), KeyRing.layer([])))
    )
  )

/** Where it listens. */
export const baseUrl = HttpServer.addressFormattedWith(Effect.succeed)
