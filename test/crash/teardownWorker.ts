/**
 * A process that runs `RuntimeWorker`, and reports the begin and the end of each stop to its parent.
 */
import { Effect } from "effect"
import * as Database from "../../src/Database.js"
import * as RuntimeWorker from "../../src/sandbox/RuntimeWorker.js"
import * as Sandboxes from "../../src/sandbox/index.js"
import * as children from "../support/children.js"
import type { TeardownReport, TeardownWorkerOptions } from "./teardownProtocol.js"

const options: TeardownWorkerOptions = JSON.parse(process.argv[2] ?? "{}")

const report = (line: TeardownReport) => Effect.sync(() => children.writeReport(line))

const adapter: RuntimeWorker.Adapter<never> = {
  stop: ({ id, leaseToken }) => {
    const stop = { teardownId: id, token: leaseToken }
    return Effect.suspend(() => report({ type: "begun", ...stop, at: Date.now() })).pipe(
      Effect.zipRight(options.hangs ? Effect.never : Effect.yieldNow()),
      Effect.zipRight(Effect.suspend(() => report({ type: "ended", ...stop, at: Date.now() })))
    )
  }
}

const program = Effect.zipRight(
  report({ type: "ready" }),
  RuntimeWorker.run(adapter, {
    workerId: options.workerId,
    concurrency: 4,
    leaseDuration: options.leaseMs,
    pollInterval: "50 millis"
  })
).pipe(
  Effect.provide(Sandboxes.layer),
  Effect.provide(Database.layer({ filePath: options.filePath, synchronous: "normal" })),
  children.withoutLogs
)

await Effect.runPromise(program)
