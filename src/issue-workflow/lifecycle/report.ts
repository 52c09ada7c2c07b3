/**
 * Reports of executions: all parts are stored in one transaction.
 */
import { Effect, Option } from "effect"
import type { AppendedEvents, AppendEvents } from "../ExecutionEvent.js"
import {
  type InsertArtifacts,
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionArtifactId
} from "../ExecutionReport.js"
import type { IssueWorkflowExecutionId } from "../IssueWorkflowExecution.js"
import { AlreadyExists } from "../../Errors.js"
import { canonicalJson, fingerprint } from "../../sql/fingerprint.js"
import { scoped } from "../../sql/ownerScope.js"
import { columnList, rowsOf } from "../../sql/rows.js"
import { ReportExecution } from "../IssueWorkflowViews.js"
import type { WorkflowRepositories } from "./repositories.js"
import { impossible, operationsOf } from "../../events/operation.js"

const { decodeInput, operation } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflowExecution")

type Events = (typeof AppendEvents.Type)["events"]
type Artifacts = (typeof InsertArtifacts.Type)["artifacts"]

const noEvents: AppendedEvents = { appended: 0, range: Option.none() }

const storedText = `
  SELECT ${columnList(IssueWorkflowExecutionArtifact)} FROM issue_workflow_execution_artifacts
  WHERE id IN (SELECT value FROM json_each(?1))`

export const makeWorkflowReports = ({ executions, sql }: WorkflowRepositories) =>
  Effect.gen(function* () {
    const rows = yield* rowsOf(IssueWorkflowExecutionArtifact)

    /** Stores the artifacts that are not stored yet. Fails if one is stored under its id with different content. */
    const storeArtifacts = (executionId: IssueWorkflowExecutionId, artifacts: Artifacts) =>
      Effect.gen(function* () {
        const ids = artifacts.flatMap(({ id }) => id ?? [])
        const stored = ids.length === 0 ? [] : yield* rows.findAll(sql.unsafe(storedText, [JSON.stringify(ids)]))
        const contents = new Map<string, string>(stored.map((artifact) => [artifact.id, contentOf(artifact)]))
        const differs = (artifact: Artifacts[number]) => {
          const content = contents.get(artifact.id ?? "")
          return content !== undefined && content !== canonicalJson({ ...artifact, executionId })
        }
        if (artifacts.some(differs)) {
          return yield* new AlreadyExists({
            entity: "IssueWorkflowExecutionArtifact",
            constraint: "issue_workflow_execution_artifacts.id"
          })
        }
        const missing = artifacts.filter(({ id }) => !contents.has(id ?? ""))
        yield* executions.insertArtifacts({ executionId, artifacts: missing })
      })

    const store = (report: typeof ReportExecution.Type, encoded: typeof ReportExecution.Encoded) =>
      Effect.gen(function* () {
        const { artifacts, events, executionId, idempotencyKey: key, ownerUserId } = report
        const before = yield* executions.getById(scoped(executionId, ownerUserId))
        // The first report starts a queued execution.
        const execution =
          before.status === "queued" ? yield* impossible("InvalidTransition")(executions.start(executionId)) : before
        const appended =
          events === undefined
            ? noEvents
            : yield* executions.appendEvents({
                executionId,
                events: key === undefined ? events : eventsWithIds(events, executionId, key)
              })
        // Before the files, because their patches refer to artifacts.
        if (artifacts !== undefined) {
          const artifactsToStore = key === undefined ? artifacts : artifactsWithIds(artifacts, executionId, key)
          yield* storeArtifacts(executionId, artifactsToStore)
        }
        const { diffFiles, summary, validationResults } = encoded
        if (validationResults !== undefined) {
          yield* executions.replaceValidationResults({ executionId, results: validationResults })
        }
        if (diffFiles !== undefined) yield* executions.replaceDiffFiles({ executionId, files: diffFiles })
        if (summary !== undefined) yield* executions.upsertSummary({ ...summary, executionId })
        return { execution, events: appended }
      })

    const report = (request: typeof ReportExecution.Encoded) =>
      Effect.flatMap(decodeInput("report", ReportExecution)(request), (decoded) =>
        store(decoded, request).pipe(operation(sql, "report", { "execution.id": decoded.executionId }))
      )
    return { report }
  })

/** Derives an id from the idempotency key and the position in the report, so that a repeat has the same ids. */
const derivedId = (prefix: string, executionId: string, key: string, position: number) =>
  `${prefix}_${fingerprint([executionId, key, position])}`

const eventsWithIds = (events: Events, executionId: string, key: string) =>
  events.map((event, position) =>
    event.id === undefined && event.sequence === undefined
      ? { ...event, id: derivedId("evt", executionId, key, position) }
      : event
  )

const artifactsWithIds = (artifacts: Artifacts, executionId: string, key: string) =>
  artifacts.map((artifact, position) => ({
    ...artifact,
    id: artifact.id ?? IssueWorkflowExecutionArtifactId.make(derivedId("art", executionId, key, position))
  }))

/** Returns the content of a stored artifact in the form of the input, for comparison. */
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
