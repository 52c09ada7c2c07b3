#!/usr/bin/env node
/**
 * The program `sealant-db`.
 */
import { answerOf } from "./overview.js"

// The reader of a pipe may stop reading, as `head` does. The command continues.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
  })
}

const answer = answerOf(process.argv.slice(2))
if (answer === undefined) await import("./start.js")
else process.stdout.write(`${answer}\n`)
