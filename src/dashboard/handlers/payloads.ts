/**
 * The handlers of documents. Documents are sent as text.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect, Option, Schema } from "effect"
import { NotFound } from "../../Errors.js"
import { WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../build-job/WorkspaceBuildJobRepo.js"
import { GitHubWebhookDeliveryRepo } from "../../github/GitHubWebhookDeliveryRepo.js"
import { IssueWorkflowExecutionRepo } from "../../issue-workflow/IssueWorkflowExecutionRepo.js"
import { DashboardApi } from "../api/index.js"
import { given } from "./running.js"

const textOf = (document: unknown): string | undefined =>
  document === undefined || document === null ? undefined : JSON.stringify(document, null, 2)

const optionalText = (document: Option.Option<unknown>) => textOf(Option.getOrUndefined(document))

const encodeJob = Schema.encodeSync(WorkspaceBuildJob.json)

export const payloadsLive = HttpApiBuilder.group(DashboardApi, "payloads", (handlers) =>
  handlers
    .handle("job", ({ path: { id } }) =>
      Effect.gen(function* () {
        const job = yield* Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => jobs.getById(id))
        const { requestPayload, resultPayload } = encodeJob(job)
        return given({ request: textOf(requestPayload), result: textOf(resultPayload) })
      })
    )
    .handle("webhook", ({ path: { id } }) =>
      Effect.map(
        Effect.flatMap(GitHubWebhookDeliveryRepo, (deliveries) => deliveries.getById(id)),
        ({ payload }) => given({ payload: optionalText(payload) })
      )
    )
    .handle("executionEvent", ({ path: { id, sequence } }) =>
      Effect.gen(function* () {
        const executions = yield* IssueWorkflowExecutionRepo
        const range = sequence > 0 ? { afterSequence: sequence - 1 } : {}
        const { items } = yield* executions.listEvents({ executionId: id, ...range, limit: 1 })
        const [event] = items.filter((found) => found.sequence === sequence)
        if (event === undefined) {
          return yield* new NotFound({ entity: "IssueWorkflowExecutionEvent", id: `${id} ${sequence}` })
        }
        return given({ payload: optionalText(event.payload) })
      })
    )
    .handle("artifact", ({ path: { id } }) =>
      Effect.map(
        Effect.flatMap(IssueWorkflowExecutionRepo, (executions) => executions.getArtifact(id)),
        ({ inlineJson }) => given({ content: optionalText(inlineJson) })
      )
    )
)
