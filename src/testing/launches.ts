/**
 * Factory of a whole launch, with the same rows that `SandboxLifecycle` writes.
 */
import { Effect } from "effect"
import type { WorkspaceBuildJob, WorkspaceBuildJobStatus } from "../build-job/WorkspaceBuildJob.js"
import type { Sandbox, SandboxStatus } from "../sandbox/Sandbox.js"
import type { SandboxAttempt, SandboxAttemptSnapshot } from "../sandbox/SandboxAttempt.js"
import { buildJob } from "./buildJobs.js"
import { defined, factory, type Given, type Made } from "./rows.js"
import { attempt, sandbox, snapshot } from "./sandboxes.js"

/** Fields of the parts of a launch. The statuses of the other parts default to that of the job. */
export interface GivenLaunch {
  readonly sandbox?: Omit<Given<Sandbox>, "latestAttemptId"> | undefined
  readonly attempt?: Omit<Given<SandboxAttempt>, "ownerUserId"> | undefined
  readonly snapshot?: Omit<Given<SandboxAttemptSnapshot>, "attemptId"> | undefined
  readonly job?: Omit<Given<WorkspaceBuildJob>, "attemptId"> | undefined
}

/** The parts of a launch. */
export interface MadeLaunch {
  readonly sandbox: Sandbox
  readonly attempt: SandboxAttempt
  readonly snapshot: SandboxAttemptSnapshot
  readonly job: WorkspaceBuildJob
}

/**
 * Creates a sandbox with an attempt, its snapshot and its build job, all of one owner. The status of the job determines
 * the default statuses of the others: a sandbox whose job succeeded is `ready`.
 */
export const launch = (given: GivenLaunch = {}): Made<MadeLaunch> =>
  Effect.gen(function* () {
    const status = given.job?.status ?? "queued"
    const ofOwner = given.sandbox?.ownerUserId === undefined ? {} : { ownerUserId: given.sandbox.ownerUserId }
    const run = yield* attempt({ status, ...defined(given.attempt ?? {}), ...ofOwner })
    return {
      attempt: run,
      sandbox: yield* sandbox({
        status: statuses[status],
        ...defined(given.sandbox ?? {}),
        ownerUserId: run.ownerUserId,
        latestAttemptId: run.id
      }),
      snapshot: yield* snapshot({ ...given.snapshot, attemptId: run.id }),
      job: yield* buildJob({ ...given.job, attemptId: run.id })
    }
  }).pipe(factory("launch"))

/** The status of the sandbox for each status of the job. */
const statuses: Readonly<Record<WorkspaceBuildJobStatus, SandboxStatus>> = {
  queued: "queued",
  running: "running",
  succeeded: "ready",
  failed: "failed",
  cancelled: "stopped"
}
