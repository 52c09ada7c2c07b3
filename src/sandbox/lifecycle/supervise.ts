/**
 * The supervision of sandboxes, attempts, jobs and runtimes that no worker moves on. docs/supervision.md has the rules.
 */
import { Clock, Duration, Effect, Option, Schema } from "effect"
import { JobState } from "../../build-job/WorkspaceBuildJob.js"
import { attemptIsLeft, attemptWithoutJob, jobIsUnsettled, runtimeIsLeft, sandboxIsLeft } from "../leftBehind.js"
import { Wait } from "../../sql/durations.js"
import { Limit } from "../../sql/expiry.js"
import { nextTurn } from "../../libsql/eventLoop.js"
import { columnList, rowsOf } from "../../sql/rows.js"
import type { Repositories } from "../makeSandboxLifecycle.js"
import { impossible, operationsOf } from "../../events/operation.js"
import { goesOn, isLive, makeRuns, stopRequested } from "./runs.js"
import type { SandboxLifecycleService } from "../SandboxLifecycle.js"
import { type Candidate, pageSize, runPass, sumOf } from "../../supervision/supervision.js"

const { input, operation, read } = operationsOf("SandboxLifecycle", "Sandbox")

const Deadlines = Schema.Struct({ limit: Limit, runtimeDeadline: Wait })

/** The number of expired leases that a transaction reaps. */
const reapedAtOnce = 25

const unsettled = `${jobIsUnsettled} AND (status <> 'succeeded' OR finished_at < ?1)`

type Supervising = Pick<SandboxLifecycleService, "supervise">

export const makeSandboxSupervision = (repositories: Repositories) =>
  Effect.gen(function*() {
    const { attempts, jobs, runtimes, sandboxes, sql } = repositories
    const { cancelAttempt, endRun, endSandbox, failAttempt, giveUpRuntime, liveRunOf, settle } = makeRuns(repositories)
    const states = yield* rowsOf(JobState)
    const transaction = operation(sql, "supervise")

    /** The rows of a table in one state, oldest first. `due` is a condition on `alias`, in which ?1 is `before`. */
    const inState = (table: string, alias: string, key: string, status: string, due: string, before: number) =>
    (after: Pick<Candidate, "at" | "id">) =>
      sql.unsafe<Candidate>(
        `SELECT ${alias}.${key} AS id, ${alias}.created_at AS at, ${due} AS due FROM ${table} AS ${alias}
         WHERE ${alias}.status = '${status}' AND (${alias}.created_at, ${alias}.${key}) > (?2, ?3)
         ORDER BY ${alias}.created_at, ${alias}.${key} LIMIT ${pageSize}`,
        [before, after.at, after.id]
      ).pipe(read("supervise"))

    /** Reads whether a row that was due when it was listed is still due. */
    const isDue = (table: string, alias: string, key: string, due: string, before: number, id: string) =>
      Effect.map(
        sql.unsafe<{ readonly due: number }>(`SELECT ${due} AS due FROM ${table} AS ${alias} WHERE ${alias}.${key} = ?2`, [before, id]),
        ([row]) => row?.due === 1
      )

    /** Ended jobs whose attempt has not been updated; succeeded jobs only after the deadline. */
    const endedJobs = (before: number) => ({
      noun: "job",
      page: (after: Pick<Candidate, "at" | "id">) =>
        sql.unsafe<Candidate>(
          `SELECT id, finished_at AS at, 1 AS due FROM oci_image_build_jobs
           WHERE ${unsettled} AND (finished_at, id) > (?2, ?3)
           ORDER BY finished_at, id LIMIT ${pageSize}`,
          [before, after.at, after.id]
        ).pipe(read("supervise")),
      handle: (id: string) =>
        Effect.gen(function*() {
          const job = yield* states.first(sql.unsafe(
            `SELECT ${columnList(JobState)} FROM oci_image_build_jobs
             WHERE id = ?2 AND ${unsettled}`,
            [before, id]
          ))
          if (Option.isNone(job)) return false
          if (job.value.status === "succeeded") yield* giveUpLaunch(job.value)
          return yield* endRun(job.value)
        }).pipe(transaction)
    })

    /** The image was built, but its attempt still waits for a running runtime. */
    const giveUpLaunch = (job: JobState) =>
      Effect.gen(function*() {
        const attempt = Option.filter(yield* liveRunOf(job), goesOn)
        if (Option.isNone(attempt)) return
        yield* settle(attempt.value)
        const waiting = yield* liveRunOf(job)
        if (Option.isSome(waiting)) yield* giveUpRuntime(waiting.value)
      })

    /** Attempts that were asked to stop, or that wait for a runtime without a job. */
    const leftAttempts = (status: "queued" | "running", before: number) => ({
      noun: "attempt",
      page: inState("sandbox_attempts", "a", "id", status, attemptIsLeft, before),
      handle: (id: string) =>
        Effect.gen(function*() {
          const found = Option.filter(yield* attempts.findById(id), isLive)
          if (Option.isNone(found)) return false
          const attempt = found.value
          if (Option.isSome(attempt.stopRequestedAt)) {
            yield* cancelAttempt(attempt, stopRequested)
            yield* endSandbox(attempt, true)
            return true
          }
          if (!(yield* isDue("sandbox_attempts", "a", "id", attemptWithoutJob, before, id))) return false
          yield* settle(attempt)
          const waiting = Option.filter(yield* attempts.findById(attempt.id), isLive)
          if (Option.isNone(waiting)) return false
          const failed = yield* failAttempt(waiting.value)
          yield* giveUpRuntime(failed)
          yield* endSandbox(failed, false)
          return true
        }).pipe(impossible("NotFound", "InvalidTransition", "InvalidInput"), transaction)
    })

    /** Relaunched runtimes that were never reported to run. Their sandbox is shown as failed, and can be stopped or retried. */
    const leftRuntimes = (before: number) => ({
      noun: "runtime of attempt",
      page: inState("sandbox_runtime_instances", "r", "run_id", "pending", runtimeIsLeft, before),
      handle: (id: string) =>
        Effect.gen(function*() {
          const attempt = yield* attempts.findById(id)
          const runtime = yield* runtimes.findByAttemptId(id)
          if (Option.isNone(attempt) || !Option.exists(runtime, ({ status }) => status === "pending")) return false
          if (!(yield* isDue("sandbox_runtime_instances", "r", "run_id", runtimeIsLeft, before, id))) return false
          yield* giveUpRuntime(attempt.value)
          return true
        }).pipe(transaction)
    })

    /** Waiting sandboxes whose latest attempt has ended, or that have no attempt. */
    const leftSandboxes = (status: "queued" | "running", before: number) => ({
      noun: "sandbox",
      page: inState("sandboxes", "s", "id", status, sandboxIsLeft, before),
      handle: (id: string) =>
        Effect.gen(function*() {
          const sandbox = yield* sandboxes.findById(id)
          if (Option.isNone(sandbox) || sandbox.value.status !== status) return false
          if (!(yield* isDue("sandboxes", "s", "id", sandboxIsLeft, before, id))) return false
          const latest = Option.isSome(sandbox.value.latestRunId) ? yield* attempts.findById(sandbox.value.latestRunId.value) : Option.none()
          const isCancelled = Option.exists(latest, (attempt) => attempt.status === "cancelled")
          yield* sandboxes.setStatus({ id: sandbox.value.id, status: isCancelled ? "stopped" : "failed" })
          return true
        }).pipe(impossible("NotFound", "InvalidTransition", "InvalidInput"), transaction)
    })

    const reap = (limit: number) =>
      Effect.gen(function*() {
        let [taken, requeued] = [0, 0]
        while (taken < limit) {
          const reaped = yield* transaction(impossible("InvalidInput")(jobs.reapExpired(Math.min(reapedAtOnce, limit - taken))))
          if (reaped.length === 0) break
          taken += reaped.length
          requeued += reaped.filter(({ status }) => status === "queued").length
          yield* nextTurn
        }
        return requeued
      })

    const supervise: Supervising["supervise"] = (request) =>
      Effect.gen(function*() {
        const { limit, runtimeDeadline } = yield* input("supervise", Deadlines)(request)
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
      }).pipe(read("supervise"))

    const supervising: Supervising = { supervise }
    return supervising
  })
