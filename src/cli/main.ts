#!/usr/bin/env node
/**
 * The program `sealant-db`.
 */
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Cause, Effect, Exit } from "effect"
import { keepConnectionsUntilExit } from "../libsql/Connection.js"
import { run } from "./program.js"

/** What a shell expects of a program that SIGINT ended. */
const interrupted = 130

// Who reads the output may stop reading, as `head` does: the work goes on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
  })
}

// The last connection to close deletes the write-ahead log. A program that uses the database may have lost its locks, and would
// keep writing the deleted log. So this program leaves the log in place.
keepConnectionsUntilExit()
// `process.exit` does not finalize the connections, unlike a natural end. All output is written by then.
process.on("beforeExit", () => process.exit())

NodeRuntime.runMain(Effect.provide(run(process.argv), NodeContext.layer), {
  disableErrorReporting: true,
  teardown: (exit, done) => {
    const code = Exit.match(exit, {
      onSuccess: (code) => typeof code === "number" ? code : 0,
      onFailure: (cause) => Cause.isInterruptedOnly(cause) ? interrupted : 1
    })
    process.exitCode = code
    // `done` may be `process.exit`, which cuts off what is still on its way into a pipe: only for who does not wait.
    if (code === interrupted) done(code)
  }
})
