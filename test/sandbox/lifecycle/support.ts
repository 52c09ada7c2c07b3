/**
 * Helpers of the lifecycle tests: the services over each database, requests and answers, sandboxes in each state, and their
 * stored rows.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Layer, Option } from "effect"
import type { ClaimedJob, Lease } from "../../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import type { SandboxId } from "../../../src/sandbox/Sandbox.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import type { Launch, LaunchSandbox } from "../../../src/sandbox/SandboxViews.js"
import { ada, services as domainServices, type Services as DomainServices, shell, specification } from "../support.js"
import { overDatabases } from "../../support/database.js"
import { refusalOf } from "../../support/refusals.js"

export { refusalOf }

export { ada, eve, pages, shell, specification, tagOf } from "../support.js"

export type Services = DomainServices | WorkspaceBuildJobRepo | SandboxLifecycle

/** The lifecycle and what it is made of. */
export const services = SandboxLifecycle.layer.pipe(
  Layer.provideMerge(WorkspaceBuildJobRepo.layer),
  Layer.provideMerge(domainServices)
)

/** The lifecycle over each database: what the suites, which are functions of a layer, are run on. */
export const layers = overDatabases(services)

/** A launch request. */
export const request = {
  ownerUserId: ada,
  name: "one",
  spec: specification,
  registryId: "registry",
  repository: "acme/app",
  tag: "latest"
} as const

export const success = {
  executorId: "executor",
  publishedReference: "registry/acme/app:latest",
  publishedDigestReference: "registry/acme/app@sha256:1",
  publishedDigest: "sha256:1"
} as const

/** What an executor answers. */
export const compileResult = {
  executor: { id: "arch", osFamily: "arch" },
  artifacts: [{ kind: "oci-image", name: "image", path: "/out/7.tar", loader: "docker-load" }]
} as const

/** What an adapter answers to the launch of a resource. */
export const answer = (status: "pending" | "running", resourceId = "container") =>
  ({ adapter: "docker", resourceId, reference: `docker:${resourceId}`, status }) as const

export const launch = (given: Partial<typeof LaunchSandbox.Encoded> = {}) =>
  Effect.flatMap(SandboxLifecycle, (lifecycle) => lifecycle.launch({ ...request, ...given }))

/** Claims a job for a minute, and fails the test when it cannot be had. */
export const claim = (
  { job }: Pick<Launch, "job">,
  workerId = "worker"
): Effect.Effect<ClaimedJob, unknown, WorkspaceBuildJobRepo> =>
  Effect.flatMap(WorkspaceBuildJobRepo, (jobs) =>
    Effect.flatten(jobs.claimById({ id: job.id, workerId, leaseDuration: "1 minute" }))
  )

/** A launch whose job is under a lease. */
export const claimed = (given: Partial<typeof LaunchSandbox.Encoded> = {}) =>
  Effect.gen(function* () {
    const launched = yield* launch(given)
    const { lease } = yield* claim(launched)
    return { ...launched, lease }
  })

/** A launch that a worker has begun to build. */
export const building = (given: Partial<typeof LaunchSandbox.Encoded> = {}) =>
  Effect.gen(function* () {
    const { beginBuild } = yield* SandboxLifecycle
    const launched = yield* claimed(given)
    yield* beginBuild(launched.lease)
    return launched
  })

/** A launch with a built image, and with a runtime in this state, if any. */
export const built = (runtime?: "pending" | "running") =>
  Effect.gen(function* () {
    const { finishBuild } = yield* SandboxLifecycle
    const launched = yield* building()
    yield* finishBuild(launched.lease, runtime === undefined ? success : { ...success, runtime: answer(runtime) })
    return launched
  })

/** A launch that is ready. */
export const ready = built("running")

/** A launch whose build has failed for good. */
export const failed = Effect.gen(function* () {
  const { failBuild } = yield* SandboxLifecycle
  const launched = yield* building()
  yield* failBuild(launched.lease, { errorMessage: "no", retryable: false })
  return launched
})

/** What is stored of a sandbox, its newest attempt, and that one's newest job and runtime. */
export interface Stored {
  readonly sandbox: string
  readonly attempt: string
  readonly stop: 0 | 1
  readonly job: string
  readonly settled: 0 | 1
  readonly published: 0 | 1
  readonly outcome: string | null
  readonly runtime: string | null
  readonly teardown: string | null
  readonly torn: 0 | 1
}

const storedOf = (id: SandboxId): Effect.Effect<ReadonlyArray<object>, unknown, SqlClient.SqlClient> =>
  shell(
    `SELECT s.status AS sandbox, a.status AS attempt, a.stop_requested_at IS NOT NULL AS stop, j.status AS job,
       j.run_settled_at IS NOT NULL AS settled, j.published_reference IS NOT NULL AS published, j.lease_outcome AS outcome, r.status AS runtime,
       t.status AS teardown, t.settled_at IS NOT NULL AS torn
     FROM sandboxes AS s JOIN sandbox_attempts AS a ON a.id = s.latest_run_id
     JOIN oci_image_build_jobs AS j ON j.id = (
       SELECT id FROM oci_image_build_jobs WHERE run_id = a.id ORDER BY created_at DESC, id DESC LIMIT 1)
     LEFT JOIN sandbox_runtime_instances AS r ON r.run_id = a.id
     LEFT JOIN runtime_teardowns AS t ON t.run_id = a.id AND t.resource_id IS r.resource_id
     WHERE s.id = ?`,
    id
  )

/** What is stored of a sandbox, in one line: sandbox, attempt, job, runtime, and `stop` if one was asked for. */
export const stateOf = (id: SandboxId) =>
  Effect.map(storedOf(id), ([row]) => {
    const { attempt, job, runtime, sandbox, stop } = row as Stored
    return [sandbox, attempt, job, runtime ?? "none", ...(stop === 1 ? ["stop"] : [])].join(" ")
  })

/** What is stored of a sandbox, field by field. */
export const partsOf = (id: SandboxId) => Effect.map(storedOf(id), ([row]) => row)

/** How many rows each table of a launch holds. */
export const launchTables = [
  "sandboxes",
  "sandbox_attempts",
  "sandbox_run_links",
  "sandbox_attempt_snapshots",
  "oci_image_build_jobs",
  "sandbox_launch_keys"
] as const

export const counts = shell(
  launchTables.map((table) => `SELECT '${table}' AS name, count(*) AS rows FROM ${table}`).join(" UNION ALL ")
)

/** A lease on the job of a launch that was never given. */
export const forged = ({ job }: Pick<Launch, "job">): Lease => ({ jobId: job.id, workerId: "nobody", token: 99 })

export const millis = (instant: Option.Option<{ readonly epochMillis: number }>) =>
  Option.getOrNull(instant)?.epochMillis ?? null
