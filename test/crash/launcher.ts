/**
 * A process that launches twice, and kills itself by SIGKILL at a point of the second launch.
 */
import { Statement } from "@effect/sql"
import { Effect, Layer } from "effect"
import * as Database from "../../src/Database.js"
import { Connection } from "../../src/libsql/Connection.js"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import * as Sandboxes from "../../src/sandbox/index.js"
import { type ProcessOptions, requestOf } from "./launchOptions.js"

const { dieAt, filePath }: ProcessOptions = JSON.parse(process.argv[2] ?? "{}")

const die = () => process.kill(process.pid, "SIGKILL")

let statements = 0

const dieByStatement = Statement.withTransformer((statement) =>
  Effect.sync(() => {
    statements += 1
    if (statements === dieAt) die()
    return statement
  })
)

const program = Effect.gen(function* () {
  const { launch } = yield* SandboxLifecycle
  yield* launch(requestOf("first"))

  const { commit, commitInThread } = Connection.prototype
  Connection.prototype.commit = function (this: Connection) {
    if (dieAt === "before COMMIT") die()
    commit.call(this)
    if (dieAt === "after COMMIT") die()
  }
  // The commit of a launch that took long, on a busy machine.
  Connection.prototype.commitInThread = async function (this: Connection) {
    if (dieAt === "before COMMIT") die()
    await commitInThread.call(this)
    if (dieAt === "after COMMIT") die()
  }
  yield* dieByStatement(launch(requestOf("second")))
  yield* Effect.sync(() => process.stdout.write(`${statements}`))
})

Effect.runPromise(Effect.provide(program, Layer.provide(Sandboxes.layer, Database.layer({ filePath })))).catch(
  (error: unknown) => {
    process.stderr.write(String(error))
    process.exitCode = 1
  }
)
