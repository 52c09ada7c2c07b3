/**
 * Sandboxes and their builds: launches, retries, stops, builds under leases, and what must be true of them.
 */
import { Effect, Option } from "effect"
import { WorkspaceBuildJobRepo } from "../../../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxLifecycle } from "../../../../src/sandbox/SandboxLifecycle.js"
import type { SandboxView } from "../../../../src/sandbox/SandboxViews.js"
import { contradictions } from "../../../sandbox/lifecycle/invariants.js"
import { answer, shell, specification, success } from "../../../sandbox/lifecycle/support.js"
import { runOperation, type Turn } from "../operation.js"
import { begunOf, doneOf, type Ledger } from "../protocol.js"
import { owner } from "../database.js"

const requestOf = (name: string) => ({
  ownerUserId: owner,
  name,
  spec: specification,
  registryId: "registry",
  repository: "acme/app",
  tag: "latest",
  idempotencyKey: name
})

const launch = ({ name, options }: Turn) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const key = name()
    yield* runOperation(
      options,
      "launch",
      { name: key },
      lifecycle.launch(requestOf(key)),
      ({ attempt, job, sandbox }) => ({
        name: key,
        sandboxId: sandbox.id,
        attemptId: attempt.id,
        jobId: job.id
      })
    )
  })

/** Retries, rebuilds, cancels or stops a sandbox. */
const change = ({ options, random }: Turn) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const { items } = yield* lifecycle.list({ ownerUserId: owner, limit: 30 })
    const view = random.pick(items)
    if (view === undefined) return
    const { id, status } = view.sandbox
    if (status === "failed" || status === "stopped") {
      const again = random.chance(0.8) ? lifecycle.retry(id) : lifecycle.rebuild(id)
      yield* runOperation(options, "retry", { sandboxId: id }, again, ({ attempt }) => ({
        sandboxId: id,
        attemptId: attempt.id
      }))
    } else {
      const end = random.chance(0.5) ? lifecycle.stop(id) : lifecycle.cancel({ id: id, reason: "enough" })
      yield* runOperation(options, "end", { sandboxId: id }, end, ({ latestAttemptId }) =>
        Option.match(latestAttemptId, { onNone: () => undefined, onSome: (attemptId) => ({ attemptId }) })
      )
    }
  })

/** Reports the end of the runtime of a sandbox. */
const endRuntime = ({ options, random }: Turn) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const { items } = yield* lifecycle.list({ ownerUserId: owner, limit: 30 })
    const attemptId = Option.getOrUndefined(Option.flatMap(Option.fromNullable(random.pick(items)), latestAttemptOf))
    if (attemptId === undefined) return
    const end = random.chance(0.5)
      ? ({ status: "stopped", reason: "exited" } as const)
      : ({ status: "failed", reason: "crashed" } as const)
    yield* runOperation(options, "endRuntime", { attemptId }, lifecycle.endRuntime(attemptId, end), () => ({
      attemptId
    }))
  })

const latestAttemptOf = ({ sandbox }: SandboxView) => sandbox.latestAttemptId

/** Claims a job and ends it like a worker: finishes, fails, releases or abandons it. */
const build = ({ options, random }: Turn) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const jobs = yield* WorkspaceBuildJobRepo
    const claim = jobs.claimNext({ workerId: options.workerId, leaseDuration: options.leaseMs })
    const claimed = yield* runOperation(
      options,
      "claim",
      {},
      claim,
      Option.match({
        onNone: () => undefined,
        onSome: ({ lease: { jobId, token } }) => ({ jobId, token })
      })
    )
    if (Option.isNone(claimed) || Option.isNone(claimed.value)) return
    const { lease } = claimed.value.value
    const { jobId, token } = lease
    const known = { jobId, token: String(token) }
    const begun = yield* runOperation(options, "begin", known, lifecycle.beginBuild(lease), () => ({ jobId, token }))
    if (Option.isNone(begun) || random.chance(0.1)) return
    if (random.chance(0.4)) {
      yield* runOperation(options, "publish", known, lifecycle.publishBuild(lease, success), () => ({ jobId, token }))
      if (random.chance(0.1)) return
    }
    if (random.chance(0.2)) {
      const failure = { errorMessage: "no", retryable: random.chance(0.6) }
      yield* runOperation(options, "fail", known, lifecycle.failBuild(lease, failure), () => ({ jobId, token }))
      return
    }
    const isUp = random.chance(0.5)
    const result = isUp ? { ...success, runtime: answer("running") } : success
    const finished = yield* runOperation(options, "finish", known, lifecycle.finishBuild(lease, result), () => ({
      jobId,
      token
    }))
    const attempt = begun.value.attempt
    if (isUp || Option.isNone(finished) || Option.isNone(attempt)) return
    const attemptId = attempt.value.id
    yield* runOperation(
      options,
      "runtime",
      { attemptId },
      lifecycle.recordRuntime(attemptId, answer("running")),
      () => ({
        attemptId
      })
    )
  })

const supervise = ({ options }: Turn) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    yield* runOperation(
      options,
      "supervise",
      {},
      lifecycle.supervise({ limit: 50, runtimeDeadline: "1 hour" }),
      ({ ended }) => ({ ended })
    )
  })

export const acts = [launch, launch, change, build, build, build, endRuntime, supervise]

/** Repeats launches of killed processes. Under its key each is stored once. */
export const repeat = (ledger: Ledger) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const known = new Set(doneOf(ledger, "launch").map(({ name }) => name))
    for (const { name = "" } of begunOf(ledger, "launch")) {
      if (known.has(name)) continue
      const { attempt, job, sandbox } = yield* lifecycle.launch(requestOf(name))
      ledger.push({
        type: "done",
        id: "repeat",
        operation: "launch",
        facts: { name, sandboxId: sandbox.id, attemptId: attempt.id, jobId: job.id }
      })
    }
  })

/** Processes all due work until none is left: work that remains would be left forever. */
export const reconcile = Effect.gen(function* () {
  const lifecycle = yield* SandboxLifecycle
  const jobs = yield* WorkspaceBuildJobRepo
  for (;;) {
    yield* lifecycle.supervise({ limit: 1000, runtimeDeadline: 0 })
    const claimed = yield* jobs.claimNext({ workerId: "last", leaseDuration: "1 minute" })
    if (Option.isNone(claimed)) break
    const { lease } = claimed.value
    yield* lifecycle.beginBuild(lease).pipe(
      Effect.zipRight(lifecycle.finishBuild(lease, { ...success, runtime: answer("running") })),
      Effect.catchTag("LeaseLost", () => Effect.void)
    )
  }
  const left = yield* shell<{ readonly status: string; readonly n: number }>(
    "SELECT status, count(*) AS n FROM oci_image_build_jobs WHERE status IN ('queued', 'running') GROUP BY status"
  )
  const waiting = yield* shell<{ readonly n: number }>(
    "SELECT count(*) AS n FROM sandboxes WHERE status IN ('queued', 'running')"
  )
  return [
    ...left.map(({ n, status }) => `${n} jobs stay ${status}`),
    ...waiting.flatMap(({ n }) => (n > 0 ? [`${n} sandboxes wait for ever`] : []))
  ]
})

interface Job {
  readonly id: string
  readonly status: string
  readonly token: number
  readonly outcome: string | null
  readonly published: number
}

const twice = (values: ReadonlyArray<string>) => values.filter((value, index) => values.indexOf(value) !== index)

/** Rows that differ from the acknowledged operations, and inconsistent rows. */
export const checkInvariants = (ledger: Ledger) =>
  Effect.gen(function* () {
    const found: Array<string> = []
    const keys = yield* shell<{ readonly name: string; readonly ids: string }>(
      "SELECT idempotency_key AS name, sandbox_id || ' ' || run_id || ' ' || job_id AS ids FROM sandbox_launch_keys"
    )
    const idsOf = new Map(keys.map(({ ids, name }) => [name, ids]))
    for (const { attemptId, jobId, name, sandboxId } of doneOf(ledger, "launch")) {
      if (idsOf.get(name) !== `${sandboxId} ${attemptId} ${jobId}`) found.push(`the launch ${name} is lost`)
    }
    for (const { name } of yield* shell<{ readonly name: string }>(
      "SELECT name FROM sandboxes GROUP BY name HAVING count(*) > 1"
    )) {
      found.push(`${name} was launched twice`)
    }

    const attempts = yield* shell<{ readonly id: string; readonly status: string; readonly up: number }>(
      "SELECT id, status, EXISTS (SELECT 1 FROM sandbox_runtime_instances WHERE run_id = id) AS up FROM sandbox_attempts"
    )
    const attemptOf = new Map(attempts.map((attempt) => [attempt.id, attempt]))
    for (const { attemptId } of doneOf(ledger, "retry"))
      if (!attemptOf.has(attemptId)) found.push(`the retry ${attemptId} is lost`)
    for (const { attemptId } of doneOf(ledger, "end")) {
      if (["queued", "running", undefined].includes(attemptOf.get(attemptId)?.status))
        found.push(`the end of ${attemptId} is lost`)
    }
    for (const { attemptId } of doneOf(ledger, "runtime"))
      if (attemptOf.get(attemptId)?.up !== 1) found.push(`the runtime of ${attemptId} is lost`)

    for (const { attemptId } of doneOf(ledger, "endRuntime")) {
      if (["queued", "running", undefined].includes(attemptOf.get(attemptId)?.status))
        found.push(`the end of the runtime of ${attemptId} is lost`)
    }

    const jobs = yield* shell<Job>(
      "SELECT id, status, lease_token AS token, lease_outcome AS outcome, published_reference IS NOT NULL AS published FROM oci_image_build_jobs"
    )
    const jobOf = new Map(jobs.map((job) => [job.id, job]))
    const claims = doneOf(ledger, "claim")
    for (const lease of twice(claims.map(({ jobId, token }) => `${jobId} ${token}`)))
      found.push(`the lease ${lease} was given twice`)
    for (const { jobId, token } of claims)
      if ((jobOf.get(jobId)?.token ?? 0) < token) found.push(`the token of ${jobId} went back`)
    const finished = doneOf(ledger, "finish")
    for (const job of twice(finished.map(({ jobId }) => jobId))) found.push(`${job} was done twice`)
    for (const { jobId, token } of finished) {
      const job = jobOf.get(jobId)
      if (job?.status !== "succeeded" || job.token !== token || job.outcome !== "succeeded")
        found.push(`the success of ${jobId} is lost`)
    }
    for (const { jobId } of doneOf(ledger, "publish"))
      if (jobOf.get(jobId)?.published !== 1) found.push(`the image of ${jobId} is lost`)
    for (const { jobId, token } of doneOf(ledger, "fail")) {
      const job = jobOf.get(jobId)
      if (job === undefined || job.token < token || (job.token === token && job.status === "running"))
        found.push(`the failure of ${jobId} is lost`)
    }
    return [...found, ...(yield* contradictions())]
  })
