/**
 * What a worker does for a job: a stand-in that builds nothing and takes its time, launches a runtime that is none, and
 * where the sandbox is for an execution, an agent that tells what it does.
 */
import { type Build, BuildWorker, type IssueWorkflowExecution, IssueWorkflowExecutionRepo, IssueWorkflowLifecycle } from "@sealant/db"
import { Effect, Option, Random } from "effect"

const digestOf = ({ job }: Build) => `sha256:${job.id.replaceAll(/[^0-9a-f]/g, "").padEnd(64, "0").slice(0, 64)}`

/** Builds the image of a job and launches its runtime. */
const build = (work: Build) =>
  Effect.gen(function*() {
    yield* Effect.sleep(yield* Random.nextIntBetween(100, 400))
    const { id, registryId, repository, tag } = work.job
    const digest = digestOf(work)
    return {
      executorId: "stand-in",
      publishedReference: `${registryId}/${repository}:${tag}`,
      publishedDigestReference: `${registryId}/${repository}@${digest}`,
      publishedDigest: digest,
      runtime: { adapter: "docker", resourceId: `container-${id}`, reference: `docker:container-${id}`, status: "running" }
    } as const
  })

const steps = ["read the issue", "found the fault", "mended it", "ran the tests"]

/** An agent at work: each step is told when it is done, so that whoever watches sees it. */
const work = ({ id: executionId }: IssueWorkflowExecution) =>
  Effect.gen(function*() {
    const lifecycle = yield* IssueWorkflowLifecycle
    for (const [index, message] of steps.entries()) {
      yield* Effect.sleep("50 millis")
      // Under a key, so that a step is told once, also by the worker that takes the job over from this one.
      yield* lifecycle.report({ executionId, idempotencyKey: `step-${index}`, events: [{ phase: "work", eventType: "step", message }] })
    }
    yield* lifecycle.report({
      executionId,
      validationResults: [{ checkKey: "tests", status: "pass", message: "all pass" }],
      summary: { objective: "mend the issue", filesChanged: 1, additions: 3, deletions: 1, summaryMarkdown: "One line was wrong." }
    })
    yield* lifecycle.finish({ executionId, outcome: "succeeded", workflow: "completed" })
  }).pipe(
    // The execution has ended without the agent, by a cancellation say: nobody waits for its work. The sandbox is as good.
    Effect.catchTag("InvalidTransition", () => Effect.void)
  )

/** The execution that waits for the attempt of a job. */
const executionOf = ({ attempt }: Build) =>
  Option.isNone(attempt)
    ? Effect.succeedNone
    : Effect.flatMap(IssueWorkflowExecutionRepo, (executions) => executions.findBySandboxAttemptId(attempt.value.id))

export const handler: BuildWorker.Handler<IssueWorkflowExecutionRepo | IssueWorkflowLifecycle> = (job) =>
  Effect.gen(function*() {
    const built = yield* build(job)
    const execution = yield* executionOf(job)
    if (Option.isSome(execution)) yield* work(execution.value)
    return built
  }).pipe(
    // What the store or the lifecycle refuses is said in their words, which hold no values of the job.
    Effect.mapError(({ message }) => new BuildWorker.BuildFailure({ errorMessage: message }))
  )
