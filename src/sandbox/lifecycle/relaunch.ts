/**
 * The operations that launch a stopped or failed sandbox again: retry, rebuild.
 */
import type { SqlError } from "@effect/sql"
import { type DateTime, Effect, Option, Schema } from "effect"
import { enqueueWrite } from "../../build-job/enqueue.js"
import { joinNewestJob } from "../../build-job/newestJob.js"
import { quotaGuards, quotaRefusal } from "../../build-job/quotas.js"
import { jobStatements } from "../../build-job/jobStatements.js"
import { encodeSpec } from "../../build-job/requestFingerprint.js"
import {
  EnqueueJob,
  mostMaxAttempts,
  type WorkspaceBuildJob,
  WorkspaceBuildJobId
} from "../../build-job/WorkspaceBuildJob.js"
import { InvalidTransition, NotFound, type QuotaExceeded, type ReferenceNotFound } from "../../Errors.js"
import { type Decision, operationsOf } from "../../events/operation.js"
import { attemptTransition, jobTransition, sandboxTransition } from "../../events/transitions.js"
import { activeExecutions, activeInSandbox } from "../../issue-workflow/lifecycle/activeExecutions.js"
import { type ExecutionView, WorkflowDraft } from "../../issue-workflow/lifecycle/draft.js"
import { endActive, sandboxFailed, sandboxStopped } from "../../issue-workflow/lifecycle/executionEndings.js"
import { makeWorkflowWriter } from "../../issue-workflow/lifecycle/writes.js"
import type { Access } from "../../source/requireAccess.js"
import { idOrNew } from "../../sql/ids.js"
import { type ById, type Target, targetOf } from "../../sql/ownerScope.js"
import type { CorruptRow, JoinedRows } from "../../sql/rows.js"
import { guard, toWrite, type Write } from "../../sql/writeAll.js"
import { attemptStatements } from "../attemptStatements.js"
import { hasEnded, type Sandbox } from "../Sandbox.js"
import { type SandboxAttempt, SandboxAttemptId, type SandboxAttemptSnapshot, SetSnapshot } from "../SandboxAttempt.js"
import { sandboxStatements } from "../sandboxStatements.js"
import type { Launch, RetrySandbox } from "../SandboxViews.js"
import { insertSnapshot } from "../snapshots.js"
import { encodeBlueprint, launchColumns, launchParts, launchReaders, orMissing, written } from "./launchRows.js"
import { planHashOf } from "./planHash.js"
import type { Repositories } from "./repositories.js"

const { decided, decodeInput } = operationsOf("SandboxLifecycle", "Sandbox")

// INDEXED BY names the primary keys, because the planner scans a table that had one row when its statistics were
// collected.
const source = `sandboxes AS s
  LEFT JOIN sandbox_attempts AS a INDEXED BY sqlite_autoindex_sandbox_attempts_1 ON a.id = s.latest_run_id
  LEFT JOIN sandbox_attempt_snapshots AS n INDEXED BY sqlite_autoindex_sandbox_attempt_snapshots_1 ON n.run_id = a.id
  ${joinNewestJob("a.id")}
  WHERE s.id = ?1`

const version = `json_array(s.status, s.latest_run_id, a.issue_id, n.run_id, j.id, ${activeInSandbox})`

const stateText = `
  SELECT ${launchColumns}, ${activeInSandbox} AS active, ${version} AS version
  FROM ${source}`.trim()

const isUnchanged = `(SELECT ${version} FROM ${source}) IS ?2`

/** The latest launch of a sandbox, and the executions in it. */
interface Latest {
  readonly sandbox: Sandbox
  readonly attempt: SandboxAttempt
  readonly snapshot: SandboxAttemptSnapshot
  readonly job: WorkspaceBuildJob
  readonly active: ReadonlyArray<ExecutionView>
  readonly unchanged: Write
}

type Relation = "retry" | "rebuild"

const RetryOptions = Schema.Struct({ reuseImage: Schema.optional(Schema.Boolean) })

const optionsOf = (by: ById | RetrySandbox) =>
  typeof by === "object" && by !== null && "reuseImage" in by ? { reuseImage: by.reuseImage } : {}

export const makeRelaunches = ({ sql }: Repositories, { accessGuards, refusalOf }: Access, rows: JoinedRows) => {
  const sandboxes = sandboxStatements(sql)
  const attempts = attemptStatements(sql)
  const jobs = jobStatements(sql)
  const { writesOf } = makeWorkflowWriter(sql)

  const latestLaunch = ({ id, ownerUserId }: Target) =>
    Effect.gen(function* () {
      const [row] = yield* rows(sql.unsafe(stateText, [id]))
      const sandbox = Option.filter(
        row === undefined ? Option.none() : yield* launchParts.sandbox(row),
        (found) => ownerUserId === undefined || found.ownerUserId === ownerUserId
      )
      if (row === undefined || Option.isNone(sandbox)) return yield* new NotFound({ entity: "Sandbox", id })
      const attempt = yield* orMissing("SandboxAttempt", id, yield* launchParts.attempt(row))
      const latest: Latest = {
        sandbox: sandbox.value,
        attempt,
        snapshot: yield* orMissing("SandboxAttemptSnapshot", attempt.id, yield* launchParts.snapshot(row)),
        job: yield* orMissing("WorkspaceBuildJob", attempt.id, yield* launchParts.job(row)),
        active: yield* activeExecutions(row["active"]),
        unchanged: guard(isUnchanged, [id, row["version"]])
      }
      return latest
    })

  const relaunch = (latest: Latest, relation: Relation, reuseImage: boolean, now: number) =>
    Effect.gen(function* () {
      const { attempt, job, sandbox, snapshot } = latest
      const { id: sandboxId, ownerUserId, status } = sandbox
      if (!hasEnded(status)) {
        return yield* new InvalidTransition({ entity: "Sandbox", id: sandboxId, from: status, to: "queued" })
      }
      const origin = {
        ownerUserId,
        repositoryId: Option.getOrUndefined(sandbox.repositoryId),
        profileRevisionId: Option.getOrUndefined(sandbox.profileRevisionId),
        repositoryProfileRevisionId: Option.getOrUndefined(sandbox.repositoryProfileRevisionId),
        requestedByUserId: Option.getOrUndefined(sandbox.requestedByUserId),
        issueId: Option.getOrUndefined(attempt.issueId)
      }
      const attemptId = yield* idOrNew(undefined, "run", SandboxAttemptId.make)
      const jobId = yield* idOrNew(undefined, "job", WorkspaceBuildJobId.make)
      const copied = yield* decodeInput(relation, SetSnapshot)({ ...copyOf(snapshot), attemptId })
      const planHash = planHashOf(ownerUserId, encodeBlueprint(snapshot.blueprintPayload))
      const enqueued = yield* decodeInput(
        relation,
        EnqueueJob
      )({ ...destinationOf(job), attemptId, ownerUserId, planHash })
      const queued = enqueueWrite({ ...enqueued, id: jobId }, now)
      const reuse = reuseImage ? [toWrite(jobs.reuseImage(jobId, { registryId: job.registryId, planHash }))] : []
      // A grant may have been revoked since the sandbox was launched.
      const access = accessGuards(origin)
      const quotas = quotaGuards(ownerUserId)
      const guards = [...access, ...quotas]
      // The executions belong to the previous attempt, and must not continue in the next one.
      const executions = new WorkflowDraft()
      for (const execution of latest.active) {
        endActive(executions, execution, status === "failed" ? sandboxFailed : sandboxStopped)
      }
      const link = { sandboxId, attemptId, relation }
      const inserts = [
        attempts.insert(
          { ...origin, id: attemptId, triggerType: "retry", retryOfAttemptId: attempt.id },
          instantAfter(attempt.createdAt, now)
        ),
        sandboxes.link(link, now),
        sandboxes.setLatest(link, now),
        sandboxes.setStatus({ id: sandboxId }, "queued", now),
        insertSnapshot(sql, copied, now)
      ]
      const endings = writesOf(executions, now)
      const latestAttemptId = Option.some(attemptId)
      const decision: Decision<Launch, CorruptRow | QuotaExceeded | ReferenceNotFound | SqlError.SqlError> = {
        writes: [
          latest.unchanged,
          ...guards.map(({ write }) => write),
          ...endings,
          ...inserts.map(toWrite),
          queued.write,
          ...reuse
        ],
        transitions: [
          ...executions.transitions,
          attemptTransition({ id: attemptId, ownerUserId, status: "queued" }),
          // The program that ended the sandbox may have recorded nothing.
          sandboxTransition({ id: sandboxId, ownerUserId, status, latestAttemptId }),
          sandboxTransition({ id: sandboxId, ownerUserId, status: "queued", latestAttemptId }),
          jobTransition({ id: jobId, attemptId: latestAttemptId, status: "queued", attemptCount: 0, leaseToken: 0 })
        ],
        result: (rows) => {
          const [inserted, , , moved, stored, , reused] = rows.slice(1 + guards.length + endings.length)
          return Effect.all({
            sandbox: launchReaders.sandbox(written(moved)),
            attempt: launchReaders.attempt(written(inserted)),
            snapshot: launchReaders.snapshot(written(stored)),
            job: reuseImage ? launchReaders.job(written(reused)) : Effect.sync(() => queued.row(ownerUserId)),
            created: Effect.succeed(true)
          })
        }
      }
      return {
        ...decision,
        refusalOf: (failed: Write) =>
          refusalOf("Sandbox", access, origin)(failed) ?? quotaRefusal(sql, quotas, ownerUserId)(failed)
      }
    })

  const launchAgain = (relation: Relation, by: ById, reuseImage: boolean) => {
    const target = targetOf(by)
    return decided(sql, relation, { "sandbox.id": target.id })((now) =>
      Effect.flatMap(latestLaunch(target), (latest) => relaunch(latest, relation, reuseImage, now))
    )
  }

  return {
    retry: (by: ById | RetrySandbox) =>
      Effect.flatMap(decodeInput("retry", RetryOptions)(optionsOf(by)), ({ reuseImage = false }) =>
        launchAgain("retry", by, reuseImage)
      ),
    rebuild: (by: ById) => launchAgain("rebuild", by, false)
  }
}

/**
 * Returns `now`, or an instant after `before`, so that the new attempt is the newest one of its sandbox. The clock may
 * have been set back, or differ between machines.
 */
const instantAfter = (before: DateTime.Utc, now: number) => Math.max(now, before.epochMillis + 1)

const copyOf = (snapshot: SandboxAttemptSnapshot) => ({
  userSpecPayload: encodeSpec(snapshot.userSpecPayload),
  resolvedSpecPayload: encodeSpec(snapshot.resolvedSpecPayload),
  blueprintPayload: encodeBlueprint(snapshot.blueprintPayload),
  profileConfigSnapshot: Option.getOrUndefined(snapshot.profileConfigSnapshot),
  repositoryProfileConfigSnapshot: Option.getOrUndefined(snapshot.repositoryProfileConfigSnapshot)
})

const destinationOf = ({
  concurrencyKey,
  concurrencyLimit,
  maxAttempts,
  maxDurationMs,
  priority,
  registryId,
  repository,
  requestPayload,
  startsPerMinute,
  tag
}: WorkspaceBuildJob) => ({
  registryId,
  repository,
  tag,
  requestPayload: encodeSpec(requestPayload),
  // A stored job may be older than the limit.
  maxAttempts: Math.min(maxAttempts, mostMaxAttempts),
  maxDuration: Option.getOrUndefined(maxDurationMs),
  priority,
  concurrencyKey: Option.getOrUndefined(concurrencyKey),
  concurrencyLimit: Option.getOrUndefined(concurrencyLimit),
  startsPerMinute: Option.getOrUndefined(startsPerMinute)
})
