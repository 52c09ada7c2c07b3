/**
 * A process that appends events to an execution: `tsx executionWriter.ts FILE EXECUTION COUNT`. With a fourth argument, it
 * ends the execution after its last event.
 */
import { Cause, Effect, Layer } from "effect"
import * as Database from "../../src/Database.js"
import { IssueWorkflowExecutionId } from "../../src/issue-workflow/IssueWorkflowExecution.js"
import { IssueWorkflowExecutionRepo } from "../../src/issue-workflow/IssueWorkflowExecutionRepo.js"

const [filePath = "", id = "", count = "0", end] = process.argv.slice(2)

const executionId = IssueWorkflowExecutionId.make(id)

const program = Effect.gen(function* () {
  const repo = yield* IssueWorkflowExecutionRepo
  for (let told = 0; told < Number(count); told++) {
    yield* repo.appendEvents({ executionId, events: [{ phase: "build", eventType: "line", message: `line ${told}` }] })
  }
  if (end !== undefined) yield* repo.succeed(executionId)
}).pipe(
  Effect.provide(
    Layer.provide(
      IssueWorkflowExecutionRepo.layer,
      Database.layer({ filePath, busyTimeoutMs: 20_000, synchronous: "normal" })
    )
  ),
  Effect.tapErrorCause((cause) => Effect.sync(() => process.stderr.write(Cause.pretty(cause))))
)

process.exitCode = await Effect.runPromise(Effect.match(program, { onSuccess: () => 0, onFailure: () => 1 }))
