/**
 * Operations that open workflows, and start and begin executions.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Effect, Option } from "effect"
import type { Actor } from "../../events/ControlPlaneEvent.js"
import { CurrentActor } from "../../events/CurrentActor.js"
import { appendEvents } from "../../events/journal.js"
import { executionTransition, workflowTransition } from "../../events/transitions.js"
import { type Decision, noChange, operationsOf } from "../../events/operation.js"
import { type AlreadyExists, type QuotaExceeded, ReferenceNotFound } from "../../Errors.js"
import { makeLaunchReads } from "../../sandbox/lifecycle/launchReads.js"
import { askedFor } from "../../sandbox/lifecycle/launchFingerprints.js"
import { written } from "../../sandbox/lifecycle/launchRows.js"
import { launchActor, launchReferences, makeNewLaunch } from "../../sandbox/lifecycle/newLaunch.js"
import type { Access } from "../../source/requireAccess.js"
import { existing } from "../../sql/columns.js"
import { fingerprint } from "../../sql/fingerprint.js"
import { idOrNew } from "../../sql/ids.js"
import { type ById, targetOf } from "../../sql/ownerScope.js"
import { resolveForeignKeyError } from "../../sql/references.js"
import { joinedRows, type CorruptRow, rowReader } from "../../sql/rows.js"
import { guard, toWrite, type Write } from "../../sql/writeAll.js"
import { executionNotFound } from "../executionBatches.js"
import { executionStatements } from "../executionStatements.js"
import { IssueWorkflow, IssueWorkflowId } from "../IssueWorkflow.js"
import { IssueWorkflowExecution, IssueWorkflowExecutionId } from "../IssueWorkflowExecution.js"
import {
  type LaunchForExecution,
  type OpenedWorkflow,
  OpenWorkflow,
  type StartedExecution,
  StartExecution
} from "../IssueWorkflowViews.js"
import { workflowStatements } from "../workflowStatements.js"
import { decideBegin, decideOpen, decideStart, type Start } from "./decisions.js"
import { makeStartStates } from "./startState.js"
import { makeWorkflowStates, ownExecution } from "./state.js"
import { makeWorkflowWriter } from "./writes.js"
import { encoderOf } from "../../sql/decoder.js"

const { decided: decidedOnWorkflow, decodeInput } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflow")
const { decided } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflowExecution")

const encodeRequest = encoderOf(StartExecution)
const decodeExecutionId = decodeInput("beginExecution", existing(IssueWorkflowExecutionId))

const readWorkflow = rowReader(IssueWorkflow)
const readExecution = rowReader(IssueWorkflowExecution)

const refusals = ["AlreadyExists", "ReferenceNotFound"] as const

/** The user as the actor of an operation. */
const userOf = (id: string | undefined): Actor | undefined => (id === undefined ? undefined : { type: "user", id })

export const makeWorkflowStarts = (sql: SqlClient.SqlClient, access: Access) =>
  Effect.gen(function* () {
    const states = yield* makeStartStates(sql, access)
    const { ofExecution } = yield* makeWorkflowStates(sql)
    const { decisionOf } = makeWorkflowWriter(sql)
    const newLaunch = makeNewLaunch({ sql }, access)
    const readLaunch = makeLaunchReads(sql, access, yield* joinedRows)
    const executions = executionStatements(sql)
    const workflows = workflowStatements(sql)

    const open = (
      request: typeof OpenWorkflow.Type,
      now: number
    ): Effect.Effect<Decision<OpenedWorkflow, OpenError>, SqlError.SqlError | CorruptRow> =>
      Effect.gen(function* () {
        const { issueId, ownerUserId, repositoryId, requestedByUserId } = request
        const state = yield* states.ofOpen(request)
        const opening = decideOpen(state, request)
        if (opening.kind === "existing") return noChange({ workflow: opening.workflow, created: false })

        // Checked before a workflow of another owner is reported, so that an owner without access cannot learn of it.
        const allowed = access.accessGuards({ ownerUserId, issueId })
        const inRepository =
          repositoryId === undefined
            ? []
            : [
                {
                  field: "repositoryId" as const,
                  write: guard("EXISTS (SELECT 1 FROM issues WHERE id = ?1 AND repository_id = ?2)", [
                    issueId,
                    repositoryId
                  ])
                }
              ]
        const refusalOf = (guards: typeof allowed) =>
          access.refusalOf("IssueWorkflow", guards, { ownerUserId, requestedByUserId })
        if (opening.kind === "refused") {
          const decision: Decision<OpenedWorkflow, OpenError> = {
            writes: [state.unchanged, ...allowed.map(({ write }) => write)],
            transitions: [],
            result: () => Effect.fail(opening.error)
          }
          return { ...decision, refusalOf: refusalOf(allowed) }
        }

        const id = yield* idOrNew(request.id, "wf", IssueWorkflowId.make)
        const guards = [...allowed, ...inRepository]
        const decision: Decision<OpenedWorkflow, OpenError> = {
          writes: [
            state.unchanged,
            ...guards.map(({ write }) => write),
            toWrite(workflows.insert({ ...request, id }, now))
          ],
          transitions: [workflowTransition({ id, issueId, ownerUserId: Option.some(ownerUserId), status: "active" })],
          result: (rows) =>
            Effect.map(readWorkflow(written(rows[1 + guards.length])), (workflow) => ({ workflow, created: true }))
        }
        return { ...decision, refusalOf: refusalOf(guards) }
      })

    /** Builds the writes that launch a sandbox for the owner of the workflow, with the events of the launch. */
    const launchFor = (
      workflow: IssueWorkflow,
      launch: typeof LaunchForExecution.Type,
      requestedByUserId: (typeof StartExecution.Type)["requestedByUserId"],
      now: number
    ) =>
      Effect.gen(function* () {
        const request = {
          ...launch,
          repositoryId: launch.repositoryId ?? workflow.repositoryId,
          triggerType: launch.triggerType ?? ("issue" as const),
          ownerUserId: Option.getOrThrow(workflow.ownerUserId),
          issueId: workflow.issueId,
          requestedByUserId
        }
        const { last, resolvedSpec } = yield* readLaunch(request)
        const { decision, ids } = yield* newLaunch({ ...request, resolvedSpec: yield* resolvedSpec }, now)
        const actor = Option.getOrElse(yield* CurrentActor, () => launchActor(request))
        const events = appendEvents({ eventType: "launch", actor, now }, decision.transitions)
        return { ...decision, ids, writes: [...decision.writes, events, ...last] }
      })

    const insertKey = (
      workflow: IssueWorkflow,
      key: string,
      requestFingerprint: string,
      executionId: string,
      now: number
    ) => sql`
      INSERT INTO issue_workflow_execution_keys (issue_workflow_id, idempotency_key, request_fingerprint, execution_id, created_at)
      VALUES (${workflow.id}, ${key}, ${requestFingerprint}, ${executionId}, ${now})`

    const create = (
      start: Extract<Start, { readonly kind: "new" }>,
      request: typeof StartExecution.Type,
      { now, requestFingerprint, unchanged }: StartContext
    ) =>
      Effect.gen(function* () {
        const { workflow } = start
        const { idempotencyKey, launch, requestedByUserId, triggerType = "manual" } = request
        const launched =
          launch === undefined ? Option.none() : Option.some(yield* launchFor(workflow, launch, requestedByUserId, now))
        const id = yield* idOrNew(request.id, "wfx", IssueWorkflowExecutionId.make)
        const sandboxId = Option.orElse(
          Option.map(launched, ({ ids }) => ids.sandboxId),
          () => Option.map(start.sandbox, (sandbox) => sandbox.id)
        )
        const attemptId = Option.orElse(
          Option.map(launched, ({ ids }) => ids.attemptId),
          () => start.attemptId
        )
        const execution = {
          id,
          issueWorkflowId: workflow.id,
          sandboxId: Option.getOrUndefined(sandboxId),
          sandboxAttemptId: Option.getOrUndefined(attemptId),
          triggerType,
          requestedByUserId
        }
        const before = Option.match(launched, { onNone: () => [], onSome: ({ writes }) => writes })
        const keys =
          idempotencyKey === undefined ? [] : [insertKey(workflow, idempotencyKey, requestFingerprint, id, now)]
        const decision: Decision<StartedExecution, CorruptRow | QuotaExceeded | ReferenceNotFound | SqlError.SqlError> =
          {
            writes: [unchanged, ...before, toWrite(executions.insert(execution, now)), ...keys.map(toWrite)],
            refusalOf: (failed) => Option.getOrUndefined(launched)?.refusalOf?.(failed),
            transitions: [
              executionTransition({
                id,
                issueWorkflowId: workflow.id,
                sandboxId,
                sandboxAttemptId: attemptId,
                status: "queued"
              })
            ],
            result: (rows) =>
              Effect.all({
                execution: readExecution(written(rows[1 + before.length])),
                sandbox: Option.match(launched, {
                  onNone: () => Effect.succeed(start.sandbox),
                  onSome: ({ result }) => Effect.asSome(Effect.map(result(rows.slice(1)), ({ sandbox }) => sandbox))
                }),
                created: Effect.succeed(true)
              })
          }
        return decision
      })

    const decide = (request: typeof StartExecution.Type, now: number) =>
      Effect.gen(function* () {
        const fingerprints = fingerprintsOf(request)
        const state = yield* states.ofStart(request)
        const start = yield* decideStart(state, request, fingerprints.accepted)
        if (start.kind === "new") {
          const requestFingerprint = fingerprints.current
          return yield* create(start, request, { now, requestFingerprint, unchanged: state.unchanged })
        }
        const { execution, sandbox } = start.started
        return noChange({ execution, sandbox, created: false })
      })

    return {
      open: (request: typeof OpenWorkflow.Encoded) =>
        Effect.flatMap(decodeInput("open", OpenWorkflow)(request), (decoded) => {
          const { issueId, ownerUserId, requestedByUserId } = decoded
          const actor = userOf(requestedByUserId ?? ownerUserId)
          return decidedOnWorkflow(
            sql,
            "open",
            { "issue.id": issueId },
            actor,
            refusals
          )((now) => open(decoded, now)).pipe(
            Effect.catchTag(
              "ReferenceNotFound",
              resolveForeignKeyError(sql, () => [
                { field: "ownerUserId", table: "user", id: Option.some(ownerUserId) },
                { field: "requestedByUserId", table: "user", id: Option.fromNullable(requestedByUserId) }
              ])
            )
          )
        }),

      startExecution: (request: typeof StartExecution.Encoded) =>
        Effect.flatMap(decodeInput("startExecution", StartExecution)(request), (decoded) => {
          const { issueWorkflowId, launch, ownerUserId, requestedByUserId } = decoded
          const references = launchReferences({ ...launch, requestedByUserId })
          const isOfEngine = ({ reference }: ReferenceNotFound) =>
            reference === "unknown" || references.some(({ rule }) => rule === reference)
          return decided(
            sql,
            "startExecution",
            { "workflow.id": issueWorkflowId },
            userOf(requestedByUserId ?? ownerUserId),
            refusals
          )((now) => decide(decoded, now)).pipe(
            Effect.catchTag("ReferenceNotFound", (error) =>
              resolveForeignKeyError(
                sql,
                () => references
              )(
                launch !== undefined && isOfEngine(error)
                  ? new ReferenceNotFound({ entity: "Sandbox", reference: error.reference })
                  : error
              )
            )
          )
        }),

      beginExecution: (by: ById) => {
        const { id: executionId, ownerUserId } = targetOf(by)
        return Effect.flatMap(decodeExecutionId(executionId), (id) =>
          decided(sql, "beginExecution", { "execution.id": id })((now) =>
            Effect.gen(function* () {
              const state = yield* ofExecution(id)
              const execution = ownExecution(state, ownerUserId)
              if (Option.isNone(execution)) return yield* executionNotFound(id)
              const draft = yield* decideBegin(execution.value)
              return decisionOf(draft, state.unchanged, now, (written) => written.execution(execution.value))
            })
          )
        )
      }
    }
  })

type OpenError = AlreadyExists | ReferenceNotFound | CorruptRow

interface StartContext {
  readonly now: number
  readonly requestFingerprint: string
  /** The guard that the rows of the decision are unchanged. */
  readonly unchanged: Write
}

/**
 * Returns the fingerprint that a new key stores, and the one that releases before 0.3 stored: theirs covered the
 * fields that `askedFor` omits.
 */
const fingerprintsOf = (request: typeof StartExecution.Type) => {
  const { launch, ...rest } = { ...encodeRequest(request), idempotencyKey: undefined, ownerUserId: undefined }
  const current = fingerprint({ ...rest, launch: launch === undefined ? undefined : askedFor(launch) })
  return { current, accepted: [current, fingerprint({ ...rest, launch })] }
}
