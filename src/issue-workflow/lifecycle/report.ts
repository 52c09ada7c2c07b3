/**
 * What executions report, stored as a whole.
 */
import { Effect, Option } from "effect"
import type { AppendedEvents, AppendEvents } from "../ExecutionEvent.js"
import { type InsertArtifacts, IssueWorkflowExecutionArtifact, IssueWorkflowExecutionArtifactId } from "../ExecutionReport.js"
import type { IssueWorkflowExecutionId } from "../IssueWorkflowExecution.js"
import { AlreadyExists } from "../../Errors.js"
import { canonicalJson, fingerprint } from "../../sql/fingerprint.js"
import { scoped } from "../../sql/ownerScope.js"
import { columnList, rowsOf } from "../../sql/rows.js"
import type { IssueWorkflowLifecycleService } from "../IssueWorkflowLifecycle.js"
import { ReportExecution } from "../IssueWorkflowViews.js"
import type { WorkflowRepositories } from "../makeIssueWorkflowLifecycle.js"
import { impossible, operationsOf } from "../../events/operation.js"

const { input, operation } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflowExecution")

type Events = typeof AppendEvents.Type["events"]
type Artifacts = typeof InsertArtifacts.Type["artifacts"]

const noEvents: AppendedEvents = { appended: 0, range: Option.none() }

const storedText = `
  SELECT ${columnList(IssueWorkflowExecutionArtifact)} FROM issue_workflow_execution_artifacts
  WHERE id IN (SELECT value FROM json_each(?1))`

export const makeWorkflowReports = ({ executions, sql }: WorkflowRepositories) =>
  Effect.gen(function*() {
    const rows = yield* rowsOf(IssueWorkflowExecutionArtifact)

    /** Stores those that are not there yet. Of the same id and another content there is one at most. */
    const storeArtifacts = (executionId: IssueWorkflowExecutionId, artifacts: Artifacts) =>
      Effect.gen(function*() {
        const ids = artifacts.flatMap(({ id }) => id ?? [])
        const stored = ids.length === 0 ? [] : yield* rows.all(sql.unsafe(storedText, [JSON.stringify(ids)]))
        const contents = new Map<string, string>(stored.map((artifact) => [artifact.id, contentOf(artifact)]))
        const isOther = (artifact: Artifacts[number]) => {
          const content = contents.get(artifact.id ?? "")
          return content !== undefined && content !== canonicalJson({ ...artifact, executionId })
        }
        if (artifacts.some(isOther)) {
          return yield* new AlreadyExists({ entity: "IssueWorkflowExecutionArtifact", constraint: "issue_workflow_execution_artifacts.id" })
        }
        yield* executions.insertArtifacts({ executionId, artifacts: artifacts.filter(({ id }) => !contents.has(id ?? "")) })
      })

    const store = (report: typeof ReportExecution.Type, given: typeof ReportExecution.Encoded) =>
      Effect.gen(function*() {
        const { artifacts, events, executionId, idempotencyKey: key, ownerUserId } = report
        const before = yield* executions.getById(scoped(executionId, ownerUserId))
        // Whoever reports has begun.
        const execution = before.status === "queued" ? yield* impossible("InvalidTransition")(executions.start(executionId)) : before
        const appended = events === undefined
          ? noEvents
          : yield* executions.appendEvents({ executionId, events: key === undefined ? events : namedEvents(events, executionId, key) })
        // Before the files: a patch is an artifact.
        if (artifacts !== undefined) {
          yield* storeArtifacts(executionId, key === undefined ? artifacts : namedArtifacts(artifacts, executionId, key))
        }
        if (given.validationResults !== undefined) yield* executions.replaceValidationResults({ executionId, results: given.validationResults })
        if (given.diffFiles !== undefined) yield* executions.replaceDiffFiles({ executionId, files: given.diffFiles })
        if (given.summary !== undefined) yield* executions.upsertSummary({ ...given.summary, executionId })
        return { execution, events: appended }
      })

    const report: IssueWorkflowLifecycleService["report"] = (given) =>
      Effect.flatMap(input("report", ReportExecution)(given), (decoded) =>
        store(decoded, given).pipe(operation(sql, "report", { "execution.id": decoded.executionId })))
    return { report }
  })

/** The same each time: what a report of this key tells at this place is one thing. */
const idOfPlace = (prefix: string, executionId: string, key: string, place: number) =>
  `${prefix}_${fingerprint([executionId, key, place])}`

const namedEvents = (events: Events, executionId: string, key: string) =>
  events.map((event, place) =>
    event.id === undefined && event.sequence === undefined ? { ...event, id: idOfPlace("evt", executionId, key, place) } : event)

const namedArtifacts = (artifacts: Artifacts, executionId: string, key: string) =>
  artifacts.map((artifact, place) => ({
    ...artifact,
    id: artifact.id ?? IssueWorkflowExecutionArtifactId.make(idOfPlace("art", executionId, key, place))
  }))

/** What is stored, in the form of what was given. */
const contentOf = (artifact: IssueWorkflowExecutionArtifact) =>
  canonicalJson({
    ...artifact,
    createdAt: undefined,
    storageKey: Option.getOrUndefined(artifact.storageKey),
    contentType: Option.getOrUndefined(artifact.contentType),
    byteSize: Option.getOrUndefined(artifact.byteSize),
    checksum: Option.getOrUndefined(artifact.checksum),
    inlineJson: Option.getOrUndefined(artifact.inlineJson)
  })
