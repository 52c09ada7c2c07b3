/**
 * Runs `sealant-db` as this process.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect, Exit } from "effect"
import { keepConnectionsUntilExit } from "../libsql/keptConnections.js"
import { run } from "./program.js"

/** The exit code of a program that SIGINT ended: 128 + 2. */
const interrupted = 130

// The last connection to close deletes the write-ahead log. Another program may have lost its locks, and would continue
// to write to the deleted log. So this program closes no connection.
keepConnectionsUntilExit()
// `process.exit` does not finalize the connections, unlike a natural end. All output is written by then.
process.on("beforeExit", () => process.exit())

NodeRuntime.runMain(Effect.provide(run(process.argv), NodeContext.layer), {
  disableErrorReporting: true,
  teardown: (exit, done) => {
    const code = Exit.match(exit, {
      onSuccess: (code) => (typeof code === "number" ? code : 0),
      onFailure: (cause) => (Cause.isInterruptedOnly(cause) ? interrupted : 1)
    })
    process.exitCode = code
    // `done` may call `process.exit`, which discards output that a pipe has not taken yet. Only an interruption needs
    // it.
    if (code === interrupted) done(code)
  }
})
