/**
 * A process that launches sandboxes on command, and reports each result.
 *
 * It reports `open` with the error, if any. `launch N` launches N sandboxes one after the other; `end` ends the process.
 */
import { Effect } from "effect"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import { request } from "../sandbox/lifecycle/support.js"
import { writeReport } from "../support/children.js"
import { onFile, owner } from "./torture/database.js"

/** The argument of the process, in JSON. */
export interface LauncherOptions {
  readonly filePath: string
  readonly name: string
}

/** A line that the process writes. */
export type LauncherReport =
  | { readonly type: "open" | "done" }
  | { readonly type: "closed"; readonly problem: string }
  | { readonly type: "launched"; readonly name: string }
  | { readonly type: "refused"; readonly tag: string; readonly reason: string }

const { filePath, name }: LauncherOptions = JSON.parse(process.argv[2] ?? "{}")
const sendLine = (report: LauncherReport) => writeReport<LauncherReport>(report)

const lines = createInterface({ input: process.stdin })
let number = 0

const launch = Effect.gen(function* () {
  const lifecycle = yield* SandboxLifecycle
  const key = `${name}_${++number}`
  yield* lifecycle.launch({ ...request, ownerUserId: owner, name: key, idempotencyKey: key }).pipe(
    Effect.match({
      onSuccess: () => sendLine({ type: "launched", name: key }),
      onFailure: (error) =>
        sendLine({
          type: "refused",
          tag: error._tag,
          reason: error._tag === "PersistenceError" ? `${error.reason} ${error.cause}` : error.message
        })
    })
  )
})

const program = Effect.gen(function* () {
  sendLine({ type: "open" })
  for (;;) {
    const [line]: ReadonlyArray<unknown> = yield* Effect.promise(() => once(lines, "line"))
    const [word, count] = String(line).split(" ")
    if (word === "end") return
    for (let left = Number(count); left > 0; left--) yield* launch
    sendLine({ type: "done" })
  }
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(onFile({ filePath, keys: 1 })),
    Effect.catchAll((error) => Effect.sync(() => sendLine({ type: "closed", problem: error.message })))
  )
)
process.stdin.destroy()
