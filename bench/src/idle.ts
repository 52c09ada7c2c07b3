/**
 * The CPU time of a build worker with 100 slots and an empty queue, in microseconds per second.
 */
import { Effect, Fiber, Layer, ManagedRuntime } from "effect"
import { join } from "node:path"
import * as BuildWorker from "../../src/build-job/BuildWorker.js"
import * as Database from "../../src/Database.js"
import * as Sandboxes from "../../src/sandbox/index.js"
import { compare, type Contender } from "./compare.js"
import { success, workerId } from "./jobs.js"
import type { Plan } from "./measure.js"
import { createFile } from "./seed.js"

const concurrency = 100
const seconds = 3

const contender: Contender = {
  name: "ours",
  open: async (directory, index) => {
    const file = join(directory, `${index}.sqlite`)
    createFile(file, "sealant", 0)
    const runtime = ManagedRuntime.make(Layer.provideMerge(Sandboxes.layer, Database.layer({ filePath: file })))
    const worker = runtime.runFork(
      BuildWorker.run(() => Effect.succeed(success), { workerId, concurrency, supervise: false })
    )
    return {
      entry: {
        maxOperations: 1,
        prepare: () => {
          let used = 0
          return {
            run: async () => {
              const before = process.cpuUsage()
              await new Promise((resolve) => setTimeout(resolve, 1000 * seconds))
              const { system, user } = process.cpuUsage(before)
              used = (user + system) / seconds
            },
            // The time of a round is the CPU time of one second.
            ownMillis: () => used / 1000
          }
        }
      },
      close: async () => {
        await Effect.runPromise(Fiber.interrupt(worker))
        await runtime.dispose()
      }
    }
  }
}

export const measureIdle = (plan: Plan) => compare([contender], { ...plan, rounds: 3, warmMs: 1 })
