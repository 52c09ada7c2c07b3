/**
 * The decision of a new launch: the rows of a sandbox, its attempt, its snapshot and its job. Shared by `launch`, and
 * by operations that launch a sandbox in their own batch.
 */
import type { SqlError } from "@effect/sql"
import { Array, Effect, Option } from "effect"
import { enqueueWrite } from "../../build-job/enqueue.js"
import { jobStatements } from "../../build-job/jobStatements.js"
import { quotaGuards, quotaRefusal } from "../../build-job/quotas.js"
import { defaultMaxAttempts, WorkspaceBuildJobId } from "../../build-job/WorkspaceBuildJob.js"
import type { QuotaExceeded, ReferenceNotFound } from "../../Errors.js"
import type { Actor } from "../../events/ControlPlaneEvent.js"
import { type Decision, operationsOf } from "../../events/operation.js"
import { attemptTransition, jobTransition, sandboxTransition } from "../../events/transitions.js"
import { toBlueprint } from "../../payloads/normalize.js"
import type { Access } from "../../source/requireAccess.js"
import { idOrNew } from "../../sql/ids.js"
import type { Reference } from "../../sql/references.js"
import type { CorruptRow } from "../../sql/rows.js"
import { toWrite } from "../../sql/writeAll.js"
import { attemptStatements } from "../attemptStatements.js"
import { SandboxId } from "../Sandbox.js"
import { SandboxAttemptId, SetSnapshot } from "../SandboxAttempt.js"
import { ownedReferences, sandboxStatements } from "../sandboxStatements.js"
import type { Launch, LaunchSandbox } from "../SandboxViews.js"
import { insertSnapshot } from "../snapshots.js"
import { encodeBlueprint, launchReaders, written } from "./launchRows.js"
import { planHashOf } from "./planHash.js"
import type { Repositories } from "./repositories.js"

const { decodeInput } = operationsOf("SandboxLifecycle", "Sandbox")

type Row = Readonly<Record<string, unknown>>

export type LaunchDecision = Decision<Launch, CorruptRow | QuotaExceeded | ReferenceNotFound | SqlError.SqlError>

/** The ids of the rows of a new launch. */
export interface NewIds {
  readonly sandboxId: SandboxId
  readonly attemptId: SandboxAttemptId
  readonly jobId: WorkspaceBuildJobId
}

const newIds = (sandboxId: SandboxId | undefined): Effect.Effect<NewIds> =>
  Effect.all({
    sandboxId: idOrNew(sandboxId, "sbx", SandboxId.make),
    attemptId: idOrNew(undefined, "run", SandboxAttemptId.make),
    jobId: idOrNew(undefined, "job", WorkspaceBuildJobId.make)
  })

/** The actor of a launch. */
export const launchActor = ({
  ownerUserId,
  requestedByUserId = ownerUserId
}: Pick<typeof LaunchSandbox.Type, "ownerUserId" | "requestedByUserId">): Actor => ({
  type: "user",
  id: requestedByUserId
})

/** Returns the rows that a launch refers to. */
export const launchReferences = (
  request: Parameters<typeof ownedReferences>[1] & { readonly issueId?: string | undefined }
): ReadonlyArray<Reference> => [
  ...ownedReferences("sandboxes", request),
  { field: "issueId", table: "issues", id: Option.fromNullable(request.issueId) }
]

/** Builds the decision of a new launch, and the ids of its rows. */
export const makeNewLaunch = (
  { sql }: Pick<Repositories, "sql">,
  { accessGuards, refusalOf }: Pick<Access, "accessGuards" | "refusalOf">
) => {
  const statements = { ...sandboxStatements(sql), attempt: attemptStatements(sql) }
  const jobs = jobStatements(sql)

  return (request: typeof LaunchSandbox.Type, now: number) =>
    Effect.gen(function* () {
      const { availableAt, issueId, maxDuration, name, ownerUserId, registryId, repository, spec, tag } = request
      const { maxAttempts = defaultMaxAttempts, resolvedSpec = spec, triggerRef, triggerType = "manual" } = request
      const { profileConfigSnapshot, repositoryProfileConfigSnapshot } = request
      const { idleTimeout, lifetime } = request
      const { concurrencyKey, concurrencyLimit, priority, startsPerMinute } = request
      const turn = { ownerUserId, priority, concurrencyKey, concurrencyLimit, startsPerMinute }
      const { profileRevisionId, repositoryId, repositoryProfileRevisionId, requestedByUserId } = request
      const origin = { ownerUserId, repositoryId, profileRevisionId, repositoryProfileRevisionId, requestedByUserId }
      const blueprint = encodeBlueprint(toBlueprint(resolvedSpec))
      const blueprintPayload = yield* decodeInput("launch", SetSnapshot.fields.blueprintPayload)(blueprint)
      const ids = yield* newIds(request.id)
      const { attemptId, jobId, sandboxId } = ids
      const planHash = planHashOf(ownerUserId, blueprint)
      const destination = { registryId, repository, tag, maxDuration, maxAttempts, availableAt, planHash, ...turn }
      const queued = enqueueWrite({ ...destination, id: jobId, attemptId, requestPayload: resolvedSpec }, now)
      const link = { sandboxId, attemptId, relation: "launch" } as const
      const access = accessGuards({ ...origin, issueId })
      const quotas = quotaGuards(ownerUserId)
      const guards = [...access, ...quotas]
      const inserts = [
        statements.insert({ ...origin, id: sandboxId, name, status: "queued", lifetime, idleTimeout }, now),
        statements.attempt.insert({ ...origin, id: attemptId, issueId, triggerType, triggerRef }, now),
        statements.link(link, now),
        statements.setLatest(link, now),
        insertSnapshot(
          sql,
          {
            attemptId,
            userSpecPayload: spec,
            resolvedSpecPayload: resolvedSpec,
            blueprintPayload,
            profileConfigSnapshot,
            repositoryProfileConfigSnapshot
          },
          now
        )
      ]
      const reuse = request.reuseImage === true ? [jobs.reuseImage(jobId, { registryId, planHash })] : []
      const decision: LaunchDecision = {
        writes: [...guards.map(({ write }) => write), ...inserts.map(toWrite), queued.write, ...reuse.map(toWrite)],
        refusalOf: (failed) =>
          refusalOf("Sandbox", access, origin)(failed) ?? quotaRefusal(sql, quotas, ownerUserId)(failed),
        transitions: [
          attemptTransition({ id: attemptId, ownerUserId, status: "queued" }),
          sandboxTransition({ id: sandboxId, ownerUserId, status: "queued", latestAttemptId: Option.some(attemptId) }),
          jobTransition({
            id: jobId,
            attemptId: Option.some(attemptId),
            status: "queued",
            attemptCount: 0,
            leaseToken: 0
          })
        ],
        result: (rows) =>
          Effect.all({
            ...launchOf(rows.slice(guards.length)),
            job: Array.isNonEmptyArray(reuse)
              ? launchReaders.job(written(rows[guards.length + inserts.length + 1]))
              : Effect.sync(() => queued.row(ownerUserId)),
            created: Effect.succeed(true)
          })
      }
      return { ids, decision }
    })
}

/** Decodes the rows of the inserts of a launch. */
const launchOf = ([, attempt, , sandbox, snapshot]: ReadonlyArray<ReadonlyArray<Row>>) => ({
  sandbox: launchReaders.sandbox(written(sandbox)),
  attempt: launchReaders.attempt(written(attempt)),
  snapshot: launchReaders.snapshot(written(snapshot))
})
