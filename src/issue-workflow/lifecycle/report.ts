/**
 * Reports of executions: all parts are stored in one transaction.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Either, Option } from "effect"
import type { AppendEvents } from "../ExecutionEvent.js"
import { IssueWorkflowExecutionEvent, IssueWorkflowExecutionEventId } from "../ExecutionEvent.js"
import {
  type InsertArtifacts,
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionArtifactId
} from "../ExecutionReport.js"
import type { IssueWorkflowExecutionId } from "../IssueWorkflowExecution.js"
import { AlreadyExists, ReferenceNotFound } from "../../Errors.js"
import { canonicalJson, fingerprint } from "../../sql/fingerprint.js"
import { rowsOf } from "../../sql/rows.js"
import { toWrite, type Write } from "../../sql/writeAll.js"
import {
  appendedOf,
  appendWrite,
  haveKeys,
  missingOf,
  noneStoredLike,
  sequencesOf,
  storedLike,
  withoutRepeats
} from "../eventStatements.js"
import { executionNotFound } from "../executionBatches.js"
import { ReportExecution } from "../IssueWorkflowViews.js"
import {
  artifactsById,
  filesReplacement,
  insertArtifacts,
  noArtifacts,
  type Replacement,
  resultsReplacement,
  upsertSummary,
  withArtifactIds
} from "../reportStatements.js"
import { decideReport } from "./decisions.js"
import { operationsOf } from "../../events/operation.js"
import { makeWorkflowStates, ownExecution } from "./state.js"
import { makeWorkflowWriter } from "./writes.js"

const { decided, decodeInput } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflowExecution")

type Events = (typeof AppendEvents.Type)["events"]
type Artifacts = (typeof InsertArtifacts.Type)["artifacts"]

export const makeWorkflowReports = (sql: SqlClient.SqlClient) =>
  Effect.gen(function* () {
    const states = yield* makeWorkflowStates(sql)
    const storedEvents = yield* rowsOf(IssueWorkflowExecutionEvent)
    const storedArtifacts = yield* rowsOf(IssueWorkflowExecutionArtifact)
    const { decisionOf } = makeWorkflowWriter(sql)

    const readLike = ({ sql: text, values }: Write) => sql.unsafe<Readonly<Record<string, unknown>>>(text, [...values])

    const decide = (report: typeof ReportExecution.Type, now: number) =>
      Effect.gen(function* () {
        const { diffFiles, executionId, idempotencyKey: key, ownerUserId, summary, validationResults } = report
        const reported = eventsWithIds(report.events ?? [], executionId, key)
        const artifacts = artifactsWithIds(report.artifacts ?? [], executionId, key)
        const state = yield* states.ofReport(executionId, reported, idsOf(artifacts))
        const execution = ownExecution(state, ownerUserId)
        if (Option.isNone(execution)) return yield* executionNotFound(executionId)

        const events = yield* withoutRepeats(executionId, reported)
        // Nearly all reports have only new events and artifacts.
        const eventsBefore = state.hasEvents
          ? yield* storedEvents.findAll(readLike(storedLike(executionId, events)))
          : []
        const { missing, sequences } = yield* missingOf(executionId, events, eventsBefore)
        const artifactsBefore = state.hasArtifacts
          ? yield* storedArtifacts.findAll(readLike(artifactsById(idsOf(artifacts))))
          : []
        const newArtifacts = yield* missingArtifacts(executionId, artifacts, artifactsBefore)
        const artifactIds = idsOf(newArtifacts)

        const appends = missing.length === 0 ? [] : [yield* appendWrite(executionId, missing, now)]
        // Before the files, because their patches refer to artifacts.
        const inserts =
          newArtifacts.length === 0
            ? []
            : [yield* insertArtifacts(executionId, withArtifactIds(newArtifacts, now), now)]
        const results =
          validationResults === undefined
            ? []
            : both(yield* resultsReplacement({ executionId, results: validationResults }, now))
        const files =
          diffFiles === undefined ? [] : both(yield* filesReplacement({ executionId, files: diffFiles }, now))
        const summaries = summary === undefined ? [] : [toWrite(upsertSummary(sql, { ...summary, executionId }, now))]
        return decisionOf(
          decideReport(execution.value),
          state.unchanged,
          now,
          (written) => {
            const inserted = missing.length === 0 ? [] : sequencesOf(written.others[0] ?? [])
            return Effect.map(written.execution(execution.value), (execution) => ({
              execution,
              events: appendedOf(missing.length, [...sequences, ...inserted])
            }))
          },
          {
            guards: [
              ...(haveKeys(missing) ? [noneStoredLike(executionId, missing)] : []),
              ...(artifactIds.length === 0 ? [] : [noArtifacts(artifactIds)])
            ],
            writes: [...appends, ...inserts, ...results, ...files, ...summaries]
          }
        )
      })

    const report = (request: typeof ReportExecution.Encoded) =>
      Effect.flatMap(decodeInput("report", ReportExecution)(request), (decoded) =>
        decided(sql, "report", { "execution.id": decoded.executionId }, undefined, [
          "ReferenceNotFound",
          "InvalidInput"
        ])((now) => decide(decoded, now)).pipe(
          // The guard has checked the execution, so the missing reference is a patch.
          Effect.catchTag(
            "ReferenceNotFound",
            () => new ReferenceNotFound({ entity: "IssueWorkflowExecutionDiffFile", reference: "patchArtifactId" })
          )
        )
      )
    return { report }
  })

const both = ({ remove, store }: Replacement): ReadonlyArray<Write> => [remove, store]

/** Derives an id from the idempotency key and the position in the report, so that a repeat has the same ids. */
const derivedId = (prefix: string, executionId: string, key: string, position: number) =>
  `${prefix}_${fingerprint([executionId, key, position])}`

const eventsWithIds = (events: Events, executionId: string, key: string | undefined): Events =>
  events.map((event, position) =>
    key !== undefined && event.id === undefined && event.sequence === undefined
      ? { ...event, id: IssueWorkflowExecutionEventId.make(derivedId("evt", executionId, key, position)) }
      : event
  )

const artifactsWithIds = (artifacts: Artifacts, executionId: string, key: string | undefined): Artifacts =>
  artifacts.map((artifact, position) =>
    key !== undefined && artifact.id === undefined
      ? { ...artifact, id: IssueWorkflowExecutionArtifactId.make(derivedId("art", executionId, key, position)) }
      : artifact
  )

/**
 * Finds the artifacts that are not stored yet. Fails if one is stored under its id with different content, or an id
 * occurs twice.
 */
const missingArtifacts = (
  executionId: IssueWorkflowExecutionId,
  artifacts: Artifacts,
  stored: ReadonlyArray<IssueWorkflowExecutionArtifact>
): Either.Either<Artifacts, AlreadyExists> => {
  const contents = new Map<string, string>(stored.map((artifact) => [artifact.id, contentOf(artifact)]))
  const differs = (artifact: Artifacts[number]) => {
    const content = contents.get(artifact.id ?? "")
    return content !== undefined && content !== canonicalJson({ ...artifact, executionId })
  }
  const missing = artifacts.filter(({ id }) => !contents.has(id ?? ""))
  const ids = idsOf(missing)
  return artifacts.some(differs) || new Set(ids).size < ids.length
    ? Either.left(
        new AlreadyExists({
          entity: "IssueWorkflowExecutionArtifact",
          constraint: "issue_workflow_execution_artifacts.id"
        })
      )
    : Either.right(missing)
}

const idsOf = (artifacts: Artifacts): ReadonlyArray<string> => artifacts.flatMap(({ id }) => id ?? [])

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
