/**
 * A process with an old configuration: it has the old key only, and writes versions of a secret until it reads a line. Then
 * it reports the stop. After another line it tries one more write.
 */
import { Effect, Fiber, Option, Redacted } from "effect"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { SecretVault } from "../../src/secret/SecretVault.js"
import * as children from "../support/children.js"
import { busySecret, owner, vaultOn, type WriterOptions, type WriterReport } from "./rotationProtocol.js"

const { filePath }: WriterOptions = JSON.parse(process.argv[2] ?? "{}")

const sendReport = (report: WriterReport) => Effect.sync(() => children.writeReport(report))

const lines = createInterface({ input: process.stdin })
const nextLine = Effect.promise(() => once(lines, "line"))

const program = Effect.gen(function* () {
  const vault = yield* SecretVault
  const write = (value: string) =>
    Effect.flatMap(
      vault.put({ ownerUserId: owner, secretId: busySecret, value: Redacted.make(value) }),
      ({ version }) => sendReport({ type: "wrote", version, value })
    )
  const stop = yield* Effect.fork(nextLine)
  for (let count = 0; Option.isNone(yield* Fiber.poll(stop)); count++) yield* write(`written ${count}`)
  yield* sendReport({ type: "stopped" })
  yield* nextLine
  yield* write("too late").pipe(
    Effect.catchAll((error) =>
      sendReport({ type: "refused", problem: "problem" in error ? error.problem : error._tag })
    )
  )
}).pipe(
  Effect.provide(vaultOn(filePath, "k1")),
  Effect.catchAll((error) => sendReport({ type: "failed", problem: String(error) }))
)

await Effect.runPromise(program)
lines.close()
process.stdin.destroy()
