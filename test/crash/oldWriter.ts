/**
 * A process of yesterday's configuration: it holds the old key only, and writes versions of a secret with it until a line
 * comes in. After another line it tries once more.
 */
import { Effect, Fiber, Option, Redacted } from "effect"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { SecretVault } from "../../src/domain/secret/SecretVault.js"
import { busySecret, owner, vaultOn, type WriterReport } from "./rotationOrders.js"

const tell = (report: WriterReport) => Effect.sync(() => process.stdout.write(`${JSON.stringify(report)}\n`))

const lines = createInterface({ input: process.stdin })
const nextLine = () => once(lines, "line")

const program = Effect.gen(function*() {
  const vault = yield* SecretVault
  const stopped = yield* Effect.fork(Effect.promise(nextLine))
  for (let count = 0; Option.isNone(yield* Fiber.poll(stopped)); count++) {
    const value = `written ${count}`
    const { version } = yield* vault.put({ ownerUserId: owner, secretId: busySecret, value: Redacted.make(value) })
    yield* tell({ wrote: version, value })
  }
  yield* Effect.promise(nextLine)
  yield* vault.put({ ownerUserId: owner, secretId: busySecret, value: Redacted.make("too late") }).pipe(
    Effect.matchEffect({
      onSuccess: ({ version }) => tell({ wrote: version, value: "too late" }),
      onFailure: (error) => tell({ refused: "problem" in error ? error.problem : error._tag })
    })
  )
}).pipe(
  Effect.provide(vaultOn(process.argv[2] ?? "", "k1")),
  Effect.catchAll((error) => tell({ failed: String(error) }))
)

await Effect.runPromise(program)
lines.close()
process.stdin.destroy()
