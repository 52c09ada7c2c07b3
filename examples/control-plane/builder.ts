/**
 * The job handler of the worker. It simulates a build and a runtime, and an agent if the sandbox belongs to an
 * execution.
 */
import {
  BuildWorker,
  type IssueWorkflowExecution,
  IssueWorkflowExecutionRepo,
  IssueWorkflowLifecycle
} from "@sealant/db"
import { type Build } from "@sealant/db/sandbox"
import { Effect, Option, Random } from "effect"

const digestOf = ({ job }: Build) =>
  `sha256:${job.id
    .replaceAll(/[^0-9a-f]/g, "")
    .padEnd(64, "0")
    .slice(0, 64)}`

/** Simulates the build of an image and the launch of its runtime. */
const build = (work: Build) =>
  Effect.gen(function* () {
    yield* Effect.sleep(yield* Random.nextIntBetween(100, 400))
    const { id, registryId, repository, tag } = work.job
    const digest = digestOf(work)
    return {
      executorId: "stand-in",
      publishedReference: `${registryId}/${repository}:${tag}`,
      publishedDigestReference: `${registryId}/${repository}@${digest}`,
      publishedDigest: digest,
      runtime: {
        adapter: "docker",
        resourceId: `container-${id}`,
        reference: `docker:container-${id}`,
        status: "running"
      }
    } as const
  })

const steps = ["read the issue", "found the bug", "fixed the bug", "ran the tests"]

/** Simulates an agent, which reports each step when it is done. */
const work = ({ id: executionId }: IssueWorkflowExecution) =>
  Effect.gen(function* () {
    const lifecycle = yield* IssueWorkflowLifecycle
    for (const [index, message] of steps.entries()) {
      yield* Effect.sleep("50 millis")
      // With the key, a worker that takes the job over does not report the step again.
      yield* lifecycle.report({
        executionId,
        idempotencyKey: `step-${index}`,
        events: [{ phase: "work", eventType: "step", message }]
      })
    }
    yield* lifecycle.report({
      executionId,
      validationResults: [{ checkKey: "tests", status: "pass", message: "all pass" }],
      summary: {
        objective: "fix the issue",
        filesChanged: 1,
        additions: 3,
        deletions: 1,
        summaryMarkdown: "One line was wrong."
      }
    })
    yield* lifecycle.finish({ executionId, outcome: "succeeded", workflow: "completed" })
  }).pipe(
    // The execution ended without the agent, for example by a cancellation. The sandbox is still usable.
    Effect.catchTag("InvalidTransition", () => Effect.void)
  )

/** Returns the execution of the attempt of a job, if any. */
const executionOf = ({ attempt }: Build) =>
  Option.isNone(attempt)
    ? Effect.succeedNone
    : Effect.flatMap(IssueWorkflowExecutionRepo, (executions) => executions.findBySandboxAttemptId(attempt.value.id))

export const handler: BuildWorker.Handler<IssueWorkflowExecutionRepo | IssueWorkflowLifecycle> = (job) =>
  Effect.gen(function* () {
    const built = yield* build(job)
    const execution = yield* executionOf(job)
    if (Option.isSome(execution)) yield* work(execution.value)
    return built
  }).pipe(
    // Error messages of the package contain no values of the job.
    Effect.mapError(({ message }) => new BuildWorker.BuildFailure({ errorMessage: message }))
  )
