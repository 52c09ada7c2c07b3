/**
 * A process that runs random operations of all services, and reports each to the ledger. It is killed by itself or by its
 * parent.
 *
 * It reports `ready` when it is loaded, and opens the database when it reads a line.
 */
import { Effect } from "effect"
import { once } from "node:events"
import { monitorEventLoopDelay } from "node:perf_hooks"
import type { InvalidInput, PersistenceError } from "../../../src/Errors.js"
import { writeReport, withoutLogs } from "../../support/children.js"
import { shifted } from "../../support/clock.js"
import { dieAt } from "../killPoints.js"
import type { Turn } from "./operation.js"
import * as deletions from "./parts/deletions.js"
import * as issues from "./parts/issues.js"
import * as others from "./parts/others.js"
import * as sandboxes from "./parts/sandboxes.js"
import type { ProcessOptions, Report } from "./protocol.js"
import { randomOf } from "./random.js"
import { onFile, type Services } from "./database.js"

const options: ProcessOptions = JSON.parse(process.argv[2] ?? "{}")

const delay = monitorEventLoopDelay({ resolution: 5 })

let names = 0

const acts: ReadonlyArray<(turn: Turn) => Effect.Effect<unknown, PersistenceError | InvalidInput, Services>> = [
  ...sandboxes.acts,
  ...issues.acts,
  ...others.acts,
  ...deletions.acts
]

/** One fiber of the process. A read that was refused is repeated. */
const fiber = (index: number) => {
  const turn: Turn = {
    options,
    random: randomOf(options.seed * 31 + index),
    name: () => `${options.workerId}_${++names}`
  }
  return Effect.gen(function* () {
    for (let count = 0; count < options.operationCount; count++) {
      const act = turn.random.pick(acts)
      if (act === undefined) return
      yield* act(turn).pipe(Effect.catchTag("PersistenceError", () => Effect.void))
      // Yields to the event loop, so that lines of the parent are read.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
  })
}

const program = Effect.gen(function* () {
  delay.enable()
  yield* Effect.forEach(
    Array.from({ length: options.fibers }, (_, index) => index),
    fiber,
    { concurrency: "unbounded", discard: true }
  )
  delay.disable()
  writeReport<Report>({ type: "finished", longestTurnMs: Math.round(delay.max / 1e6) })
}).pipe(shifted(options.clockOffsetMs))

writeReport<Report>({ type: "ready" })
await once(process.stdin, "data")
dieAt(options.death)
await Effect.runPromise(program.pipe(Effect.provide(onFile(options)), withoutLogs))
process.stdin.destroy()
