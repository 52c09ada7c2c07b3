/**
 * A worker that claims a job, begins it, and waits for a line. Then it reports the end of the build with each method.
 */
import { Effect, Option } from "effect"
import { once } from "node:events"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { answer, request, success } from "../../sandbox/lifecycle/support.js"
import { writeReport, withoutLogs } from "../../support/children.js"
import { tagOf } from "../../support/refusals.js"
import type { LateReport } from "./storms.js"
import { onFile, owner } from "./database.js"

const { filePath }: { readonly filePath: string } = JSON.parse(process.argv[2] ?? "{}")

const program = Effect.gen(function* () {
  const lifecycle = yield* SandboxLifecycle
  const jobs = yield* WorkspaceBuildJobRepo
  const { job } = yield* lifecycle.launch({ ...request, ownerUserId: owner })
  const { lease } = Option.getOrThrow(
    yield* jobs.claimById({ id: job.id, workerId: "sleeper", leaseDuration: "1 minute" })
  )
  yield* lifecycle.beginBuild(lease)
  writeReport<LateReport>({ type: "holding" })
  yield* Effect.promise(() => once(process.stdin, "data"))
  const attempts: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
    jobs.heartbeat(lease, "1 minute"),
    lifecycle.beginBuild(lease),
    lifecycle.recordRuntime(lease, answer("running")),
    lifecycle.failBuild(lease, { errorMessage: "late" }),
    lifecycle.finishBuild(lease, success),
    jobs.release(lease)
  ]
  for (const attempt of attempts) writeReport<LateReport>({ type: "answer", tag: yield* tagOf(attempt) })
})

await Effect.runPromise(program.pipe(Effect.provide(onFile({ filePath, keys: 1 })), withoutLogs))
process.stdin.destroy()
