/**
 * Supervision of sandboxes, attempts, jobs and runtimes that no worker moves on. The rules are in docs/supervision.md.
 */
import type { SqlError } from "@effect/sql"
import { Clock, Duration, Effect, Option, Schema } from "effect"
import {
  attemptIsLeft,
  jobIsUnsettled,
  mayIdleAt,
  runtimeIsLeft,
  sandboxDisagrees,
  sandboxIsIdle,
  sandboxIsLeft,
  sandboxMayExpire,
  sandboxMayIdle,
  teardownIsLeft
} from "../leftBehind.js"
import { Wait } from "../../sql/durations.js"
import { Limit } from "../../sql/inputLimits.js"
import { nextTurn } from "../../libsql/eventLoop.js"
import type { CorruptRow } from "../../sql/rows.js"
import type { Repositories } from "./repositories.js"
import { noChange, operationsOf } from "../../events/operation.js"
import {
  decideDeadline,
  decideDisagreeing,
  decideEndedJob,
  decideLeftAttempt,
  decideLeftRuntime,
  decideLeftSandbox
} from "./supervisionDecisions.js"
import type { Draft } from "./draft.js"
import { makeReaps } from "./reap.js"
import { type AttemptState, makeStates } from "./state.js"
import { decideLeftTeardown } from "./teardownDecisions.js"
import { makeWriter } from "./writes.js"
import { teardownTexts } from "../teardownStatements.js"
import { type Candidate, pageSize, runPass, sumOf } from "../../supervision/supervision.js"

const { decided, decodeInput, traced } = operationsOf("SandboxLifecycle", "Sandbox")

const Deadlines = Schema.Struct({ limit: Limit, runtimeDeadline: Wait })

/** The maximum number of expired leases that one batch reaps. */
const reapBatchSize = 25

const unsettled = `${jobIsUnsettled} AND (status <> 'succeeded' OR finished_at < ?1 OR EXISTS (
  SELECT 1 FROM sandbox_runtime_instances AS r WHERE r.run_id = oci_image_build_jobs.run_id AND +r.status = 'running'))`

const expired = `INDEXED BY sandboxes_expires_at_idx WHERE ${sandboxMayExpire}`
const idle = `INDEXED BY sandboxes_idle_idx WHERE ${sandboxMayIdle}`

export const makeSandboxSupervision = (repositories: Repositories) =>
  Effect.gen(function* () {
    const { sql } = repositories
    const states = yield* makeStates(sql)
    const { decisionOf } = makeWriter(sql)
    const decideReap = yield* makeReaps(sql)
    const supervised = decided(sql, "supervise")

    /** Reads the rows of a candidate, and decides on them if it is still due. The result is whether a row changed. */
    const handle =
      <S extends AttemptState>(
        due: (id: string) => Effect.Effect<boolean, SqlError.SqlError>,
        read: (id: string) => Effect.Effect<S, SqlError.SqlError | CorruptRow>,
        decide: (state: S, now: number) => { readonly draft: Draft; readonly ended: boolean } | undefined
      ) =>
      (id: string) =>
        supervised((now) =>
          Effect.gen(function* () {
            const state = yield* read(id)
            const decision = (yield* due(id)) ? decide(state, now) : undefined
            return decision === undefined
              ? noChange(false)
              : decisionOf(decision.draft, state.unchanged, now, () => Effect.succeed(decision.ended))
          })
        )

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
    const isDue = (table: string, alias: string, key: string, due: string, before: number) => (id: string) =>
      Effect.map(
        sql.unsafe<{ readonly due: number }>(
          `SELECT ${due} AS due FROM ${table} AS ${alias} WHERE ${alias}.${key} = ?2`,
          [before, id]
        ),
        ([row]) => row?.due === 1
      )

    /**
     * Ended jobs whose attempt has not been updated. Succeeded jobs are included if their runtime is running, or after the
     * deadline.
     */
    const endedJobs = (before: number) => ({
      noun: "job",
      rule: "its attempt ended with it, or no running runtime was reported within runtimeDeadline (runtime-missing)",
      page: (after: Pick<Candidate, "at" | "id">) =>
        sql
          .unsafe<Candidate>(
            `SELECT id, finished_at AS at, 1 AS due FROM oci_image_build_jobs
           WHERE ${unsettled} AND (finished_at, id) > (?2, ?3)
           ORDER BY finished_at, id LIMIT ${pageSize}`,
            [before, after.at, after.id]
          )
          .pipe(traced("supervise")),
      handle: handle(
        (id) =>
          Effect.map(
            sql.unsafe(`SELECT 1 FROM oci_image_build_jobs WHERE id = ?2 AND ${unsettled}`, [before, id]),
            (rows) => rows.length > 0
          ),
        states.ofJob,
        (state) => (Option.isSome(state.leased) ? decideEndedJob(state, state.leased.value) : undefined)
      )
    })

    /** Attempts with a stop request, and attempts without a job that wait for a runtime. */
    const leftAttempts = (status: "queued" | "running", before: number) => ({
      noun: "attempt",
      rule: "a stop was requested, or no running runtime was reported within runtimeDeadline (runtime-missing)",
      page: inState("sandbox_attempts", "a", "id", status, attemptIsLeft, before),
      handle: handle(isDue("sandbox_attempts", "a", "id", attemptIsLeft, before), states.ofAttempt, decideLeftAttempt)
    })

    /** Relaunched runtimes that were never reported running. Their sandbox then has the derived status failed. */
    const leftRuntimes = (before: number) => ({
      noun: "runtime of attempt",
      rule: "it was not reported running within runtimeDeadline (runtime-missing)",
      page: inState("sandbox_runtime_instances", "r", "run_id", "pending", runtimeIsLeft, before),
      handle: handle(
        isDue("sandbox_runtime_instances", "r", "run_id", runtimeIsLeft, before),
        states.ofAttempt,
        decideLeftRuntime
      )
    })

    /** Teardowns that have failed, or for which their sandbox waits too long. */
    const leftTeardowns = (before: number) => ({
      noun: "teardown",
      rule: "the stop of its runtime was not confirmed (stop-unconfirmed)",
      page: (after: Pick<Candidate, "at" | "id">) =>
        sql
          .unsafe<Candidate>(
            `SELECT t.id, t.created_at AS at, ${teardownIsLeft} AS due
           FROM runtime_teardowns AS t INDEXED BY runtime_teardowns_unsettled_idx
           WHERE t.settled_at IS NULL AND (t.created_at, t.id) > (?2, ?3)
           ORDER BY t.created_at, t.id LIMIT ${pageSize}`,
            [before, after.at, after.id]
          )
          .pipe(traced("supervise")),
      handle: handle(
        isDue("runtime_teardowns", "t", "id", teardownIsLeft, before),
        states.ofTeardown,
        decideLeftTeardown
      )
    })

    /** Waiting sandboxes whose latest attempt has ended, or that have no attempt. */
    const leftSandboxes = (status: "queued" | "running", before: number) => ({
      noun: "sandbox",
      rule: "it ends with its attempt, or has had no attempt for runtimeDeadline",
      page: inState("sandboxes", "s", "id", status, sandboxIsLeft, before),
      handle: handle(isDue("sandboxes", "s", "id", sandboxIsLeft, before), states.ofSandbox, (state) =>
        Option.exists(state.sandbox, (sandbox) => sandbox.status === status) ? decideLeftSandbox(state) : undefined
      )
    })

    /** Sandboxes that have ended for their owner and not in their row, or have ended in their row only. */
    const disagreeing = {
      noun: "sandbox",
      rule: "it ends with its attempt and runtime",
      page: (after: Pick<Candidate, "at" | "id">) =>
        sql
          .unsafe<Candidate>(
            `SELECT s.id, s.created_at AS at, 1 AS due FROM sandboxes AS s INDEXED BY sandboxes_disagreeing_idx
           WHERE ${sandboxDisagrees} AND (s.created_at, s.id) > (?1, ?2)
           ORDER BY s.created_at, s.id LIMIT ${pageSize}`,
            [after.at, after.id]
          )
          .pipe(traced("supervise")),
      handle: handle(
        (id) =>
          Effect.map(
            sql.unsafe(`SELECT 1 FROM sandboxes AS s WHERE s.id = ?1 AND ${sandboxDisagrees}`, [id]),
            (rows) => rows.length > 0
          ),
        states.ofSandbox,
        decideDisagreeing
      )
    }

    /** Sandboxes whose deadline has passed. The decision checks the deadline again. */
    const overdue = (source: string, at: string, due: string, now: number, rule: string) => ({
      noun: "sandbox",
      rule,
      page: (after: Pick<Candidate, "at" | "id">) =>
        sql
          .unsafe<Candidate>(
            `SELECT s.id, ${at} AS at, ${due} AS due FROM sandboxes AS s ${source} AND ${at} <= ?1 AND (${at}, s.id) > (?2, ?3)
           ORDER BY ${at}, s.id LIMIT ${pageSize}`,
            [now, after.at, after.id]
          )
          .pipe(traced("supervise")),
      handle: handle(() => Effect.succeed(true), states.ofSandbox, decideDeadline)
    })

    const reap = (limit: number) =>
      Effect.gen(function* () {
        let [taken, requeued] = [0, 0]
        while (taken < limit) {
          const size = Math.min(reapBatchSize, limit - taken)
          const reaped = yield* supervised((now) => decideReap(now, size))
          if (reaped.taken === 0) break
          taken += reaped.taken
          requeued += reaped.requeued
          yield* nextTurn
        }
        return requeued
      })

    /** Queues teardowns whose lease has expired again, or fails those without attempts left. Records no event. */
    const reapTeardowns = (limit: number) =>
      Effect.gen(function* () {
        let requeued = 0
        for (let taken = 0; taken < limit; taken += reapBatchSize) {
          const size = Math.min(reapBatchSize, limit - taken)
          const reaped = yield* sql
            .unsafe<{ readonly status: string }>(teardownTexts.reap, [yield* Clock.currentTimeMillis, size])
            .pipe(traced("supervise"))
          requeued += reaped.filter(({ status }) => status === "queued").length
          if (reaped.length < size) break
          yield* nextTurn
        }
        return requeued
      })

    const supervise = (request: { readonly limit: number; readonly runtimeDeadline: Duration.DurationInput }) =>
      Effect.gen(function* () {
        const { limit, runtimeDeadline } = yield* decodeInput("supervise", Deadlines)(request)
        const requeued = (yield* reap(limit)) + (yield* reapTeardowns(limit))
        // An infinite deadline never passes.
        const now = yield* Clock.currentTimeMillis
        const before = Math.max(0, now - Duration.toMillis(runtimeDeadline))
        const passes = [
          yield* runPass(overdue(expired, "s.expires_at", "1", now, "its deadline has passed (expired)"), limit),
          yield* runPass(overdue(idle, mayIdleAt, sandboxIsIdle, now, "its idle timeout has passed (idle)"), limit),
          yield* runPass(endedJobs(before), limit),
          yield* runPass(leftAttempts("queued", before), limit),
          yield* runPass(leftAttempts("running", before), limit),
          yield* runPass(leftRuntimes(before), limit),
          yield* runPass(leftTeardowns(before), limit),
          yield* runPass(leftSandboxes("queued", before), limit),
          yield* runPass(leftSandboxes("running", before), limit),
          yield* runPass(disagreeing, limit)
        ]
        const { changed, failed } = sumOf(passes)
        return { requeued, ended: changed, failed }
      }).pipe(traced("supervise"))

    return { supervise }
  })
