/**
 * How far the sandboxes are: one line that changes on a terminal, a line for each change elsewhere.
 */
import type { SandboxStatusView } from "@sealant/db"
import { Effect } from "effect"

let last = ""

/** Shows how many sandboxes are in each state. */
export const progress = (statuses: ReadonlyArray<SandboxStatusView>) =>
  Effect.sync(() => {
    const count = (status: SandboxStatusView) => statuses.filter((other) => other === status).length
    const line = `  queued ${count("queued")}  building ${count("running")}  ready ${count("ready")}`
    if (line === last) return
    last = line
    const done = count("ready") === statuses.length
    process.stdout.write(process.stdout.isTTY ? `\r${line}  ${done ? "\n" : ""}` : `${line}\n`)
  })
