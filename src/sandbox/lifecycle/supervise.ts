/**
 * Supervision of sandboxes, attempts, jobs and runtimes that no worker moves on. The rules are in docs/supervision.md.
 */
import { Clock, Duration, Effect, Option, Schema } from "effect"
import { JobState } from "../../build-job/WorkspaceBuildJob.js"
import { attemptIsLeft, attemptWithoutJob, jobIsUnsettled, runtimeIsLeft, sandboxIsLeft } from "../leftBehind.js"
import { Wait } from "../../sql/durations.js"
import { Limit } from "../../sql/inputLimits.js"
import { isActive } from "../../sql/transitions.js"
import { nextTurn } from "../../libsql/eventLoop.js"
import { columnList, rowsOf } from "../../sql/rows.js"
import type { Repositories } from "./repositories.js"
import { impossible, operationsOf } from "../../events/operation.js"
import { makeAttemptSteps, mayContinue, stopRequested } from "./attemptSteps.js"
import { type Candidate, pageSize, runPass, sumOf } from "../../supervision/supervision.js"

const { decodeInput, operation, traced } = operationsOf("SandboxLifecycle", "Sandbox")

const Deadlines = Schema.Struct({ limit: Limit, runtimeDeadline: Wait })

/** The maximum number of expired leases that one transaction reaps. */
const reapBatchSize = 25

const unsettled = `${jobIsUnsettled} AND (status <> 'succeeded' OR finished_at < ?1)`

export const makeSandboxSupervision = (repositories: Repositories) =>
  Effect.gen(function* () {
    const { attempts, jobs, runtimes, sandboxes, sql } = repositories
    const {
      activeAttemptOfJob,
      cancelAttempt,
      endAttemptOfJob,
      endSandbox,
      failAttempt,
      failMissingRuntime,
      reconcile
    } = makeAttemptSteps(repositories)
    const states = yield* rowsOf(JobState)
    const transaction = operation(sql, "supervise")

    /**
     * Reads the rows of a table in one state, oldest first. `due` is a condition on `alias`, in which ?1 is `before`.
     */
    const inState =
      (table: string, alias: string, key: string, status: string, due: string, before: number) =>
      (after: Pick<Candidate, "at" | "id">) =>
        sql
          .unsafe<Candidate>(
            `SELECT ${alias}.${key} AS id, ${alias}.created_at AS at, ${due} AS due FROM ${table} AS ${alias}
         WHERE ${alias}.status = '${status}' AND (${alias}.created_at, ${alias}.${key}) > (?2, ?3)
         ORDER BY ${alias}.created_at, ${alias}.${key} LIMIT ${pageSize}`,
            [before, after.at, after.id]
          )
          .pipe(traced("supervise"))

    /** Returns whether a row that was due when it was listed is still due. */
    const isDue = (table: string, alias: string, key: string, due: string, before: number, id: string) =>
      Effect.map(
        sql.unsafe<{ readonly due: number }>(
          `SELECT ${due} AS due FROM ${table} AS ${alias} WHERE ${alias}.${key} = ?2`,
          [before, id]
        ),
        ([row]) => row?.due === 1
      )

    /** Ended jobs whose attempt has not been updated. Succeeded jobs are included only after the deadline. */
    const endedJobs = (before: number) => ({
      noun: "job",
      page: (after: Pick<Candidate, "at" | "id">) =>
        sql
          .unsafe<Candidate>(
            `SELECT id, finished_at AS at, 1 AS due FROM oci_image_build_jobs
           WHERE ${unsettled} AND (finished_at, id) > (?2, ?3)
           ORDER BY finished_at, id LIMIT ${pageSize}`,
            [before, after.at, after.id]
          )
          .pipe(traced("supervise")),
      handle: (id: string) =>
        Effect.gen(function* () {
          const job = yield* states.findOne(
            sql.unsafe(
              `SELECT ${columnList(JobState)} FROM oci_image_build_jobs
             WHERE id = ?2 AND ${unsettled}`,
              [before, id]
            )
          )
          if (Option.isNone(job)) return false
          if (job.value.status === "succeeded") yield* failLaunch(job.value)
          return yield* endAttemptOfJob(job.value)
        }).pipe(transaction)
    })

    /** Fails the runtime of an attempt that still waits for it after its image was built. */
    const failLaunch = (job: JobState) =>
      Effect.gen(function* () {
        const attempt = Option.filter(yield* activeAttemptOfJob(job), mayContinue)
        if (Option.isNone(attempt)) return
        yield* reconcile(attempt.value)
        const waiting = yield* activeAttemptOfJob(job)
        if (Option.isSome(waiting)) yield* failMissingRuntime(waiting.value)
      })

    /** Attempts with a stop request, and attempts without a job that wait for a runtime. */
    const leftAttempts = (status: "queued" | "running", before: number) => ({
      noun: "attempt",
      page: inState("sandbox_attempts", "a", "id", status, attemptIsLeft, before),
      handle: (id: string) =>
        Effect.gen(function* () {
          const found = Option.filter(yield* attempts.findById(id), isActive)
          if (Option.isNone(found)) return false
          const attempt = found.value
          if (Option.isSome(attempt.stopRequestedAt)) {
            yield* cancelAttempt(attempt, stopRequested)
            yield* endSandbox(attempt, true)
            return true
          }
          if (!(yield* isDue("sandbox_attempts", "a", "id", attemptWithoutJob, before, id))) return false
          yield* reconcile(attempt)
          const waiting = Option.filter(yield* attempts.findById(attempt.id), isActive)
          if (Option.isNone(waiting)) return false
          const failed = yield* failAttempt(waiting.value)
          yield* failMissingRuntime(failed)
          yield* endSandbox(failed, false)
          return true
        }).pipe(impossible("NotFound", "InvalidTransition", "InvalidInput"), transaction)
    })

    /** Relaunched runtimes that were never reported running. Their sandbox then has the derived status failed. */
    const leftRuntimes = (before: number) => ({
      noun: "runtime of attempt",
      page: inState("sandbox_runtime_instances", "r", "run_id", "pending", runtimeIsLeft, before),
      handle: (id: string) =>
        Effect.gen(function* () {
          const attempt = yield* attempts.findById(id)
          const runtime = yield* runtimes.findByAttemptId(id)
          if (Option.isNone(attempt) || !Option.exists(runtime, ({ status }) => status === "pending")) return false
          if (!(yield* isDue("sandbox_runtime_instances", "r", "run_id", runtimeIsLeft, before, id))) return false
          yield* failMissingRuntime(attempt.value)
          return true
        }).pipe(transaction)
    })

    /** Waiting sandboxes whose latest attempt has ended, or that have no attempt. */
    const leftSandboxes = (status: "queued" | "running", before: number) => ({
      noun: "sandbox",
      page: inState("sandboxes", "s", "id", status, sandboxIsLeft, before),
      handle: (id: string) =>
        Effect.gen(function* () {
          const sandbox = yield* sandboxes.findById(id)
          if (Option.isNone(sandbox) || sandbox.value.status !== status) return false
          if (!(yield* isDue("sandboxes", "s", "id", sandboxIsLeft, before, id))) return false
          const latest = Option.isSome(sandbox.value.latestAttemptId)
            ? yield* attempts.findById(sandbox.value.latestAttemptId.value)
            : Option.none()
          const isCancelled = Option.exists(latest, (attempt) => attempt.status === "cancelled")
          yield* sandboxes.setStatus({ id: sandbox.value.id, status: isCancelled ? "stopped" : "failed" })
          return true
        }).pipe(impossible("NotFound", "InvalidTransition", "InvalidInput"), transaction)
    })

    const reap = (limit: number) =>
      Effect.gen(function* () {
        let [taken, requeued] = [0, 0]
        while (taken < limit) {
          const batch = jobs.reapExpired(Math.min(reapBatchSize, limit - taken))
          const reaped = yield* transaction(impossible("InvalidInput")(batch))
          if (reaped.length === 0) break
          taken += reaped.length
          requeued += reaped.filter(({ status }) => status === "queued").length
          yield* nextTurn
        }
        return requeued
      })

    const supervise = (request: { readonly limit: number; readonly runtimeDeadline: Duration.DurationInput }) =>
      Effect.gen(function* () {
        const { limit, runtimeDeadline } = yield* decodeInput("supervise", Deadlines)(request)
        const requeued = yield* reap(limit)
        // An infinite deadline never passes.
        const before = Math.max(0, (yield* Clock.currentTimeMillis) - Duration.toMillis(runtimeDeadline))
        const passes = [
          yield* runPass(endedJobs(before), limit),
          yield* runPass(leftAttempts("queued", before), limit),
          yield* runPass(leftAttempts("running", before), limit),
          yield* runPass(leftRuntimes(before), limit),
          yield* runPass(leftSandboxes("queued", before), limit),
          yield* runPass(leftSandboxes("running", before), limit)
        ]
        const { changed, failed } = sumOf(passes)
        return { requeued, ended: changed, failed }
      }).pipe(traced("supervise"))

    return { supervise }
  })
