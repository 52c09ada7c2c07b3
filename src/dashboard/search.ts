/**
 * The search for a row by its id.
 */
import { Effect, Option } from "effect"
import { UserRepo } from "../auth/UserRepo.js"
import { WorkspaceBuildJobRepo } from "../build-job/WorkspaceBuildJobRepo.js"
import { ControlPlaneEvents } from "../events/ControlPlaneEvents.js"
import { GitHubWebhookDeliveryRepo } from "../github/GitHubWebhookDeliveryRepo.js"
import { IssueRepo } from "../issue-workflow/IssueRepo.js"
import { IssueWorkflowExecutionRepo } from "../issue-workflow/IssueWorkflowExecutionRepo.js"
import { IssueWorkflowRepo } from "../issue-workflow/IssueWorkflowRepo.js"
import { SandboxAttemptRepo } from "../sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../sandbox/SandboxRepo.js"
import type { Hit } from "./api/index.js"

const hit = (kind: Hit["kind"], id: string, details: Omit<Hit, "kind" | "id"> = {}): Hit => ({ kind, id, ...details })

/** The longest id of a row. */
const maxLength = 1000

/** Finds the rows with an id. A delivery has two ids, and an event is found by its position. */
export const findById = (text: string) =>
  Effect.gen(function* () {
    const id = text.trim()
    if (id === "" || id.length > maxLength) return []
    const jobs = yield* WorkspaceBuildJobRepo
    const sandboxes = yield* SandboxRepo
    const attempts = yield* SandboxAttemptRepo
    const workflows = yield* IssueWorkflowRepo
    const executions = yield* IssueWorkflowExecutionRepo
    const issues = yield* IssueRepo
    const deliveries = yield* GitHubWebhookDeliveryRepo
    const users = yield* UserRepo
    const journal = yield* ControlPlaneEvents

    const job = Effect.map(jobs.getDetail(id), () => hit("job", id))
    const sandbox = Effect.map(sandboxes.getById(id), ({ name }) => hit("sandbox", id, { label: name }))
    const attempt = Effect.gen(function* () {
      yield* attempts.getById(id)
      const of = yield* sandboxes.findByAttemptId(id)
      return hit("attempt", id, Option.isSome(of) ? { label: of.value.name, pageId: of.value.id } : {})
    })
    const workflow = Effect.map(workflows.getById(id), () => hit("workflow", id))
    const execution = Effect.map(executions.getById(id), () => hit("execution", id))
    const issue = Effect.gen(function* () {
      const { title } = yield* issues.getById(id)
      const { items } = yield* workflows.list({ issueId: id, includeArchived: true, limit: 1 })
      const [newest] = items
      return hit("issue", id, { label: title, ...(newest === undefined ? {} : { pageId: newest.id }) })
    })
    const delivery = Effect.map(deliveries.getDetail(id), ({ eventType }) => hit("delivery", id, { label: eventType }))
    const user = Effect.map(users.getById(id), ({ email, name }) =>
      hit("user", id, { label: name === "" ? email : name })
    )
    const event = Effect.map(
      /^\d{1,15}$/.test(id) ? Effect.option(journal.getByPosition(Number(id))) : Effect.succeedNone,
      Option.map(({ eventType }) => hit("event", id, { label: eventType }))
    )
    const ofGitHub = Effect.map(
      deliveries.findByDeliveryId(id),
      Option.map((found) => hit("delivery", found.id, { label: found.eventType }))
    )
    const rows = [job, sandbox, attempt, workflow, execution, issue, delivery, user].map((found) =>
      found.pipe(
        Effect.map(Option.some),
        Effect.catchTag("NotFound", () => Effect.succeedNone)
      )
    )
    const found = yield* Effect.all([...rows, event, ofGitHub], { concurrency: "unbounded" })
    const hits = found.flatMap(Option.toArray)
    return hits.filter(({ kind, id }, index) => hits.findIndex((one) => one.kind === kind && one.id === id) === index)
  })
